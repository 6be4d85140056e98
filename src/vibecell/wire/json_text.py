"""JSON text in and out, with nothing left to interpretation.

Owns the strict reader and the compact writer; refuses what readers disagree
about: repeated names, NaN and Infinity, numbers out of range, lone surrogates,
deep nesting, encodings other than UTF-8.

Source: RFC 8259 sections 4 (names should be unique), 6 (no NaN), 8.1 (UTF-8)
and 8.2 (lone surrogates are unpredictable); RFC 7493 forbids them outright.
"""

import json
import math
import re
from typing import NoReturn

from vibecell.model.errors import MalformedRequest

MAX_DEPTH = 32
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
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
    try:
        value: object = _DECODER.decode(text)
    except RecursionError as error:
        raise MalformedRequest(f"nested deeper than {MAX_DEPTH} levels") from error
    except ValueError as error:
        raise MalformedRequest("not valid JSON") from error
    # A text with so few brackets is not deep; a surrogate needs its escape.
    if text.count("[") + text.count("{") > MAX_DEPTH or _SURROGATE.search(text):
        _check_nodes(value)
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


def _finite_float(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise MalformedRequest("a number is out of range")
    return value


def _check_nodes(value: object) -> None:
    """Walk without recursion: depth and surrogates."""
    waiting: list[tuple[object, int]] = [(value, 0)]
    while waiting:
        node, depth = waiting.pop()
        if isinstance(node, str):
            _check_text(node)
            continue
        if not isinstance(node, dict | list):
            continue
        if depth >= MAX_DEPTH:
            raise MalformedRequest(f"nested deeper than {MAX_DEPTH} levels")
        if isinstance(node, dict):
            waiting.extend((name, depth + 1) for name in node)
            waiting.extend((child, depth + 1) for child in node.values())
        else:
            waiting.extend((child, depth + 1) for child in node)


def _check_text(text: str) -> None:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise MalformedRequest("a string holds a lone surrogate") from error


# made once: ``json.loads`` with hooks makes a decoder for every call
_DECODER = json.JSONDecoder(
    object_pairs_hook=_unique_names, parse_constant=_refuse_constant, parse_float=_finite_float
)
