"""Server-Sent Events.

Owns the format: ``id`` is the event's ``seq``, so that a browser resumes by
itself with ``Last-Event-ID``. JSON is ASCII without line ends, so output can
forge nothing. Source: HTML Living Standard, section 9.2.
"""

from collections.abc import Iterable, Iterator

from vibecell.model.events import NumberedEvent
from vibecell.model.execution import Encoding
from vibecell.wire.json_text import compact_json
from vibecell.wire.views import encode_event

MEDIA_TYPE = "text/event-stream"


def write(events: Iterable[NumberedEvent | None], encoding: Encoding) -> Iterator[bytes]:
    """Chunks of the stream; a comment for each heartbeat."""
    yield b"retry: 1000\n\n"  # at once, so that the header is not held back
    for event in events:
        if event is None:
            yield b":\n\n"
            continue
        view = encode_event(event, encoding)
        yield b"id: %d\nevent: %s\ndata: %s\n\n" % (
            event.seq,
            str(view["type"]).encode("ascii"),
            compact_json(view),
        )
