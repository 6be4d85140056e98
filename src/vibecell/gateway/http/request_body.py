"""The body of one request, and what becomes of one that nobody read.

Owns the bound on what is discarded so that the connection can go on; refuses
to let a byte of one request be read as the next one.
"""

from gevent.pywsgi import Input


class Body(Input):  # type: ignore[misc]
    """A request's body; leftovers are discarded up to a bound.

    Attributes:
        discard_bytes: the bound.
        complete: nothing of the body is left in the connection.
    """

    __slots__ = ("complete", "discard_bytes")

    def _discard(self) -> None:
        self.complete = False
        if self._chunked_input_error:
            return
        # whoever waits for 100 Continue is not told to go on
        self.socket = None  # type: ignore[misc]
        left = self.discard_bytes
        while left > 0:
            piece = self.read(min(16384, left))
            if not piece:
                self.complete = True
                return
            left -= len(piece)
