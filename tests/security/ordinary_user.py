"""Running tests as a user who is not root, over files that may be only root's to reach.

In a mount namespace of its own, what is needed of a closed directory (root's home, say)
is put on an open one of the same name; nothing changes outside. The user is one whom
nobody has, in no group, with the runtime image as a copy of his own: he has built it.

Owns how that user comes to be; refuses to know what he runs.

Source: mount_namespaces(7); setpriv(1); unshare(1)
"""

import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from host import lacking

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
cd "$CHECKOUT"
exec setpriv --reuid "$uid" --regid "$uid" --clear-groups "$@"
"""


@contextmanager
def ordinary_user(state_dir: Path) -> Iterator["OrdinaryUser"]:
    """Somebody who has built the image of ``state_dir`` himself."""
    if os.geteuid() != 0:
        lacking("root, to become an ordinary user")
    for tool in _TOOLS:
        if shutil.which(tool) is None:
            lacking(tool)
    with TemporaryDirectory(prefix="vibecell-test-") as name:
        home = Path(name)
        home.chmod(0o711)
        subprocess.run(["cp", "-a", str(state_dir), str(home / "state")], check=True)
        (home / "staged").mkdir()
        subprocess.run(["chown", "-Rh", f"{UID}:{UID}", str(home)], check=True)
        yield OrdinaryUser(home)


class OrdinaryUser:
    """See ``ordinary_user``."""

    def __init__(self, home: Path) -> None:
        self._home = home

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
