"""For whom a proxy asks, and by what address it was asked itself.

Owns which peers are believed about that, and reading ``Forwarded`` and ``X-Forwarded-*``; refuses
to believe a hop that no trusted proxy has written, and to look anything up.

Theory of operation: each proxy adds, at the right, whom it was asked by; what stands to the left
of that came along from there, and anybody can have written it. So hops are read from the right:
the peer is trusted, so what it wrote is true; if that is a trusted proxy, what that one wrote is
true, and so on. The first that is none is the client. Where a hop cannot be read, the one before it
stands for the client. What is left of it is not even looked at: the list is taken apart from its
end, so that a quotation mark that a client left open takes nothing along.

Source: RFC 7239 sections 4, 5, 6 and 7.1.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from vibecell.gateway.http.header_fields import Fields

UNIX = "unix"
#: Proxies in a row; more than there are anywhere.
MAX_HOPS = 32

_TOKEN = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_QUOTED = r'"(?:[\t !\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t -\x7e\x80-\xff])*"'
_PAIR = re.compile(rf"[ \t]*(?:({_TOKEN})=({_TOKEN}|{_QUOTED}))?[ \t]*(?:;|\Z)")
_PORT = r"(?::(?:[0-9]{1,5}|_[0-9A-Za-z._-]{1,64}))?\Z"
_V4 = re.compile(rf"([0-9]{{1,3}}(?:\.[0-9]{{1,3}}){{3}}){_PORT}")
_V6 = re.compile(rf"\[([0-9A-Fa-f:.]{{2,45}})\]{_PORT}")
_BARE_V6 = re.compile(r"([0-9A-Fa-f:.]{2,45})\Z")
# narrower than what a ``Host`` may be: it is put into links and policies
_HOST = re.compile(
    r"(?:[A-Za-z0-9][A-Za-z0-9._-]{0,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?\Z"
)


@dataclass(frozen=True, slots=True)
class Forwarding:
    """What trusted proxies say of one request.

    Attributes:
        client: the address for which they ask; the proxy's own, where it names nobody.
        scheme, host: by which the client asked; ``None``: not told.
    """

    client: str
    scheme: str | None = None
    host: str | None = None


class TrustedProxies:
    """Whose word is taken.

    Args:
        named: addresses, networks, and ``unix`` for whoever comes by a Unix socket.

    Raises:
        ValueError: one is none of these, or a network of all addresses there are.
    """

    def __init__(self, named: Iterable[str]) -> None:
        names = tuple(named)
        self._unix = UNIX in names
        self._networks = tuple(_network(each) for each in names if each != UNIX)

    def __contains__(self, address: str) -> bool:
        if address == UNIX:
            return self._unix
        if not self._networks:
            return False
        found = ip_address(address)
        return any(found in network for network in self._networks)

    def forwarding(self, peer: str, fields: Fields) -> Forwarding:
        """For whom a trusted peer asks.

        Where both kinds of header are there, only what both say is believed: a proxy that writes
        one of them may hand on the other as it came.
        """
        standard = ",".join(fields.get_all("forwarded"))
        addresses = ",".join(fields.get_all("x-forwarded-for"))
        by_standard = self._walked(peer, _elements(standard))
        by_custom = Forwarding(
            self._walked(peer, _addresses(addresses)).client,
            _scheme(_last(fields.get_all("x-forwarded-proto"))),
            _host(_last(fields.get_all("x-forwarded-host"))),
        )
        if not standard:
            return by_custom
        return _agreed(peer, by_standard, by_custom) if addresses else by_standard

    def _walked(self, peer: str, hops: Iterator[Forwarding | None]) -> Forwarding:
        reached = Forwarding(peer)
        for _ in range(MAX_HOPS):
            hop = next(hops, None)
            if hop is None:
                break
            reached = hop
            if hop.client not in self:
                break
        return reached


def plain_address(text: str) -> str:
    """An address as it is written here: one of IPv4 as such, however it arrived."""
    if ":" not in text:
        return text
    mapped = IPv6Address(text).ipv4_mapped
    return text if mapped is None else str(mapped)


def _network(text: str) -> IPv4Network | IPv6Network:
    network = ip_network(text)
    if network.prefixlen == 0:
        raise ValueError("everybody would be trusted")
    return network


def _agreed(peer: str, one: Forwarding, other: Forwarding) -> Forwarding:
    if one.client != other.client:
        return Forwarding(peer)
    return Forwarding(
        one.client,
        one.scheme if one.scheme == other.scheme else None,
        one.host if one.host == other.host else None,
    )


def _addresses(text: str) -> Iterator[Forwarding | None]:
    """Hops of ``X-Forwarded-For`` from the right; ``None``: one that is no address."""
    while text:
        text, _, last = text.rpartition(",")
        client = _address(last.strip(" \t"), _V4, _V6, _BARE_V6)
        yield None if client is None else Forwarding(client)


def _elements(text: str) -> Iterator[Forwarding | None]:
    """Hops of ``Forwarded`` from the right; ``None``: one that names no address."""
    while text:
        text, last = _last_element(text)
        yield _element(last)


def _last_element(text: str) -> tuple[str, str]:
    """What is left of a list, and its last element, by reading from its end."""
    quoted = False
    for at in range(len(text) - 1, -1, -1):
        if text[at] == '"':
            quoted = not quoted or _is_escaped(text, at)
        elif text[at] == "," and not quoted:
            return text[:at], text[at + 1 :]
    return "", text


def _is_escaped(text: str, at: int) -> bool:
    """Whether an odd number of backslashes stands before a character."""
    first = at
    while first > 0 and text[first - 1] == "\\":
        first -= 1
    return (at - first) % 2 == 1


def _element(text: str) -> Forwarding | None:
    told: dict[str, str] = {}
    at = 0
    while at < len(text):
        match = _PAIR.match(text, at)
        if match is None or match.end() == at:
            return None
        at = match.end()
        if match[1] is not None:
            name = match[1].lower()
            if name in told:
                return None
            told[name] = _unquoted(match[2])
    client = _address(told.get("for", ""), _V4, _V6)
    if client is None:
        return None
    return Forwarding(client, _scheme(told.get("proto")), _host(told.get("host")))


def _unquoted(value: str) -> str:
    return re.sub(r"\\(.)", r"\1", value[1:-1]) if value.startswith('"') else value


@lru_cache(1024)
def _address(text: str, *forms: re.Pattern[str]) -> str | None:
    """The address in one of these forms, without its port."""
    for form in forms:
        if (match := form.match(text)) is not None:
            try:
                return plain_address(str(ip_address(match[1])))
            except ValueError:
                return None
    return None


def _last(values: list[str]) -> str | None:
    """What the nearest proxy has said."""
    return values[-1].rpartition(",")[2].strip(" \t") if values else None


def _scheme(text: str | None) -> str | None:
    return text.lower() if text is not None and text.lower() in ("http", "https") else None


def _host(text: str | None) -> str | None:
    return text.lower() if text is not None and _HOST.match(text) else None
