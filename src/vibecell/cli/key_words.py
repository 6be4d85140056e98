"""``vibecell keys``: made, listed, revoked, rotated.

Owns what is printed. Refuses to print a secret but once, when it was made, to say that a key
was made before the store has it on the disk, and to have a terminal obey what lies in a store: who
had taken the gateway could have written it.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime

from vibecell.cli.audited_commands import AuditedCommands, commander
from vibecell.cli.complaints import complain, in_a_line
from vibecell.cli.composition.key_place import KeyPlace
from vibecell.cli.gateway_user import become_gateway
from vibecell.cli.images import age, table
from vibecell.cli.key_options import wanted_key
from vibecell.config import Settings
from vibecell.model.caller import SCOPES
from vibecell.model.errors import PlatformError
from vibecell.sharing.key_desk import GivenOut, KeyDesk
from vibecell.sharing.key_ring import KeyView
from vibecell.sharing.key_store import UnknownKey
from vibecell.sharing.keys import Key, KeyRecord, is_moment
from vibecell.wire.json_text import moment

EXIT_USAGE = 2
_ACTING = ("create", "revoke", "rotate", "rotate-secret")
_HEADINGS = ("ID", "NAME", "STATE", "SCOPES", "LAST USED", "EXPIRES")


def keys(settings: Settings, options: argparse.Namespace) -> int:
    """Do what a word of ``vibecell keys`` says; return the exit status.

    Raises:
        PlatformError: the keys cannot be read or written.
        RequestError: it is no key any more, or was changed meanwhile.
    """
    by = commander()  # who it is as long as we are not somebody else
    place = become_gateway(settings)
    place.make()
    words: dict[str, Callable[[KeyPlace, argparse.Namespace, AuditedCommands], None]] = {
        "create": _create,
        "list": _list,
        "show": _show,
        "revoke": _revoke,
        "rotate": _rotate,
        "rotate-secret": _rotate_secret,
    }
    audited = AuditedCommands(settings, by)
    try:
        if options.keys_word in _ACTING:
            audited.open()
        words[options.keys_word](place, options, audited)
    except UnknownKey:
        complain(f"there is no key {options.id}")
        return EXIT_USAGE
    finally:
        audited.close()
        place.store.close()
    return 0


def _desk(place: KeyPlace) -> KeyDesk:
    return KeyDesk(place.store, place.secrets())


def _create(place: KeyPlace, options: argparse.Namespace, audited: AuditedCommands) -> None:
    made = _desk(place).create(wanted_key(options), options.expires)
    _give_out(made, options.json)
    audited.note("key_created", made.key)


def _rotate(place: KeyPlace, options: argparse.Namespace, audited: AuditedCommands) -> None:
    made = _desk(place).rotate(options.id, options.grace)
    _give_out(made, options.json)
    audited.note("key_rotated", made.key)


def _give_out(made: GivenOut, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"id": made.key.id, "key": made.text, **_shown(KeyRecord(made.key, ()))}))
        return
    print(made.text)
    print(f"Key {_named(made.key)}. It is shown this once.", file=sys.stderr)


def _list(place: KeyPlace, options: argparse.Namespace, audited: AuditedCommands) -> None:
    records = place.store.records()
    if options.json:
        print(json.dumps([_shown(record) for record in records], indent=2))
    elif not records:
        print("There is no key; to make one: vibecell keys create NAME", file=sys.stderr)
    else:
        for line in table([_HEADINGS, *map(_row, records)]):
            print(line)


def _show(place: KeyPlace, options: argparse.Namespace, audited: AuditedCommands) -> None:
    _print_one(_desk(place).record(options.id), options.json)


def _revoke(place: KeyPlace, options: argparse.Namespace, audited: AuditedCommands) -> None:
    key = _desk(place).revoke(options.id)
    if options.json:
        print(json.dumps(_shown(KeyRecord(key, ()))))
    else:
        print(f"The key {_named(key)} is revoked.", file=sys.stderr)
    audited.note("key_revoked", key)


def _rotate_secret(place: KeyPlace, options: argparse.Namespace, audited: AuditedCommands) -> None:
    if place.own_secrets is None:
        raise PlatformError(
            "rotate the server's secret", "the settings have it: put a new one before it there"
        )
    view = KeyView(place.store.records(), place.secrets())
    needed = {kept.hashed_by for record in view.alive(time.time()) for kept in record.hashes}
    secrets = place.own_secrets.put_first(needed)
    if options.json:
        print(json.dumps({"secrets": list(secrets.names)}))
    else:
        text = f"The server's secret is {secrets.names[0]} by name; {len(secrets.names) - 1} older"
        print(f"{text} still verify.", file=sys.stderr)
    audited.note("secret_rotated")


def _print_one(record: KeyRecord, as_json: bool) -> None:
    shown = _shown(record)
    if as_json:
        print(json.dumps(shown, indent=2))
        return
    grant = shown.pop("grant")
    assert isinstance(grant, dict)
    for name, value in {**shown, **grant}.items():
        text = ", ".join(value) if isinstance(value, list) else value
        print(f"{name:22}{'-' if text in (None, '') else in_a_line(str(text))}")


def _shown(record: KeyRecord) -> dict[str, object]:
    """A key for programs: everything but what it is hashed to."""
    key = record.key
    grant = asdict(key.grant)
    grant["rate"] = None if key.grant.rate is None else str(key.grant.rate)
    return {
        "id": key.id,
        "name": key.name,
        "state": _state(record),
        "scopes": [scope for scope in SCOPES if scope in key.scopes],
        "grant": grant,
        "weight": key.weight,
        "origins": list(key.origins),
        "created_at": _moment(key.created_at),
        "expires_at": _moment(key.expires_at),
        "revoked_at": _moment(key.revoked_at),
        "last_used_at": _moment(record.last_used_at),
    }


def _row(record: KeyRecord) -> tuple[str, ...]:
    shown, key = _shown(record), record.key
    used, at = "never", record.last_used_at
    if at is not None:
        known = is_moment(at)
        used = age(datetime.fromtimestamp(at, UTC), datetime.now(UTC)) if known else "no time"
    scopes = ",".join(scope for scope in SCOPES if scope in key.scopes)
    name = in_a_line(key.name)
    return key.id, name, _state(record), scopes, used, str(shown["expires_at"] or "never")


def _named(key: Key) -> str:
    return in_a_line(f"{key.id} ({key.name})")


def _state(record: KeyRecord) -> str:
    key = record.key
    if key.revoked_at is not None:
        return "revoked"
    if record.is_damaged:
        return "damaged"
    return "expired" if key.has_expired(time.time()) else "active"


def _moment(seconds: float | None) -> str | None:
    if seconds is None:
        return None
    return moment(seconds) if is_moment(seconds) else f"{seconds:g} s, which is no time"
