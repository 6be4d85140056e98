"""Built files, as they are sent: which coding, for how long, and whether again at all.

Owns the files of a folder, in memory, with the codings that were made of them when they were
built (``name.br``, ``name.gz``); refuses to code anything itself, and to look a path up: what may
be served is listed once, at start, so no request ever names a file.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from flask import Request, Response
from werkzeug.exceptions import NotFound

from vibecell.gateway.media_types import media_type

#: Suffix to content coding, the smaller first, which a client that likes both alike gets.
#: Source: RFC 9110 section 8.4.1 (gzip), RFC 7932 (br).
_CODINGS = {".br": "br", ".gz": "gzip"}
_HASHED = re.compile(r"-[A-Za-z0-9_-]{8}\.[a-z0-9]+\Z")
#: A name that holds the hash of its content is never used for another.
#: Source: RFC 8246 (immutable).
_FOR_GOOD = "public, max-age=31536000, immutable"
#: To be kept, and asked for again before each use. Source: RFC 9111 section 5.2.2.4.
_ASK_AGAIN = "no-cache"


@dataclass(frozen=True, slots=True)
class BuiltFile:
    """One file, in memory.

    Attributes:
        content: its bytes.
        media_type: as in Content-Type.
        cache_control: as in Cache-Control.
        digest: of the content; the same for the same bytes, in whichever coding.
        coded: content coding to the bytes in that coding, the smaller first.
    """

    content: bytes
    media_type: str
    cache_control: str
    digest: str
    coded: Mapping[str, bytes]

    def coding_for(self, request: Request) -> str:
        """The coding that a client likes best; of several that it likes alike, the smallest.

        A client that refuses all of them gets the plain bytes all the same.
        Source: RFC 9110 section 12.5.3.
        """
        liked = request.accept_encodings
        best, best_quality = "identity", float(liked.quality("identity"))
        for coding in tuple(self.coded)[::-1]:
            quality = float(liked.quality(coding))
            if quality > 0.0 and quality >= best_quality:
                best, best_quality = coding, quality
        return best

    def response(self, request: Request, policy: str) -> Response:
        """The answer to a request for it.

        Args:
            request: what the client accepts, and what it has already.
            policy: Content-Security-Policy of the answer.
        """
        coding = self.coding_for(request)
        tag = self.digest if coding == "identity" else f"{self.digest}-{coding}"
        if request.if_none_match.contains_weak(tag):
            response = Response(status=304)
            del response.headers["Content-Type"]  # there is no content
        else:
            content = self.coded.get(coding, self.content)
            response = Response(content, content_type=self.media_type)
            if coding != "identity":
                response.headers["Content-Encoding"] = coding
        response.set_etag(tag)
        if self.coded:
            response.headers["Vary"] = "Accept-Encoding"
        response.headers["Cache-Control"] = self.cache_control
        response.headers["Content-Security-Policy"] = policy
        return response


class BuiltFiles:
    """Every file under a folder, by its path in it; none if there is no such folder."""

    def __init__(self, folder: Path) -> None:
        paths = sorted(folder.rglob("*")) if folder.is_dir() else []
        contents = {x.relative_to(folder).as_posix(): x.read_bytes() for x in paths if x.is_file()}
        self._files = {
            name: _built(name, contents) for name in contents if not _is_coding(name, contents)
        }

    def __contains__(self, name: str) -> bool:
        return name in self._files

    def response(self, name: str, request: Request, policy: str) -> Response:
        """The answer to a request for one of them.

        Raises:
            NotFound: there is none of that name.
        """
        found = self._files.get(name)
        if found is None:
            raise NotFound
        return found.response(request, policy)


def _is_coding(name: str, contents: Mapping[str, bytes]) -> bool:
    plain = name.removesuffix(Path(name).suffix)
    return Path(name).suffix in _CODINGS and plain in contents


def _built(name: str, contents: Mapping[str, bytes]) -> BuiltFile:
    return BuiltFile(
        contents[name],
        media_type(name),
        _FOR_GOOD if _HASHED.search(name) is not None else _ASK_AGAIN,
        hashlib.sha256(contents[name]).hexdigest()[:32],
        {
            coding: contents[name + end]
            for end, coding in _CODINGS.items()
            if name + end in contents
        },
    )
