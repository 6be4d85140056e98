"""Who has which share of the one thread.

Owns the shares of all addresses that have something open here, and their bound; refuses to
know what a share is worth (``turns.py``).

A share is a peer's, for all its connections, or that of somebody who asks through a trusted proxy,
for all his requests. A proxy has one for its connections, in which it is read for whom it asks.
"""

from vibecell.gateway.http.connection import network_of
from vibecell.gateway.http.turns import Share


class AddressShares:
    """The share of each address, for as long as it has something open.

    Args:
        most: that one address may have open.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._shares: dict[tuple[str, bool], Share] = {}

    def enter(self, address: str, as_proxy: bool = False) -> Share:
        """The share of one who opens something; ``leave`` when it is closed."""
        name = (network_of(address), as_proxy)
        share = self._shares.get(name)
        if share is None:
            share = self._shares[name] = Share()
        share.open += 1
        return share

    def leave(self, address: str, as_proxy: bool = False) -> None:
        """What this address had opened is closed."""
        name = (network_of(address), as_proxy)
        share = self._shares[name]
        share.open -= 1
        if not share.open:
            del self._shares[name]

    def is_full(self, share: Share) -> bool:
        """Whether an address has more open than it may."""
        return share.open > self._most
