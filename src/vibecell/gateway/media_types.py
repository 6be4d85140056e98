"""What a file is sent as, by how its name ends.

Owns the one table, for the page, the documentation and the pages of programs; refuses to ask
the host, whose tables differ.
"""

from mimetypes import MimeTypes

HTML = "text/html; charset=utf-8"
_TYPES = {
    ".html": HTML,
    ".htm": HTML,
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".wasm": "application/wasm",  # else it is not compiled as it comes
    ".svg": "image/svg+xml",
    ".md": "text/markdown; charset=utf-8",
    ".webmanifest": "application/manifest+json",
    ".webp": "image/webp",
    ".ogg": "audio/ogg",
    ".m4a": "audio/mp4",
    ".flac": "audio/flac",
    ".woff": "font/woff",
    ".woff2": "font/woff2",
    ".ttf": "font/ttf",
    ".otf": "font/otf",
}
_OTHER_TYPES = MimeTypes()  # those of the interpreter, and none of the host's


def media_type(path: str) -> str:
    """What a file is sent as; what no page uses is only downloaded."""
    suffix = "." + path.rpartition(".")[2].lower()
    if suffix in _TYPES:
        return _TYPES[suffix]
    guessed, coding = _OTHER_TYPES.guess_type(f"file{suffix}")
    if guessed is None or coding is not None:
        return "application/octet-stream"
    family = guessed.partition("/")[0]
    if family == "text":
        return f"{guessed}; charset=utf-8"
    return guessed if family in ("image", "font", "audio", "video") else "application/octet-stream"
