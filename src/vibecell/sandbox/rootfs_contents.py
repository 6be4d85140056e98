"""What is in a runtime image.

Owns the choice of files and their modes; refuses everything of this host that
a program does not need to run: no set-id bit, no account, no key, no machine
name, no interpreter state of ours. The interpreter is that of the running
virtual environment, copied, with packages of its own.
"""

import hashlib
import os
import re
import shutil
import stat
import subprocess
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from vibecell.model.errors import SandboxFailure
from vibecell.sandbox.libraries import copy_libraries

FORMAT = 1  # raise when the contents change and nothing else in the fingerprint does
CELL_PROGRAMS = Path("usr/lib/vibecell")
USER_ID = 1000
_PYTHON = f"python{sys.version_info.major}.{sys.version_info.minor}"
_STDLIB_LEFT_OUT = (
    "__pycache__", "site-packages", "dist-packages", "test", "tests", "idlelib", "turtledemo",
    "ensurepip", "tkinter", "lib2to3", "config-*", "_tkinter*.so", "_test*.so", "*.a",
    "EXTERNALLY-MANAGED", "sitecustomize.py", "usercustomize.py",
)  # fmt: skip
_PACKAGES_LEFT_OUT = ("bin", "*/tests", "*/*/tests", "*/*/*/tests")
_CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
_TERMINALS = ("x/xterm", "x/xterm-256color", "d/dumb", "v/vt100", "l/linux", "a/ansi")
_ETC = {
    "passwd": "root:x:0:0:root:/:/bin/sh\n"
    f"user:x:{USER_ID}:{USER_ID}:user:/workspace:/bin/bash\n"
    "nobody:x:65534:65534:nobody:/:/bin/false\n",
    "group": f"root:x:0:\nuser:x:{USER_ID}:\nnogroup:x:65534:\n",
    "hosts": "127.0.0.1 localhost\n::1 localhost\n",
    "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\n",
    "shells": "/bin/sh\n/bin/bash\n",
}
DISPLAY_MODULE = "vibecell_display"
_EMPTY = ("proc", "dev", "sys", "tmp", "run", "workspace", "var")
_LINKS = {
    "bin": "usr/bin",
    "sbin": "usr/bin",
    "lib": "usr/lib",
    "lib64": "usr/lib64",
    "usr/sbin": "bin",
    "var/tmp": "../tmp",
    "var/run": "../run",
}
_CLEAN_ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C.UTF-8"}


@dataclass(frozen=True, slots=True)
class Program:
    """A program of the host to be copied.

    Attributes:
        name: looked up in ``PATH``.
        required: without it there is no image.
        version_args: arguments that make it print its version; none: unasked.
    """

    name: str
    required: bool = False
    version_args: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ImageSpec:
    """What an image holds beside the interpreter.

    Attributes:
        programs: copied with the libraries they need.
        trees: directories of the host copied to the same place, where they exist.
        requirements: pinned Python packages to install.
        cell_programs: directory of the programs that run behind the walls.
        program_path: where the host's programs are looked for, as ``PATH``.
    """

    programs: tuple[Program, ...]
    trees: tuple[Path, ...]
    requirements: Path
    cell_programs: Path
    program_path: str


def base_fingerprint(spec: ImageSpec) -> str:
    """Stands for everything but the cell programs; reads no large file."""
    digest = hashlib.sha256(f"{FORMAT}\n{sys.version}\n{sys.base_prefix}\n".encode())
    digest.update(spec.requirements.read_bytes())
    for path in [_interpreter(), *spec.trees, *_found(spec).values()]:
        digest.update(_identity(path))
    for program in spec.programs:
        digest.update(f"{program}\n".encode())
    return digest.hexdigest()[:16]


def cell_fingerprint(spec: ImageSpec) -> str:
    """Stands for the cell programs, by content."""
    digest = hashlib.sha256()
    for path in _cell_sources(spec):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def fill_base(spec: ImageSpec, root: Path) -> dict[str, object]:
    """Fill an empty directory; return the manifest.

    Raises:
        SandboxFailure: a required program is missing, or packages cannot be
            installed.
    """
    for name in ("usr/bin", "usr/lib", "usr/lib64", "usr/local/bin", "usr/local/lib", "etc"):
        (root / name).mkdir(parents=True, exist_ok=True)
    for name in _EMPTY:
        (root / name).mkdir()
    for name, target in _LINKS.items():
        (root / name).symlink_to(target)
    found = _found(spec)
    missing = [p for p in spec.programs if p.name not in found]
    absent = [p.name for p in missing if p.required]
    if absent:
        raise SandboxFailure("build the runtime image", f"not on this host: {', '.join(absent)}")
    for name, path in found.items():
        shutil.copyfile(path, root / "usr/bin" / name)
        (root / "usr/bin" / name).chmod(0o755)
    _copy_trees(spec.trees, root)
    _copy_interpreter(root)
    _install_packages(spec.requirements, root)
    copy_libraries(root)
    _write_etc(root)
    _copy_data(root)
    _compile(root, Path("usr/local/lib") / _PYTHON)
    _normalise_modes(root)
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
    for path in _cell_sources(spec):
        shutil.copyfile(path, target / path.name)
    # the one that programs import by name
    module = root / "usr/local/lib" / _PYTHON / "site-packages" / f"{DISPLAY_MODULE}.py"
    module.unlink(missing_ok=True)
    shutil.move(target / module.name, module)
    _compile(root, CELL_PROGRAMS)
    _normalise_modes(target)


def _cell_sources(spec: ImageSpec) -> list[Path]:
    return sorted(
        p
        for p in spec.cell_programs.iterdir()
        if p.suffix in (".py", ".js") and p.name != "__init__.py" and p.is_file()
    )


def _interpreter() -> Path:
    base = getattr(sys, "_base_executable", sys.executable)
    return Path(base).resolve()


def _identity(path: Path) -> bytes:
    try:
        state = path.stat()
    except FileNotFoundError:
        return f"{path} absent\n".encode()
    return f"{path} {state.st_size} {state.st_mtime_ns}\n".encode()


def _found(spec: ImageSpec) -> dict[str, Path]:
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


def _copy_trees(trees: Iterable[Path], root: Path) -> None:
    for tree in trees:
        if tree.is_dir():
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

    Source: https://docs.python.org/3/library/sys_path_init.html
    """
    binary = root / "usr/local/bin" / _PYTHON
    shutil.copyfile(_interpreter(), binary)
    binary.chmod(0o755)
    for alias in ("python3", "python"):
        binary.with_name(alias).symlink_to(_PYTHON)
    library = root / "usr/local/lib" / _PYTHON
    left_out = shutil.ignore_patterns(*_STDLIB_LEFT_OUT)
    for source in {sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib")}:
        origin = Path(source)
        if origin.is_dir() and (origin / "os.py").exists():
            shutil.copytree(
                origin, library, ignore=left_out, dirs_exist_ok=True, ignore_dangling_symlinks=True
            )
    (library / "site-packages").mkdir()
    # Debian's own interpreter looks for packages under this name.
    (library / "dist-packages").symlink_to("site-packages")
    # Found there by every interpreter of a cell, forked or not.
    (library / "site-packages/vibecell_display.py").symlink_to(
        Path("/", CELL_PROGRAMS, "vibecell_display.py")
    )
    for configuration in library.glob("_sysconfigdata*.py"):
        text = configuration.read_text()
        configuration.write_text(text.replace(sys.base_prefix, "/usr/local"))


def _install_packages(requirements: Path, root: Path) -> None:
    target = root / "usr/local/lib" / _PYTHON / "site-packages"
    command = [
        sys.executable, "-m", "pip", "install", "--quiet", "--no-compile", "--no-input",
        "--disable-pip-version-check", "--no-warn-script-location", "--only-binary", ":all:",
        "--target", str(target), "--requirement", str(requirements),
    ]  # fmt: skip
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    if done.returncode != 0:
        detail = done.stderr.decode(errors="replace").strip()[-2000:]
        raise SandboxFailure("install the packages of the runtime image", detail)
    for pattern in _PACKAGES_LEFT_OUT:
        for path in list(target.glob(pattern)):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)


def _write_etc(root: Path) -> None:
    for name, text in _ETC.items():
        (root / "etc" / name).write_text(text)


def _copy_data(root: Path) -> None:
    """Time zones, terminal descriptions, certificates and the UTF-8 locale."""
    _copy_trees([Path("/usr/lib/locale/C.utf8")], root)
    zones = Path("/usr/share/zoneinfo")
    if zones.is_dir():
        shutil.copytree(
            zones,
            root / "usr/share/zoneinfo",
            ignore=shutil.ignore_patterns("posix", "right", "localtime", "posixrules"),
            ignore_dangling_symlinks=True,
        )
    for name in _TERMINALS:
        for place in ("/usr/share/terminfo", "/usr/lib/terminfo", "/lib/terminfo"):
            source = Path(place) / name
            if source.is_file():
                target = root / "usr/share/terminfo" / name
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source, target)
                break
    if _CERTIFICATES.is_file():
        target = root / _CERTIFICATES.relative_to("/")
        target.parent.mkdir(parents=True)
        shutil.copyfile(_CERTIFICATES, target)
        (root / "usr/lib/ssl").mkdir(exist_ok=True)
        (root / "usr/lib/ssl/cert.pem").symlink_to("/etc/ssl/certs/ca-certificates.crt")


def _compile(root: Path, folder: Path) -> None:
    """Byte code that is trusted as it is: the sources beside it never change.

    Source: PEP 552, unchecked hash-based pycs
    """
    subprocess.run(
        [
            sys.executable, "-I", "-m", "compileall", "-qq", "-j", "0",
            "--invalidation-mode", "unchecked-hash", "-s", str(root), "-p", "/",
            str(root / folder),
        ],
        stdin=subprocess.DEVNULL,
        check=False,  # packages may carry files that are not meant to compile
    )  # fmt: skip


def _walk(root: Path) -> Iterator[Path]:
    yield root
    for directory, folders, files in os.walk(root):
        for name in (*folders, *files):
            yield Path(directory, name)


def _normalise_modes(root: Path) -> None:
    """Readable by all, writable by none but the owner, no special bit."""
    for path in _walk(root):
        mode = path.lstat().st_mode
        if stat.S_ISLNK(mode):
            continue
        executable = stat.S_ISDIR(mode) or mode & 0o111
        path.chmod(0o755 if executable else 0o644)
