"""Where something listens, as a setting says it.

Owns how such a text is read; refuses to look a name up and to listen.
"""

import os
import re
from ipaddress import ip_address

#: What fits in an address of a Unix socket, with the zero at its end. Source: unix(7)
MAX_SOCKET_PATH_BYTES = 107
_HOST_AND_PORT = re.compile(r"(?:\[([0-9A-Fa-f:.]{2,45})\]|([0-9A-Za-z.-]{1,253})):([0-9]{1,5})\Z")


def is_listening_place(text: str) -> bool:
    """Whether a text is ``host:port``, an IPv6 address in brackets, or an absolute path."""
    return is_socket_path(text) or _read(text) is not None


def is_socket_path(text: str) -> bool:
    """Whether it names a Unix socket."""
    is_path = text.startswith("/") and not text.endswith("/") and "\0" not in text
    return is_path and len(os.fsencode(text)) <= MAX_SOCKET_PATH_BYTES


def host_and_port(text: str) -> tuple[str, int]:
    """Both of them.

    Raises:
        ValueError: it names no such place.
    """
    found = _read(text)
    if found is None:
        raise ValueError(f"not host:port: {text!r}")
    return found


def _read(text: str) -> tuple[str, int] | None:
    match = _HOST_AND_PORT.match(text)
    if match is None or int(match[3]) > 65535:
        return None
    if match[1] is not None:
        try:
            return str(ip_address(match[1])), int(match[3])
        except ValueError:
            return None
    return match[2], int(match[3])
