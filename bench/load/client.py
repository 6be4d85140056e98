"""One user, in a thread of its own: asks, reads, leaves, and comes again when told to.

Owns what a client does between two answers; refuses to go on before the time that a refusal
told. A thread each, because a user waits most of the time, and blocking code is what users write.
"""

import http.client
import itertools
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

from bench.load.doors import OPENED, Broken, Refused, Visitor, page_of
from bench.load.plan import Plan, Step
from bench.load.programs import Answer, Expected
from bench.load.tally import Tally

_STACK_BYTES = 512 * 1024
_UNTOLD_S = 1.0


@dataclass(frozen=True, slots=True)
class Client:
    """One user.

    Attributes:
        number: no other client of the phase has it.
        owner: whose key it shows.
        until_s: of the monotonic clock; it begins nothing after that.
    """

    number: int
    owner: str
    visitor: Visitor
    plan: Plan
    tally: Tally
    until_s: float

    def work(self) -> None:
        """Ask for one run after the other, until it is time."""
        for count in itertools.count():
            if time.monotonic() >= self.until_s:
                return
            self._take(self.plan(self.number, count))

    def _take(self, step: Step) -> None:
        body, expected = step.asked()
        began_s = time.monotonic()
        while True:
            try:
                answer = OPENED[step.door](self.visitor, body, step)
                if answer is not None and expected.page and answer.verdict == "accepted":
                    self._look_at_page(answer, expected)
                break
            except Refused as refused:
                told_s = refused.retry_after_s
                self.tally.was_refused(refused.status, told_s is not None, str(refused))
                again_s = time.monotonic() + (_UNTOLD_S if told_s is None else told_s)
                if again_s > self.until_s:
                    time.sleep(max(0.0, self.until_s - time.monotonic()))
                    return
                time.sleep(again_s - time.monotonic())
            except (Broken, OSError, http.client.HTTPException, ValueError, KeyError) as error:
                self.tally.was_broken(f"{step.program.name} by {step.door}: {error!r}")
                return
        self._judge(step, expected, answer, time.monotonic() - began_s)

    def _look_at_page(self, answer: Answer, expected: Expected) -> None:
        if expected.page not in page_of(self.visitor, answer.id):
            self.tally.was_wrong(f"{expected.page!r} is not in the page of {answer.id}")

    def _judge(self, step: Step, expected: Expected, answer: Answer | None, took_s: float) -> None:
        what = f"{step.program.name} by {step.door}"
        if answer is None:
            self.tally.has_vanished()
        elif answer.verdict == "internal_error":
            self.tally.was_broken(f"{what}: {answer.error[-200:]}")
        elif (how := expected.difference(answer, step.way == "cancel")) is not None:
            self.tally.was_wrong(f"{what}: {how}")
        else:
            timed = step.program.short and step.way == "stay"
            self.tally.was_right(
                self.owner if time.monotonic() <= self.until_s else None,
                answer.verdict == "cancelled",
                took_s if timed else None,
            )


def started(clients: Sequence[Client]) -> list[threading.Thread]:
    """A thread at work for each."""
    before = threading.stack_size(_STACK_BYTES)
    try:
        threads = [threading.Thread(target=client.work, daemon=True) for client in clients]
        for thread in threads:
            thread.start()
    finally:
        threading.stack_size(before)
    return threads
