"""What stands for the windows of Matplotlib's figures, where there is no screen.

The image has it as ``matplotlib.backends.backend_vibecell``, so that a warning names the line of
the program that drew, as elsewhere, and not one of ours. Agg's canvas has these managers, under
whatever name Agg was asked for.

A figure is displayed when it is shown. One that a program goes on with (``show(block=False)``,
``ion()``, ``pause()``) is displayed at once and, if it has changed, as it looks when it is closed
or the program ends: an animation is two pictures, not thousands. One that is still open at the
end, and was neither shown nor saved, is displayed then, as a notebook does.

Source: https://matplotlib.org/stable/users/explain/figure/writing_a_backend_pyplot.html
"""

import atexit
import contextlib
import io
import os
import warnings
from collections.abc import Callable
from typing import Any

import vibecell_display
from matplotlib import cbook, is_interactive
from matplotlib._pylab_helpers import Gcf
from matplotlib.backend_bases import FigureManagerBase

MAX_PIXELS = 8_000_000  # of one picture; a screen has no more
MAX_LEFT_OPEN = 16
# of all pictures at the end: what a program left is no reason to end it for its output
MAX_LEFT_OPEN_BYTES = 512 * 1024
_watched: set[int] = set()  # processes whose end is waited for


class FigureManager(FigureManagerBase):  # type: ignore[misc, unused-ignore]
    """Stands for the window of one figure.

    Attributes:
        is_seen: the program has shown the figure or written it to a file.
    """

    def __init__(self, canvas: Any, num: int | str) -> None:
        super().__init__(canvas, num)
        self.is_seen = False
        self._is_open = False
        self._displayed: dict[str, str] = {}
        if os.getpid() not in _watched:
            _watched.add(os.getpid())
            atexit.register(_display_left_open, os.getpid())

    def show(self) -> None:
        """Open the window, and let the program go on."""
        if not self._displayed:
            self._display()
        self.is_seen = self._is_open = True

    def look(self) -> None:
        """Show the figure as it is now, to somebody who then closes the window."""
        self._display()
        self.is_seen, self._is_open = True, False

    def destroy(self) -> None:
        """Close the window."""
        if self._is_open:
            self.look()

    @classmethod
    def pyplot_show(cls, *, block: bool | None = None) -> None:
        """Show every open figure; and close them, where that waits until they are closed."""
        blocks = not is_interactive() if block is None else block
        for manager in Gcf.get_all_fig_managers():
            if isinstance(manager, FigureManager):
                manager.look() if blocks else manager.show()
        if blocks:
            Gcf.destroy_all()

    def left_open(self) -> int:
        """Display what was never seen, or has changed; returns the size of that in bytes."""
        is_open, self._is_open = self._is_open, False
        if not is_open and (self.is_seen or not _is_drawn_on(self.canvas.figure)):
            return 0
        return self._display()

    def _display(self) -> int:
        picture = shown_picture(self.canvas.figure)
        if picture == self._displayed:
            return 0
        self._displayed = picture
        vibecell_display.publish(picture)
        return sum(map(len, picture.values()))


def shown_picture(figure: Any) -> dict[str, str]:
    """A figure as something to publish; it counts as seen."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from PIL import Image

    canvas = figure.canvas
    width, height = figure.get_size_inches()
    dpi = min(figure.dpi, (MAX_PIXELS / max(width * height, 1e-6)) ** 0.5)
    if isinstance(canvas, FigureCanvasAgg):
        with cbook._setattr_cm(figure, dpi=dpi):
            canvas.draw()
            drawn = canvas.buffer_rgba()
            size = drawn.shape[1], drawn.shape[0]
            image = Image.frombuffer("RGBA", size, drawn, "raw", "RGBA", 0, 1)
    else:
        file = io.BytesIO()
        figure.savefig(file, format="png", dpi=dpi)
        image = Image.open(file)
    if isinstance(canvas.manager, FigureManager):
        canvas.manager.is_seen = True
    return vibecell_display.picture(image)


def noting(print_figure: Callable[..., Any]) -> Callable[..., Any]:
    """``print_figure`` of a canvas, whose figures count as seen from then on."""

    def noted(self: Any, *arguments: Any, **options: Any) -> Any:
        if isinstance(self.manager, FigureManager):
            self.manager.is_seen = True
        return print_figure(self, *arguments, **options)

    noted.__doc__, noted.__name__ = print_figure.__doc__, print_figure.__name__
    return noted


def _is_drawn_on(figure: Any) -> bool:
    return len(figure.get_children()) > 1  # beside its own background


def _display_left_open(process: int) -> None:
    if process != os.getpid():
        return  # a child's memory of its parent's
    left_bytes = MAX_LEFT_OPEN_BYTES
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # nobody asked for these pictures
        for manager in Gcf.get_all_fig_managers()[:MAX_LEFT_OPEN]:
            # whatever keeps one from being drawn would not have been met without us
            with contextlib.suppress(Exception):
                if left_bytes > 0 and isinstance(manager, FigureManager):
                    left_bytes -= manager.left_open()
