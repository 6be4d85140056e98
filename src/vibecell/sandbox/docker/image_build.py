"""Building the runtime image of containers from a base image.

Owns the order of the build: the base is asked for its interpreter, this host
downloads the pinned wheels for it, the daemon builds, the finished image is asked
for its versions, and only then is it labelled and named. Refuses a base whose
interpreter cannot run the cell programs, and the daemon's newer builder: the
classic one is all that the SDK speaks, and needs nothing mounted.

Nothing but system programs that the base lacks is fetched inside the build.

Source: Docker Engine API v1.41, "Build an image"
"""

import io
import json
import tarfile
import tempfile
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import IO, Any

import docker

from vibecell.model.errors import SandboxFailure
from vibecell.sandbox.docker import fill_image, image
from vibecell.sandbox.docker.client import Missing, asking
from vibecell.sandbox.docker.image import RuntimeImage
from vibecell.sandbox.docker.sealed_run import NoInterpreter, ask_python, remove_left
from vibecell.sandbox.docker.wheels import Interpreter, download
from vibecell.sandbox.images import adapted_packages, image_rules
from vibecell.sandbox.images import rootfs_contents as contents
from vibecell.sandbox.images.rootfs_contents import ImageSpec

SILENCE_S = 1800.0  # a step of the build may print nothing for as long as this
_DOCKERFILE = Path(__file__).with_name("Dockerfile")
_LINES_KEPT = 12
_ARCHITECTURES = {"amd64": "x86_64", "arm64": "aarch64"}
_ASK_INTERPRETER = """
import json, os, platform, sys
try:
    libc = os.confstr("CS_GNU_LIBC_VERSION") or ""
except (ValueError, OSError):
    libc = ""
print(json.dumps([sys.implementation.name, *sys.version_info[:2], platform.machine(), libc]))
"""
_ASK_VERSIONS = r"""
import json, re, subprocess, sys
found = {"python3": ".".join(map(str, sys.version_info[:3]))}
for name, *arguments in json.loads(sys.argv[1]):
    try:
        said = subprocess.run([name, *arguments], stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, timeout=20).stdout
    except (OSError, subprocess.TimeoutExpired):
        continue
    match = re.search(r"\d+(\.\d+)+", said)
    if match:
        found[name] = match.group()
print(json.dumps(found))
"""


def build(
    client: docker.APIClient,
    *,
    name: str,
    base: str,
    spec: ImageSpec,
    cache: Path,
    say: Callable[[str], None],
    network: str | None = None,
) -> RuntimeImage:
    """Build the image ``vibecell/NAME`` of this version; the daemon reuses what has not changed.

    Args:
        client: of the daemon that builds and keeps it.
        name: the last part of its name.
        base: a reference of an image with ``python3``; pulled where the daemon lacks it.
        spec: what the image must hold.
        cache: directory of downloaded wheels; made when absent.
        say: told what goes on, a line at a time.
        network: of the steps that install system programs; ``None``: the daemon's default.

    Raises:
        SandboxFailure: names the step, with the last lines of what was printed.
    """
    fingerprint = contents.cell_fingerprint(spec)
    reference = image.reference_of(name, fingerprint)
    try:
        remove_left(client)
    except SandboxFailure as error:  # that something is left is no reason to build nothing
        say(str(error))
    base_id = _base(client, base, say)
    interpreter = _interpreter(client, base, base_id)
    say(f"{base} has {interpreter}")
    wheels = download(spec.requirements, interpreter, cache, say)
    say(f"building {reference}; the first time takes some minutes")
    with tempfile.TemporaryFile() as file:
        _write_context(file, spec, wheels)
        file.seek(0)
        filled = _run_build(client, file, say, {"BASE": base_id}, network=network)
    versions = _measured(client, filled, spec)
    labels = {
        image.LABEL_IMAGE: image.IMAGE_FORMAT,
        image.LABEL_BASE: base,
        image.LABEL_CELL_PROGRAMS: fingerprint,
        image.LABEL_VERSIONS: json.dumps(versions, sort_keys=True),
    }
    with io.BytesIO() as file:
        _write_tar(file, [("Dockerfile", f"FROM {filled}\n".encode())])
        file.seek(0)
        _run_build(client, file, say, labels=labels, tag=reference)
    return image.find(client, name, fingerprint)


def _base(client: docker.APIClient, base: str, say: Callable[[str], None]) -> str:
    """The id of the base; what the daemon has is taken as it is and never pulled again."""
    step = f"find the base image {base}"
    try:
        with asking(step):
            return str(client.inspect_image(base)["Id"])
    except Missing:
        say(f"{base} is not here: pulling it")
    repository, tag = docker.utils.parse_repository_tag(base)
    try:
        with asking(step):
            # without a tag the daemon would pull every one
            for line in client.pull(repository, tag or "latest", stream=True, decode=True):
                if "error" in line:
                    raise SandboxFailure(step, str(line["error"])[:500])
            return str(client.inspect_image(base)["Id"])
    except SandboxFailure as error:
        reason = str(error).removeprefix(f"{step}: ")
        said = f"it is not here and could not be pulled: {reason}"
        raise SandboxFailure(step, said) from error


def _interpreter(client: docker.APIClient, base: str, base_id: str) -> Interpreter:
    step = f"ask the base image {base} for its interpreter"
    try:
        answer = ask_python(client, base_id, step, _ASK_INTERPRETER)
        kind, major, minor, machine, libc = answer
    except NoInterpreter as error:
        said = f"it has no python3 in {image_rules.PROGRAM_PATH}; name another base"
        raise SandboxFailure(step, said) from error
    except (TypeError, ValueError) as error:
        raise SandboxFailure(step, "it answered something unreadable") from error
    with asking(step):
        expected = _ARCHITECTURES.get(client.version()["Arch"])
    if kind != "cpython" or (major, minor) < (3, 11):
        said = f"its python3 is {kind} {major}.{minor}; it must be CPython 3.11 or newer"
        raise SandboxFailure(step, said)
    if expected is None or machine != expected:
        said = f"it is made for {machine}; the daemon must be x86_64 or aarch64, and the base as it"
        raise SandboxFailure(step, said)
    if not libc.startswith("glibc "):
        raise SandboxFailure(step, "its C library is not glibc, for which the packages are made")
    glibc_major, glibc_minor = libc.removeprefix("glibc ").split(".")[:2]
    return Interpreter((major, minor), machine, (int(glibc_major), int(glibc_minor)))


def _measured(client: docker.APIClient, filled: str, spec: ImageSpec) -> dict[str, str]:
    """Program name to version, as the programs themselves tell in the image."""
    step = "measure the versions in the image"
    asked = [[p.name, *p.version_args] for p in spec.programs if p.version_args]
    try:
        answer = ask_python(client, filled, step, _ASK_VERSIONS, json.dumps(asked))
    except NoInterpreter as error:
        taken = ", ".join(f"/{tree}" for tree in fill_image.TREES)
        said = f"it has no python3: that of the base lies outside all that is taken of it ({taken})"
        raise SandboxFailure(step, said) from error
    return {str(name): str(version) for name, version in answer.items()}


def _run_build(
    client: docker.APIClient,
    context: IO[bytes],
    say: Callable[[str], None],
    arguments: dict[str, str] | None = None,
    **options: Any,
) -> str:
    """Have the daemon build; returns the image's id."""
    step = "build the runtime image"
    network = options.pop("network", None)
    last: deque[str] = deque(maxlen=_LINES_KEPT)
    built = ""
    with asking(step):
        lines = client.build(
            fileobj=context, custom_context=True, buildargs=arguments, rm=True, forcerm=True,
            decode=True, timeout=SILENCE_S, network_mode=network, **options,
        )  # fmt: skip
        for line in lines:
            if "error" in line:
                raise SandboxFailure(step, "\n".join((*last, str(line["error"]))))
            built = (line.get("aux") or {}).get("ID", built)
            for text in line.get("stream", "").splitlines():
                if text.strip():
                    last.append(text.rstrip())
                if text.startswith(fill_image.SAYS):
                    say(text.removeprefix(fill_image.SAYS))
    if not built:
        raise SandboxFailure(step, "\n".join((*last, "the daemon names no image")))
    return built


def _write_context(file: IO[bytes], spec: ImageSpec, wheels: Path) -> None:
    """What the Dockerfile copies from; the same bytes for the same contents."""
    plan = {
        "programs": sorted(p.name for p in spec.programs),
        "packages": {p.name: p.package for p in spec.programs if p.package},
    }
    rules = Path(*image_rules.__name__.split(".")).with_suffix(".py")
    adapted = rules.with_name(Path(adapted_packages.__file__).name)
    members: list[tuple[str, bytes | Path]] = [
        ("Dockerfile", _DOCKERFILE),
        ("fill/__main__.py", Path(fill_image.__file__)),
        ("fill/plan.json", json.dumps(plan).encode()),
        # whole packages: one of the same name in the base does not go before them
        *((f"fill/{parent}/__init__.py", b"") for parent in rules.parents if parent.name),
        (f"fill/{rules}", Path(image_rules.__file__)),
        (f"fill/{adapted}", Path(adapted_packages.__file__)),
        ("packages/requirements.txt", b"\n".join(p.read_bytes() for p in spec.requirements)),
    ]
    members += [(f"packages/wheels/{p.name}", p) for p in sorted(wheels.glob("*.whl"))]
    members += [(f"cell/{p.name}", p) for p in contents.cell_sources(spec)]
    _write_tar(file, members)


def _write_tar(file: IO[bytes], members: Iterable[tuple[str, bytes | Path]]) -> None:
    with tarfile.open(fileobj=file, mode="w") as tar:
        for name, content in members:
            data = content if isinstance(content, bytes) else content.read_bytes()
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(data), 0o644
            tar.addfile(entry, io.BytesIO(data))
