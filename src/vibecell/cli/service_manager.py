"""What the service manager that started us, if one did, is told of how we are.

Owns the datagrams of sd_notify(3) and the thread that tells, as long as that is true, that we are
alive. Refuses to say so itself: whoever makes one gives the look. Without a manager nothing is
sent and no thread runs. What cannot be sent is not sent again: a manager that hears nothing of us
does what its unit says.

Source: sd_notify(3); sd_watchdog_enabled(3); unix(7), "Abstract" of the address
"""

import contextlib
import os
import socket
import threading
from collections.abc import Callable, Iterator, MutableMapping

SOCKET_VARIABLE = "NOTIFY_SOCKET"
WATCHDOG_VARIABLE = "WATCHDOG_USEC"
WATCHDOG_PID_VARIABLE = "WATCHDOG_PID"
MAX_STATUS_CHARACTERS = 300
# Source: sd_watchdog_enabled(3) recommends a half; a look may take a moment
_LOOKS_PER_WATCHDOG = 3
# Where no watchdog is wanted, a status is told all the same.
_STATUS_EVERY_S = 10.0
_SEND_DEADLINE_S = 1.0

Look = Callable[[], str | None]
"""What to show for a status, where all is alive; ``None``: it is not."""


class ServiceManager:
    """The one that started us, or none.

    Args:
        address: of its socket: a path, or a name that begins with ``@``; empty: there is none.
        watchdog_s: within which it wants to hear of us, again and again; ``None``: it does not.
    """

    def __init__(self, address: str = "", watchdog_s: float | None = None) -> None:
        self._address = address
        self._watchdog_s = watchdog_s
        self._over = threading.Event()

    @classmethod
    def of(cls, environ: MutableMapping[str, str]) -> "ServiceManager":
        """The one that the environment names, taken out of it: no child is to speak for us."""
        address = environ.pop(SOCKET_VARIABLE, "")
        span_us = environ.pop(WATCHDOG_VARIABLE, "")
        pid = environ.pop(WATCHDOG_PID_VARIABLE, "")
        if not address.startswith(("/", "@")):
            return cls()
        is_ours = pid in ("", str(os.getpid()))
        is_span = span_us.isascii() and span_us.isdigit() and int(span_us) > 0
        return cls(address, int(span_us) / 1e6 if is_ours and is_span else None)

    def tell_ready(self, status: str) -> None:
        """We serve."""
        self._send(f"READY=1\nSTATUS={_line(status)}")

    def tell_stopping(self) -> None:
        """We end; from here on nothing else is told."""
        self._over.set()
        self._send("STOPPING=1\nSTATUS=stopping")

    @contextlib.contextmanager
    def told(self, look: Look) -> Iterator[None]:
        """Tell meanwhile that we are alive, while a look says so, and the status it gives.

        Args:
            look: called in a thread of its own, where it may wait; may raise nothing.
        """
        if not self._address:
            yield
            return
        # a daemon: a look that hangs keeps nobody from leaving
        threading.Thread(target=self._tell_for_ever, args=(look,), daemon=True).start()
        try:
            yield
        finally:
            self._over.set()

    def _tell_for_ever(self, look: Look) -> None:
        every_s = _STATUS_EVERY_S
        if self._watchdog_s is not None:
            every_s = min(every_s, self._watchdog_s / _LOOKS_PER_WATCHDOG)
        while not self._over.is_set():
            status = look()
            if self._over.is_set():
                return
            if status is not None:
                self._send(f"WATCHDOG=1\nSTATUS={_line(status)}")
            else:
                self._send("STATUS=a part of the service does not answer")
            self._over.wait(every_s)

    def _send(self, message: str) -> None:
        if not self._address:
            return
        # a name that begins with a zero byte is in no file system
        address = "\0" + self._address[1:] if self._address[0] == "@" else self._address
        # its fault, not ours: without a manager that listens we serve on
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as link:
            link.settimeout(_SEND_DEADLINE_S)
            link.sendto(message.encode("utf-8", "replace"), address)


def _line(text: str) -> str:
    """A text as the one line that an assignment is, so that no other one is in it."""
    printable = "".join(c if c.isprintable() else " " for c in text)
    return printable[:MAX_STATUS_CHARACTERS]
