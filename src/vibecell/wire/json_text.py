"""JSON text in and out, with nothing left to interpretation.

Owns the strict reader, the compact writer and how a moment is written; refuses
what readers disagree about: repeated names, NaN and Infinity, numbers out of
range, lone surrogates, deep nesting, encodings other than UTF-8; and structure without end, before
anything is made of it: a reader's time goes by names and items far more than by
bytes, and it has one thread.

Source: RFC 8259 sections 4 (names should be unique), 6 (no NaN; numbers beyond
binary64), 8.1 (UTF-8), 8.2 (lone surrogates are unpredictable) and 9 (a reader may
set limits); RFC 7493 forbids the former outright.
"""

import json
import math
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import NoReturn

from vibecell.model.errors import MalformedRequest

MAX_DEPTH = 32
#: Names and items of one text: more than three times what the largest request has.
MAX_ENTRIES = 4096
#: What the largest finite number of binary64 has.
_MAX_DIGITS = 309
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
_STRUCTURE = re.compile(r'["\[\]{},]')
# the decoder's own, as typeshed does not say: what it takes for a string is one here
_SCAN_STRING: Callable[[str, int, bool], tuple[str, int]] = json.decoder.scanstring  # type: ignore[attr-defined]
_ENCODER = json.JSONEncoder(separators=(",", ":"), allow_nan=False)


def strict_json_loads(data: bytes) -> object:
    """Read one JSON text.

    Args:
        data: UTF-8, its size already bounded by the caller.

    Returns:
        Dictionaries, lists, strings, integers, finite floats, booleans, None.

    Raises:
        MalformedRequest: not UTF-8, not JSON, or JSON of which readers would
            disagree; the message says which.
    """
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise MalformedRequest("not valid UTF-8") from error
    # a text with so few characters has no more entries, with so few brackets is not deep
    if len(text) > MAX_ENTRIES or text.count("[") + text.count("{") > MAX_DEPTH:
        _check_structure(text)
    try:
        value: object = _DECODER.decode(text)
    except ValueError as error:
        raise MalformedRequest("not valid JSON") from error
    if _SURROGATE.search(text):  # one needs its escape
        _check_texts(value)
    return value


def compact_json(value: object) -> bytes:
    """Write a value as ASCII JSON without spaces or line ends.

    ASCII, because U+2028 and control characters in a program's output would
    otherwise reach readers that take them for line ends.
    """
    return _ENCODER.encode(value).encode("ascii")


def _unique_names(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                raise MalformedRequest(f"the name {name[:64]!a} is repeated")
            seen.add(name)
    return members


def _refuse_constant(name: str) -> NoReturn:
    raise MalformedRequest(f"{name} is not JSON")


def _finite_integer(digits: str) -> int:
    # Python's own bound is higher, and what is below it takes the square of its digits
    if len(digits.lstrip("-")) > _MAX_DIGITS:
        raise MalformedRequest("a number is out of range")
    return int(digits)


def _finite_float(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise MalformedRequest("a number is out of range")
    return value


def _check_structure(text: str) -> None:
    """Count entries and depth without making any; a bracket in a string is none."""
    entries = depth = at = 0
    while found := _STRUCTURE.search(text, at):
        at = found.end()
        mark = found[0]
        if mark == '"':
            at = _end_of_string(text, at)
        elif mark in "]}":
            depth -= 1
        else:
            entries += 1
            depth += mark != ","
            if depth > MAX_DEPTH:
                raise MalformedRequest(f"nested deeper than {MAX_DEPTH} levels")
            if entries > MAX_ENTRIES:
                raise MalformedRequest(f"more than {MAX_ENTRIES} names and items")


def _end_of_string(text: str, begin: int) -> int:
    try:
        return _SCAN_STRING(text, begin, True)[1]
    except ValueError as error:
        raise MalformedRequest("not valid JSON") from error


def _check_texts(value: object) -> None:
    """Look at all names and strings, without recursion."""
    waiting = [value]
    while waiting:
        node = waiting.pop()
        if isinstance(node, str):
            _check_text(node)
        elif isinstance(node, dict):
            waiting.extend(node)
            waiting.extend(node.values())
        elif isinstance(node, list):
            waiting.extend(node)


def _check_text(text: str) -> None:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise MalformedRequest("a string holds a lone surrogate") from error


# made once: ``json.loads`` with hooks makes a decoder for every call
_DECODER = json.JSONDecoder(
    object_pairs_hook=_unique_names,
    parse_constant=_refuse_constant,
    parse_int=_finite_integer,
    parse_float=_finite_float,
)


def moment(seconds: float) -> str:
    """A moment of UTC, in seconds since 1970, to the second before it.

    Source: RFC 3339 section 5.6.
    """
    return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
