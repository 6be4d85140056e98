"""``vibecell audit``: who ran what, when, from where; and what happened to keys.

Owns the way to both files, each as the user whose it is, and one list made of them by time. Refuses
to open the gateway's as root, and to keep silent where one of them could not be read: what the
other has is printed all the same, and the exit status says that something is missing.
"""

import argparse
import heapq
import sys
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import partial

import msgspec

from vibecell.cli.audit_options import query_of, wrong_together
from vibecell.cli.audit_table import as_json, as_table
from vibecell.cli.audited_commands import Commander, act_of, commander
from vibecell.cli.complaints import complain
from vibecell.cli.composition.audits import engine_audit, gateway_audit
from vibecell.cli.composition.key_place import key_directory
from vibecell.cli.gateway_user import become_gateway, said_by_gateway
from vibecell.cli.terminal import terminal_size
from vibecell.config import Settings
from vibecell.model.errors import PlatformError, VibecellError
from vibecell.sharing.audit import AuditQuery, AuditRecord, decoded, encoded
from vibecell.sharing.sqlite_audit import SqliteAudit

EXIT_INCOMPLETE, EXIT_USAGE = 1, 2
SHOWN = 100  # of a table, where nobody said how many
_READ, _PRUNE = "read the gateway's audit", "prune the gateway's audit"


def audit(settings: Settings, options: argparse.Namespace) -> int:
    """Do what the words of ``vibecell audit`` say; return the exit status."""
    if (wrong := wrong_together(options)) is not None:
        complain(wrong)
        return EXIT_USAGE
    # the secret is nobody's business here, and may be gone when this is asked
    settings = replace(settings, server_secret_file=None)
    failures: list[VibecellError] = []
    if options.audit_word == "prune":
        _prune(settings, options.before, failures)
    else:
        _show(settings, options, failures)
    for failure in failures:
        complain(str(failure))
    return EXIT_INCOMPLETE if failures else 0


def _show(settings: Settings, options: argparse.Namespace, failures: list[VibecellError]) -> None:
    newest = options.limit
    if newest is None and not options.json:
        newest = SHOWN + 1  # one more, to know whether there are
    query = query_of(options, newest)
    sources = (_of_engine(settings, query), _of_gateway(settings, query))
    merged: Iterable[AuditRecord] = heapq.merge(
        *(_until_failure(source, failures) for source in sources),
        key=lambda record: record.at_us,
    )
    if newest is not None:
        merged = deque(merged, maxlen=newest)
    if options.json:
        for record in merged:
            print(as_json(record))
        return
    records = [*merged]
    for line in as_table(
        records[-SHOWN:] if options.limit is None else records, terminal_size()[0]
    ):
        print(line)
    if options.limit is None and len(records) > SHOWN:
        print(f"The newest {SHOWN}; --limit NUMBER or --since TIME for more.", file=sys.stderr)
    elif not records and not failures:
        print("There is nothing of that in the audit.", file=sys.stderr)


def _until_failure(
    source: Iterator[AuditRecord], failures: list[VibecellError]
) -> Iterator[AuditRecord]:
    try:
        yield from source
    except VibecellError as error:
        failures.append(error)


def _of_engine(settings: Settings, query: AuditQuery) -> Iterator[AuditRecord]:
    return _read(engine_audit(settings), query)


def _of_gateway(settings: Settings, query: AuditQuery) -> Iterator[AuditRecord]:
    if not _has_gateway(settings):
        return
    try:
        for line in said_by_gateway(settings, _READ, partial(_say_records, query)):
            yield decoded(line)
    except msgspec.MsgspecError as error:
        raise PlatformError(_READ, f"a record is damaged: {error}") from error


def _say_records(query: AuditQuery, settings: Settings) -> Iterator[bytes]:
    become_gateway(settings)
    return map(encoded, _read(gateway_audit(settings), query))


def _read(store: SqliteAudit, query: AuditQuery) -> Iterator[AuditRecord]:
    try:
        if store.open_to_read():
            yield from store.read(query)
    finally:
        store.close()


def _has_gateway(settings: Settings) -> bool:
    try:
        return key_directory(settings).is_dir()
    except OSError as error:
        raise PlatformError(_READ, str(error)) from error


def _prune(settings: Settings, before_us: int, failures: list[VibecellError]) -> None:
    by, removed = commander(), 0
    try:
        removed += _pruned(engine_audit(settings), before_us, by)
    except VibecellError as error:
        failures.append(error)
    try:
        if _has_gateway(settings):
            say = partial(_say_pruned, before_us, by)
            removed += sum(map(int, said_by_gateway(settings, _PRUNE, say)))
    except VibecellError as error:
        failures.append(error)
    print(f"{removed} acts removed.", file=sys.stderr)


def _say_pruned(before_us: int, by: Commander, settings: Settings) -> Iterator[bytes]:
    become_gateway(settings)
    yield b"%d" % _pruned(gateway_audit(settings), before_us, by)


def _pruned(store: SqliteAudit, before_us: int, by: Commander) -> int:
    """How many were removed, which is noted there, too."""
    try:
        if not store.open_to_read():
            return 0
        store.open()
        removed = store.prune_before(before_us)
        if removed:
            store.append([act_of(by, "pruned", count=removed)])
        return removed
    finally:
        store.close()
