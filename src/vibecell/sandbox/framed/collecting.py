"""What a cell brings when it is asked for the files its program left.

Owns the sum of it: how many files, how many bytes, how many names; refuses to take more
than was asked for, or files that could not be sent again together.
"""

from vibecell.cell import frames
from vibecell.model.errors import InvalidRequest, SandboxFailure
from vibecell.model.execution import OmittedFile, OutputFile, check_together
from vibecell.sandbox import bounds
from vibecell.sandbox.backend import Collection
from vibecell.sandbox.framed import cell_reports


class Collecting:
    """One answer to a COLLECT frame, as it comes.

    Args:
        max_files: as many were asked for.
        max_bytes: of all of them together.
    """

    def __init__(self, max_files: int, max_bytes: int) -> None:
        self._max_files = max_files
        self._max_bytes = max_bytes
        self._files: list[tuple[str, bytearray]] = []
        self._omitted: list[OmittedFile] = []
        self._bytes = 0

    def take(self, kind: int, payload: bytes) -> Collection | None:
        """Take a frame; the collection, if this was the last.

        Raises:
            SandboxFailure: more than was asked for, or none of what was.
        """
        if kind == frames.COLLECTED:
            return self._whole(cell_reports.omitted_count(payload))
        if kind == frames.FILE and len(self._files) < self._max_files:
            self._files.append((cell_reports.file_path(payload), bytearray()))
        elif kind == frames.FILE_DATA and self._files and self._fits(len(payload)):
            self._files[-1][1].extend(payload)
            self._bytes += len(payload)
        elif kind == frames.NOT_SENT and len(self._omitted) < bounds.MAX_OMITTED_NAMED:
            self._omitted.append(cell_reports.omitted_file(payload))
        else:
            raise SandboxFailure("collect files", "more than was asked for")
        return None

    def _fits(self, size_bytes: int) -> bool:
        return self._bytes + size_bytes <= self._max_bytes

    def _whole(self, omitted: int) -> Collection:
        try:
            check_together(path for path, _ in self._files)
        except InvalidRequest as error:
            raise SandboxFailure("collect files", "two stand in each other's place") from error
        return Collection(
            tuple(OutputFile(path, bytes(content)) for path, content in self._files),
            tuple(self._omitted),
            max(omitted, len(self._omitted)),
        )
