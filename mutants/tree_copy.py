"""The copy of the tree that mutants are put into, and a state directory of its own.

Owns the copy and its end; refuses to touch the checkout, the runtime image that is in
use, or anything else that is kept.

A mutant of what runs in cells makes a new runtime image: its fingerprint is of its
contents. Only the programs behind the walls differ, so the tests make it in a second by
hard links from the image that lies in the copy's state directory, and it goes with that.
"""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from importlib.util import cache_from_source
from pathlib import Path

from mutants.listed import ROOT, Mutant, mutated
from vibecell.cli.composition.deployment import prepare
from vibecell.config import Settings

_LEFT_OUT = (
    ".git", ".venv", ".stamps", ".hypothesis", ".*_cache", "__pycache__", "node_modules", "results",
)  # fmt: skip


class TreeCopy:
    """A copy of the tree in a directory of its own.

    Attributes:
        root: its top.
        environ: what the tests that run in it must have in their environment.
    """

    def __init__(self, work: Path) -> None:
        self.root = work / "tree"
        temporary, self._state = work / "tmp", work / "state"
        temporary.mkdir()
        self._state.mkdir()
        self.environ = {
            **os.environ,
            "PYTHONPATH": str(self.root / "src"),
            "TMPDIR": str(temporary),
            "VIBECELL_STATE_DIR": str(self._state),
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            "CI": "true",  # a mutant does not survive because a test was skipped
        }

    def link_image(self, settings: Settings) -> None:
        """Put the runtime image of the settings into the state directory, by hard links.

        Raises:
            VibecellError: there is none, and it cannot be built.
        """
        image, _ = prepare(settings)
        try:
            folder = image.root.parent
            shutil.copytree(
                folder, self._state / "images" / folder.name, symlinks=True, copy_function=_link
            )
        finally:
            image.release()

    @contextlib.contextmanager
    def holding(self, mutant: Mutant) -> Iterator[None]:
        """Put a mutant in for the time of a block.

        Raises:
            ListError: it does not apply.
        """
        path = self.root / mutant.path
        text = path.read_text()
        self._write(path, mutated(mutant, self.root))
        try:
            yield
        finally:
            self._write(path, text)

    def _write(self, path: Path, text: str) -> None:
        path.write_text(text)
        # It is found valid by the second and the size, and both may be those of before.
        # Source: the library reference, py_compile.PycInvalidationMode.TIMESTAMP
        Path(cache_from_source(str(path))).unlink(missing_ok=True)


@contextlib.contextmanager
def tree_copy(source: Path = ROOT) -> Iterator[TreeCopy]:
    """A copy of a tree, removed at the end."""
    work = Path(tempfile.mkdtemp(prefix="mutants-"))
    try:
        work.chmod(0o755)  # the uids of cells pass through it
        shutil.copytree(
            source, work / "tree", symlinks=True, ignore=shutil.ignore_patterns(*_LEFT_OUT)
        )
        yield TreeCopy(work)
    finally:
        shutil.rmtree(work)


def _link(source: str, target: str) -> None:
    """Hard-link a file; copy it where the file systems differ."""
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError:
        shutil.copy2(source, target, follow_symlinks=False)
