"""The wrappers of the inner wall, each tried on the real kernel."""

import subprocess
from collections.abc import Callable

import pytest

from host import lacking
from vibecell.sandbox.mechanisms import landlock

Attempt = Callable[[str], "subprocess.CompletedProcess[str]"]
pytestmark = pytest.mark.kernel

STATUS = """
def status():
    with open('/proc/self/status') as file:
        pairs = (line.rstrip('\\n').partition(':\\t') for line in file)
        return {name: value for name, _, value in pairs}
"""


def passes(attempt: Attempt, code: str) -> None:
    done = attempt(STATUS + code)
    assert done.returncode == 0, done.stderr


def test_landlock_gives_only_what_its_rules_say(attempt: Attempt) -> None:
    passes(
        attempt,
        """
import tempfile
from vibecell.sandbox.mechanisms import landlock
abi = landlock.supported_abi()
if abi:
    mine, other = tempfile.mkdtemp(), tempfile.mkdtemp()
    rules = [("/", landlock._LOOK), ("/dev", landlock._USE_DEVICE), ("/no/such/path", 4),
             (mine, landlock._LOOK | landlock._CHANGE)]
    here, there = os.pipe()
    victim = os.fork()
    if victim == 0:
        os.close(there); os.read(here, 1); os._exit(0)  # until the other end is closed
    confine.set_no_new_privs()
    confine.restrict_landlock(landlock.ruleset(abi, rules))
    open(mine + '/x', 'w').write('x'); os.rename(mine + '/x', mine + '/y')
    open('/dev/null', 'w').write('x'); open('/etc/passwd').read(1)
    for forbidden in (lambda: open(other + '/x', 'w'), lambda: os.mkdir(other + '/d'),
                      lambda: os.mknod(mine + '/n', 0o20644, 0x103)):
        try:
            forbidden()
        except PermissionError:
            continue
        sys.exit('not refused')
    server = socket.create_server(('127.0.0.1', 0))
    socket.create_connection(server.getsockname()).close()
    if abi >= 6:
        try:
            os.kill(victim, 0)
            sys.exit('a process outside could be signalled')
        except PermissionError:
            pass
""",
    )


def test_no_capability_is_left_in_any_set(attempt: Attempt, as_root: None) -> None:
    passes(
        attempt,
        """
confine.drop_capabilities(frozenset({6, 7, 21}))
kept = status()
assert int(kept['CapEff'], 16) == int(kept['CapPrm'], 16) == 1 << 6 | 1 << 7 | 1 << 21, kept
assert int(kept['CapBnd'], 16) == int(kept['CapInh'], 16) == int(kept['CapAmb'], 16) == 0, kept
confine.drop_capabilities(frozenset({7}))
assert int(status()['CapEff'], 16) == 1 << 7
os.setresuid(4242, 4242, 4242)
assert int(status()['CapEff'], 16) == 1 << 7, 'no set-uid fix-up'
confine.drop_capabilities(frozenset())
assert int(status()['CapEff'], 16) == 0
try:
    confine.drop_capabilities(frozenset({7}))
except OSError:
    pass
assert int(status()['CapEff'], 16) == 0
""",
    )


def test_root_gains_nothing_by_exec(attempt: Attempt, as_root: None) -> None:
    passes(
        attempt,
        """
import subprocess
confine.drop_capabilities(frozenset())
out = subprocess.run(['grep', 'CapEff', '/proc/self/status'], capture_output=True, text=True)
assert int(out.stdout.split()[1], 16) == 0, out
""",
    )


def test_one_uid_in_a_user_namespace(attempt: Attempt, as_root: None) -> None:
    passes(
        attempt,
        """
os.setgroups([]); os.setresgid(4242, 4242, 4242); os.setresuid(4242, 4242, 4242)
confine.set_dumpable(True)
confine.enter_user_namespace(confine.OneId(1000).to(4242))
assert (os.getuid(), os.getgid()) == (1000, 1000)
assert open('/proc/self/uid_map').read().split() == ['1000', '4242', '1']
assert open('/proc/self/setgroups').read() == 'deny\\n'
confine.drop_capabilities(frozenset())
confine.set_no_new_privs()
assert status()['NoNewPrivs'] == '1' and int(status()['CapEff'], 16) == 0
try:
    os.setuid(0)
    sys.exit('became root')
except OSError:
    pass
""",
    )


def test_namespaces_mounts_and_loopback(attempt: Attempt, as_root: None) -> None:
    passes(
        attempt,
        """
import tempfile
confine.unshare(0x20000 | 0x4000000 | 0x8000000 | 0x40000000)
confine.mount('none', '/', None, 1 << 14 | 1 << 18, None)
confine.sethostname('sandbox')
assert socket.gethostname() == 'sandbox'
server = socket.socket(); server.bind(('127.0.0.1', 0)); server.listen()
client = socket.socket(); client.settimeout(2)
try:
    client.connect(server.getsockname())
    sys.exit('loopback was up already')
except OSError:
    pass
confine.bring_loopback_up()
client = socket.socket(); client.settimeout(2); client.connect(server.getsockname())
new = tempfile.mkdtemp()
confine.mount('tmpfs', new, 'tmpfs', 2 | 4, 'size=64k,nr_inodes=16,mode=755')
assert os.listdir(new) == [] and os.statvfs(new).f_files == 16
""",
    )


def test_files_are_made_as_the_other_identity(attempt: Attempt, as_root: None) -> None:
    passes(
        attempt,
        """
import tempfile
folder = tempfile.mkdtemp(); os.chmod(folder, 0o777)
confine.set_fs_ids(4242, 4243)
fd = os.open(folder + '/x', os.O_CREAT | os.O_WRONLY)
assert (os.fstat(fd).st_uid, os.fstat(fd).st_gid) == (4242, 4243)
assert os.getuid() == 0
confine.set_fs_ids(0, 0)
""",
    )


def test_everything_in_a_pid_namespace_is_ended(attempt: Attempt, as_root: None) -> None:
    passes(
        attempt,
        """
confine.unshare(0x20000000)
init = os.fork()
if init == 0:
    for _ in range(10):
        if os.fork() == 0:
            signal.signal(signal.SIGTERM, signal.SIG_IGN); os.setsid(); os.fork()
            time.sleep(60); os._exit(0)
    time.sleep(0.05)
    confine.kill_all()
    try:
        os.waitpid(-1, 0)
    except ChildProcessError:
        os._exit(0)
    os._exit(1)
assert os.waitpid(init, 0)[1] == 0
""",
    )


def test_a_process_that_is_not_dumpable_hides_its_memory(attempt: Attempt, as_root: None) -> None:
    passes(
        attempt,
        """
pid = os.fork()
if pid == 0:
    os.setresgid(4242, 4242, 4242); os.setresuid(4242, 4242, 4242)
    confine.set_dumpable(False)
    time.sleep(20); os._exit(0)
time.sleep(0.1)
spy = os.fork()
if spy == 0:
    os.setresgid(4242, 4242, 4242); os.setresuid(4242, 4242, 4242)
    try:
        open(f'/proc/{pid}/mem', 'rb')
    except PermissionError:
        os._exit(0)
    os._exit(1)
code = os.waitpid(spy, 0)[1]
os.kill(pid, 9); os.waitpid(pid, 0)
assert code == 0
""",
    )


def test_who_becomes_another_is_in_no_group_of_before(attempt: Attempt, as_root: None) -> None:
    passes(
        attempt,
        """
os.setgroups([4, 27, 4242])
confine.change_identity(4343)
assert os.getgroups() == [], os.getgroups()
assert os.getresuid() == os.getresgid() == (4343, 4343, 4343)
""",
    )


def test_securebits_are_locked_for_whoever_might_change_them(
    attempt: Attempt, as_root: None
) -> None:
    """A process with uid 0 and the capability for it makes no root of itself again."""
    passes(
        attempt,
        """
PR_GET_SECUREBITS, PR_SET_SECUREBITS, CAP_SETPCAP = 27, 28, 8
confine.drop_capabilities(frozenset({CAP_SETPCAP}))
assert int(status()['CapEff'], 16) == 1 << CAP_SETPCAP
set_bits = libc.prctl(PR_GET_SECUREBITS, 0, 0, 0, 0)
assert set_bits == 0b11001111, bin(set_bits)  # capabilities(7): all but "keep caps", each locked
for bit in (0, 1, 2, 3, 6, 7):
    assert libc.prctl(PR_SET_SECUREBITS, set_bits & ~(1 << bit), 0, 0, 0) == -1, bit
    assert ctypes.get_errno() == errno.EPERM
assert libc.prctl(PR_GET_SECUREBITS, 0, 0, 0, 0) == set_bits
""",
    )


def test_ambient_capabilities_are_gone_though_they_were_raised(
    attempt: Attempt, as_root: None
) -> None:
    passes(
        attempt,
        """
import struct
PR_CAP_AMBIENT, RAISE = 47, 2
header, data = struct.pack('Ii', 0x20080522, 0), ctypes.create_string_buffer(24)
assert libc.capget(header, data) == 0
low, permitted, _, high, permitted_high, _ = struct.unpack('6I', data.raw)
wanted = struct.pack('6I', low, permitted, permitted, high, permitted_high, permitted_high)
assert libc.capset(header, wanted) == 0
for number in (6, 7):
    assert libc.prctl(PR_CAP_AMBIENT, RAISE, number, 0, 0) == 0
assert int(status()['CapAmb'], 16) == 1 << 6 | 1 << 7
confine.drop_capabilities(frozenset({6, 7}))
kept = status()
assert int(kept['CapAmb'], 16) == int(kept['CapInh'], 16) == 0, kept
assert int(kept['CapEff'], 16) == 1 << 6 | 1 << 7
""",
    )


def test_under_the_rules_of_programs_devices_are_used_and_none_is_made_or_removed(
    attempt: Attempt, as_root: None
) -> None:
    """Even where the mount that a cell has there was made wrongly, and can be written to."""
    if not landlock.supported_abi():
        lacking("Landlock")
    passes(
        attempt,
        """
from vibecell.sandbox.mechanisms import landlock
confine.unshare(0x20000)
confine.mount('none', '/', None, 1 << 14 | 1 << 18, None)
confine.mount('tmpfs', '/dev', 'tmpfs', 2, 'size=64k,mode=777')
os.mknod('/dev/null', 0o20666, os.makedev(1, 3)); os.chmod('/dev/null', 0o666)
os.mkdir('/dev/shm'); os.mkdir('/dev/empty'); open('/dev/plain', 'w').close()
confine.set_no_new_privs()
confine.restrict_landlock(landlock.ruleset(landlock.supported_abi()))
assert os.write(os.open('/dev/null', os.O_RDWR), b'x') == 1
assert 'null' in os.listdir('/dev')
open('/dev/shm/mine', 'w').write('x')
for what, forbidden in {
    'make a file': lambda: os.open('/dev/new', os.O_CREAT | os.O_WRONLY),
    'make a folder': lambda: os.mkdir('/dev/folder'),
    'make a link': lambda: os.symlink('null', '/dev/link'),
    'make a fifo': lambda: os.mkfifo('/dev/fifo'),
    'make a device': lambda: os.mknod('/dev/zero', 0o20666, os.makedev(1, 5)),
    'remove a device': lambda: os.unlink('/dev/null'),
    'remove a folder': lambda: os.rmdir('/dev/empty'),
    'rename a device': lambda: os.rename('/dev/null', '/dev/zero'),
    'move into it': lambda: os.rename('/dev/shm/mine', '/dev/mine'),
}.items():
    try:
        forbidden()
    except OSError as error:
        if error.errno in (errno.EACCES, errno.EXDEV):
            continue
        raise
    sys.exit(f'not refused: {what}')
""",
    )
