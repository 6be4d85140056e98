"""A container and its zygote meet: a scripted engine, and real processes for zygotes."""

import asyncio
import contextlib
import os
import socket
import stat
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from unit.docker_daemon import Daemon, serving
from vibecell.model.errors import SandboxFailure
from vibecell.sandbox.docker import container_wall
from vibecell.sandbox.docker.client import DockerEngine, Unreachable
from vibecell.sandbox.docker.container_wall import ContainerWall, Meeting
from vibecell.sandbox.docker.first_process import FirstProcess
from vibecell.sandbox.mechanisms import deadlines
from vibecell.sandbox.mechanisms.idmap import UidBlock

BLOCK = UidBlock(1_900_000_000)
ZYGOTE = """
import socket, sys, time
control = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
control.connect(sys.argv[1])
print(control.recv(4096).decode(), flush=True)
for answer in sys.argv[3:]:
    control.send(answer.encode())
while said := control.recv(4096):
    print(said.decode(), flush=True)
if sys.argv[2] == "stubborn":
    time.sleep(60)
"""


class Scene:
    """The engine, the directory of meetings, and the zygotes that were started."""

    def __init__(self, daemon: Daemon, meetings: Path, engine: DockerEngine) -> None:
        self.daemon = daemon
        self.meetings = meetings
        self.engine = engine
        self.zygotes: list[subprocess.Popen[str]] = []
        self.born: list[str] = []
        self.gone: list[str] = []
        self.ended = 0

    def start(self, name: str, folder: str, kind: str, *answers: str) -> None:
        command = [sys.executable, "-I", "-S", "-c", ZYGOTE, f"{folder}/control", kind, *answers]
        zygote = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.zygotes.append(zygote)
        self.daemon.states[name]["Pid"] = zygote.pid

    def zygotes_are(self, kind: str, *answers: str) -> None:
        self.daemon.when_started = lambda name, body: self.start(
            name, body["Folder"], kind, *answers
        )

    async def build(self, uids: UidBlock | None = None) -> ContainerWall:
        return await container_wall.build(
            self.engine,
            self.meetings,
            lambda folder: {"Image": "sha256:1", "Folder": folder},
            user=None,
            uids=uids,
            born=self.born.append,
            gone=self.gone.append,
            ended=self.end,
        )

    def end(self) -> None:
        assert not self.daemon.states, "told before its container was removed"
        self.ended += 1

    async def nothing_is_left(self) -> None:
        while self.daemon.states or self.gone != self.born or not self.ended:
            await asyncio.sleep(0.005)
        assert list(self.meetings.iterdir()) == []
        assert self.ended == 1


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    # the processes of these tests are no containers'
    monkeypatch.setattr(FirstProcess, "require_confined", lambda _: None)
    meetings = tmp_path / "m"
    meetings.mkdir()
    daemon = Daemon(tmp_path / "docker.sock")
    with (
        serving(daemon),
        contextlib.closing(DockerEngine(daemon.host, threads=2)) as engine,
    ):
        scene = Scene(daemon, meetings, engine)
        try:
            yield scene
        finally:
            for zygote in scene.zygotes:
                zygote.kill()
                zygote.communicate()


def run(test: Callable[[], Awaitable[None]]) -> None:
    async def within_bounds() -> None:
        async with asyncio.timeout(10.0):
            await test()

    asyncio.run(within_bounds())


def test_a_zygote_that_came_is_behind_its_wall_and_ends_with_it(scene: Scene) -> None:
    async def test() -> None:
        scene.zygotes_are("good")
        wall = await scene.build()
        assert list(scene.meetings.iterdir()) == [], "the place of the meeting is gone"
        assert scene.born == [wall.name]
        assert wall.name.startswith("vibecell-")
        assert list(scene.daemon.bodies) == [wall.name]
        assert wall.control.getblocking() is False
        await wall.close()
        await scene.nothing_is_left()
        said, _ = scene.zygotes[0].communicate(timeout=5)
        assert said == '{"enter":{"maps":"own"}}\n'
        assert scene.zygotes[0].returncode == 0, "it ended by itself"

    run(test)


def test_a_zygote_that_does_not_end_is_killed(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deadlines, "LEAVE_GRACE_S", 0.02)

    async def test() -> None:
        scene.zygotes_are("stubborn")
        await (await scene.build()).close()
        assert scene.zygotes[0].wait(5) == -9
        await scene.nothing_is_left()

    run(test)


def test_an_engine_that_cannot_remove_does_not_keep_a_wall_from_closing(scene: Scene) -> None:
    async def test() -> None:
        scene.zygotes_are("good")
        wall = await scene.build()
        scene.daemon.faults["DELETE", wall.name] = 500
        daemon_has, scene.daemon.states = scene.daemon.states, {}
        await wall.close()
        assert list(daemon_has) == scene.gone == [wall.name], "the next sweep may have it"
        assert scene.ended == 1, "its zygote has ended, whatever the daemon says"

    run(test)


def test_strangers_who_connect_first_are_sent_away(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    """They got as far as the socket, but none is the container's first process."""
    with contextlib.ExitStack() as stack:
        kind = (socket.AF_UNIX, socket.SOCK_SEQPACKET)
        strangers = [stack.enter_context(socket.socket(*kind)) for _ in range(2)]

        def first(name: str, body: dict[str, Any]) -> None:
            for stranger in strangers:
                stranger.connect(f"{body['Folder']}/control")
            scene.start(name, body["Folder"], "good")

        async def test() -> None:
            scene.daemon.when_started = first
            await (await scene.build()).close()
            await scene.nothing_is_left()

        run(test)
        for stranger in strangers:
            stranger.settimeout(5)
            with contextlib.suppress(ConnectionResetError):
                assert stranger.recv(4096) == b"", "nothing is said to it"
    (record,) = caplog.records
    assert f"process {os.getpid()} came, which is not the container's own" in record.message


def test_a_first_process_that_is_not_confined_is_refused(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: FirstProcess) -> None:
        raise SandboxFailure("look at the container's wall", "its first process may what it may")

    monkeypatch.setattr(FirstProcess, "require_confined", refuse)

    async def test() -> None:
        scene.zygotes_are("good")
        with pytest.raises(SandboxFailure, match="may what it may"):
            await scene.build()
        await scene.nothing_is_left()

    run(test)


def test_uids_of_a_wall_that_may_stand_yet_are_not_given_back(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(deadlines, "LEAVE_GRACE_S", 0.02)
    monkeypatch.setattr(deadlines, "DEATH_DEADLINE_S", 0.02)

    def cannot(_pidfd: int, _signal: int) -> None:
        raise PermissionError(1, "Operation not permitted")

    async def test() -> None:
        scene.zygotes_are("stubborn")
        wall = await scene.build()
        with monkeypatch.context() as patch:
            patch.setattr(deadlines.signal, "pidfd_send_signal", cannot)
            await wall.close()
        assert scene.gone == [wall.name]
        assert scene.ended == 0
        assert "its uids are not used again" in caplog.text

    run(test)


def test_uids_of_a_wall_that_never_stood_are_kept_where_it_cannot_be_removed(scene: Scene) -> None:
    async def test() -> None:
        scene.daemon.faults["POST", "/start"] = 500
        scene.daemon.faults["DELETE", ""] = 500
        with pytest.raises(SandboxFailure, match="start a container: it is a 500"):
            await scene.build()
        while scene.gone != scene.born:
            await asyncio.sleep(0.005)
        await asyncio.sleep(0.02)
        assert scene.ended == 0

    run(test)


@pytest.mark.parametrize("pid", [0, -1])
def test_no_process_is_nobodys_own(scene: Scene, pid: int) -> None:
    """Where the engine knows of no process, nobody is let in, and nobody waited for."""

    def first(name: str, body: dict[str, Any]) -> None:
        scene.start(name, body["Folder"], "good")
        scene.daemon.states[name]["Pid"] = pid

    async def test() -> None:
        scene.daemon.when_started = first
        with pytest.raises(SandboxFailure, match=f"its process {pid} has not come"):
            await scene.build()
        await scene.nothing_is_left()

    run(test)


def test_a_zygote_that_ends_before_it_came_is_not_waited_for(scene: Scene) -> None:
    def first(name: str, body: dict[str, Any]) -> None:
        scene.start(name, body["Folder"] + "/elsewhere", "good")
        scene.daemon.states[name] |= {"Status": "exited", "ExitCode": 1, "Error": ""}

    async def test() -> None:
        scene.daemon.when_started = first
        with pytest.raises(SandboxFailure, match="its container is exited, exit code 1"):
            await scene.build()
        await scene.nothing_is_left()
        assert container_wall.CONNECT_DEADLINE_S > 10, "or the wait could have ended by itself"

    run(test)


@pytest.mark.parametrize(
    ("state", "told"),
    [
        (
            {"Status": "exited", "Pid": 0, "ExitCode": 126, "Error": "no python3"},
            "its container is exited, exit code 126 no python3",
        ),
        (None, "its container ended before it was connected"),
    ],
)
def test_a_zygote_that_does_not_come_is_told_with_the_reason(
    scene: Scene,
    monkeypatch: pytest.MonkeyPatch,
    state: dict[str, Any] | None,
    told: str,
) -> None:
    monkeypatch.setattr(container_wall, "CONNECT_DEADLINE_S", 0.1)

    async def end_it() -> None:
        while not any(path.endswith("/json") for path in scene.daemon.paths("GET")):
            await asyncio.sleep(0.002)
        await asyncio.sleep(0.02)
        (name,) = scene.daemon.states
        if state is None:
            del scene.daemon.states[name]
        else:
            scene.daemon.states[name] = state

    def first(name: str, _body: dict[str, Any]) -> None:
        scene.daemon.states[name]["Pid"] = os.getpid()

    async def test() -> None:
        scene.daemon.when_started = first
        ending = asyncio.create_task(end_it())
        with pytest.raises(SandboxFailure, match=told):
            await scene.build()
        await ending
        await scene.nothing_is_left()

    run(test)


@pytest.mark.parametrize("step", [("POST", "/containers/create"), ("POST", "/start")])
def test_a_container_that_cannot_be_started_is_removed(scene: Scene, step: tuple[str, str]) -> None:
    async def test() -> None:
        scene.daemon.faults[step] = 500
        with pytest.raises(SandboxFailure, match="start a container: it is a 500"):
            await scene.build()
        await scene.nothing_is_left()
        assert scene.daemon.paths("DELETE"), "whether it exists is not known here"

    run(test)


def test_what_cannot_be_started_is_removed_though_we_close(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The directory of the meeting has gone, and what is asked from then on is not done."""
    submit = scene.engine.submit

    def closing(step: str, work: Callable[[Any], Any]) -> Any:
        if step == "remove a container":
            raise Unreachable(step, "the connection to the Docker engine is closed")
        return submit(step, work)

    async def test() -> None:
        monkeypatch.setattr(scene.engine, "submit", closing)
        scene.daemon.faults["POST", "/start"] = 400
        with pytest.raises(SandboxFailure, match="start a container: it is a 400"):
            await scene.build()
        assert scene.daemon.states == {}

    run(test)


def test_a_container_that_nobody_waits_for_any_more_is_removed(scene: Scene) -> None:
    """The engine is at it still when its caller is cancelled."""

    async def test() -> None:
        scene.daemon.faults["POST", "/start"] = "silence"
        building = asyncio.create_task(scene.build())
        while not any(path.endswith("/start") for path in scene.daemon.paths("POST")):
            await asyncio.sleep(0.002)
        building.cancel()
        with pytest.raises(asyncio.CancelledError):
            await building
        assert list(scene.meetings.iterdir()) == []
        assert scene.gone == [], "it may come yet"
        scene.daemon.stopping.set()
        await scene.nothing_is_left()

    run(test)


def test_uids_are_mapped_once_the_zygote_has_entered(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    mapped: list[tuple[int, UidBlock]] = []
    monkeypatch.setattr(container_wall, "write_id_maps", lambda pid, ids: mapped.append((pid, ids)))

    async def test() -> None:
        scene.zygotes_are("good", '{"entered":true}')
        wall = await scene.build(BLOCK)
        assert mapped == [(scene.zygotes[0].pid, BLOCK)]
        await wall.close()
        said, _ = scene.zygotes[0].communicate(timeout=5)
        assert said == '{"enter":{"maps":"given"}}\n{"mapped":true}\n'

    run(test)


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ('{"failure":"unshare: Operation not permitted"}', "Operation not permitted"),
        ("x" * 4000, "x" * 500),
    ],
)
def test_a_zygote_that_cannot_enter_is_told_and_nothing_is_mapped(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, answer: str, told: str
) -> None:
    monkeypatch.setattr(container_wall, "write_id_maps", None)

    async def test() -> None:
        scene.zygotes_are("good", answer)
        with pytest.raises(SandboxFailure, match=told) as caught:
            await scene.build(BLOCK)
        assert len(str(caught.value)) < 600
        await scene.nothing_is_left()

    run(test)


def test_uids_that_cannot_be_mapped_are_told(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_pid: int, _uids: UidBlock) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(container_wall, "write_id_maps", refuse)

    async def test() -> None:
        scene.zygotes_are("good", '{"entered":true}')
        with pytest.raises(SandboxFailure, match="map uids into the outer wall"):
            await scene.build(BLOCK)
        await scene.nothing_is_left()

    run(test)


def test_a_zygote_that_says_nothing_is_not_waited_for_for_ever(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(container_wall, "ENTER_DEADLINE_S", 0.1)

    async def test() -> None:
        scene.zygotes_are("good")
        with pytest.raises(SandboxFailure, match="its zygote does not answer"):
            await scene.build(BLOCK)
        await scene.nothing_is_left()

    run(test)


def test_after_the_engine_was_closed_no_meeting_is_left(scene: Scene) -> None:
    async def test() -> None:
        scene.engine.close()
        with pytest.raises(Unreachable, match="is closed"):
            await scene.build()
        await scene.nothing_is_left()

    run(test)


@pytest.mark.parametrize(("user", "mode"), [(os.getuid(), 0o600), (None, 0o666)])
def test_a_meeting_is_for_the_user_who_is_expected(
    tmp_path: Path, user: int | None, mode: int
) -> None:
    meeting = Meeting(tmp_path, user)
    path = meeting.folder / "control"
    assert stat.S_IMODE(path.stat().st_mode) == mode
    assert stat.S_IMODE(meeting.folder.stat().st_mode) == 0o711, "its name is not to be listed"
    assert len(meeting.folder.name) == 16
    meeting.close()
    meeting.close()
    assert list(tmp_path.iterdir()) == []


def test_a_meeting_that_is_over_lets_nobody_in(tmp_path: Path) -> None:
    meeting = Meeting(tmp_path, None)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as waiting:
        waiting.connect(str(meeting.folder / "control"))
        meeting.close()
        with pytest.raises(ConnectionError):
            waiting.send(b"x")
    with pytest.raises(FileNotFoundError), socket.socket(socket.AF_UNIX) as late:
        late.connect(str(meeting.folder / "control"))


@pytest.mark.parametrize("parent", ["none", "x" * 100])
def test_a_meeting_that_cannot_be_made_leaves_nothing(tmp_path: Path, parent: str) -> None:
    if parent != "none":  # a socket's name is bounded: unix(7)
        (tmp_path / parent).mkdir()
    with pytest.raises(SandboxFailure, match="make a control socket"):
        Meeting(tmp_path / parent, None)
    assert list(tmp_path.rglob("control")) == []
    assert len(list(tmp_path.rglob("*"))) == (parent != "none")
