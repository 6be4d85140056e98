"""A base image that needs no registry: a small Debian, made by debootstrap.

Owns what is in it and the archive that is kept of it; refuses what an image of a
registry would bring along: no pip, and an interpreter that is the distribution's.
The programs that languages use are in it, so that nothing is fetched while a
runtime image is built on it.

Source: debootstrap(8)
"""

import contextlib
import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import docker
from docker.errors import ImageNotFound

from bench.case import BenchFailed, NotHad
from bench.docker_engine import SYSTEM_PATH

RELEASE = "bookworm"
PACKAGES = (
    "python3", "nodejs", "ca-certificates", "bc", "bsdextrautils", "bzip2", "jq", "patch",
    "procps", "xxd", "xz-utils",
)  # fmt: skip
REPOSITORY = "vibecell-test/base"
DEADLINE_S = 900.0
_LEFT_OUT = ("./proc/*", "./sys/*", "./dev/*", "./run/*", "./tmp/*", "./var/cache/apt/*",
             "./var/lib/apt/lists/*", "./var/log/*")  # fmt: skip


def base_image(client: docker.APIClient, state: Path, packages: Sequence[str] = PACKAGES) -> str:
    """The reference of the base; made in a minute when first asked for, then imported.

    Args:
        client: of the engine that shall have it.
        state: keeps the archive between runs.
        packages: of the distribution, beside the least it can do with.

    Raises:
        NotHad: this host cannot make one; says what it lacks.
        BenchFailed: it cannot be made; quotes what was said.
    """
    version = hashlib.sha256(f"{RELEASE} {' '.join(packages)}".encode()).hexdigest()[:12]
    reference = f"{REPOSITORY}:{version}"
    try:
        client.inspect_image(reference)
    except ImageNotFound:
        archive = state / f"base-{version}.tar"
        if not archive.exists():
            _make(archive, packages)
        client.import_image_from_file(str(archive), repository=REPOSITORY, tag=version)
        client.inspect_image(reference)
    return reference


def _make(archive: Path, packages: Sequence[str]) -> None:
    if os.geteuid() != 0:
        raise NotHad("debootstrap needs root")
    if shutil.which("debootstrap", path=SYSTEM_PATH) is None:
        raise NotHad("debootstrap is not installed")
    archive.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        work = Path(tempfile.mkdtemp(prefix=".base-", dir=archive.parent))
        stack.callback(shutil.rmtree, work)
        root, tar = work / "root", work / "tar"
        # nothing is mounted there unless debootstrap was interrupted
        command = ["umount", "--recursive", "--quiet", str(root / "proc")]
        stack.callback(lambda: subprocess.run(command, stderr=subprocess.DEVNULL, check=False))
        _run(
            "debootstrap", "--variant=minbase", f"--include={','.join(packages)}", RELEASE,
            str(root),
        )  # fmt: skip
        _run(
            "tar", "--create", f"--file={tar}", f"--directory={root}", "--numeric-owner",
            "--one-file-system", *(f"--exclude={pattern}" for pattern in _LEFT_OUT), ".",
        )  # fmt: skip
        tar.rename(archive)


def _run(*command: str) -> None:
    environment = {
        **os.environ,
        "PATH": SYSTEM_PATH,
        "LC_ALL": "C",
        "DEBIAN_FRONTEND": "noninteractive",
    }
    try:
        done = subprocess.run(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=DEADLINE_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise BenchFailed(f"{command[0]} did not end in time") from error
    if done.returncode != 0:
        last = done.stdout.decode(errors="replace").strip()[-600:]
        raise NotHad(f"{command[0]} cannot make a base image: {last}")
