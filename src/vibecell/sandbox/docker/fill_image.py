"""What runs inside the build of a container's runtime image: ``python3 fill STEP``.

Owns what of the base gets into the image: ``system`` copies it to ``/image``,
``packages`` adds the Python packages, ``cell`` puts the cell programs into
``/cell-image``. Refuses what a program does not need to run: no account, key or
machine name of the base, no package manager's state, no set-id bit, no file
capability, no writable directory, no start-up hook of the interpreter's distribution,
and nothing that not everybody may read in the base, such as a key.

The build has it as the main program of a folder, with ``image_rules`` and ``adapted_packages``
in the place where it imports them from. The base's own interpreter (3.11 or newer) runs it: so it
uses the standard library only and imports nothing else of ours. ``plan.json`` beside it
says what depends on the languages.
"""

import importlib.metadata
import json
import os
import re
import shutil
import stat
import subprocess
import sys
import sysconfig
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from vibecell.sandbox.images import adapted_packages, image_rules

HERE = Path(__file__).resolve().parent
PACKAGES = HERE.parent / "packages"
CELL = HERE.parent / "cell"
BASE = Path("/")
IMAGE = Path("/image")
CELL_IMAGE = Path("/cell-image")
SAYS = "vibecell: "  # begins a line that the builder repeats
APT_DEADLINE_S = 900

TREES = ("usr", "bin", "sbin", "lib", "lib32", "lib64", "libx32", "opt")
# Of /etc only what libraries and links in /usr read; never accounts, keys or names.
_ETC_KEPT = (
    "alternatives", "debian_version", "fonts", "inputrc", "ld.so.cache", "ld.so.conf",
    "ld.so.conf.d", "localtime", "magic", "mime.types", "os-release", "pki", "python3*", "ssl",
    "terminfo", "timezone",
)  # fmt: skip
_LEFT_OUT = (
    "usr/games", "usr/include", "usr/src", "usr/lib/systemd", "usr/local/games",
    "usr/local/include", "usr/local/share/man", "usr/local/src", "usr/share/bug", "usr/share/doc",
    "usr/share/info", "usr/share/lintian", "usr/share/locale", "usr/share/man", "etc/ssl/private",
)  # fmt: skip
_INSTALLERS = ("pip", "setuptools", "wheel")  # of no use behind walls; their hooks slow each start


def programs() -> None:
    """Install what of the programs the base lacks and its package manager has."""
    packages = _packages_of(_missing())
    if packages and shutil.which("apt-get"):
        print(f"{SAYS}installing {', '.join(packages)}", flush=True)
        # All at once is one download; but what this release of the distribution does not have
        # must not keep the others away.
        if _apt("update") and not _apt("install", *packages):
            for package in packages:
                _apt("install", package)
    missing = _missing()
    if missing:
        print(f"{SAYS}not to be had, so left out: {', '.join(missing)}", flush=True)


def system() -> None:
    """Copy what programs need of this file system to ``/image``."""
    stdlib = Path(sysconfig.get_path("stdlib")).relative_to("/")
    left_out = {Path(name) for name in _LEFT_OUT}
    for pattern in image_rules.STDLIB_LEFT_OUT:
        left_out |= {p.relative_to("/") for p in Path("/", stdlib).glob(pattern)}
    IMAGE.mkdir()
    for name in TREES:
        _copy(Path(name), left_out)
    _uninstall(_INSTALLERS)
    (IMAGE / "etc").mkdir()
    for pattern in _ETC_KEPT:
        for path in Path("/etc").glob(pattern):
            _copy(path.relative_to("/"), left_out)
    image_rules.write_etc(IMAGE)
    image_rules.make_places(IMAGE)
    _name_the_interpreter()
    image_rules.compile_sources(IMAGE, stdlib)
    _normalise_modes()


def packages() -> None:
    """Install the pinned packages into the interpreter's own place in ``/image``."""
    wheels = PACKAGES / "wheels"
    (pip,) = wheels.glob("pip-*.whl")
    target = IMAGE / _purelib()
    target.mkdir(parents=True, exist_ok=True)
    # Ours take the place of the base's; two versions in one folder would be neither. Without
    # --upgrade, pip would pass over a package whose folder is still there.
    names = [n for n in (p.name.split("-")[0] for p in wheels.glob("*.whl")) if n != "pip"]
    _uninstall(names)
    subprocess.run(
        [
            sys.executable, f"{pip}/pip", "install", "--quiet", "--no-index", "--no-compile",
            "--no-input", "--no-cache-dir", "--disable-pip-version-check", "--upgrade",
            "--root-user-action", "ignore", "--find-links", str(wheels), "--target", str(target),
            "--requirement", str(PACKAGES / "requirements.txt"),
        ],
        check=True,
    )  # fmt: skip
    image_rules.trim_packages(target)
    adapted_packages.adapt(IMAGE, _purelib())
    _list_fonts()
    image_rules.compile_sources(IMAGE, _purelib(), *_package_folders())
    _normalise_modes()


def _list_fonts() -> None:
    """Make Matplotlib's list of fonts; a cell would make it for itself without it.

    With ``/image`` as the root: paths in the list are those that a cell sees.
    """
    work = IMAGE / "tmp/fonts"
    try:
        done = subprocess.run(
            [
                sys.executable, "-I", "-c", adapted_packages.LIST_FONTS, str(Path("/", _purelib())),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            env={"MPLCONFIGDIR": str(Path("/", work.relative_to(IMAGE)))},
            preexec_fn=lambda: os.chroot(IMAGE),
            cwd="/",
            check=True,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        # an interpreter that is not in the image is found, and said, when all of it is there
        print(f"{SAYS}fonts cannot be listed ahead, so each cell will do it", flush=True)
        return
    finally:
        shutil.rmtree(work, ignore_errors=True)
    target = IMAGE / adapted_packages.FONT_LIST
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(done.stdout)


def cell() -> None:
    """Put the programs that run behind the walls into ``/cell-image``."""
    home, library = image_rules.CELL_PROGRAMS, _purelib()
    target = CELL_IMAGE / home
    shutil.copytree(CELL, target)
    adapted_packages.place(target, CELL_IMAGE / library)
    image_rules.name_commands(CELL_IMAGE)
    image_rules.compile_sources(CELL_IMAGE, home, library)
    image_rules.normalise_modes(CELL_IMAGE)


def _plan() -> dict[str, Any]:
    plan: dict[str, Any] = json.loads((HERE / "plan.json").read_bytes())
    return plan


def _missing() -> list[str]:
    return [name for name in _plan()["programs"] if shutil.which(name) is None]


def _packages_of(programs: Iterable[str]) -> list[str]:
    """The Debian packages that bring these programs; of others none is known."""
    packages: dict[str, str] = _plan()["packages"]
    return sorted({packages[name] for name in programs if name in packages})


def _apt(word: str, *names: str) -> bool:
    options = ["-qq", "-o", "Acquire::Retries=1", "-o", "Acquire::http::Timeout=20"]
    if word == "install":
        options += ["--yes", "--no-install-recommends"]
    done = subprocess.run(
        ["apt-get", word, *options, *names],
        stdin=subprocess.DEVNULL,
        timeout=APT_DEADLINE_S,
        check=False,
    )
    return done.returncode == 0


def _copy(relative: Path, left_out: set[Path]) -> None:
    source, target = BASE / relative, IMAGE / relative
    if source.is_symlink():
        target.symlink_to(os.readlink(source))
    elif not source.exists() or not _is_for_all(source.stat().st_mode):
        return
    elif source.is_file():
        shutil.copyfile(source, target)
    elif source.is_dir():

        def ignored(directory: str, names: list[str]) -> list[str]:
            within = Path(directory).relative_to(BASE)
            return [
                name
                for name in names
                if name in image_rules.LEFT_OUT_NAMES
                or within / name in left_out
                or not _is_for_all(os.lstat(os.path.join(directory, name)).st_mode)
            ]

        # shutil.copy, not copy2: extended attributes hold file capabilities
        shutil.copytree(source, target, symlinks=True, ignore=ignored, copy_function=shutil.copy)


def _is_for_all(mode: int) -> bool:
    """Whether it is a file, a directory or a link that every user may read."""
    if stat.S_ISDIR(mode):
        return mode & 0o005 == 0o005
    return stat.S_ISLNK(mode) or (stat.S_ISREG(mode) and mode & 0o004 != 0)


def _purelib() -> Path:
    return Path(sysconfig.get_path("purelib")).relative_to("/")


def _package_folders() -> list[Path]:
    found = (Path(p[1:]) for p in sys.path if p.endswith("-packages"))
    return [folder for folder in found if (IMAGE / folder).is_dir()]


def _uninstall(names: Iterable[str]) -> None:
    """Remove from ``/image`` what distributions of these names have installed in ``purelib``."""
    wanted = {_canonical(name) for name in names}
    folder = Path("/", _purelib())
    for distribution in importlib.metadata.distributions(path=[str(folder)]):
        if _canonical(distribution.metadata["Name"] or "") in wanted:
            for file in distribution.files or ():
                path = IMAGE / os.path.normpath(folder / file).lstrip("/")
                path.unlink(missing_ok=True)
                # an empty folder of metadata would still count as installed, without a version
                while path.parent != IMAGE / _purelib() and _is_empty(path.parent):
                    path = path.parent
                    path.rmdir()


def _is_empty(folder: Path) -> bool:
    return folder.is_dir() and not any(folder.iterdir())


def _canonical(name: str) -> str:
    """Source: PEP 503, "Normalized Names"."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _name_the_interpreter() -> None:
    """``python`` beside ``python3``, where the base has none."""
    if shutil.which("python") is None:
        beside = Path(shutil.which("python3") or sys.executable).parent
        (IMAGE / beside.relative_to("/") / "python").symlink_to("python3")


def _normalise_modes() -> None:
    image_rules.normalise_modes(IMAGE)
    # the root is read-only, but a tmpfs mounted here takes the mode of what it covers
    (IMAGE / "tmp").chmod(0o1777)


if __name__ == "__main__":
    {"programs": programs, "system": system, "packages": packages, "cell": cell}[sys.argv[1]]()
