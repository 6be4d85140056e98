"""The Python packages of an image, downloaded by this host for the image's interpreter.

Owns the cache of wheels; refuses source distributions, which would have to be run
to be installed. A folder of the cache is named after everything it depends on, is
filled under another name and renamed when whole, so a half-filled one is never used.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from vibecell.model.errors import SandboxFailure

DEADLINE_S = 1800.0
PIP = "pip==26.3"  # installs the others in the build, and stays out of the image
_OLDEST_GLIBC_MINOR = 17  # of manylinux2014, the first to know aarch64


@dataclass(frozen=True, slots=True)
class Interpreter:
    """A CPython on glibc.

    Attributes:
        version: major and minor.
        machine: ``x86_64`` or ``aarch64``.
        glibc: major and minor.
    """

    version: tuple[int, int]
    machine: str
    glibc: tuple[int, int]

    def __str__(self) -> str:
        return f"Python {_dotted(self.version)} on {self.machine}, glibc {_dotted(self.glibc)}"

    @property
    def platforms(self) -> Iterator[str]:
        """The platform tags it takes, the newest first.

        Source: PEP 600
        """
        major, newest = self.glibc
        for minor in range(newest, _OLDEST_GLIBC_MINOR - 1, -1):
            yield f"manylinux_{major}_{minor}_{self.machine}"
        yield f"manylinux2014_{self.machine}"


def _dotted(version: tuple[int, int]) -> str:
    return ".".join(map(str, version))


def download(
    requirements: tuple[Path, ...],
    interpreter: Interpreter,
    cache: Path,
    say: Callable[[str], None],
) -> Path:
    """A directory with the wheels of all requirements, and of pip, for an interpreter.

    Args:
        requirements: files of pinned packages.
        interpreter: of the image.
        cache: where such directories are kept; made when absent.
        say: told what goes on, a line at a time.

    Raises:
        SandboxFailure: they cannot be had; quotes what pip said.
    """
    step = f"download the packages for {interpreter}"
    digest = hashlib.sha256(f"{interpreter}\n{PIP}\n".encode())
    for path in requirements:
        digest.update(path.read_bytes())
    folder = cache / digest.hexdigest()[:16]
    if folder.is_dir():
        return folder
    say(f"downloading the packages for {interpreter}")
    work = None
    try:
        cache.mkdir(parents=True, exist_ok=True, mode=0o755)
        work = Path(tempfile.mkdtemp(prefix=".downloading-", dir=cache))
        _pip_download(step, requirements, interpreter, work)
        try:
            os.rename(work, folder)
        except OSError:
            if not folder.is_dir():  # else another has just filled it
                raise
    except OSError as error:
        raise SandboxFailure(step, str(error)) from error
    finally:
        if work is not None:
            shutil.rmtree(work, ignore_errors=True)  # gone where it was renamed
    return folder


def _pip_download(
    step: str, requirements: tuple[Path, ...], interpreter: Interpreter, destination: Path
) -> None:
    command = [
        sys.executable, "-m", "pip", "download", "--quiet", "--no-input",
        "--disable-pip-version-check", "--only-binary", ":all:", "--implementation", "cp",
        "--python-version", _dotted(interpreter.version), "--dest", str(destination),
    ]  # fmt: skip
    for platform in interpreter.platforms:
        command += ["--platform", platform]
    command += [*(f"--requirement={path}" for path in requirements), PIP]
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=DEADLINE_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise SandboxFailure(step, "pip did not end in time") from error
    if done.returncode != 0:
        raise SandboxFailure(step, done.stderr.decode(errors="replace").strip()[-2000:])
