"""What is asked of the Docker engine for one wall, option by option."""

import json
from dataclasses import replace
from typing import Any

import pytest

from vibecell.model.limits import MIB
from vibecell.sandbox.docker.container import ContainerSpec, describe
from vibecell.sandbox.host.wall_bounds import WallBounds
from vibecell.sandbox.mechanisms import seccomp

FOLDER = "/run/vibecell/containers/0123456789abcdef"
SPEC = ContainerSpec(
    image="sha256:1234",
    image_env=("GPG_KEY", "PATH", "LD_PRELOAD"),
    user=1_900_001_024,
    group=1_900_001_025,
    control_folder=FOLDER,
    owner="0" * 32,
    profile="python-light",
    runtime="",
    bounds=WallBounds(
        memory_bytes=600 * MIB, processes=12, with_programs=76, user_processes=76, cpus=1.5
    ),
    file_bytes=64 * MIB,
    apparmor=False,
)
# whatever else there is to ask for leaves a container as the engine makes it
ALL_OPTIONS = {
    *("Image", "Entrypoint", "Cmd", "WorkingDir", "User", "Hostname", "Env", "Labels"),
    *("NetworkDisabled", "AttachStdin", "AttachStdout", "AttachStderr", "Tty", "OpenStdin"),
    *("Healthcheck", "StopSignal", "HostConfig"),
}
ALL_HOST_OPTIONS = {
    *("NetworkMode", "ReadonlyRootfs", "Privileged", "CapDrop", "SecurityOpt", "MaskedPaths"),
    *("ReadonlyPaths", "IpcMode", "PidMode", "UTSMode", "CgroupnsMode", "Tmpfs"),
    *("Mounts", "Devices", "Memory", "MemorySwap", "MemorySwappiness", "OomKillDisable"),
    *("PidsLimit", "Ulimits", "RestartPolicy", "AutoRemove", "Init", "LogConfig", "Runtime"),
    "NanoCpus",
}


def host_config(**different: Any) -> dict[str, Any]:
    found = describe(replace(SPEC, **different))["HostConfig"]
    assert isinstance(found, dict)
    return found


def filter_of(options: list[str]) -> dict[str, Any]:
    (given,) = (x.removeprefix("seccomp=") for x in options if x.startswith("seccomp="))
    profile = json.loads(given)
    assert isinstance(profile, dict)
    return profile


def test_it_asks_for_what_is_named_here_and_for_nothing_else() -> None:
    body = describe(SPEC)
    assert set(body) == ALL_OPTIONS
    assert set(body["HostConfig"]) == ALL_HOST_OPTIONS


def test_it_can_be_sent() -> None:
    body = describe(SPEC)
    assert json.loads(json.dumps(body)) == body


def test_a_program_has_no_privilege() -> None:
    body = describe(SPEC)
    config = body["HostConfig"]
    assert body["User"] == "1900001024:1900001025"
    assert config["CapDrop"] == ["ALL"]
    assert "CapAdd" not in config
    assert config["Privileged"] is False
    assert "no-new-privileges:true" in config["SecurityOpt"]
    assert config["Devices"] == []


def test_there_is_no_network() -> None:
    body = describe(SPEC)
    assert body["NetworkDisabled"] is True
    assert body["HostConfig"]["NetworkMode"] == "none"


def test_no_namespace_is_the_hosts() -> None:
    config = host_config()
    modes = {name: value for name, value in config.items() if name.endswith("Mode")}
    assert modes == {
        "NetworkMode": "none",
        "IpcMode": "none",
        "PidMode": "",
        "UTSMode": "",
        "CgroupnsMode": "private",
    }


def test_the_root_is_read_only_and_what_is_not_is_small() -> None:
    config = host_config()
    assert config["ReadonlyRootfs"] is True
    assert set(config["Tmpfs"]) == {"/tmp", "/dev/shm"}
    for text, size, inodes in (("/tmp", "16m", "1k"), ("/dev/shm", "1m", "16")):
        options = set(config["Tmpfs"][text].split(","))
        assert {"noexec", "nosuid", "nodev", f"size={size}", f"nr_inodes={inodes}"} <= options


def test_proc_is_whole_in_it_or_nobody_could_mount_another() -> None:
    """mount_namespaces(7): what would show more than one sees oneself is refused."""
    assert host_config()["MaskedPaths"] == host_config()["ReadonlyPaths"] == []


def test_of_the_host_it_sees_one_folder_and_cannot_write_to_it() -> None:
    (mount,) = host_config()["Mounts"]
    assert (mount["Type"], mount["Source"], mount["ReadOnly"]) == ("bind", FOLDER, True)
    assert mount["BindOptions"] == {"Propagation": "rprivate"}


@pytest.mark.parametrize("apparmor", [False, True])
def test_the_engines_socket_is_never_in_it(apparmor: bool) -> None:
    assert "docker.sock" not in json.dumps(describe(replace(SPEC, apparmor=apparmor)))


def test_everything_is_bounded() -> None:
    config = host_config()
    assert 0 < config["Memory"] < 1024 * MIB
    assert config["MemorySwap"] == config["Memory"], "no swap on top of it"
    assert config["MemorySwappiness"] == 0
    assert config["OomKillDisable"] is False
    assert 0 < config["PidsLimit"] <= 16
    assert config["NanoCpus"] == 1_500_000_000
    assert config["LogConfig"] == {"Type": "none"}
    limits = {x["Name"]: (x["Soft"], x["Hard"]) for x in config["Ulimits"]}
    assert limits["core"] == limits["memlock"] == limits["msgqueue"] == (0, 0)
    assert limits["nofile"] == (4096, 4096)
    assert limits["fsize"] == (64 * MIB, 64 * MIB)
    assert all(0 <= soft <= hard for soft, hard in limits.values())
    assert limits["nproc"] == (76, 76), "those moved to a cell's cgroup are counted, too"


def test_the_processes_of_a_user_who_has_others_are_not_counted() -> None:
    limits = {
        x["Name"] for x in host_config(bounds=replace(SPEC.bounds, user_processes=None))["Ulimits"]
    }
    assert "nproc" not in limits and "nofile" in limits


def test_a_wall_for_many_has_no_bound_of_its_own_on_processors() -> None:
    assert "NanoCpus" not in host_config(bounds=replace(SPEC.bounds, cpus=None))


def test_calls_are_refused_that_are_not_allowed() -> None:
    profile = filter_of(host_config()["SecurityOpt"])
    assert profile["defaultAction"] == "SCMP_ACT_ERRNO"
    assert len(profile["architectures"]) == 1
    rules = profile["syscalls"]
    assert {rule["action"] for rule in rules} == {"SCMP_ACT_ALLOW", "SCMP_ACT_ERRNO"}
    allowed = {n for r in rules if r["action"] == "SCMP_ACT_ALLOW" for n in r["names"]}
    forbidden = {
        *("bpf", "keyctl", "add_key", "init_module", "finit_module", "kexec_load", "reboot"),
        *("open_by_handle_at", "io_uring_setup", "perf_event_open", "userfaultfd", "ptrace"),
        *("process_vm_writev", "swapon", "syslog", "clone3", "fsopen", "move_mount"),
    }
    assert not allowed & forbidden
    assert set(seccomp.OUTER_WALL_CALLS) <= allowed


def test_what_makes_the_inner_wall_is_all_that_is_allowed_beyond_a_programs_calls() -> None:
    def unconditional(profile: dict[str, Any]) -> set[str]:
        rules = profile["syscalls"]
        return {
            name
            for rule in rules
            if rule["action"] == "SCMP_ACT_ALLOW" and "args" not in rule
            for name in rule["names"]
        }

    ours = unconditional(filter_of(host_config()["SecurityOpt"]))
    programs: Any = seccomp.to_oci_profile()
    assert ours - unconditional(programs) == set(seccomp.OUTER_WALL_CALLS)


def test_apparmor_is_spoken_of_only_where_the_engine_has_it() -> None:
    def spoken(apparmor: bool) -> list[str]:
        return [x for x in host_config(apparmor=apparmor)["SecurityOpt"] if "apparmor" in x]

    assert spoken(False) == []
    assert spoken(True) == ["apparmor=unconfined"]
    assert filter_of(host_config(apparmor=True)["SecurityOpt"]) == filter_of(
        host_config()["SecurityOpt"]
    )


def test_the_images_environment_is_emptied() -> None:
    environment = dict(x.split("=", 1) for x in describe(SPEC)["Env"])
    assert environment == {
        "GPG_KEY": "",
        "HOME": "/workspace",
        "LD_PRELOAD": "",
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "PYTHONPATH": "/usr/lib/vibecell",
        "VIBECELL_CONTROL_SOCKET": "/run/vibecell/control",
    }


def test_the_image_decides_neither_what_runs_nor_what_stops_it() -> None:
    body = describe(SPEC)
    assert (body["Entrypoint"], body["Cmd"]) == (["python3"], ["main.py"])
    assert body["Healthcheck"] == {"Test": ["NONE"]}
    assert body["StopSignal"] == "SIGKILL"
    assert body["Image"] == "sha256:1234", "an id: a name may move on"


def test_it_comes_once_and_leaves_nothing() -> None:
    config = host_config()
    assert config["AutoRemove"] is True
    assert config["RestartPolicy"] == {"Name": "no"}


def test_its_labels_say_whose_it_is() -> None:
    assert describe(SPEC)["Labels"] == {
        "io.vibecell.owner": "0" * 32,
        "io.vibecell.profile": "python-light",
    }


@pytest.mark.parametrize("runtime", ["", "runsc"])
def test_the_runtime_is_the_operators_choice(runtime: str) -> None:
    assert host_config(runtime=runtime)["Runtime"] == runtime
