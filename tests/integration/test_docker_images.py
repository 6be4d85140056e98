"""Runtime images of containers, built by a real engine: what is in them, and what is refused."""

import contextlib
import io
import json
import os
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import docker
import pytest
from docker.errors import NotFound

from bench.docker_image import wheel_cache
from vibecell.model.errors import SandboxFailure
from vibecell.sandbox.docker import image as images
from vibecell.sandbox.docker import image_build, sealed_run
from vibecell.sandbox.docker.client import Missing, connect
from vibecell.sandbox.docker.image import RuntimeImage, find, list_images
from vibecell.sandbox.docker.image_build import build
from vibecell.sandbox.images.rootfs_contents import ImageSpec, cell_fingerprint

SOURCES = str(Path(__file__).parents[2] / "src")
SPECIAL = """
import json, os, stat
found = []
for directory, folders, files in os.walk("/"):
    folders[:] = [f for f in folders if os.path.join(directory, f) not in ("/proc", "/sys", "/dev")]
    for name in (*folders, *files):
        path = os.path.join(directory, name)
        state = os.lstat(path)
        wide = stat.S_ISREG(state.st_mode) and state.st_mode & 0o022
        named = os.listxattr(path, follow_symlinks=False)
        if state.st_mode & 0o6000 or wide or state.st_uid or named:
            found.append(path)
print(json.dumps(found))
"""
ABOUT = """
import grp, importlib.util, json, locale, os, pwd, shutil, sys, sysconfig
places = "workspace run tmp proc dev sys".split()
hooks = [f for p in sys.path for f in ("sitecustomize.py", "usercustomize.py")
         if os.path.exists(os.path.join(p, f))]
secrets = [p for p in ("/etc/machine-id", "/etc/ssh", "/etc/shadow", "/var/lib", "/root", "/home",
           "/var/cache") if os.path.exists(p)]
print(json.dumps({
    "ids": [os.getuid(), os.getgid()], "cwd": os.getcwd(),
    "users": sorted(p.pw_name for p in pwd.getpwall()), "home": pwd.getpwuid(1000).pw_dir,
    "places": [p for p in places if os.path.isdir("/" + p)], "hooks": hooks, "secrets": secrets,
    "python": [shutil.which("python"), shutil.which("python3")], "encoding": locale.getencoding(),
    "zygote": os.path.exists("/usr/lib/vibecell/zygote.py"),
    "compiled": os.path.exists(importlib.util.cache_from_source("/usr/lib/vibecell/zygote.py")),
    "display": importlib.util.find_spec("vibecell_display") is not None,
    "version": sys.version.split()[0],
}))
"""
IMPORTS = """
import json, numpy, pandas, matplotlib.pyplot, sympy, PIL.Image, vibecell_display
from importlib.metadata import version
json.dumps(int(numpy.arange(7).sum()))
print(json.dumps({n: version(n) for n in ("numpy", "pandas", "matplotlib")}))
"""

IMPORT_ONE = """
import json, numpy
print(json.dumps([numpy.__version__, int(numpy.arange(7).sum())]))
"""
# an older numpy, a start-up hook that prints, keys, set-id programs, and settings of all kinds
BURDENED = r"""FROM BASE
RUN cd /usr/local/lib/python3.*/dist-packages && mkdir numpy numpy-1.0.dist-info \
 && echo old >numpy/old.py && echo 'print("hook")' >sitecustomize.py \
 && printf 'Metadata-Version: 2.1\nName: numpy\nVersion: 1.0\n' >numpy-1.0.dist-info/METADATA \
 && printf 'numpy/old.py,,\nnumpy-1.0.dist-info/METADATA,,\nnumpy-1.0.dist-info/RECORD,,\n' \
    >numpy-1.0.dist-info/RECORD \
 && chmod 6755 /bin/cat && chmod 666 /etc/timezone \
 && mkdir -p /etc/ssh /var/lib/me && echo key >/etc/ssh/ssh_host_rsa_key \
 && echo 0123 >/etc/machine-id && chown 33:33 /usr/bin/sort && mkfifo /usr/lib/pipe
VOLUME /data
ENV SECRET=x
ENTRYPOINT ["/bin/false"]
HEALTHCHECK CMD false
USER 33
"""


@pytest.fixture
def client(docker_host: str) -> Iterator[docker.APIClient]:
    with contextlib.closing(connect(docker_host, timeout_s=120.0)) as client:
        yield client


def inside(client: docker.APIClient, image: str, program: str, **options: Any) -> Any:
    """What a program prints as the image's own user on a read-only root, as JSON."""
    container = client.create_container(
        image,
        ["-c", program],
        host_config=client.create_host_config(
            network_mode="none",
            read_only=True,
            cap_drop=["ALL"],
            security_opt=["no-new-privileges"],
            tmpfs={"/tmp": "size=16m"},
        ),
        **options,
    )["Id"]
    try:
        client.start(container)
        status = client.wait(container)["StatusCode"]
        assert status == 0, client.logs(container).decode()
        return json.loads(client.logs(container, stderr=False))
    finally:
        client.remove_container(container, v=True, force=True)


def test_what_may_not_be_in_an_image_is_not(
    client: docker.APIClient, docker_image: RuntimeImage
) -> None:
    assert inside(client, docker_image.id, SPECIAL, user="0:0") == []


def test_what_a_cell_needs_is_there(client: docker.APIClient, docker_image: RuntimeImage) -> None:
    about = inside(client, docker_image.id, ABOUT)
    assert about == {
        "ids": [1000, 1000],
        "cwd": "/workspace",
        "users": ["nobody", "root", "user"],
        "home": "/workspace",
        "places": ["workspace", "run", "tmp", "proc", "dev", "sys"],
        "hooks": [],
        "secrets": [],
        "python": ["/usr/bin/python", "/usr/bin/python3"],
        "encoding": "UTF-8",
        "zygote": True,
        "compiled": True,
        "display": True,
        "version": docker_image.versions["python3"],
    }


def test_the_pinned_packages_are_importable(
    client: docker.APIClient, docker_image: RuntimeImage, docker_spec: ImageSpec
) -> None:
    pinned = docker_spec.requirements[0].read_text()
    found = inside(client, docker_image.id, IMPORTS, environment={"MPLCONFIGDIR": "/tmp/mpl"})
    assert all(f"{name}=={version}\n" in pinned for name, version in found.items())


def test_versions_are_those_of_the_programs(
    client: docker.APIClient, docker_image: RuntimeImage
) -> None:
    program = (
        "import json, subprocess\n"
        "said = subprocess.run(['node', '--version'], capture_output=True, text=True).stdout\n"
        "print(json.dumps(said.strip().removeprefix('v')))"
    )
    assert docker_image.versions["node"] == inside(client, docker_image.id, program)
    assert set(docker_image.versions) == {"python3", "node", "bash"}


def test_nothing_of_the_base_is_left_in_the_settings(
    client: docker.APIClient, docker_image: RuntimeImage, docker_base: str, docker_spec: ImageSpec
) -> None:
    settings = client.inspect_image(docker_image.id)["Config"]
    assert (settings["User"], settings["WorkingDir"]) == ("1000:1000", "/workspace")
    assert (settings["Entrypoint"], settings["Cmd"]) == (["python3"], None)
    assert not settings.get("Volumes")
    assert "Healthcheck" not in settings
    assert list(docker_image.env) == ["PATH=/usr/local/bin:/usr/bin:/bin", "LANG=C.UTF-8"]
    labels = settings["Labels"]
    assert labels[images.LABEL_IMAGE] == "1"
    assert labels[images.LABEL_BASE] == docker_base
    assert labels[images.LABEL_CELL_PROGRAMS] == cell_fingerprint(docker_spec)
    assert json.loads(labels[images.LABEL_VERSIONS]) == dict(docker_image.versions)


def test_other_cell_programs_change_the_last_layer_only(
    client: docker.APIClient,
    docker_image: RuntimeImage,
    docker_base: str,
    docker_spec: ImageSpec,
    docker_state: Path,
    tmp_path: Path,
) -> None:
    for path in docker_spec.cell_programs.glob("*.*"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "zygote.py").write_text("# another\n")
    other = ImageSpec(
        docker_spec.programs,
        docker_spec.trees,
        docker_spec.requirements,
        tmp_path,
        docker_spec.program_path,
    )
    built = build_here(client, docker_state, base=docker_base, spec=other)
    try:
        layers = [client.inspect_image(i.id)["RootFS"]["Layers"] for i in (docker_image, built)]
        assert layers[0][:-1] == layers[1][:-1]
        assert layers[0][-1] != layers[1][-1]
        assert sum(1 for _ in built.versions) == 3
    finally:
        client.remove_image(built.reference)


def build_here(
    client: docker.APIClient, state: Path, *, base: str, spec: ImageSpec, name: str = "other"
) -> RuntimeImage:
    return build(client, name=name, base=base, spec=spec, cache=wheel_cache(state), say=print)


@contextlib.contextmanager
def another_base(client: docker.APIClient, name: str, dockerfile: str) -> Iterator[str]:
    """A base image built as it says, as long as the block lasts."""
    reference = f"vibecell-test/{name}:1"
    file = io.BytesIO(dockerfile.encode())
    said = list(client.build(fileobj=file, tag=reference, rm=True, decode=True))
    assert "error" not in said[-1], said
    yield reference
    client.remove_image(reference, force=True)


@pytest.fixture
def of_one_package(docker_spec: ImageSpec, tmp_path: Path) -> ImageSpec:
    """With numpy alone: an image that is built for one test is not to take a minute."""
    (requirements,) = docker_spec.requirements
    lines = requirements.read_text().splitlines()
    (numpy,) = (line for line in lines if line.startswith("numpy=="))
    (tmp_path / "requirements.txt").write_text(f"{numpy}\n")
    return replace(docker_spec, requirements=(tmp_path / "requirements.txt",))


@pytest.fixture
def burdened(client: docker.APIClient, docker_base: str) -> Iterator[str]:
    """A base that brings what no runtime image may have."""
    dockerfile = BURDENED.replace("BASE", docker_base)
    with another_base(client, "burdened", dockerfile) as reference:
        yield reference


def test_what_a_base_brings_along_is_left_behind(
    client: docker.APIClient, burdened: str, of_one_package: ImageSpec, docker_state: Path
) -> None:
    built = build_here(client, docker_state, base=burdened, spec=of_one_package)
    try:
        assert inside(client, built.id, SPECIAL, user="0:0") == []
        about = inside(client, built.id, ABOUT)
        assert (about["hooks"], about["secrets"]) == ([], [])
        assert about["users"] == ["nobody", "root", "user"]
        version, total = inside(client, built.id, IMPORT_ONE)
        assert of_one_package.requirements[0].read_text() == f"numpy=={version}\n"
        assert total == 21
        settings = client.inspect_image(built.id)["Config"]
        assert not settings.get("Volumes")
        assert settings["Entrypoint"] == ["python3"]
        assert not any("SECRET" in variable for variable in built.env)
        assert client.volumes()["Volumes"] in (None, [])
    finally:
        client.remove_image(built.reference)


@pytest.fixture
def hollow(client: docker.APIClient) -> Iterator[str]:
    """An image in which there is a file, and nothing to run."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as tar:
        tar.addfile(tarfile.TarInfo("nothing"))
    client.import_image_from_data(file.getvalue(), repository="vibecell-test/hollow", tag="1")
    yield "vibecell-test/hollow:1"
    client.remove_image("vibecell-test/hollow:1", force=True)


def test_a_base_without_python_is_refused(
    client: docker.APIClient, hollow: str, docker_spec: ImageSpec, docker_state: Path
) -> None:
    with pytest.raises(SandboxFailure, match=f"{hollow} .*: it has no python3 in /usr/local/bin"):
        build_here(client, docker_state, base=hollow, spec=docker_spec)
    assert not questions(client)


def test_an_interpreter_that_is_not_taken_is_named(
    client: docker.APIClient, docker_base: str, of_one_package: ImageSpec, docker_state: Path
) -> None:
    elsewhere = (
        f"FROM {docker_base}\nRUN mv /usr/bin/python3.11 /srv && ln -s /srv/python3.11 /usr/bin\n"
    )
    fingerprint = cell_fingerprint(of_one_package)
    with another_base(client, "elsewhere", elsewhere) as base:
        with pytest.raises(SandboxFailure, match=r"it has no python3: .* outside .*/usr.*/opt"):
            build_here(client, docker_state, base=base, spec=of_one_package, name="elsewhere")
        with pytest.raises(Missing):
            find(client, "elsewhere", fingerprint)


def test_a_base_that_cannot_be_had_is_named(
    client: docker.APIClient, docker_spec: ImageSpec, docker_state: Path
) -> None:
    with pytest.raises(SandboxFailure, match=r"localhost:1/nowhere:9: it is not here and could"):
        build_here(client, docker_state, base="localhost:1/nowhere:9", spec=docker_spec)


def test_an_image_that_was_not_built_is_missing(client: docker.APIClient) -> None:
    with pytest.raises(Missing, match=r"vibecell images build --name nowhere"):
        find(client, "nowhere", "0" * 16)


@pytest.mark.parametrize("instruction", ["VOLUME /data", "LABEL io.vibecell.image=0"])
def test_an_image_that_is_not_as_we_build_it_is_refused(
    client: docker.APIClient, docker_image: RuntimeImage, docker_spec: ImageSpec, instruction: str
) -> None:
    fingerprint = cell_fingerprint(docker_spec)
    dockerfile = f"FROM {docker_image.id}\n{instruction}\n".encode()
    reference = images.reference_of("odd", fingerprint)
    list(client.build(fileobj=io.BytesIO(dockerfile), tag=reference, rm=True))
    try:
        with pytest.raises(SandboxFailure, match=r"volumes|labels"):
            find(client, "odd", fingerprint)
    finally:
        client.remove_image(reference, force=True)


def questions(client: docker.APIClient) -> list[str]:
    """The containers in which an image is asked something."""
    found = client.containers(all=True, filters={"label": sealed_run.QUESTION_LABEL})
    return [str(entry["Id"]) for entry in found]


def command(host: str, *words: str) -> dict[str, Any]:
    """How ``vibecell images`` is started."""
    return {
        "args": [sys.executable, "-m", "vibecell.cli.main", "images", *words],
        "env": {**os.environ, "PYTHONPATH": SOURCES, "VIBECELL_DOCKER_HOST": host},
    }


def vibecell(host: str, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        **command(host, *words), capture_output=True, text=True, timeout=60, check=False
    )


@pytest.fixture
def killed(client: docker.APIClient, docker_host: str, docker_base: str) -> Iterator[str]:
    """The container of a question that a build was waiting for when it was killed."""
    silent = (
        f"FROM {docker_base}\nRUN rm /usr/bin/python3"
        " && printf '#!/bin/sh\\nexec sleep 1000' >/usr/bin/python3 && chmod 755 /usr/bin/python3\n"
    )
    with another_base(client, "silent", silent) as base:
        building = subprocess.Popen(**command(docker_host, "build", "--base", base))
        try:
            deadline_s = time.monotonic() + 30
            while not client.containers(filters={"label": sealed_run.QUESTION_LABEL}):
                assert building.poll() is None and time.monotonic() < deadline_s
                time.sleep(0.05)
        finally:
            building.kill()
            building.wait()
        (container,) = questions(client)
        yield container
        with contextlib.suppress(NotFound):
            client.remove_container(container, v=True, force=True)


def test_what_a_killed_build_has_left_is_removed_by_the_next_one(
    client: docker.APIClient,
    killed: str,
    docker_base: str,
    docker_spec: ImageSpec,
    docker_state: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def build_in_vain() -> None:
        nowhere = "localhost:1/nowhere:9"
        with pytest.raises(SandboxFailure, match="find the base image"):
            build_here(client, docker_state, base=nowhere, spec=docker_spec)

    of_others = client.create_container(docker_base, ["true"], labels={"com.example": "1"})["Id"]
    try:
        build_in_vain()
        assert questions(client) == [killed]  # so young that somebody may wait for it
        assert client.inspect_container(killed)["State"]["Running"]
        aged_s = 4.0  # the daemon tells whole seconds
        time.sleep(aged_s)
        sooner = partial(sealed_run.remove_left, older_than_s=aged_s)
        monkeypatch.setattr(image_build, "remove_left", sooner)
        young = client.create_container(
            docker_base, ["true"], labels={sealed_run.QUESTION_LABEL: "1"}
        )["Id"]
        build_in_vain()
        assert questions(client) == [young]
        client.inspect_container(of_others)
    finally:
        for container in (of_others, *questions(client)):
            client.remove_container(container, v=True, force=True)


def test_images_are_listed(
    client: docker.APIClient, docker_host: str, docker_image: RuntimeImage, docker_base: str
) -> None:
    (listed,) = [i for i in list_images(client) if i.reference == docker_image.reference]
    assert (listed.id, listed.base) == (docker_image.id, docker_base)
    done = vibecell(docker_host, "list")
    assert (done.returncode, done.stderr) == (0, "")
    heading, first = done.stdout.splitlines()[:2]
    assert heading.split() == ["IMAGE", "BASE", "SIZE", "CREATED", "FITS", "VERSIONS"]
    assert first.startswith(f"{docker_image.reference}  {docker_base}  ")
    assert f"python3 {docker_image.versions['python3']}" in first
    (shown,) = [
        i
        for i in json.loads(vibecell(docker_host, "list", "--json").stdout)
        if i["reference"] == docker_image.reference
    ]
    assert shown["fits"] is True
    assert shown["versions"] == dict(docker_image.versions)


def test_the_command_says_what_is_wrong(tmp_path: Path) -> None:
    done = vibecell(f"unix://{tmp_path}/none.sock", "list")
    assert done.returncode == 2
    assert done.stderr.startswith("vibecell: reach the Docker engine: ")
    assert "Traceback" not in done.stderr
