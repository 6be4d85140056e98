"""The tests nearest to a mutant, run against it.

Owns what counts as killed, and the time each run may take; refuses to believe a test
that fails without a mutant, or that is not there.
"""

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import Literal

from mutants.listed import ROOT, Mutant
from mutants.tree_copy import TreeCopy

Fate = Literal["killed", "survived", "not tried"]

BASELINE_DEADLINE_S = 300.0
# Against a mutant, beside what the tests take without one: a machine may be busy.
SLOWER_AT_MOST = 3.0
SLACK_S = 20.0
STOP_DEADLINE_S = 10.0
_REAPER = ROOT / "bench" / "reaper.py"
_PASSED, _FAILED = 0, 1  # Source: pytest's documentation, pytest.ExitCode


@dataclass(frozen=True, slots=True)
class Trial:
    """How one mutant fared.

    Attributes:
        mutant: which.
        fate: killed by a test, or not; "not tried" where its tests cannot tell.
        why: the test that noticed it; or why it was not tried.
        time_s: that its tests took.
    """

    mutant: Mutant
    fate: Fate
    why: str
    time_s: float


@dataclass(frozen=True, slots=True)
class _Run:
    """One run of pytest; ``status`` is ``None`` where it did not end in its time."""

    status: int | None
    said: str
    time_s: float

    @property
    def first_failure(self) -> str:
        """The first test that failed, or the last line that was printed."""
        lines = self.said.splitlines() or [""]
        for line in lines:
            if line.startswith(("FAILED ", "ERROR ")):
                return line.split(" - ")[0].partition(" ")[2]
        return lines[-1]


class Examiner:
    """Tries mutants in a copy of the tree, each set of tests first without one."""

    def __init__(self, copy: TreeCopy) -> None:
        self._copy = copy
        self._baselines: dict[tuple[str, ...], _Run] = {}

    def try_mutant(self, mutant: Mutant) -> Trial:
        """Run the tests nearest to a mutant against it.

        Raises:
            ListError: it does not apply.
        """
        baseline = self._baseline(mutant.tests)
        if baseline.status != _PASSED:
            why = f"its tests fail without it: {_ended(baseline)}"
            return Trial(mutant, "not tried", why, baseline.time_s)
        with self._copy.holding(mutant):
            run = self._run(mutant.tests, SLOWER_AT_MOST * baseline.time_s + SLACK_S)
        if run.status == _PASSED:
            return Trial(mutant, "survived", "", run.time_s)
        if run.status in (_FAILED, None):
            return Trial(mutant, "killed", _ended(run), run.time_s)
        # not even collected: nothing that a person could have overlooked
        return Trial(mutant, "not tried", f"its tests cannot run: {_ended(run)}", run.time_s)

    def _baseline(self, tests: tuple[str, ...]) -> _Run:
        if tests not in self._baselines:
            self._baselines[tests] = self._run(tests, BASELINE_DEADLINE_S)
        return self._baselines[tests]

    def _run(self, tests: tuple[str, ...], deadline_s: float) -> _Run:
        # no other plugin is needed, and to load those that are installed takes seconds
        plugins = ["-p", "no:cacheprovider", "-p", "pytest_timeout"]
        words = ["-x", "-q", "--tb=no", "-rfE", *plugins, *tests]
        began = time.monotonic()
        process = subprocess.Popen(
            [sys.executable, str(_REAPER), sys.executable, "-m", "pytest", *words],
            cwd=self._copy.root, env=self._copy.environ, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
            start_new_session=True,
        )  # fmt: skip
        status: int | None
        try:
            said, _ = process.communicate(timeout=deadline_s)
            status = process.returncode
        except subprocess.TimeoutExpired:
            said, status = _stop(process), None
        except BaseException:
            _stop(process)
            raise
        return _Run(status, said, time.monotonic() - began)


def _stop(process: subprocess.Popen[str]) -> str:
    """End a run: its topmost process ends the tests, and then whatever they started."""
    process.terminate()
    try:
        return process.communicate(timeout=STOP_DEADLINE_S)[0]
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        return process.communicate()[0]


def _ended(run: _Run) -> str:
    return f"not done in {run.time_s:.0f} s" if run.status is None else run.first_failure
