"""A disk that is full in the middle: all of a piece is kept, or nothing of it."""

import errno
import os
from pathlib import Path

import pytest

from vibecell.engine import spill
from vibecell.engine.spill import SpillFile
from vibecell.model.errors import PlatformError


def test_what_was_half_written_is_no_part_of_the_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = SpillFile(tmp_path)
    file.append(b"before")
    room, whole = [3], os.pwrite

    def full_soon(descriptor: int, data: memoryview, at: int) -> int:
        if not room[0]:
            raise OSError(errno.ENOSPC, "no space left on device")
        written = whole(descriptor, data[: room[0]], at)
        room[0] -= written
        return written

    try:
        with monkeypatch.context() as patch:
            patch.setattr(spill.os, "pwrite", full_soon)
            with pytest.raises(PlatformError):
                file.append(b"half of this")
        assert file.size_bytes == len(b"before")
        file.append(b" after")
        assert file.read(0, file.size_bytes) == b"before after"
    finally:
        file.close()
