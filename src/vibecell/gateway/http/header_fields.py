"""The header fields of one request.

Owns reading them, strictly, and their form in a WSGI environment; refuses
every line of which two readers could make different things: folded lines,
blanks before the colon, bare carriage returns, a header that breaks off.

Source: RFC 9112 sections 2.2, 5.1 and 5.2.
"""

import re
from functools import lru_cache
from typing import Any

MAX_FIELDS = 100
# one class of characters between colon and line end: nothing to try twice
_LINE = re.compile(r"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):([^\r\n\0]*)\r?\n\Z")


class WrongFields(ValueError):
    """The header is no header of HTTP/1.1."""


class HeaderTooLarge(ValueError):
    """The request line and header together exceed their bound."""


class Fields:
    """Names in lower case and values, in the order in which they came."""

    __slots__ = ("_pairs",)

    def __init__(self, pairs: list[tuple[str, str]]) -> None:
        self._pairs = pairs

    @classmethod
    def read(cls, stream: Any, most_bytes: int) -> "Fields":
        """Read up to the empty line.

        Args:
            stream: buffered; what follows the empty line is left in it.
            most_bytes: of all lines together, the empty one as well.

        Raises:
            WrongFields: a line is no field, there are too many, or it breaks off.
            HeaderTooLarge: it has more than ``most_bytes``.
        """
        pairs: list[tuple[str, str]] = []
        left = most_bytes
        while True:
            line = stream.readline(left + 1)
            left -= len(line)
            if left < 0:
                raise HeaderTooLarge
            if line in (b"\r\n", b"\n"):
                break
            match = _LINE.match(line.decode("latin-1"))
            if match is None or len(pairs) >= MAX_FIELDS:
                raise WrongFields
            pairs.append((match[1].lower(), match[2].strip(" \t")))
        return cls(pairs)

    def get(self, name: str, default: str = "") -> str:
        """The first value under a name in lower case."""
        for known, value in self._pairs:
            if known == name:
                return value
        return default

    def get_all(self, name: str) -> list[str]:
        """All values under a name in lower case."""
        return [value for known, value in self._pairs if known == name]

    def with_host(self, host: str) -> "Fields":
        """The same with another host in place of what they name."""
        others = [(name, value) for name, value in self._pairs if name != "host"]
        return Fields([("host", host), *others])

    def environ(self) -> dict[str, str]:
        """Names and values as WSGI has them, without the type and the length.

        A name with an underscore is passed over: it would pass for the name
        that has a dash there. Several values under one name are joined.
        """
        found: dict[str, str] = {}
        for name, value in self._pairs:
            key = _environ_key(name)
            if key is None:
                continue
            if key in found:
                found[key] += ("; " if key == "HTTP_COOKIE" else ",") + value
            else:
                found[key] = value
        return found


@lru_cache(256)
def _environ_key(name: str) -> str | None:
    if "_" in name or name in ("content-type", "content-length"):
        return None
    return "HTTP_" + name.replace("-", "_").upper()
