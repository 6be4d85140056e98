"""A Docker engine of our own, for tests and for the benchmark.

Owns one ``dockerd`` with everything that is its: data, socket, cgroups, mounts and
the processes it starts; refuses the engine of the machine, whose containers and
images are somebody's. It has no network: no bridge, no firewall rule, no forwarding.

What may last is its data, so that images are made once: each of the folders
``engine-0``, ``engine-1``, … of a state directory is used by one engine at a time.
All else lies in a short-lived directory with a short path, because a socket's name
has at most 107 bytes (unix(7)). When the engine is stopped, what it has started is
killed, first in its cgroups, then by the directory that containerd and its shims
name in their arguments.

Source: dockerd(8); https://docs.docker.com/reference/cli/dockerd/
"""

import contextlib
import fcntl
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import docker

from bench import processes
from bench.case import BenchFailed, NotHad
from vibecell.sandbox.mechanisms.cgroup_layout import ROOT as CGROUP_ROOT
from vibecell.sandbox.mechanisms.cgroup_layout import unified_mount

START_DEADLINE_S = 60.0
STOP_DEADLINE_S = 30.0
LEFT_DEADLINE_S = 10.0
_PING_DEADLINE_S = 5.0
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_ENVIRONMENT = {"PATH": SYSTEM_PATH, "LC_ALL": "C.UTF-8", "HOME": "/nonexistent"}
_STEP_S = 0.05
_LOG_BYTES_QUOTED = 600
_MAX_ENGINES = 16
Runtime = Mapping[str, object]


class DockerEngineProcess:
    """One engine, which may be ended and started again.

    Args:
        program: the path of ``dockerd``.
        work: a directory of its own, with a short path.
        data: where images and containers are kept; may have been used before.
        runtimes: name to ``{"path": …, "runtimeArgs": […]}``, as in ``daemon.json``.
        options: more of ``daemon.json``.
        launcher: a command that starts the command which follows it, passes signals on
            to it and ends with it.

    Attributes:
        host: where it listens, as ``DOCKER_HOST`` has it.
    """

    def __init__(
        self,
        program: str,
        work: Path,
        data: Path,
        runtimes: Mapping[str, Runtime],
        options: Mapping[str, object],
        launcher: Sequence[str] = (),
    ) -> None:
        self.host = f"unix://{work}/docker.sock"
        self._work = work
        self._data = data
        self._cgroup = f"vibecell-{work.name}"
        self._process: subprocess.Popen[bytes] | None = None
        self._command = [
            # should we be killed, it ends as when asked to; setpriv(1)
            *("setpriv", "--pdeathsig", "TERM", *launcher),
            *(program, "--config-file", str(work / "daemon.json")),
        ]
        configuration = {
            "hosts": [self.host],
            "data-root": str(data),
            "exec-root": str(work / "exec"),
            "pidfile": str(work / "docker.pid"),
            "bridge": "none",
            "iptables": False,
            "ip-forward": False,
            "ip-masq": False,
            "cgroup-parent": f"/{self._cgroup}",
            # the other driver would leave its slices to the machine's service manager
            "exec-opts": ["native.cgroupdriver=cgroupfs"],
            "shutdown-timeout": 2,
            "log-level": "warn",
            "runtimes": runtimes,
            **options,
        }
        (work / "daemon.json").write_text(json.dumps(configuration))

    @property
    def pid(self) -> int:
        """Of ``dockerd``, or of what launches it.

        Raises:
            BenchFailed: it does not run.
        """
        if self._process is None:
            raise BenchFailed("the Docker engine does not run")
        return self._process.pid

    @property
    def containers_cgroup(self) -> Path | None:
        """Of version 2, with all its containers below; is there from the first of them on.

        Returns:
            ``None`` where version 2 is not mounted.
        """
        mount = unified_mount()
        return mount / self._cgroup if mount is not None else None

    def client(self, timeout_s: float = 60.0) -> docker.APIClient:
        """A client of it; the caller closes it."""
        return docker.APIClient(base_url=self.host, version="auto", timeout=timeout_s)

    def start(self) -> None:
        """Start it and wait until it answers; call in a thread that outlives it.

        Raises:
            BenchFailed: it does not start; quotes its log.
        """
        with (self._work / "log").open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                env=_ENVIRONMENT,
                cwd=self._work,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # a Ctrl-C in the terminal is for us
            )
        deadline_s = time.monotonic() + START_DEADLINE_S
        while not self.answers():
            if self._process.poll() is not None or time.monotonic() > deadline_s:
                raise BenchFailed(f"dockerd did not start: {self.log()}")
            time.sleep(_STEP_S)
        self._end_forgotten()

    def stop(self) -> None:
        """Ask it to end, insist after a while, and end what it has started."""
        if self._process is not None:
            if self._process.poll() is None:
                self.thaw()
                self._process.terminate()
            try:
                self._process.wait(STOP_DEADLINE_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None
        self._end_rest()

    def restart(self) -> None:
        """End it as a service manager would, and start it again."""
        self.stop()
        self.start()

    def kill(self) -> None:
        """End ``dockerd`` as a crash would: its containers go on without it.

        Its containerd ends with it (``Pdeathsig``), but not at the same instant; while that
        is there, though only as a zombie, the next ``dockerd`` would take it for usable.
        """
        os.kill(self.pid, signal.SIGKILL)
        assert self._process is not None
        self._process.wait()
        self._process = None
        deadline_s = time.monotonic() + LEFT_DEADLINE_S
        while any("containerd.toml" in words for words in self._named().values()):
            if time.monotonic() > deadline_s:
                raise BenchFailed("containerd does not end with dockerd")
            time.sleep(_STEP_S)
        (self._work / "exec/containerd/containerd.pid").unlink(missing_ok=True)

    def freeze(self) -> None:
        """Have it accept connections and answer nothing."""
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        os.kill(self.pid, signal.SIGCONT)

    def remove_containers(self) -> None:
        """Remove every container, running or not, with its volumes."""
        with contextlib.closing(self.client()) as client:
            for container in client.containers(all=True):
                # another may have removed it since the listing
                with contextlib.suppress(docker.errors.NotFound):
                    client.remove_container(container["Id"], v=True, force=True)

    def log(self) -> str:
        """The end of what it has said."""
        return (self._work / "log").read_text(errors="replace")[-_LOG_BYTES_QUOTED:]

    def answers(self) -> bool:
        """Whether it runs, and says so."""
        # by hand: the SDK leaves a socket behind for each connection that is refused
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
            asking.settimeout(_PING_DEADLINE_S)
            try:
                asking.connect(self.host.removeprefix("unix://"))
                asking.sendall(b"GET /_ping HTTP/1.0\r\nHost: docker\r\n\r\n")
                return b" 200 " in asking.recv(4096).partition(b"\r\n")[0]
            except OSError:
                return False

    def _end_forgotten(self) -> None:
        """End containers that one before it was making when it was killed.

        This one does not know them, and their first processes wait for ever to be told to go on.
        """
        with contextlib.closing(self.client()) as client:
            known = {container["Id"] for container in client.containers(all=True)}
        for pid, words in self._named().items():
            container = words.partition(" -id ")[2].partition(" ")[0]
            if container and container not in known:
                inside = [top / container / "cgroup.procs" for top in self._cgroups()]
                told = " ".join(path.read_text() for path in inside if path.exists())
                for each in {pid, *map(int, told.split())}:
                    with contextlib.suppress(ProcessLookupError):  # it has ended since the look
                        os.kill(each, signal.SIGKILL)

    def _end_rest(self) -> None:
        """Kill what is left of its processes; remove their cgroups and mounts.

        Raises:
            BenchFailed: something cannot be ended.
        """
        deadline_s = time.monotonic() + LEFT_DEADLINE_S
        while left := self._left():
            if time.monotonic() > deadline_s:
                raise BenchFailed(f"processes of the Docker engine do not end: {left}")
            for pid in left:
                with contextlib.suppress(ProcessLookupError):  # it has ended since the look
                    os.kill(pid, signal.SIGKILL)
            time.sleep(_STEP_S)
        for place in sorted(self._mounts(), key=len, reverse=True):
            # a mount may have gone with the one above it
            subprocess.run(["umount", "--lazy", place], env=_ENVIRONMENT, check=False,
                           stderr=subprocess.DEVNULL)  # fmt: skip
        for top in self._cgroups():
            for directory, _, _ in os.walk(top, topdown=False):
                os.rmdir(directory)

    def _left(self) -> list[int]:
        in_cgroups = {
            int(pid)
            for top in self._cgroups()
            for path in top.rglob("cgroup.procs")
            for pid in path.read_text().split()
        }
        return sorted(in_cgroups) or sorted(self._named())

    def _named(self) -> dict[int, str]:
        """Pid and arguments of what names a place of ours; a zombie has no arguments."""
        found = {pid: " ".join(processes.arguments(pid)) for pid in processes.all_processes()}
        return {pid: words for pid, words in found.items() if str(self._work / "exec") in words}

    def _cgroups(self) -> list[Path]:
        # version 2, and the hierarchies of version 1
        places = [CGROUP_ROOT, *CGROUP_ROOT.iterdir()]
        return [p / self._cgroup for p in places if (p / self._cgroup).is_dir()]

    def _mounts(self) -> list[str]:
        """Source: proc_pid_mountinfo(5), field 5."""
        lines = Path("/proc/self/mountinfo").read_text().splitlines()
        places = [line.split(" ")[4] for line in lines]
        ours = (f"{self._work}/", f"{self._data}/")
        return [p for p in places if f"{p}/".startswith(ours)]


@contextlib.contextmanager
def running(
    state: Path | None = None,
    runtimes: Mapping[str, Runtime] | None = None,
    options: Mapping[str, object] | None = None,
    launcher: Sequence[str] = (),
) -> Iterator[DockerEngineProcess]:
    """An engine without containers, as long as the block lasts.

    Args:
        state: keeps images between runs; ``None``: nothing is kept.
        runtimes: beside ``runc``; name to ``{"path": …, "runtimeArgs": […]}``.
        options: more of ``daemon.json``: ``{"userns-remap": "default"}``.
        launcher: as ``DockerEngineProcess`` has it.

    Raises:
        NotHad: this host cannot have one; says what it lacks.
        BenchFailed: it does not start.
    """
    if os.geteuid() != 0:
        raise NotHad("a Docker engine of our own needs root")
    program = shutil.which("dockerd", path=SYSTEM_PATH)
    if program is None:
        raise NotHad("dockerd is not installed")
    with contextlib.ExitStack() as stack:
        work = Path(tempfile.mkdtemp(prefix="vibecell-docker-"))
        stack.callback(shutil.rmtree, work)
        # one that remaps uids would make itself another directory beside a closed one
        work.chmod(0o711)
        data = work / "data" if state is None else stack.enter_context(_claimed(state)) / "data"
        engine = DockerEngineProcess(program, work, data, runtimes or {}, options or {}, launcher)
        stack.callback(engine.stop)
        engine.start()
        engine.remove_containers()  # of a run that was killed
        yield engine
        if engine.answers():  # a test may have left it frozen or ended
            engine.remove_containers()


@contextlib.contextmanager
def _claimed(state: Path) -> Iterator[Path]:
    """The first folder of a state directory that no other engine uses."""
    for number in range(_MAX_ENGINES):
        folder = state / f"engine-{number}"
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o711)  # an engine that remaps uids passes through it
        with (folder / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            yield folder
            return
    raise BenchFailed(f"{_MAX_ENGINES} engines run in {state} already")
