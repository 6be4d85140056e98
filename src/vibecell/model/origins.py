"""Origins of pages, as lists of them name them.

Owns what may stand in such a list, whether a deployment's or a key's, and what a list says of
an origin; refuses ``null``, which every page without an origin says, and whatever could be more
than an origin in a header. Who keeps which list is not known here.

Source: RFC 6454 section 6.2; https://html.spec.whatwg.org/multipage/browsers.html#origin
"""

import re
from collections.abc import Collection

#: In a list: every page there is, those of no origin as well.
ANY = "*"
#: What a list may hold, in words.
ALLOWANCE = "each must be as a browser says it, https://host or http://host:port, or *"

_ORIGIN = re.compile(
    r"(?P<scheme>https?)://"
    r"(?:[a-z0-9_](?:[a-z0-9._-]{0,251}[a-z0-9_])?|\[[0-9a-f:.]{2,45}\])"
    r"(?::(?P<port>[1-9][0-9]{0,4}))?\Z"
)
#: Which no browser says in an origin. Source: RFC 9110 sections 4.2.1 and 4.2.2
DEFAULT_PORTS = {"http": 80, "https": 443}


def is_allowance(text: str) -> bool:
    """Whether a list may hold this: ``*``, or what a browser would say as an origin.

    No browser says the port that its scheme has anyway: with it, an origin would never be met.
    """
    match = _ORIGIN.match(text)
    if match is None:
        return text == ANY
    if match["port"] is None:
        return True
    port = int(match["port"])
    return port < 2**16 and port != DEFAULT_PORTS[match["scheme"]]


def lists(allowed: Collection[str], origin: str) -> bool:
    """Whether a list allows pages of this origin."""
    return origin in allowed or ANY in allowed
