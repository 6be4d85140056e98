"""Each alert fires on its cause: a real service is harmed, and Prometheus's own judge is asked.

What is read of the service before and after is given to ``promtool test rules`` as two stretches
of time, with no alert expected: those that fire all the same are what it complains of.
"""

import contextlib
import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from host import lacking
from integration.crashes_service import LiveService, serving, until

ROOT = Path(__file__).parents[2]
RULES = ROOT / "deploy" / "prometheus" / "rules.yml"
DASHBOARD = json.loads((ROOT / "deploy" / "grafana" / "vibecell.json").read_text())
ALERTS = [rule["alert"] for rule in yaml.safe_load(RULES.read_text())["groups"][0]["rules"]]
NAME = re.compile(r"\bvibecell_[a-z0-9_]+\b")
_MINUTES_BEFORE, _MINUTES_AFTER, _AT = 6, 6, "8m"
_FIRED = re.compile(r"alertname: (\w+), time")
_TMPFS_BYTES = 48 * 1024 * 1024
PATIENCE_S = 60.0
SLEEP = "import time\ntime.sleep(60)"


def promtool(*words: str, given: str = "") -> subprocess.CompletedProcess[str]:
    """Its answer, whatever it thinks."""
    program = shutil.which("promtool") or lacking("promtool (Debian package prometheus)")
    return subprocess.run(
        [program, *words], input=given, capture_output=True, text=True, timeout=60, check=False
    )


class Watched:
    """A service, and where its metrics are read."""

    def __init__(self, service: LiveService, door: Path, disk: Path) -> None:
        self.service = service
        self.disk = disk
        self._door = door

    def text(self) -> str:
        """The exposition; empty where nobody answers."""
        try:
            with socket.socket(socket.AF_UNIX) as client:
                client.settimeout(20)
                client.connect(str(self._door))
                client.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
                answer = http.client.HTTPResponse(client)
                answer.begin()
                assert answer.status == 200
                return answer.read().decode()
        except (ConnectionError, FileNotFoundError):
            return ""

    def value(self, sample: str) -> float:
        """The sum of all series of a name."""
        return sum(value for name, value in samples(self.text()).items() if name[0] == sample)

    def ask(self, code: str, wait_s: float = 100.0) -> int:
        """The status of one execution; 0 where the connection broke."""
        where = self.service.url.removeprefix("http://")
        asked = http.client.HTTPConnection(where, timeout=wait_s)
        body = json.dumps({"code": code, "limits": {"wall_time_ms": 60_000}})
        with contextlib.closing(asked):
            try:
                asked.request("POST", "/execute", body, {"Content-Type": "application/json"})
                answer = asked.getresponse()
                answer.read()
            except OSError:
                return 0
            return answer.status


def samples(text: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """All but buckets, which no rule needs."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if not sample.name.endswith("_bucket")
    }


def firing(before: str, after: str) -> set[str]:
    """The alerts that fire two minutes after the one has become the other."""
    were, are = samples(before), samples(after)
    were["up", (("job", "vibecell"),)] = 1.0 if before else 0.0
    are["up", (("job", "vibecell"),)] = 1.0 if after else 0.0

    def stretch(value: float | None, minutes: int) -> str:
        return f"_x{minutes}" if value is None else f"{value!r}+0x{minutes - 1}"

    series = [
        {
            "series": name + "{" + ",".join(f'{k}="{v}"' for k, v in labels) + "}",
            "values": f"{stretch(were.get((name, labels)), _MINUTES_BEFORE)} "
            f"{stretch(are.get((name, labels)), _MINUTES_AFTER)}",
        }
        for name, labels in were.keys() | are.keys()
    ]
    case = {
        "interval": "1m",
        "input_series": series,
        "alert_rule_test": [
            {"alertname": name, "eval_time": _AT, "exp_alerts": []} for name in ALERTS
        ],
    }
    whole = {"rule_files": [str(RULES)], "evaluation_interval": "1m", "tests": [case]}
    with tempfile.NamedTemporaryFile("w", suffix=".yml") as file:
        json.dump(whole, file)  # which is YAML
        file.flush()
        done = promtool("test", "rules", file.name)
    fired = set(_FIRED.findall(done.stdout + done.stderr))
    assert bool(fired) == (done.returncode != 0), done.stdout + done.stderr
    return fired


@contextlib.contextmanager
def small_disk(directory: Path) -> Iterator[Path]:
    """A file system of its own, of a few MiB."""
    directory.mkdir()
    size = f"size={_TMPFS_BYTES}"
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", size, "vibecell-test", str(directory)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode != 0:
        lacking("the right to mount a file system")
    try:
        yield directory
    finally:
        subprocess.run(["umount", "--lazy", str(directory)], check=True)


@pytest.fixture(scope="module")
def watched() -> Iterator[Watched]:
    """One service for all of them: what one test has done is before the next one's beginning."""
    with tempfile.TemporaryDirectory(prefix="vibecell-test-") as made:
        door, disk = Path(made) / "metrics.sock", Path(made) / "disk"
        with small_disk(disk) as run:
            asked = {"run_dir": str(run / "run"), "metrics_listen": str(door)}
            with serving(max_concurrent="1", max_parked="0", queue_size="1", **asked) as service:
                yield Watched(service, door, run)


@pytest.fixture(scope="module")
def quiet(watched: Watched) -> str:
    """What is shown before anything goes wrong, some executions included."""
    assert watched.ask("print(1)") == 200
    assert watched.ask("import nothing_of_that_name") == 200
    assert watched.ask("") in (200, 400, 422)
    until(lambda: watched.value("vibecell_executions_running") == 0, PATIENCE_S)
    return watched.text()


def test_what_rules_and_panels_name_is_shown_by_a_running_service(
    watched: Watched, quiet: str
) -> None:
    expressions = [rule["expr"] for rule in yaml.safe_load(RULES.read_text())["groups"][0]["rules"]]
    for panel in DASHBOARD["panels"]:
        expressions += [target["expr"] for target in panel.get("targets", ())]
    named = {name for text in expressions for name in NAME.findall(text)}
    watched.service.run(limits={"wall_time_ms": -1}, code="")  # a problem is told
    text = watched.text()
    shown = {sample.name for f in text_string_to_metric_families(text) for sample in f.samples}
    if not Path("/proc/pressure/cpu").exists():
        shown.add("vibecell_host_pressure_seconds_total")
    if os.geteuid() != 0:
        shown.add("vibecell_uid_blocks_free")
    assert named <= shown | {"vibecell_cgroups"}


def test_promtool_has_nothing_to_say_of_what_is_shown(quiet: str) -> None:
    done = promtool("check", "metrics", given=quiet)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_nothing_fires_while_nothing_is_wrong(watched: Watched, quiet: str) -> None:
    assert watched.ask("print(2)") == 200
    assert firing(quiet, watched.text()) == set()


def test_a_full_queue(watched: Watched, quiet: str) -> None:
    before = watched.text()
    with contextlib.ExitStack() as ends:
        where = watched.service.url.removeprefix("http://")
        for _ in range(6):
            client = http.client.HTTPConnection(where, timeout=60)
            ends.callback(client.close)  # who leaves is not waited for
            body = json.dumps({"code": SLEEP, "limits": {"wall_time_ms": 60_000}})
            client.request("POST", "/execute", body, {"Content-Type": "application/json"})
        refused = "vibecell_admission_refusals_total"
        start = sum(v for k, v in samples(before).items() if k[0] == refused)
        until(lambda: watched.value(refused) > start, PATIENCE_S)
        assert firing(before, watched.text()) == {"VibecellQueueFull"}
    until(lambda: watched.value("vibecell_executions_running") == 0, PATIENCE_S)


def test_zygotes_that_die(watched: Watched, quiet: str) -> None:
    before, lost = watched.text(), "vibecell_zygotes_lost_total"
    for _ in range(3):
        so_far = watched.value(lost)
        walls = until(watched.service.walls, PATIENCE_S)
        for pid in walls:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        until(lambda since=so_far: watched.value(lost) > since, PATIENCE_S)  # type: ignore[misc]
        assert watched.ask("print(3)") == 200  # there is another
    assert "VibecellZygotesFailing" in firing(before, watched.text())


def test_a_full_disk(watched: Watched, quiet: str) -> None:
    before = watched.text()
    filler = watched.disk / "filler"
    try:
        with contextlib.suppress(OSError), filler.open("wb") as file:
            while True:
                file.write(bytes(1 << 20))
        assert firing(before, watched.text()) == {"VibecellDiskFull"}
    finally:
        filler.unlink()
    assert firing(before, watched.text()) == set()


def test_an_engine_that_dies_again_and_again_and_serves_nobody(
    watched: Watched, quiet: str
) -> None:
    before, restarts = watched.text(), "vibecell_engine_restarts_total"
    told: list[int] = []
    for number in range(1, 4):
        asking = threading.Thread(target=lambda: told.append(watched.ask(SLEEP)))
        asking.start()
        until(lambda: watched.value("vibecell_executions_running") == 1, PATIENCE_S)
        os.kill(watched.service.role("engine"), signal.SIGKILL)
        asking.join(PATIENCE_S)
        until(lambda n=number: watched.value(restarts) >= n, PATIENCE_S)  # type: ignore[misc]
    found = firing(before, watched.text())
    assert {"VibecellEngineRestarting", "VibecellNobodyServed"} <= found, told
    assert watched.ask("print(4)") == 200


def test_an_engine_that_is_away(watched: Watched, quiet: str) -> None:
    before, supervisor = watched.text(), watched.service.process
    engine = watched.service.role("engine")
    supervisor.send_signal(signal.SIGSTOP)  # so nobody starts another
    try:
        os.kill(engine, signal.SIGKILL)
        assert until(lambda: "vibecell_ready 0.0" in watched.text(), PATIENCE_S)
        assert firing(before, watched.text()) == {"VibecellNotReady"}
    finally:
        supervisor.send_signal(signal.SIGCONT)
    assert until(lambda: "vibecell_ready 1.0" in watched.text(), PATIENCE_S)


def test_a_service_that_has_ended(watched: Watched, quiet: str) -> None:
    before = watched.text()
    assert watched.service.stop() == 0
    assert watched.text() == ""
    assert firing(before, watched.text()) == {"VibecellDown"}
