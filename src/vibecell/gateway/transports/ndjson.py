"""One JSON object per line.

Owns the format; a heartbeat is an empty line, which readers pass over.
"""

from collections.abc import Iterable, Iterator

from vibecell.model.events import NumberedEvent
from vibecell.model.execution import Encoding
from vibecell.wire.json_text import compact_json
from vibecell.wire.views import encode_event

MEDIA_TYPE = "application/x-ndjson"


def write(events: Iterable[NumberedEvent | None], encoding: Encoding) -> Iterator[bytes]:
    """Chunks of the stream, a line each."""
    for event in events:
        yield b"\n" if event is None else compact_json(encode_event(event, encoding)) + b"\n"
