"""What a program displays, for somebody at a terminal.

Owns the files that pictures and pages are written to, and their names, of which a program decides
nothing; refuses to draw: what has a plain text is printed as that, as an interpreter at a terminal
would, and of the rest it is said where it is, or how to have it.
"""

import base64
from collections.abc import Iterator, Mapping
from pathlib import Path

from vibecell.model.errors import MalformedRequest

TEXT = "text/plain"
# By media type, the one that is looked at first: how its file's name ends, and whether a content
# of it is base64.
_FILES = {
    "image/svg+xml": ("svg", False),
    "image/png": ("png", True),
    "image/jpeg": ("jpg", True),
    "image/gif": ("gif", True),
    "image/webp": ("webp", True),
    "application/pdf": ("pdf", True),
    "text/html": ("html", False),
    "text/markdown": ("md", False),
    "text/latex": ("tex", False),
    "application/json": ("json", False),
    TEXT: ("txt", False),
}
_OTHER = ("txt", False)


class ShownFiles:
    """The displays of one program.

    Args:
        directory: where files go, made when absent; ``None``: nothing is written.

    Raises:
        MalformedRequest: it cannot be made.
    """

    def __init__(self, directory: Path | None) -> None:
        self._directory = directory
        self._said: list[str] = []
        self._unseen: list[str] = []
        self._count = 0
        if directory is not None:
            try:
                directory.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise MalformedRequest(f"{directory}: {error.strerror}") from error

    def take(self, data: Mapping[str, str]) -> str | None:
        """One display, MIME type to content; returns what is to be printed of it."""
        self._count += 1
        kind = next((each for each in _FILES if each in data), min(data))
        if self._directory is not None:
            self._said.append(self._write(self._directory, kind, data[kind]))
        elif TEXT not in data:
            self._unseen.append(kind)
        return data.get(TEXT)

    def report(self) -> Iterator[str]:
        """What is to be said of them at the end, a line each."""
        yield from self._said
        if self._unseen:
            many = len(self._unseen)
            kinds = ", ".join(sorted(set(self._unseen)))
            what = "1 display was" if many == 1 else f"{many} displays were"
            yield f"{what} not shown here ({kinds}); run --displays DIR writes them to files"

    def _write(self, directory: Path, kind: str, content: str) -> str:
        ending, is_base64 = _FILES.get(kind, _OTHER)
        path = directory / f"display-{self._count}.{ending}"
        try:
            written = base64.b64decode(content) if is_base64 else content.encode()
            path.write_bytes(written)
        except ValueError:
            return f"display {self._count} is not what it says it is ({kind})"
        except OSError as error:
            return f"{path}: {error.strerror}"
        return f"display {self._count} is {path}"
