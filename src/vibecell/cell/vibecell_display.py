"""Matplotlib backend of a cell: ``show()`` displays the figures.

Owns the way from a figure to the platform's display events; refuses to block.
Figures are drawn by Agg, written as one JSON object (MIME type to content, as
Jupyter's display_data) to the cell's FIFO, and closed. Also useful by itself:
``vibecell_display.display({"text/html": "<b>hello</b>"})``.

Source: https://matplotlib.org/stable/users/explain/figure/writing_a_backend_pyplot.html
"""

import base64
import fcntl
import io
import json
import os
import struct
from typing import Any

from matplotlib import pyplot
from matplotlib.backend_bases import FigureManagerBase
from matplotlib.backends.backend_agg import FigureCanvasAgg

FIFO = "/run/display"


def display(data: dict[str, str]) -> None:
    """Show something, by MIME type; binary content as base64.

    Raises:
        OSError: there is nobody to show it to.
    """
    payload = json.dumps(data).encode()
    message = memoryview(struct.pack("!I", len(payload)) + payload)
    fd = os.open(FIFO, os.O_WRONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        while message:
            message = message[os.write(fd, message) :]
    finally:
        os.close(fd)


class FigureManager(FigureManagerBase):  # type: ignore[misc, unused-ignore]
    """Shows a figure by displaying a picture of it."""

    def show(self) -> None:
        """Display this figure."""
        picture = io.BytesIO()
        self.canvas.figure.savefig(picture, format="png")
        display({"image/png": base64.b64encode(picture.getvalue()).decode()})

    @classmethod
    def pyplot_show(cls, *, block: bool | None = None) -> None:
        """Display every open figure once, then close them."""
        for number in pyplot.get_fignums():
            manager: Any = pyplot.figure(number).canvas.manager
            manager.show()
        pyplot.close("all")


class FigureCanvas(FigureCanvasAgg):  # type: ignore[misc, unused-ignore]
    """Agg's canvas with our manager."""

    manager_class = FigureManager
