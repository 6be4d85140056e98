"""The corpus of programs, read from its folders.

Owns the form of a corpus entry: a file, or a folder whose ``main.py`` or
``main.js`` is the program and whose other files lie beside it. A comment
``case: {…}`` in the program's first lines gives ``stdin``, ``args``, ``env``,
``files`` or ``profile``; refuses any other key, so a misspelt one cannot pass
unnoticed.
"""

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from vibecell.model.execution import SourceFile

CORPUS = Path(__file__).parent / "corpus"
KEYS = {"stdin", "stdin_base64", "stdin_repeat", "args", "env", "files", "profile"}
_CASE = re.compile(rb"^(?:#|//) case: (\{.*\})\s*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Program:
    """One corpus entry.

    Attributes:
        entrypoint: "main.py" or "main.js".
        profile: which warm profile it wants; empty is the language's default.
    """

    name: str
    entrypoint: str
    files: tuple[SourceFile, ...]
    stdin: bytes = b""
    args: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    profile: str = ""


def load(language: str, entrypoint: str) -> list[Program]:
    """Every program of one language's folder, sorted by name."""
    suffix = Path(entrypoint).suffix
    entries = sorted((CORPUS / language).iterdir())
    return [
        _read(entry, entrypoint)
        for entry in entries
        if entry.suffix == suffix or (entry / entrypoint).is_file()
    ]


def _read(entry: Path, entrypoint: str) -> Program:
    if entry.is_dir():
        paths = sorted(p for p in entry.rglob("*") if p.is_file() and "__pycache__" not in p.parts)
        files = [SourceFile(str(p.relative_to(entry)), p.read_bytes()) for p in paths]
        main = (entry / entrypoint).read_bytes()
    else:
        main = entry.read_bytes()
        files = [SourceFile(entrypoint, main)]
    found = _CASE.search(main[:500])
    case = json.loads(found[1]) if found else {}
    if unknown := case.keys() - KEYS:
        raise ValueError(f"{entry}: unknown keys {unknown}")
    files += [SourceFile(path, text.encode()) for path, text in case.get("files", {}).items()]
    return Program(
        name=entry.stem,
        entrypoint=entrypoint,
        files=tuple(files),
        stdin=_stdin(case),
        args=tuple(case.get("args", ())),
        env=case.get("env", {}),
        profile=case.get("profile", ""),
    )


def _stdin(case: Mapping[str, object]) -> bytes:
    if isinstance(encoded := case.get("stdin_base64"), str):
        return base64.b64decode(encoded)
    if isinstance(repeated := case.get("stdin_repeat"), list):
        text, times = repeated
        return str(text).encode() * int(times)
    return str(case.get("stdin", "")).encode()
