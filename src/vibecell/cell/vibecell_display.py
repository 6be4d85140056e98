"""What a program shows, on its way to the platform.

Owns the way of tables, pictures and whatever else can present itself to the cell's FIFO, as one
JSON object (MIME type to content, as Jupyter's display_data); waits for its turn and for room, and
for nothing else. Programs find ``display`` among the built-in names, as in a notebook; Pillow's
``Image.show`` ends here, and Matplotlib's figures come by ``figure_windows.py``.

Imports nothing beside the standard library: whoever shows a table has no need of Matplotlib.

Source: https://ipython.readthedocs.io/en/stable/config/integrating.html#rich-display
"""

import base64
import fcntl
import io
import json
import os
import re
import struct
import sys
from collections.abc import Callable, Mapping
from typing import Any

FIFO = "/run/display"
# Larger ones are written as JPEG, at a size that fits a screen: a picture is output, of which a
# program has 1 MiB where its request says nothing else.
MAX_PICTURE_BYTES = 384 * 1024
_SMALLER = (((1600, 1200), 85), ((1000, 750), 75), ((640, 480), 75))  # pixels, quality
_PNG_MODES = ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")
_MIME = re.compile(r"[a-z]+/[A-Za-z0-9.+\-]+\Z")
_METHODS = {
    "text/html": "_repr_html_",
    "text/markdown": "_repr_markdown_",
    "image/svg+xml": "_repr_svg_",
    "image/png": "_repr_png_",
    "image/jpeg": "_repr_jpeg_",
    "text/latex": "_repr_latex_",
}


def display(*objects: object, **_options: object) -> None:
    """Show objects as a notebook would: each in the forms in which it can present itself.

    What has no form but its text is printed. A mapping of MIME types to texts is shown as it
    is, binary content as base64. Options of IPython's function are taken and change nothing.
    """
    for each in objects:
        forms = _forms(each)
        if forms:
            try:
                publish(forms)
                continue
            except OSError:
                pass  # there is nobody to show it to: its text is better than nothing
        print(forms.get("text/plain") or repr(each))


def publish(data: Mapping[str, str]) -> None:
    """Show something, by MIME type; binary content as base64.

    Raises:
        OSError: there is nobody to show it to.
    """
    payload = json.dumps(dict(data)).encode()
    message = memoryview(struct.pack("!I", len(payload)) + payload)
    fd = os.open(FIFO, os.O_WRONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        while message:
            message = message[os.write(fd, message) :]
    finally:
        os.close(fd)


def picture(image: Any) -> dict[str, str]:
    """An image of Pillow's, as something to publish."""
    if image.mode not in _PNG_MODES:
        image = image.convert("RGBA" if "A" in image.getbands() else "RGB")
    kind, content = "image/png", _written(image, format="PNG")
    for pixels, quality in _SMALLER:
        if len(content) <= MAX_PICTURE_BYTES:
            break
        image = _on_white(image)
        image.thumbnail(pixels)
        kind, content = "image/jpeg", _written(image, format="JPEG", quality=quality)
    return {kind: base64.b64encode(content).decode()}


class Viewer:
    """A viewer as ``PIL.ImageShow`` knows them, where there is no screen."""

    def show(self, image: Any, **_options: object) -> int:
        """Display the image; tells that it was shown, or that another one is to try."""
        try:
            publish(picture(image))
        except OSError:
            return 0
        return 1


def _forms(shown: object) -> dict[str, str]:
    """MIME type to content of an object; nothing, where it is text alone."""
    if isinstance(shown, Mapping) and shown and all(_is_form(k, v) for k, v in shown.items()):
        return dict(shown)
    found = _figure(shown) or _bundle(shown)
    for mime, name in _METHODS.items():
        # the same picture twice would be paid for twice
        if mime in found or (mime == "image/jpeg" and "image/png" in found):
            continue
        if (content := _called(shown, name)) is not None:
            found[mime] = content
    if found:
        found.setdefault("text/plain", repr(shown))
    return found


def _is_form(mime: object, content: object) -> bool:
    return isinstance(mime, str) and isinstance(content, str) and bool(_MIME.match(mime))


def _bundle(shown: object) -> dict[str, str]:
    method = _method(shown, "_repr_mimebundle_")
    if method is None:
        return {}
    try:
        bundle = method(include=None, exclude=None)
    except Exception:  # it is the object's own, and there are other forms
        return {}
    if isinstance(bundle, tuple):  # metadata beside it
        bundle = bundle[0]
    if not isinstance(bundle, Mapping):
        return {}
    told = {mime: _text(content) for mime, content in bundle.items() if content is not None}
    return {mime: text for mime, text in told.items() if _is_form(mime, text)}


def _called(shown: object, name: str) -> str | None:
    method = _method(shown, name)
    if method is None:
        return None
    try:
        content = method()
    except Exception:  # as above
        return None
    if isinstance(content, tuple):
        content = content[0]
    return None if content is None else _text(content)


def _method(shown: object, name: str) -> Callable[..., Any] | None:
    """Of an object, not of a class, whose methods want one; not of who answers to any name."""
    if isinstance(shown, type) or getattr(shown, "_ipython_canary_method_", None) is not None:
        return None
    method = getattr(shown, name, None)
    return method if callable(method) else None


def _text(content: object) -> str:
    if isinstance(content, bytes | bytearray):
        return base64.b64encode(content).decode()
    return content if isinstance(content, str) else json.dumps(content, default=repr)


def _figure(shown: object) -> dict[str, str]:
    """The picture of a figure of Matplotlib's; nothing, for everything else."""
    figures = sys.modules.get("matplotlib.figure")
    if figures is None or not isinstance(shown, figures.Figure):
        return {}
    from matplotlib.backends import backend_vibecell

    found: dict[str, str] = backend_vibecell.shown_picture(shown)
    return found


def _written(image: Any, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, **options)
    return file.getvalue()


def _on_white(image: Any) -> Any:
    if "A" not in image.getbands() and "transparency" not in image.info:
        return image.convert("RGB")
    from PIL import Image

    image = image.convert("RGBA")
    white = Image.new("RGBA", image.size, "white")
    return Image.alpha_composite(white, image).convert("RGB")
