"""Bytes of the engine link, cut into its messages."""

from vibecell.model.events import NumberedEvent
from vibecell.wire.link import LENGTH_BYTES, decode_event, message_bytes


def messages(data: bytes) -> list[bytes]:
    """The messages that these bytes are; what is no whole message fails."""
    found = []
    while data:
        end = LENGTH_BYTES + message_bytes(data)
        assert len(data) >= end
        found.append(data[LENGTH_BYTES:end])
        data = data[end:]
    return found


def framed(message: bytes) -> bytes:
    """Any bytes as a message."""
    return len(message).to_bytes(LENGTH_BYTES, "big") + message


def events(data: bytes) -> list[NumberedEvent]:
    """The events that these bytes are."""
    return [decode_event(message) for message in messages(data)]
