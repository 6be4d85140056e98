"""The runtime image: the one file system that programs see as ``/``.

Owns where images lie, when one is built, published and thrown away; refuses
to know what is in it (``rootfs_contents``). An image is a read-only directory
named after the fingerprint of everything it was made from, so finding it
again needs no look inside, and a changed host yields a new one beside it.

An image is built in a directory of another name and renamed when whole; a
half-built one is never found. Two builders wait for each other on a lock.
Whoever uses an image holds a shared lock on it as long as its process lives,
and an image that nobody holds is removed by the next build.
"""

import fcntl
import json
import os
import secrets
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from vibecell.model.errors import SandboxFailure
from vibecell.sandbox.images import rootfs_contents as contents
from vibecell.sandbox.images.image_rules import CELL_PROGRAMS
from vibecell.sandbox.images.rootfs_contents import ImageSpec, Program

__all__ = ["Image", "ImageSpec", "Program", "build_image", "find_image"]

_MANIFEST = "image.json"
_ROOT = "rootfs"
_LOCK = "lock"
_BUILDING = ".building-"


@dataclass(frozen=True, slots=True)
class Image:
    """A runtime image in use by this process.

    Attributes:
        root: the directory that becomes ``/``.
        fingerprint: of everything it was made from.
        versions: program name to version, as measured when it was built.
        missing: names of programs that the host does not have.
    """

    root: Path
    fingerprint: str
    versions: Mapping[str, str]
    missing: tuple[str, ...]
    _lock_fd: int = field(repr=False, compare=False)

    def release(self) -> None:
        """Stop using it; a later build may remove it. Call at most once."""
        os.close(self._lock_fd)


def find_image(spec: ImageSpec, destination: Path) -> Image | None:
    """The image of this spec, if it has been built; takes a few milliseconds."""
    return _open(destination / _name(spec))


def build_image(spec: ImageSpec, destination: Path) -> Image:
    """Find the image of this spec, or build it.

    Works as an ordinary user. Building takes a minute, finding milliseconds.

    Args:
        spec: what the image holds.
        destination: directory of all images; made when absent.

    Raises:
        SandboxFailure: it cannot be built; names the step.
    """
    found = find_image(spec, destination)
    if found is not None:
        return found
    try:
        _make_walkable(destination)
        lock_fd = os.open(destination / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise SandboxFailure("make the directory of runtime images", str(error)) from error
    try:
        fcntl.flock(lock_fd, fcntl.LOCK_EX)
        found = find_image(spec, destination) or _build(spec, destination)
        _prune(destination, keep=found.root.parent)
        return found
    except OSError as error:
        raise SandboxFailure("build the runtime image", str(error)) from error
    finally:
        os.close(lock_fd)


def _make_walkable(directory: Path) -> None:
    """Make a directory that every uid may pass through, whatever the umask.

    A wall's tool starts as a uid of its own, and looks for the image by its path.
    """
    if not directory.is_dir():
        _make_walkable(directory.parent)
        directory.mkdir(exist_ok=True)
        directory.chmod(0o755)


def _name(spec: ImageSpec) -> str:
    return f"{contents.base_fingerprint(spec)}-{contents.cell_fingerprint(spec)}"


def _open(directory: Path) -> Image | None:
    try:
        manifest = json.loads((directory / _MANIFEST).read_bytes())
        fd = os.open(directory / _LOCK, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    fcntl.flock(fd, fcntl.LOCK_SH)
    if not (directory / _MANIFEST).exists():  # pruned while we waited for the lock
        os.close(fd)
        return None
    return Image(
        root=directory / _ROOT,
        fingerprint=directory.name,
        versions=manifest["versions"],
        missing=tuple(manifest["missing"]),
        _lock_fd=fd,
    )


def _build(spec: ImageSpec, destination: Path) -> Image:
    name = _name(spec)
    work = destination / f"{_BUILDING}{secrets.token_hex(4)}"
    root = work / _ROOT
    _make_walkable(root)
    try:
        relative = _sibling(destination, contents.base_fingerprint(spec))
        if relative is not None:
            manifest = json.loads((relative / _MANIFEST).read_bytes())
            _clone(relative / _ROOT, root)
        else:
            manifest = contents.fill_base(spec, root)
        contents.fill_cell_programs(spec, root)
        (work / _MANIFEST).write_text(json.dumps(manifest))
        (work / _LOCK).touch(mode=0o600)
        os.rename(work, destination / name)
    except BaseException:
        shutil.rmtree(work, ignore_errors=True)
        raise
    image = _open(destination / name)
    if image is None:
        raise SandboxFailure("build the runtime image", "it vanished after it was published")
    return image


def _sibling(destination: Path, base: str) -> Path | None:
    """An image that differs in its cell programs only."""
    for candidate in destination.glob(f"{base}-*"):
        if (candidate / _MANIFEST).exists():
            return candidate
    return None


def _clone(source: Path, root: Path) -> None:
    """The same files under another directory, by hard links: nobody writes to either."""
    skipped = source / CELL_PROGRAMS

    def ignore(directory: str, names: list[str]) -> list[str]:
        return [n for n in names if Path(directory) / n == skipped]

    shutil.copytree(
        source, root, symlinks=True, dirs_exist_ok=True, ignore=ignore, copy_function=os.link
    )


def _prune(destination: Path, keep: Path) -> None:
    """Remove images that no process holds, and what an interrupted build left."""
    for entry in destination.iterdir():
        if entry == keep or not entry.is_dir():
            continue
        if entry.name.startswith(_BUILDING):
            shutil.rmtree(entry)
            continue
        try:
            fd = os.open(entry / _LOCK, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            continue  # not an image of ours
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            (entry / _MANIFEST).unlink(missing_ok=True)
            shutil.rmtree(entry)
        except BlockingIOError:
            continue  # in use
        finally:
            os.close(fd)
