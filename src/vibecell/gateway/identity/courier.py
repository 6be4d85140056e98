"""The courier's end of this gateway: the keys of identity providers.

Owns what was told of them, and when it is asked for again; refuses to fetch anything itself.
"""

import json
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gevent.event import AsyncResult

from vibecell.model.errors import ProtocolViolation, StoreUnavailable
from vibecell.wire import courier_link as wire
from vibecell.wire.link import LENGTH_BYTES, message_bytes

#: What was told is used for so long before it is asked for again.
TOLD_S = 60.0
#: A token may name any key: so often it is asked whether there is a new one.
ANEW_S = 60.0
ANSWER_TIMEOUT_S = 15.0
_STEP = "learn the identity provider's keys"


@dataclass(frozen=True, slots=True)
class KeySet:
    """The public keys of one provider, as JSON Web Keys. Source: RFC 7517 section 4."""

    keys: tuple[dict[str, str], ...]

    def find(self, kid: str | None) -> dict[str, str] | None:
        """The key of this id; the only one there is where a token names none."""
        if kid is None:
            return self.keys[0] if len(self.keys) == 1 else None
        return next((key for key in self.keys if key.get("kid") == kid), None)


class Courier:
    """Asks a courier for key sets; used by greenlets of one thread.

    Args:
        socket_path: where it listens.
        clock: seconds, monotonic.
    """

    def __init__(self, socket_path: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._socket_path = socket_path
        self._clock = clock
        self._told: dict[str, tuple[float, KeySet]] = {}
        self._anew_at_s: dict[str, float] = {}
        self._asking: dict[tuple[str, bool], AsyncResult[KeySet]] = {}

    def find(self, provider: str, kid: str | None) -> dict[str, str] | None:
        """The key of a provider by which a token says it was signed, if there is one.

        Raises:
            StoreUnavailable: what keys there are cannot be learnt.
        """
        now_s = self._clock()
        told_at_s, known = self._told.get(provider, (float("-inf"), KeySet(())))
        if now_s - told_at_s > TOLD_S:
            known = self._ask(provider, anew=False)
        found = known.find(kid)
        if found is None and now_s - self._anew_at_s.get(provider, float("-inf")) > ANEW_S:
            self._anew_at_s[provider] = now_s
            found = self._ask(provider, anew=True).find(kid)
        return found

    def _ask(self, provider: str, anew: bool) -> KeySet:
        """Ask; who comes meanwhile waits for the same answer, since a courier hears only so many.

        Raises:
            StoreUnavailable: there is none.
        """
        asked = (provider, anew)
        if (same := self._asking.get(asked)) is not None:
            told: KeySet = same.get()
            return told
        answer = self._asking[asked] = AsyncResult()
        try:
            known = self._answered(provider, anew)
        except StoreUnavailable as error:
            answer.set_exception(error)
            raise
        except BaseException:  # nobody waits any more for who has asked
            answer.set_exception(StoreUnavailable(_STEP, "whoever had asked has left"))
            raise
        finally:
            del self._asking[asked]
        answer.set(known)
        return known

    def _answered(self, provider: str, anew: bool) -> KeySet:
        try:
            reply = wire.decode_reply(self._conversation(wire.KeySetCall(provider, anew)))
        except (OSError, ProtocolViolation) as error:
            raise StoreUnavailable(_STEP) from error
        if isinstance(reply, wire.FailedReply):
            raise StoreUnavailable(_STEP, reply.reason)
        known = _read(reply.document)
        self._told[provider] = (self._clock(), known)
        return known

    def _conversation(self, call: wire.Call) -> bytes:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as link:
            link.settimeout(ANSWER_TIMEOUT_S)
            link.connect(str(self._socket_path))
            link.sendall(wire.encode_message(call))
            size_bytes = message_bytes(_exactly(link, LENGTH_BYTES))
            if size_bytes > wire.MAX_REPLY_BYTES:
                raise ProtocolViolation("read the courier's reply", "it is too long")
            return _exactly(link, size_bytes)


def _exactly(link: socket.socket, size_bytes: int) -> bytes:
    data = bytearray()
    while len(data) < size_bytes:
        piece = link.recv(size_bytes - len(data))
        if not piece:
            raise ConnectionResetError("the courier left in the middle")
        data += piece
    return bytes(data)


def _read(document: bytes) -> KeySet:
    """Checked once more: what a courier brings came from elsewhere."""
    try:
        keys: Any = json.loads(document)["keys"]
        return KeySet(tuple({str(k): str(v) for k, v in key.items()} for key in keys))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise StoreUnavailable(_STEP, "no key set") from error
