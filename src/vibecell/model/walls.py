"""Whether cells share an outer wall."""

from typing import Literal

Wall = Literal["shared", "fresh"]
"""``shared``: many cells over time behind one; ``fresh``: one for each, thrown away with it."""
