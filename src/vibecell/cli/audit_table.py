"""Acts as text: a line of JSON for programs, a row for people.

Owns both forms. Refuses to let what others chose, as names of users, be anything but a part of its
line: it ends none, and a terminal obeys nothing of it.
"""

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from unicodedata import combining, east_asian_width

from vibecell.cli.complaints import in_a_line
from vibecell.model.execution import Usage
from vibecell.sharing.audit import US_PER_S, AuditRecord, Executed, Granted

_HEADINGS = ("TIME (UTC)", "KEY", "USER", "FROM", "WHAT")
#: How wide each column may be, but for the last, which has the rest.
_WIDEST = (14, 12, 11, 15)
_GAP = "  "
_LEAST_LAST = 20
_KIB = 1024


def as_json(record: AuditRecord) -> str:
    """One line, in ASCII: what is not set is left out."""
    shown: dict[str, object] = {"at": _moment(record.at_us), "act": record.act}
    for name in ("key", "key_name", "user", "credential", "address", "request_id"):
        shown[name] = getattr(record, name)
    for name in ("uid", "login_uid", "reason", "count"):
        shown[name] = getattr(record, name)
    if record.granted is not None:
        shown["granted"] = _granted(record.granted)
    if record.execution is not None:
        shown["execution"] = _executed(record.execution)
    return json.dumps({name: value for name, value in shown.items() if value is not None})


def as_table(records: Sequence[AuditRecord], width: int) -> Iterator[str]:
    """Rows under headings, none wider than so many columns, where that is enough for any."""
    if not records:
        return
    rows = [_HEADINGS, *map(_row, records)]
    widths = [
        min(widest, max(_width(row[at]) for row in rows)) for at, widest in enumerate(_WIDEST)
    ]
    last = max(_LEAST_LAST, width - sum(widths) - len(_GAP) * len(widths))
    for row in rows:
        cells = (_fitted(cell, room) for cell, room in zip(row, (*widths, last), strict=True))
        yield _GAP.join(cells).rstrip()


def _row(record: AuditRecord) -> tuple[str, ...]:
    at = _moment(record.at_us)[5:19].replace("T", " ")
    came_from = record.address
    if came_from is None and record.uid is not None:
        came_from = f"uid {record.uid}"
    cells = (at, record.key or "-", record.user or "-", came_from or "-", _what(record))
    return tuple(map(in_a_line, cells))


def _what(record: AuditRecord) -> str:
    if (done := record.execution) is not None:
        seconds = done.usage.wall_time_ms / 1000
        return f"{done.verdict.value} {done.language} {_size(done.size_bytes)} {seconds:.1f} s"
    words = [record.act.replace("_", " ")]
    if record.count is not None:
        words.append(f"{record.count} x")
    if record.reason is not None:
        words.append(f"({record.reason})")
    if record.key_name is not None:
        words.append(record.key_name)
    elif record.granted is not None:
        words.append(",".join(record.granted.scopes))
    return " ".join(words)


def _size(size_bytes: int) -> str:
    return f"{size_bytes} B" if size_bytes < 10 * _KIB else f"{size_bytes // _KIB} KiB"


def _width(text: str) -> int:
    """Columns that a terminal needs. Source: Unicode Standard Annex #11"""
    if text.isascii():
        return len(text)
    return sum(_width_of(character) for character in text)


def _width_of(character: str) -> int:
    if combining(character):
        return 0
    return 2 if east_asian_width(character) in "WF" else 1


def _fitted(text: str, room: int) -> str:
    """A text in exactly so many columns; what is left out is told by an ellipsis."""
    missing = room - _width(text)
    if missing >= 0:
        return text + " " * missing
    kept, left = "", room - 1
    for character in text:
        left -= _width_of(character)
        if left < 0 or len(kept) >= 4 * room:  # marks without a width are not shown without end
            break
        kept += character
    return kept + "…" + " " * (room - 1 - _width(kept))


def _granted(granted: Granted) -> dict[str, object]:
    shown: dict[str, object] = {"scopes": granted.scopes}
    if granted.expires_at_us is not None:
        shown["expires_at"] = _moment(granted.expires_at_us)
    return shown


def _executed(done: Executed) -> dict[str, object]:
    shown: dict[str, object] = {
        "id": done.id,
        "verdict": done.verdict.value,
        "language": done.language,
        "sha256": done.sha256,
        "size_bytes": done.size_bytes,
        "files": done.files,
        "begun_at": _moment(done.begun_at_us),
        "usage": _used(done.usage),
    }
    return shown if done.place is None else {**shown, "place": done.place}


def _used(usage: Usage) -> dict[str, object]:
    measured = {
        "wall_time_ms": round(usage.wall_time_ms, 3),
        "cpu_time_ms": None if usage.cpu_time_ms is None else round(usage.cpu_time_ms, 3),
        "memory_bytes": usage.memory_bytes,
        "processes": usage.processes,
        "output_bytes": usage.output_bytes,
    }
    return {name: value for name, value in measured.items() if value is not None}


def _moment(at_us: int) -> str:
    """To the microsecond, which orders what came in one second. Source: RFC 3339, section 5.6"""
    seconds, rest = divmod(at_us, US_PER_S)
    try:
        return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:06}Z"
    except (ValueError, OverflowError, OSError):  # a clock beyond the year 9999
        return f"@{seconds}.{rest:06}"
