"""Events from a conversation to a client, whatever the transport.

Owns the waiting: on the next event, on the heartbeat, on the client's
leaving. Refuses to format; ``sse`` and ``ndjson`` do.
"""

import time
from collections.abc import Callable, Iterator

from vibecell.executor import Conversation, PendingResult
from vibecell.model.events import NumberedEvent
from vibecell.model.execution import Result

CHECK_EVERY_S = 0.5


class ClientLeft(Exception):
    """The client closed its connection before the end."""


def wait_for_result(
    pending: PendingResult, has_left: Callable[[], bool], deadline_s: float | None = None
) -> Result | None:
    """The result; ``None`` when the deadline passed before.

    Raises:
        ClientLeft: ``has_left`` said so.
    """
    end = None if deadline_s is None else time.monotonic() + deadline_s
    while True:
        wait_s = CHECK_EVERY_S
        if end is not None:
            wait_s = min(wait_s, end - time.monotonic())
            if wait_s <= 0:
                return None
        try:
            return pending.result(wait_s)
        except TimeoutError:
            if has_left():
                raise ClientLeft from None


def paced(
    conversation: Conversation, heartbeat_s: float, longest_s: float
) -> Iterator[NumberedEvent | None]:
    """Events as they come; ``None`` where a heartbeat is due.

    Ends after ``Finished``, or after ``longest_s``: the client resumes then.
    """
    end = time.monotonic() + longest_s
    while time.monotonic() < end:
        try:
            event = conversation.receive(heartbeat_s)
        except TimeoutError:
            yield None
            continue
        if event is None:
            return
        yield event
