"""Running tests as a user who is not root, over files that may be only root's to reach.

In a mount namespace of its own, what is needed of a closed directory (root's home, say)
is put on an open one of the same name; nothing changes outside. The user is one whom
nobody has, in no group, with the runtime image as a copy of his own: he has built it.
Cgroups may be delegated to him, as a service manager does it.

Owns how that user comes to be; refuses to know what he runs.

Source: mount_namespaces(7); setpriv(1); unshare(1); cgroups(7), "Cgroups delegation"
"""

import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from host import lacking
from vibecell.sandbox.mechanisms import cgroup_layout
from vibecell.sandbox.mechanisms.cgroup_files import remove_directory

CHECKOUT = Path(__file__).parents[2]
UID = 1_957_000
_TOOLS = ("unshare", "setpriv", "mount", "cp", "chown")
_ENTER = """
set -eu
IFS='
'
staged=$1 closed=$2 uid=$3; shift 3
count=0
for path in $NEEDED; do
    count=$((count + 1))
    mkdir -p "$staged/$count"
    mount --bind "$path" "$staged/$count"
done
for path in $closed; do mount -t tmpfs -o mode=755 none "$path"; done
count=0
for path in $NEEDED; do
    count=$((count + 1))
    mkdir -p "$path"
    mount --move "$staged/$count" "$path"
done
for cgroup in $CGROUPS; do echo 0 >"$cgroup/cgroup.procs"; done  # who writes
cd "$CHECKOUT"
exec setpriv --reuid "$uid" --regid "$uid" --clear-groups "$@"
"""


@contextmanager
def ordinary_user(state_dir: Path, delegated: bool = False) -> Iterator["OrdinaryUser"]:
    """Somebody who has built the image of ``state_dir`` himself.

    Args:
        delegated: whether he is in cgroups below which he may make others.
    """
    if os.geteuid() != 0:
        lacking("root, to become an ordinary user")
    for tool in _TOOLS:
        if shutil.which(tool) is None:
            lacking(tool)
    with (
        TemporaryDirectory(prefix="vibecell-test-") as name,
        _delegated_cgroups() if delegated else nullcontext([]) as cgroups,
    ):
        home = Path(name)
        home.chmod(0o711)
        subprocess.run(["cp", "-a", str(state_dir), str(home / "state")], check=True)
        (home / "staged").mkdir()
        subprocess.run(["chown", "-Rh", f"{UID}:{UID}", str(home)], check=True)
        yield OrdinaryUser(home, cgroups)


@contextmanager
def _delegated_cgroups() -> Iterator[list[Path]]:
    """One in each hierarchy."""
    try:
        layout = cgroup_layout.discover(cgroup_layout.ROOT, cgroup_layout.OWN_MEMBERSHIP)
    except cgroup_layout.CgroupUnusableError as error:
        lacking(f"cgroups: {error}")
    made = [base / f"delegated.{os.getpid()}" for base in layout.directories]
    try:
        for cgroup in made:
            cgroup.mkdir()
            for file in ("", "cgroup.procs", "cgroup.threads", "cgroup.subtree_control"):
                with suppress(FileNotFoundError):  # version 1 has but one of them
                    os.chown(cgroup / file, UID, UID)
        yield made
    finally:
        for cgroup in made:
            remove_directory(cgroup)


class OrdinaryUser:
    """See ``ordinary_user``."""

    def __init__(self, home: Path, cgroups: Sequence[Path]) -> None:
        self._home = home
        self._cgroups = cgroups

    def run_tests(self, deadline_s: float, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run ``pytest`` with these arguments, in the checkout."""
        hidden = [p for p in (CHECKOUT, Path(sys.base_prefix)) if _closed(p) is not None]
        closed = dict.fromkeys(str(_closed(p)) for p in hidden)
        environ = {
            "PATH": os.environ["PATH"],
            "CI": os.environ.get("CI", ""),
            "HOME": str(self._home),
            "VIBECELL_STATE_DIR": str(self._home / "state"),
            "PYTHONDONTWRITEBYTECODE": "1",
            "NEEDED": "\n".join(map(str, hidden)),
            "CHECKOUT": str(CHECKOUT),
            "CGROUPS": "\n".join(map(str, self._cgroups)),
        }
        return subprocess.run(
            ["unshare", "--mount", "--propagation", "private", "sh", "-c", _ENTER, "enter",
             str(self._home / "staged"), "\n".join(closed), str(UID),
             sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider",
             f"--basetemp={self._home / 'tmp'}", *arguments],
            env=environ, capture_output=True, text=True, timeout=deadline_s, check=False,
        )  # fmt: skip


def _closed(path: Path) -> Path | None:
    """The first directory on the way there that others may not pass."""
    for folder in (*reversed(path.parents), path):
        if not folder.stat().st_mode & stat.S_IXOTH:
            return folder
    return None
