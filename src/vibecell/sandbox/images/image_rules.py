"""What holds of every runtime image, whichever way it is filled.

Owns the tables of what an image has and what is left out of it, and the few acts that
follow from them; refuses to know where the files come from. ``rootfs_contents`` takes
them from this host; ``docker/fill_image`` takes them from a base image, in its build.

Of Vibecell that build is given these two files and ``adapted_packages``, and no other, and the
base's own interpreter (3.11 or newer) runs them: so this one uses the standard library only and
imports nothing of ours.
"""

import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

CELL_PROGRAMS = Path("usr/lib/vibecell")  # of what runs behind the walls; below the image's root
PROGRAM_PATH = "/usr/local/bin:/usr/bin:/bin"  # where it has its programs, as PATH
USER_ID = 1000
# Source: IANA, "Service Name and Transport Protocol Port Number Registry" and "Protocol
# Numbers"; by the names that Debian's netbase gives
_TCP_SERVICES = (
    "tcpmux 1 systat 11 netstat 15 ftp-data 20 ftp 21 ssh 22 telnet 23 smtp 25 whois 43 tacacs 49 "
    "gopher 70 finger 79 http 80 kerberos 88 pop3 110 sunrpc 111 auth 113 nntp 119 epmap 135 "
    "imap2 143 bgp 179 irc 194 ldap 389 https 443 microsoft-ds 445 submissions 465 login 513 "
    "shell 514 printer 515 submission 587 ldaps 636 rsync 873 ftps-data 989 ftps 990 telnets 992 "
    "imaps 993 pop3s 995 socks 1080 openvpn 1194 ms-sql-s 1433 mqtt 1883 nfs 2049 mysql 3306 "
    "svn 3690 xmpp-client 5222 postgresql 5432 amqps 5671 amqp 5672 x11 6000 redis 6379 "
    "ircs-u 6697 http-alt 8080 mqtt-tls 8883 git 9418"
)
_UDP_SERVICES = (
    "bootps 67 bootpc 68 tftp 69 kerberos 88 sunrpc 111 ntp 123 netbios-ns 137 snmp 161 "
    "snmp-trap 162 https 443 isakmp 500 syslog 514 route 520 openvpn 1194 radius 1812 nfs 2049 "
    "mdns 5353"
)
_BOTH_SERVICES = "echo 7 discard 9 daytime 13 chargen 19 time 37 domain 53 sip 5060 sip-tls 5061"
_PROTOCOLS = (
    "IP 0 ICMP 1 IGMP 2 IPENCAP 4 TCP 6 EGP 8 IGP 9 UDP 17 DCCP 33 IPv6 41 RSVP 46 GRE 47 ESP 50 "
    "AH 51 IPv6-ICMP 58 OSPFIGP 89 PIM 103 VRRP 112 L2TP 115 SCTP 132 UDPLite 136"
)


def _numbered(table: str) -> list[tuple[str, int]]:
    words = table.split()
    return [(name, int(n)) for name, n in zip(words[::2], words[1::2], strict=True)]


def _services() -> str:
    """Source: services(5)."""
    tables = (
        (("tcp",), _TCP_SERVICES), (("udp",), _UDP_SERVICES), (("tcp", "udp"), _BOTH_SERVICES)
    )  # fmt: skip
    entries = [
        (port, kind, name)
        for kinds, table in tables
        for name, port in _numbered(table)
        for kind in kinds
    ]
    return "".join(f"{name}\t{port}/{kind}\n" for port, kind, name in sorted(entries))


def _protocols() -> str:
    """Source: protocols(5)."""
    return "".join(f"{name.lower()}\t{n}\t{name}\n" for name, n in _numbered(_PROTOCOLS))


ETC = {
    "passwd": "root:x:0:0:root:/:/bin/sh\n"
    f"user:x:{USER_ID}:{USER_ID}:user:/workspace:/bin/bash\n"
    "nobody:x:65534:65534:nobody:/:/bin/false\n",
    "group": f"root:x:0:\nuser:x:{USER_ID}:\nnogroup:x:65534:\n",
    # the own name at an address of its own, as Debian has it, so that the address leads back
    # to it; in containers these two are covered, by the same content (cell/nesting.py)
    "hosts": "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n127.0.1.1 sandbox\n",
    "hostname": "sandbox\n",
    "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\n"
    "services: files\nprotocols: files\n",
    "services": _services(),
    "protocols": _protocols(),
    "shells": "/bin/sh\n/bin/bash\n",
}
# Of the interpreter's own library.
STDLIB_LEFT_OUT = (
    "test", "tests", "idlelib", "turtledemo", "ensurepip", "tkinter", "lib2to3", "config-*",
    "_tkinter*.so", "_test*.so", "*.a",
)  # fmt: skip
# Wherever they lie: byte code of another kind than ours, and what would run before our zygote.
LEFT_OUT_NAMES = ("__pycache__", "sitecustomize.py", "usercustomize.py", "EXTERNALLY-MANAGED")
_PACKAGES_LEFT_OUT = ("bin", "*/tests", "*/*/tests", "*/*/*/tests")
_EMPTY = ("proc", "dev", "sys", "tmp", "run", "workspace", "var")
_LINKS = {"var/tmp": "../tmp", "var/run": "../run"}


def make_places(root: Path) -> None:
    """Make the empty directories to mount on, and what leads to them."""
    for name in _EMPTY:
        (root / name).mkdir()
    for name, target in _LINKS.items():
        (root / name).symlink_to(target)


def write_etc(root: Path) -> None:
    """Write the files of ``/etc`` that are ours; the directory must be there."""
    for name, text in ETC.items():
        (root / "etc" / name).write_text(text)


def name_commands(root: Path) -> None:
    """Make commands of those programs of ours that say what runs them, under their first names.

    Args:
        root: of the image, or of what is laid over it.
    """
    folder = root / "usr/bin"
    for path in (root / CELL_PROGRAMS).iterdir():
        if path.is_file() and path.read_bytes().startswith(b"#!"):
            path.chmod(0o755)
            folder.mkdir(parents=True, exist_ok=True)
            command = folder / path.stem
            command.unlink(missing_ok=True)
            command.symlink_to(Path("/", CELL_PROGRAMS, path.name))


def trim_packages(folder: Path) -> None:
    """Remove what no program needs of the Python packages that were installed in a folder."""
    for pattern in _PACKAGES_LEFT_OUT:
        for path in list(folder.glob(pattern)):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)


def compile_sources(root: Path, *folders: Path) -> None:
    """Write byte code that is trusted as it is: the sources beside it never change.

    Args:
        root: of the image; byte code names its source as seen from there.
        folders: below the root, without a slash before them.

    Source: PEP 552, unchecked hash-based pycs
    """
    subprocess.run(
        [
            sys.executable, "-I", "-m", "compileall", "-qq", "-j", "0", "--invalidation-mode",
            "unchecked-hash", "-s", str(root), "-p", "/", *(str(root / f) for f in folders),
        ],
        stdin=subprocess.DEVNULL,
        check=False,  # packages may carry files that are not meant to compile
    )  # fmt: skip


def normalise_modes(top: Path) -> None:
    """Make all of a tree readable by all, writable by none but the owner, without special bits."""
    for path in _walk(top):
        mode = path.lstat().st_mode
        if stat.S_ISLNK(mode):
            continue
        wanted = 0o755 if stat.S_ISDIR(mode) or mode & 0o111 else 0o644
        if stat.S_IMODE(mode) != wanted:
            path.chmod(wanted)


def _walk(top: Path) -> Iterator[Path]:
    yield top
    for directory, folders, files in os.walk(top):
        for name in (*folders, *files):
            yield Path(directory, name)
