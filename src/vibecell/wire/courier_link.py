"""The codec of the courier link: what a gateway asks of the process that reaches out.

Owns its messages, each a length of four bytes in network order and so many bytes of MessagePack,
as on the engine link. Refuses a message that does not fit: what was fetched from elsewhere is as
hostile as what a client sends.
"""

from typing import Annotated

import msgspec
from msgspec import Meta, msgpack

from vibecell.wire.link import LENGTH_BYTES, decode_answer

MAX_CALL_BYTES = 4096
MAX_KEY_SET_BYTES = 256 * 1024
MAX_REPLY_BYTES = MAX_KEY_SET_BYTES + 4096

ProviderName = Annotated[str, Meta(min_length=1, max_length=64)]


class _Message(msgspec.Struct, frozen=True, tag_field="kind", forbid_unknown_fields=True):
    """What goes over the link."""


class KeySetCall(_Message, frozen=True, tag="key_set"):
    """What keys has this provider?

    Attributes:
        provider: its name in the settings.
        anew: a key was not among those that were told last.
    """

    provider: ProviderName
    anew: bool = False


class KeySetReply(_Message, frozen=True, tag="keys"):
    """A JSON Web Key Set of public keys. Source: RFC 7517 section 5."""

    document: Annotated[bytes, Meta(max_length=MAX_KEY_SET_BYTES)]


class FailedReply(_Message, frozen=True, tag="failed"):
    """There are none, and why, for an operator."""

    reason: Annotated[str, Meta(max_length=1024)]


Call = KeySetCall
Reply = KeySetReply | FailedReply
_STEP = "read what came over the courier link"
_ENCODER = msgpack.Encoder()
_CALL: msgpack.Decoder[Call] = msgpack.Decoder(Call)
_REPLY: msgpack.Decoder[Reply] = msgpack.Decoder(Reply)


def encode_message(message: Call | Reply) -> bytes:
    """A message as it goes over the link, its length included."""
    data = _ENCODER.encode(message)
    return len(data).to_bytes(LENGTH_BYTES, "big") + data


def decode_call(data: bytes) -> Call:
    """The call a message holds; raises ``ProtocolViolation`` where it holds none."""
    return decode_answer(_CALL, data, _STEP)


def decode_reply(data: bytes) -> Reply:
    """The reply a message holds; raises ``ProtocolViolation`` where it holds none."""
    return decode_answer(_REPLY, data, _STEP)
