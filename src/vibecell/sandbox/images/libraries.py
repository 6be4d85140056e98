"""The shared libraries that the files of an image need.

Owns the closure over the dynamic loader's own answer; refuses to guess: what
the loader does not name is not copied.
"""

import os
import re
import shutil
import subprocess
from pathlib import Path

from vibecell.model.errors import SandboxFailure
from vibecell.sandbox.images.image_rules import PROGRAM_PATH

# "libz.so.1 => /lib/x86_64-linux-gnu/libz.so.1 (0x…)" or "/lib64/ld-linux-x86-64.so.2 (0x…)"
_LINE = re.compile(r"^\s+(?:(\S+) => )?(/\S+) \(0x[0-9a-f]+\)$", re.MULTILINE)
_ELF = b"\x7fELF"
# Opened at run time by name, so no file names it: glibc loads it when a thread is cancelled.
_OPENED_BY_NAME = ("libgcc_s.so.1",)
_FILES_PER_CALL = 200


def copy_libraries(root: Path) -> None:
    """Copy into ``root`` every library that its programs and modules load.

    A library from a system directory keeps its path; any other is put beside
    the C library, where the loader looks by default.

    Raises:
        SandboxFailure: the loader cannot be asked.

    Source: ld.so(8), "default paths"
    """
    needed = _needed(_elf_files(root))
    libc = needed.get("libc.so.6")
    if libc is None:
        raise SandboxFailure("collect shared libraries", "the C library was not found")
    for name in _OPENED_BY_NAME:
        beside = libc.parent / name
        if name not in needed and beside.exists():
            needed[name] = beside
    for name, path in needed.items():
        if path.is_relative_to(root):
            continue
        folder = path.parent if _is_system(path) else libc.parent
        target = _inside(root, folder) / name
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
            target.chmod(0o755)


def _is_system(path: Path) -> bool:
    return (
        path.is_relative_to("/lib")
        or path.is_relative_to("/usr/lib")
        or any(path.is_relative_to(p) for p in ("/lib64", "/usr/lib64"))
    )


def _inside(root: Path, folder: Path) -> Path:
    """Where a directory of the host lies in the image, whose /lib is /usr/lib."""
    relative = folder.relative_to("/")
    return root / relative if relative.parts[0] == "usr" else root / "usr" / relative


def _elf_files(root: Path) -> list[Path]:
    found = []
    for directory, _, names in os.walk(root):
        for name in names:
            path = Path(directory, name)
            if path.is_symlink() or not (".so" in name or path.stat().st_mode & 0o111):
                continue
            with path.open("rb") as file:
                if file.read(4) == _ELF:
                    found.append(path)
    return found


def _needed(files: list[Path]) -> dict[str, Path]:
    """Name to path of everything the loader would map for these files."""
    needed: dict[str, Path] = {}
    for at in range(0, len(files), _FILES_PER_CALL):
        # Exit status 1 only says that one of the files is static.
        done = subprocess.run(
            ["ldd", *files[at : at + _FILES_PER_CALL]],
            env={"PATH": PROGRAM_PATH, "LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        for name, path in _LINE.findall(done.stdout):
            needed.setdefault(name or Path(path).name, Path(path))
    return needed
