"""What a zygote finishes of its outer wall where the tool that made it could not.

A container runtime gives a process without privileges a root file system and
namespaces, but no user namespace in which it is root. So the zygote enters one by
itself, as the first thing it does, covers what the runtime has put into every
container and no program is to see, and goes on as the first process of a pid
namespace that belongs to that user namespace: in no other could it make pid
namespaces again and again.

Bubblewrap makes such a namespace itself. But what it mounts belongs to that, so who is
root there may make the image writable, which changes nothing as long as the image is
somebody else's. Where it is not, for an engine of an ordinary user, the zygote goes one
namespace further as well: a mount that comes from above is locked there.

Owns that step and its talk with the engine; refuses to do it twice. Both ends
speak JSON on the control socket, before the set-up:

    engine → zygote   {"enter":{"maps": "own" | "given"}}
    zygote → engine   {"entered": true}          if the maps are given to it
    engine → zygote   {"mapped": true}

Source: user_namespaces(7); mount_namespaces(7), "Restrictions on mount namespaces"
"""

import json
import os
import socket

import confine
import forking
import mounts
from inner_wall import HOSTNAME

_MS_BIND = 4096
_MS_SAFE = mounts.MS_NOSUID | mounts.MS_NODEV
_MS_SAFE_READ_ONLY = mounts.MS_RDONLY | _MS_SAFE
_COVER = "mode=755,size=64k,nr_inodes=16"
# a file of ours over what a runtime writes into a container, and its mode: its host's
# name servers are nobody's business, and the rest is the same in every cell
_ETC = {
    "hosts": (
        b"127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n127.0.1.1 %b\n"
        % HOSTNAME.encode(),
        0o444,
    ),
    "hostname": (HOSTNAME.encode() + b"\n", 0o444),
    "resolv.conf": (b"", 0),
}
# of the kernel and of the runtime: nothing in there is for a program, and a cell
# that has a terminal mounts its own
_COVERED = ("/sys", "/dev/mqueue", "/dev/pts")
_MAX_MESSAGE_BYTES = 4096
_ENTER = b'{"enter":'


def connect(path: str) -> socket.socket:
    """The control socket, where it is a name in the file system.

    Source: unix(7)
    """
    control = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_CLOEXEC)
    control.connect(path)
    return control


def is_asked_for(control: socket.socket) -> bool:
    """Whether the engine's first word is that there is a wall to finish; waits for it."""
    return control.recv(len(_ENTER), socket.MSG_PEEK) == _ENTER


def finish_outer_wall(control: socket.socket, is_container: bool) -> None:
    """Become root of a user namespace, with nothing of a container runtime's in sight.

    Returns in a child. The calling process, the first behind the wall, stays to end
    with it, and the wall with both.

    Raises:
        OSError: names the step that failed.
        ValueError: the engine does not say how.
    """
    message = json.loads(control.recv(_MAX_MESSAGE_BYTES))
    if message["enter"]["maps"] == "own":
        confine.enter_user_namespace(
            confine.OneId(0).to(os.getuid()), confine.OneId(0).to(os.getgid())
        )
    else:
        confine.unshare(confine.CLONE_NEWUSER)
        control.send(b'{"entered":true}')
        if control.recv(_MAX_MESSAGE_BYTES) != b'{"mapped":true}':
            raise ValueError("no ids were mapped")
    confine.unshare(confine.CLONE_NEWNS | confine.CLONE_NEWPID)
    # hooks of the interpreter are for programs: they begin a thread, which no fork would have
    child = forking.fork_bare()
    if child:
        control.close()
        os.waitpid(child, 0)
        os._exit(0)
    confine.mount("none", "/", None, mounts.MS_REC | mounts.MS_PRIVATE, None)
    if is_container:
        _cover()
    confine.mount("proc", "/proc", "proc", _MS_SAFE | mounts.MS_NOEXEC, None)


def _cover() -> None:
    """Nothing that was mounted before may be unmounted here, but it can be covered."""
    confine.mount("tmpfs", "/run", "tmpfs", _MS_SAFE, _COVER)
    for name, (content, mode) in _ETC.items():
        with open(f"/run/{name}", "wb") as file:
            file.write(content)
            os.fchmod(file.fileno(), mode)
        if os.path.lexists(f"/etc/{name}"):
            _bind_read_only(f"/run/{name}", f"/etc/{name}")
    for path in _COVERED:
        if os.path.isdir(path):
            confine.mount("tmpfs", path, "tmpfs", _MS_SAFE_READ_ONLY, "size=4k,nr_inodes=2")


def _bind_read_only(source: str, target: str) -> None:
    confine.mount(source, target, None, _MS_BIND, None)
    flags = mounts.MS_REMOUNT | _MS_BIND | _MS_SAFE_READ_ONLY | mounts.MS_NOEXEC
    confine.mount("none", target, None, flags, None)
