"""Which ``Host`` a request may name.

Owns the defence of a gateway without keys against a page that rebinds its own
name to a loopback address; refuses to read forwarded names.
"""

import re

from werkzeug.exceptions import HTTPException

from vibecell.model.loopback import is_loopback

_HOST = re.compile(r"(\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9.\-_]{1,255})(?::[0-9]{1,5})?\Z")
_LOCAL_SUFFIX = ".localhost"
_LOCAL_HOSTS = ("localhost", "127.0.0.1")


class Misdirected(HTTPException):
    """421. Source: RFC 9110 section 15.5.20."""

    code = 421


def check_host(host: str, local_names_only: bool) -> None:
    """Pass a host, with or without a port, that is served.

    Raises:
        Misdirected: it names no host, or none of this machine.
    """
    if host in _LOCAL_HOSTS:
        return
    match = _HOST.match(host)
    if match is None:
        raise Misdirected("the Host header names no host")
    name = match.group(1).strip("[]").lower()
    if local_names_only and not (is_loopback(name) or name.endswith(_LOCAL_SUFFIX)):
        raise Misdirected("only names of this machine are served")
