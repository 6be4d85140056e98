"""What is in a runtime image.

Owns the choice of files and their modes; refuses everything of this host that
a program does not need to run: no set-id bit, no account, no key, no machine
name, no interpreter state of ours. The interpreter is that of the running
virtual environment, copied, with packages of its own.
"""

import hashlib
import logging
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from vibecell.model.errors import SandboxFailure
from vibecell.sandbox.images import adapted_packages, image_rules
from vibecell.sandbox.images.image_rules import CELL_PROGRAMS, PROGRAM_PATH
from vibecell.sandbox.images.libraries import copy_libraries

FORMAT = 2  # raise when the contents change and nothing else in the fingerprint does
_PYTHON = f"python{sys.version_info.major}.{sys.version_info.minor}"
_LIBRARY = Path("usr/local/lib") / _PYTHON
_PACKAGES = _LIBRARY / "site-packages"
_CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
_TERMINALS = (
    "a/ansi", "d/dumb", "l/linux", "r/rxvt", "r/rxvt-unicode", "s/screen", "s/screen-256color",
    "t/tmux", "t/tmux-256color", "v/vt100", "v/vt102", "v/vt220", "x/xterm", "x/xterm-256color",
    "x/xterm-color",
)  # fmt: skip
# Of the host as they are, where it has them: what tells the media types of files and the system
# that the libraries are of.
_ETC_OF_THE_HOST = ("mime.types", "os-release")
_ANSWER_DEADLINE_S = 60
_LOG = logging.getLogger(__name__)
_LDCONFIG = Path("/sbin/ldconfig")
_MERGED = {
    "bin": "usr/bin",
    "sbin": "usr/bin",
    "lib": "usr/lib",
    "lib64": "usr/lib64",
    "usr/sbin": "bin",
}
_CLEAN_ENVIRONMENT = {"PATH": PROGRAM_PATH, "LC_ALL": "C.UTF-8"}


@dataclass(frozen=True, slots=True)
class Program:
    """A program that an image holds.

    Attributes:
        name: looked up in ``PATH``.
        version_args: arguments that make it print its version; none: unasked.
        package: the Debian package that brings it; empty: none is known.
    """

    name: str
    version_args: tuple[str, ...] = ()
    package: str = ""


@dataclass(frozen=True, slots=True)
class ImageSpec:
    """What an image holds beside the interpreter.

    Attributes:
        programs: copied with the libraries they need.
        trees: directories and files of the host copied to the same place, where they exist.
        requirements: files of pinned Python packages to install, all of them together.
        cell_programs: directory of the programs that run behind the walls.
        program_path: where the host's programs are looked for, as ``PATH``.
        more_cell_programs: those that only one language needs, beside the others.
    """

    programs: tuple[Program, ...]
    trees: tuple[Path, ...]
    requirements: tuple[Path, ...]
    cell_programs: Path
    program_path: str
    more_cell_programs: tuple[Path, ...] = ()


def base_fingerprint(spec: ImageSpec) -> str:
    """Stands for everything but the cell programs; reads no large file."""
    digest = hashlib.sha256(f"{FORMAT}\n{sys.version}\n{sys.base_prefix}\n".encode())
    digest.update(f"{image_rules.ETC}\n".encode())
    for path in (*spec.requirements, Path(adapted_packages.__file__)):
        digest.update(path.read_bytes())
    for path in [_interpreter(), *spec.trees, *_program_paths(spec).values()]:
        digest.update(_identity(path))
    for program in spec.programs:
        # not its package: where it came from changes nothing that is copied
        digest.update(f"{program.name} {program.version_args}\n".encode())
    return digest.hexdigest()[:16]


def cell_fingerprint(spec: ImageSpec) -> str:
    """Stands for the cell programs, by content."""
    digest = hashlib.sha256(adapted_packages.START_LINE.encode())
    for path in cell_sources(spec):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def fill_base(spec: ImageSpec, root: Path) -> dict[str, object]:
    """Fill an empty directory; return the manifest.

    Raises:
        SandboxFailure: the interpreter or its library is not there, or packages cannot
            be installed.
    """
    for name in ("usr/bin", "usr/lib", "usr/lib64", "usr/local/bin", "usr/local/lib", "etc"):
        (root / name).mkdir(parents=True, exist_ok=True)
    image_rules.make_places(root)
    for name, target in _MERGED.items():
        (root / name).symlink_to(target)
    found = _program_paths(spec)
    missing = [p for p in spec.programs if p.name not in found]
    _copy_programs(found, root / "usr/bin")
    _copy_trees(spec.trees, root)
    _copy_interpreter(root)
    _install_packages(spec.requirements, root)
    copy_libraries(root)
    image_rules.write_etc(root)
    _copy_data(root)
    image_rules.compile_sources(root, _LIBRARY)
    image_rules.normalise_modes(root)
    _finish_behind_a_wall(spec, root)
    return {
        "versions": {p.name: _version(found[p.name], p) for p in spec.programs if p.name in found
                     and p.version_args}
        | {"python3": ".".join(map(str, sys.version_info[:3]))},
        "missing": [p.name for p in missing],
    }  # fmt: skip


def fill_cell_programs(spec: ImageSpec, root: Path) -> None:
    """Copy the programs that run behind the walls."""
    target = root / CELL_PROGRAMS
    target.mkdir(parents=True)
    for path in cell_sources(spec):
        shutil.copyfile(path, target / path.name)
    placed = adapted_packages.place(target, root / _PACKAGES)
    image_rules.name_commands(root)
    image_rules.compile_sources(root, CELL_PROGRAMS, *(p.relative_to(root) for p in placed))
    for path in (target, *placed):
        image_rules.normalise_modes(path)


def cell_sources(spec: ImageSpec) -> list[Path]:
    """The programs that run behind the walls, by name."""
    found = [
        p
        for p in spec.cell_programs.iterdir()
        if p.suffix == ".py" and p.name != "__init__.py" and p.is_file()
    ]
    return sorted([*found, *spec.more_cell_programs], key=lambda p: p.name)


def _interpreter() -> Path:
    base = getattr(sys, "_base_executable", sys.executable)
    return Path(base).resolve()


def _identity(path: Path) -> bytes:
    try:
        state = path.stat()
    except FileNotFoundError:
        return f"{path} absent\n".encode()
    return f"{path} {state.st_size} {state.st_mtime_ns}\n".encode()


def _program_paths(spec: ImageSpec) -> dict[str, Path]:
    """Where the host has each program; those it lacks are left out."""
    places = {p.name: shutil.which(p.name, path=spec.program_path) for p in spec.programs}
    return {name: Path(place).resolve() for name, place in places.items() if place}


def _version(path: Path, program: Program) -> str:
    output = subprocess.run(
        [path, *program.version_args],
        env=_CLEAN_ENVIRONMENT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    ).stdout
    match = re.search(r"\d+(\.\d+)+", output)
    if match is None:
        raise SandboxFailure("measure a version", f"{program.name} does not tell it")
    return match.group()


def _copy_programs(found: Mapping[str, Path], folder: Path) -> None:
    """Programs under their names; one that has several is there once."""
    copied: dict[Path, Path] = {}
    for name, path in found.items():
        target = folder / name
        if path in copied:
            target.hardlink_to(copied[path])
        else:
            copied[path] = shutil.copyfile(path, target)
            target.chmod(0o755)


def _copy_trees(trees: Iterable[Path], root: Path) -> None:
    for tree in trees:
        if tree.is_file():
            target = root / tree.relative_to("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(tree, target)
        elif tree.is_dir():
            shutil.copytree(
                tree,
                root / tree.relative_to("/"),
                ignore_dangling_symlinks=True,
                dirs_exist_ok=True,
            )


def _copy_interpreter(root: Path) -> None:
    """CPython of the running environment, under ``/usr/local``.

    It finds its library by the landmark ``lib/pythonX.Y/os.py`` beside its
    own folder, wherever it was built for.

    Raises:
        SandboxFailure: there is none, or it has no library; says where it should be.

    Source: https://docs.python.org/3/library/sys_path_init.html
    """
    step, interpreter = "copy the Python interpreter", _interpreter()
    if not interpreter.is_file():
        raise SandboxFailure(step, f"{interpreter} is not there")
    binary = root / "usr/local/bin" / _PYTHON
    shutil.copyfile(interpreter, binary)
    binary.chmod(0o755)
    for alias in ("python3", "python"):
        binary.with_name(alias).symlink_to(_PYTHON)
    library = root / _LIBRARY
    left_out = shutil.ignore_patterns(
        "site-packages", "dist-packages", *image_rules.STDLIB_LEFT_OUT, *image_rules.LEFT_OUT_NAMES
    )
    for source in {sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib")}:
        origin = Path(source)
        if origin.is_dir() and (origin / "os.py").exists():
            shutil.copytree(
                origin, library, ignore=left_out, dirs_exist_ok=True, ignore_dangling_symlinks=True
            )
    if not library.is_dir():
        raise SandboxFailure(step, f"its library is not in {sysconfig.get_path('stdlib')}")
    (library / "site-packages").mkdir()
    # Debian's own interpreter looks for packages under this name.
    (library / "dist-packages").symlink_to("site-packages")
    for configuration in library.glob("_sysconfigdata*.py"):
        text = configuration.read_text()
        configuration.write_text(text.replace(sys.base_prefix, "/usr/local"))


def _install_packages(requirements: tuple[Path, ...], root: Path) -> None:
    if not requirements:
        return  # pip takes that for a mistake
    target = root / _PACKAGES
    command = [
        sys.executable, "-m", "pip", "install", "--quiet", "--no-compile", "--no-input",
        "--disable-pip-version-check", "--no-warn-script-location", "--only-binary", ":all:",
        "--target", str(target), *(f"--requirement={path}" for path in requirements),
    ]  # fmt: skip
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    if done.returncode != 0:
        detail = done.stderr.decode(errors="replace").strip()[-2000:]
        raise SandboxFailure("install the packages of the runtime image", detail)
    image_rules.trim_packages(target)
    try:
        adapted_packages.adapt(root, _PACKAGES)
    except ValueError as error:
        raise SandboxFailure("adapt the packages of the runtime image", str(error)) from error


def _finish_behind_a_wall(spec: ImageSpec, root: Path) -> None:
    """Make what only a look from inside can make: Matplotlib's list of fonts, the loader's cache.

    The former each cell would make for itself without it, the latter is what tells
    ``ctypes.util.find_library`` of libraries. Behind a wall, since the one runs what was
    installed for programs, and the other needs the image as its root.

    Source: ldconfig(8); https://docs.python.org/3/library/ctypes.html#finding-shared-libraries
    """
    if (root / _PACKAGES / "matplotlib").is_dir():
        lister = (
            "/usr/local/bin/python3", "-I", "-c", adapted_packages.LIST_FONTS,
            str(Path("/", _PACKAGES)),
        )  # fmt: skip
        _write_answer(spec, root, adapted_packages.FONT_LIST, lister)
    if _LDCONFIG.is_file():
        shutil.copyfile(_LDCONFIG, root / "usr/bin/ldconfig")
        (root / "usr/bin/ldconfig").chmod(0o755)
        libc = next((root / "usr/lib").rglob("libc.so.6"))
        (root / "etc/ld.so.conf").write_text(f"/{libc.parent.relative_to(root)}\n")
        cache = "ldconfig -X -C /tmp/cache && cat /tmp/cache"
        _write_answer(spec, root, Path("etc/ld.so.cache"), ("/bin/sh", "-c", cache))


def _write_answer(spec: ImageSpec, root: Path, target: Path, argv: tuple[str, ...]) -> None:
    """Run a program of the image in it, and write what it prints; nothing, where it fails.

    Source: bwrap(1); it runs what was downloaded, so without a capability even where root builds
    """
    wall = shutil.which("bwrap", path=spec.program_path)
    if wall is None:
        return
    try:
        done = subprocess.run(
            [
                wall, "--unshare-all", "--die-with-parent", "--new-session", "--cap-drop", "ALL",
                "--ro-bind", str(root), "/", "--tmpfs", "/tmp", "--clearenv",
                "--setenv", "MPLCONFIGDIR", "/tmp", "--setenv", "PATH", PROGRAM_PATH, "--", *argv,
            ],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_ANSWER_DEADLINE_S,
            check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        _LOG.warning("the image has no %s: %s took too long", target, argv[0])
        return
    if done.returncode != 0:
        said = done.stderr.decode("utf-8", "replace")[-500:]
        _LOG.warning("the image has no %s: %s", target, said)
    else:
        (root / target).parent.mkdir(parents=True, exist_ok=True)
        (root / target).write_bytes(done.stdout)
        (root / target).chmod(0o644)


def _copy_data(root: Path) -> None:
    """Time zones, terminal and media types, the system's name, certificates, the UTF-8 locale."""
    _copy_trees([Path("/usr/lib/locale/C.utf8")], root)
    zones = Path("/usr/share/zoneinfo")
    if zones.is_dir():
        shutil.copytree(
            zones,
            root / "usr/share/zoneinfo",
            ignore=shutil.ignore_patterns("posix", "right", "localtime", "posixrules"),
            ignore_dangling_symlinks=True,
        )
    # where the host has Git, it says so on every start of a repository without it
    (root / "usr/share/git-core/templates").mkdir(parents=True)
    for name in _TERMINALS:
        for place in ("/usr/share/terminfo", "/usr/lib/terminfo", "/lib/terminfo"):
            source = Path(place) / name
            if source.is_file():
                target = root / "usr/share/terminfo" / name
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source, target)
                break
    _copy_trees((Path("/etc", name) for name in _ETC_OF_THE_HOST), root)
    if _CERTIFICATES.is_file():
        target = root / _CERTIFICATES.relative_to("/")
        target.parent.mkdir(parents=True)
        shutil.copyfile(_CERTIFICATES, target)
        (root / "usr/lib/ssl").mkdir(exist_ok=True)
        (root / "usr/lib/ssl/cert.pem").symlink_to("/etc/ssl/certs/ca-certificates.crt")
