"""What is said of a key on the command line.

Owns the words after ``vibecell keys``, and how durations, sizes, rates and scopes are written.
Refuses a value with a sentence that says how it is written.
"""

import argparse
import re
from collections.abc import Callable
from typing import TypeVar

from vibecell.model.caller import (
    DAY_S,
    DEFAULT_SCOPES,
    LEAST_WEIGHT,
    MOST_WEIGHT,
    SCOPES,
    Grant,
    Rate,
    Scope,
)
from vibecell.model.errors import InvalidRequest
from vibecell.model.limits import HIGHEST
from vibecell.model.origins import ALLOWANCE, is_allowance
from vibecell.sharing.keys import Key, id_in

DEFAULT_GRACE = "24h"
MAX_NAME_CHARACTERS = 128
_MAX_DURATION_S = 100 * 365 * DAY_S
_UNITS_S = {"s": 1, "m": 60, "h": 3_600, "d": DAY_S}
_UNITS_BYTES = {"": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}
_DURATION = re.compile(r"([0-9]{1,12})([smhd])\Z")
_SIZE = re.compile(r"([0-9]{1,18})(|KiB|MiB|GiB|TiB)\Z")
_T = TypeVar("_T")


def add_words(keys: argparse.ArgumentParser, shared: argparse.ArgumentParser) -> None:
    """The words of ``vibecell keys`` and their options."""
    as_json = argparse.ArgumentParser(add_help=False)
    as_json.add_argument("--json", action="store_true", help="for programs")
    words = keys.add_subparsers(dest="keys_word", required=True, metavar="COMMAND")

    def word(name: str, text: str) -> argparse.ArgumentParser:
        return words.add_parser(name, parents=[shared, as_json], help=text, description=text)

    _add_create(word("create", "make a key, and print it this once"))
    word("list", "all keys, revoked ones included")
    for name, text in (
        ("show", "what one key is"),
        ("revoke", "end a key for good"),
        ("rotate", "give a key another secret, and print it this once"),
    ):
        made = word(name, text)
        made.add_argument("id", type=written(key_id), metavar="ID", help="as the list has it")
        if name == "rotate":
            made.add_argument(
                "--grace",
                type=written(grace_s),
                default=DEFAULT_GRACE,
                metavar="TIME",
                help="for which the old secret is good as well (default %(default)s)",
            )
    word("rotate-secret", "have the server hash and sign by a new secret; old keys go on working")


def _add_create(create: argparse.ArgumentParser) -> None:
    create.add_argument("name", metavar="NAME", type=written(name), help="what you call it")
    values: tuple[tuple[str, Callable[[str], object], str, str], ...] = (
        ("--scopes", scopes, "LIST", f"of {', '.join(SCOPES)} (default: the first three)"),
        ("--rate", Rate.parsed, "RATE", "executions begun, as 60/minute"),
        ("--concurrent", count, "NUMBER", "executions that run or wait at once"),
        ("--streams", count, "NUMBER", "event streams and WebSockets open at once"),
        ("--cpu-per-day", cpu_ms, "TIME", "processor time, as 3600s or 1h"),
        ("--output-per-day", size_bytes, "SIZE", "output, as 1GiB or in bytes"),
        ("--weight", weight, "NUMBER", "its share where places are scarce (default 1)"),
        ("--origins", origins, "LIST", "pages that may ask with it, as https://shop.example"),
        ("--expires", lifetime_s, "TIME", "when it ends by itself, as 90d, 12h or 30m"),
    )
    for option, read, metavar, text in values:
        create.add_argument(option, type=written(read), metavar=metavar, help=text)


def wanted_key(options: argparse.Namespace) -> Key:
    """The key that the options of ``create`` mean, without an id and times."""
    return Key(
        id="",
        name=options.name,
        scopes=options.scopes or DEFAULT_SCOPES,
        grant=Grant(
            rate=options.rate,
            concurrent=options.concurrent,
            streams=options.streams,
            cpu_ms_per_day=options.cpu_per_day,
            output_bytes_per_day=options.output_per_day,
        ),
        weight=options.weight or 1.0,
        origins=options.origins or (),
    )


def written(read: Callable[[str], _T]) -> Callable[[str], _T]:
    """The same for ``argparse``, which says what was wrong, and with which option."""

    def reading(text: str) -> _T:
        try:
            return read(text)
        except InvalidRequest as error:
            raise argparse.ArgumentTypeError(error.problems[0].message) from error
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from error

    return reading


def key_id(text: str) -> str:
    """An id. Of a whole key, which is none, nothing but its id is said."""
    if (meant := id_in(text)) is not None:
        raise ValueError(f"is a whole key, which is a secret; its id is {meant}")
    return text


def name(text: str) -> str:
    """A name in one line."""
    if not 0 < len(text) <= MAX_NAME_CHARACTERS or not text.isprintable():
        raise ValueError(f"must be 1 to {MAX_NAME_CHARACTERS} printable characters")
    return text


def scopes(text: str) -> frozenset[Scope]:
    """``execute,read``."""
    named = {each.strip() for each in text.split(",")}
    known = frozenset(scope for scope in SCOPES if scope in named)
    if not named or named - known:
        raise ValueError(f"must be of {', '.join(SCOPES)}, with a comma between")
    return known


def count(text: str) -> int:
    """A whole number of 1 or more."""
    if not re.fullmatch(r"[0-9]{1,18}", text) or not 0 < int(text) <= HIGHEST:
        raise ValueError(f"must be a whole number from 1 to {HIGHEST}")
    return int(text)


def duration_s(text: str) -> int:
    """``90d``, ``12h``, ``30m`` or ``3600s``."""
    match = _DURATION.match(text)
    if match is None or int(match[1]) * _UNITS_S[match[2]] > _MAX_DURATION_S:
        raise ValueError("must be as 90d, 12h, 30m or 3600s, at most a hundred years")
    return int(match[1]) * _UNITS_S[match[2]]


def lifetime_s(text: str) -> int:
    """The same, of some length."""
    if (seconds := duration_s(text)) == 0:
        raise ValueError("must be longer than nothing")
    return seconds


grace_s = duration_s


def cpu_ms(text: str) -> int:
    """Processor time, in milliseconds."""
    return lifetime_s(text) * 1000


def size_bytes(text: str) -> int:
    """``1GiB``, ``500MiB`` or a number of bytes."""
    match = _SIZE.match(text)
    if match is None or not 0 < int(match[1]) * _UNITS_BYTES[match[2]] <= HIGHEST:
        raise ValueError("must be as 1GiB, 500MiB or a number of bytes, above 0")
    return int(match[1]) * _UNITS_BYTES[match[2]]


def weight(text: str) -> float:
    """A share."""
    try:
        share = float(text)
    except ValueError:
        share = 0.0
    if not LEAST_WEIGHT <= share <= MOST_WEIGHT:
        raise ValueError(f"must be a number from {LEAST_WEIGHT} to {MOST_WEIGHT:g}")
    return share


def origins(text: str) -> tuple[str, ...]:
    """``https://shop.example,https://www.shop.example``."""
    named = tuple(each.strip() for each in text.split(","))
    if not all(map(is_allowance, named)):
        raise ValueError(ALLOWANCE)
    return named
