"""Addresses that only this machine can reach.

Owns the one answer for settings and gateway: who needs a key, who may see what.
Refuses to look a name up.
"""

import ipaddress
from functools import lru_cache


@lru_cache(1024)
def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address.

    A name other than ``localhost`` is not looked up and counts as reachable.
    """
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
