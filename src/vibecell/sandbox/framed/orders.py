"""What an agent is told, as frames.

Owns the bytes of every frame that the engine sends to a cell, cut so that none is too
large; refuses to send them.
"""

from collections.abc import Iterator

from vibecell.cell import frames
from vibecell.model.execution import MAX_PATH_BYTES, MAX_PATH_FOLDERS
from vibecell.sandbox import bounds
from vibecell.sandbox.backend import ProcessSpec

WRITE_CHUNK_BYTES = 128 * 1024
END_OF_INPUT = frames.encode(frames.EOF)
KILL = frames.encode(frames.KILL)


def start(spec: ProcessSpec, message: dict[str, object], feeds: bool) -> bytes:
    """Files, START, and input if it ``feeds``: everything a start needs in one write."""
    pieces = []
    for stream, file in enumerate(spec.files, start=1):
        head: dict[str, object] = {"path": file.path, "size_bytes": len(file.content)}
        pieces.append(frames.encode_control(frames.WRITE, head, stream))
        for at in range(0, len(file.content), WRITE_CHUNK_BYTES):
            piece = file.content[at : at + WRITE_CHUNK_BYTES]
            pieces.append(frames.encode(frames.DATA, piece, stream))
    pieces.append(frames.encode_control(frames.START, message))
    if feeds:
        if spec.stdin:
            pieces.append(frames.encode(frames.STDIN, spec.stdin))
        pieces.append(END_OF_INPUT)
    if spec.collects is not None:
        pieces.append(collect(*spec.collects))
    return b"".join(pieces)


def collect(max_files: int, max_bytes: int) -> bytes:
    """Ask for the files a program left."""
    message: dict[str, object] = {
        "max_files": max_files,
        "max_bytes": max_bytes,
        "max_folders": MAX_PATH_FOLDERS,
        "max_path_bytes": MAX_PATH_BYTES,
        "max_named": bounds.MAX_OMITTED_NAMED,
    }
    return frames.encode_control(frames.COLLECT, message)


def pieces_of_input(data: bytes) -> Iterator[bytes]:
    """Input for the program, in pieces that fit a frame and, one by one, the agent's window."""
    for at in range(0, len(data), frames.INPUT_CHUNK_BYTES):
        yield data[at : at + frames.INPUT_CHUNK_BYTES]


def signal(number: int) -> bytes:
    """Signal the program's foreground process group."""
    return frames.encode_control(frames.SIGNAL, {"number": number})


def resize(columns: int, rows: int) -> bytes:
    """Set the size of the program's terminal."""
    return frames.encode_control(frames.RESIZE, {"columns": columns, "rows": rows})
