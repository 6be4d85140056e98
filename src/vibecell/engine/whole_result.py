"""A result with all that was displayed, for whoever gets no events.

Owns the joining of the two and its bound; refuses to keep anything: a content lies in the
log once, in its event, and the last event only describes it.
"""

import logging
from collections.abc import Mapping
from dataclasses import replace

from vibecell.engine.event_log import EventLog
from vibecell.engine.finished_log import FinishedLog
from vibecell.model.errors import PlatformError, forget_frames
from vibecell.model.events import Display, Finished, NumberedEvent
from vibecell.model.execution import KeptDisplay, Result
from vibecell.wire.link import LENGTH_BYTES, decode_event, encode_message

# as much as the files of a result, so that with both it fits one message of the link
MAX_DISPLAYS_BYTES = 4 * 1024 * 1024
_LOG = logging.getLogger(__name__)


def whole_result(log: EventLog | FinishedLog) -> Result | None:
    """The result and what was displayed, as far as it fits; ``None`` before the end.

    One that does not fit stays described, and the next one that does is there.
    """
    result = log.result()
    if result is None or not result.displays:
        return result
    left_bytes = MAX_DISPLAYS_BYTES
    fitting = []
    for display in result.displays:
        if display.size_bytes <= left_bytes:
            left_bytes -= display.size_bytes
            fitting.append(display.seq)
    try:
        messages = log.messages(fitting)
    except PlatformError as error:
        _LOG.error("displays are lost: %s", error)
        forget_frames(error)
        return result
    displays = tuple(_with_data(display, messages) for display in result.displays)
    return replace(result, displays=displays)


def whole_message(log: EventLog | FinishedLog, last: bytes) -> bytes:
    """The message of the last event, with what was displayed.

    Args:
        log: which is finished.
        last: that message as it lies in the log.
    """
    if not log.has_displays:
        return last
    result = whole_result(log)
    assert result is not None
    return encode_message(NumberedEvent(log.last_seq, Finished(result)))


def _with_data(display: KeptDisplay, messages: Mapping[int, bytes]) -> KeptDisplay:
    message = messages.get(display.seq)
    if message is None:
        return display
    event = decode_event(message[LENGTH_BYTES:]).event
    assert isinstance(event, Display)
    return replace(display, data=event.data)
