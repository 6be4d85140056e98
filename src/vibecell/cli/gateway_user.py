"""What is done as the gateway's user: whatever touches keys, or the audit of them.

Owns the way there, for the gateway, for ``vibecell keys`` and for a look from another user's
process (before a start, into the audit). Refuses to open anything in the gateway's directory as
root: who had taken the gateway could have put a link there, and what root makes there the gateway
could not write.
"""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

from vibecell.cli.composition.audits import gateway_audit
from vibecell.cli.composition.key_place import KeyPlace, key_directory, make_directory
from vibecell.cli.privileges import become
from vibecell.config import Settings
from vibecell.model.errors import PlatformError, VibecellError
from vibecell.sharing.audit_trail import require_writable
from vibecell.sharing.secret_file import given_secrets

_MAX_LINE_BYTES = 64 * 1024
_LINE, _END, _FAILURE = b"=", b".", b"!"
_SOME = b"some"


def become_gateway(settings: Settings, *needed: Path) -> KeyPlace:
    """Become the gateway's user for good; as an ordinary user, give up gaining rights.

    Args:
        settings: as loaded.
        needed: trees to enter afterwards, beside our own code and the keys.

    Returns:
        where the keys are; what a first start makes is not made yet.

    Raises:
        PlatformError: a step failed, or a secret that was given cannot be read.
    """
    if settings.server_secret_file is not None:  # which may be for the eyes of root alone
        texts = given_secrets(settings.server_secret_file)
        settings = replace(settings, server_secrets=texts, server_secret_file=None)
    make_directory(settings)
    become(settings.gateway_uid, key_directory(settings), *needed)
    return KeyPlace(settings)


def has_stored_keys(settings: Settings) -> bool:
    """Whether there is a key in the store, revoked ones included; a first start makes the store.

    An audit that has to be is looked at by the way.

    Raises:
        PlatformError: the store, the server's secret or that audit cannot be used.
    """
    said = said_by_gateway(settings, "start with the keys that are kept", _about_keys)
    return [*said] == [_SOME]


def _about_keys(settings: Settings) -> Iterator[bytes]:
    place = become_gateway(settings)
    place.make()
    yield _SOME if place.store.records() else b"none"
    place.store.close()
    if settings.audit_required:
        require_writable(gateway_audit(settings))


def said_by_gateway(
    settings: Settings, step: str, say: Callable[[Settings], Iterator[bytes]]
) -> Iterator[bytes]:
    """Lines that a process of the gateway's user says: ours keeps its user.

    Args:
        step: what is being done, in a few words.
        say: runs there, becomes the gateway, and gives each line without an end.

    Raises:
        PlatformError: it failed, with its reason, or ended in the middle.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)  # or it would wait for itself, should nobody read any more
        _say(settings, writing, say)
    os.close(writing)
    try:
        with open(reading, "rb") as pipe:
            while (line := pipe.readline(_MAX_LINE_BYTES)).startswith(_LINE):
                yield line[1:].removesuffix(b"\n")
        if line != _END:
            reason = line.removeprefix(_FAILURE).decode(errors="replace").strip()
            raise PlatformError(step, reason or "no answer")
    finally:
        os.waitpid(child, 0)


def _say(settings: Settings, writing: int, say: Callable[[Settings], Iterator[bytes]]) -> NoReturn:
    """In the child: say it, and end without anything that the parent would do at its end."""
    with suppress(BaseException), open(writing, "wb") as pipe:
        end = _FAILURE + b"no memory\n"
        try:
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                signal.signal(number, signal.SIG_DFL)
            for line in say(settings):
                pipe.write(_LINE + line + b"\n")
            end = _END
        except VibecellError as error:
            end = _FAILURE + str(error).encode()
        except Exception as error:
            end = _FAILURE + repr(error).encode()
        pipe.write(end[:_MAX_LINE_BYTES])
    os._exit(0)
