"""What holds of every runtime image, whichever way it is filled.

Owns the tables of what an image has and what is left out of it, and the few acts that
follow from them; refuses to know where the files come from. ``rootfs_contents`` takes
them from this host; ``docker/fill_image`` takes them from a base image, in its build.

Of Vibecell that build is given these two files and no other, and the base's own
interpreter (3.11 or newer) runs them: so this one uses the standard library only and
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
DISPLAY_MODULE = "vibecell_display"  # the one of them that programs import by name
USER_ID = 1000
ETC = {
    "passwd": "root:x:0:0:root:/:/bin/sh\n"
    f"user:x:{USER_ID}:{USER_ID}:user:/workspace:/bin/bash\n"
    "nobody:x:65534:65534:nobody:/:/bin/false\n",
    "group": f"root:x:0:\nuser:x:{USER_ID}:\nnogroup:x:65534:\n",
    "hosts": "127.0.0.1 localhost\n::1 localhost\n",
    "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\n",
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
