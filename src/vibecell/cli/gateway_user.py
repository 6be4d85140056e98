"""What is done as the gateway's user: whatever touches keys.

Owns the way there, for the gateway, for ``vibecell keys`` and for a look before a start. Refuses to
open anything in the gateway's directory as root: who had taken the gateway could have put a link
there, and what root makes there the gateway could not write.
"""

import os
import signal
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from vibecell.cli.composition.key_place import KeyPlace, key_directory, make_directory
from vibecell.cli.privileges import become
from vibecell.config import Settings
from vibecell.model.errors import PlatformError, VibecellError
from vibecell.sharing.secret_file import given_secrets

_MAX_ANSWER_BYTES = 8192


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

    It is asked by a process that lives no longer than that: ours keeps its user.

    Raises:
        PlatformError: the store or the server's secret cannot be used.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        _answer(settings, writing)
    os.close(writing)
    with open(reading, encoding="utf-8") as pipe:
        answer = pipe.read(_MAX_ANSWER_BYTES)
    os.waitpid(child, 0)
    said, _, failure = answer.partition(" ")
    if said not in ("some", "none"):
        raise PlatformError("start with the keys that are kept", failure or "no answer")
    return said == "some"


def _answer(settings: Settings, writing: int) -> None:
    """In the child: say it, and end without anything that the parent would do at its end."""
    answer = "failed no memory"
    with suppress(BaseException):
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        try:
            place = become_gateway(settings)
            place.make()
            answer = "some" if place.store.records() else "none"
            place.store.close()
        except VibecellError as error:
            answer = f"failed {error}"
        except Exception as error:
            answer = f"failed {error!r}"
    with suppress(BaseException):
        os.write(writing, answer.encode()[:_MAX_ANSWER_BYTES])
    os._exit(0)
