"""A flame graph from folded stacks: one self-contained SVG, without a script.

Owns the picture; refuses to know where stacks come from. A box is a function, as
wide as the share of samples it was in, above its caller; who wants a number
points at it. What is narrower than a pixel or so is left out, so that a picture
stays small enough to be kept beside the documentation.

Folded stacks are lines ``outermost;…;innermost count``, as py-spy's raw format
and the scripts around perf write them.
"""

import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from html import escape

WIDTH = 1200
ROW = 17
_MARGIN = 10
_HEAD = 34
_LEAST_SHARE = 0.0015
_CHARACTER = 6.6
_KERNEL_SUFFIX = "_[k]"


@dataclass
class Frame:
    """A function under one chain of callers.

    Attributes:
        samples: in which it was on the stack.
        inner: what it called.
    """

    name: str
    samples: int = 0
    inner: dict[str, "Frame"] = field(default_factory=dict)

    @property
    def depth(self) -> int:
        """Rows it takes, its own included."""
        return 1 + max((frame.depth for frame in self.inner.values()), default=0)


def read_folded(lines: Iterable[str]) -> dict[tuple[str, ...], int]:
    """Stacks and how often each was seen.

    Raises:
        ValueError: a line is no folded stack.
    """
    found: dict[tuple[str, ...], int] = {}
    for line in lines:
        if line.strip():
            stack, _, count = line.strip().rpartition(" ")
            names = tuple(stack.split(";"))
            found[names] = found.get(names, 0) + int(count)
    return found


def grown(stacks: Mapping[tuple[str, ...], int]) -> Frame:
    """All stacks as one tree; what is too narrow to be seen is not in it."""
    root = Frame("all")
    for stack, count in stacks.items():
        root.samples += count
        frame = root
        for name in stack:
            frame = frame.inner.setdefault(name, Frame(name))
            frame.samples += count
    _prune(root, root.samples * _LEAST_SHARE)
    return root


def _prune(frame: Frame, least: float) -> None:
    frame.inner = {name: each for name, each in frame.inner.items() if each.samples >= least}
    for each in frame.inner.values():
        _prune(each, least)


def svg(title: str, stacks: Mapping[tuple[str, ...], int]) -> str:
    """The picture, the outermost function at the bottom."""
    root = grown(stacks)
    height = _HEAD + ROW * root.depth + _MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
        f'width="{WIDTH}" height="{height}" font-family="monospace" font-size="11">',
        f'<rect width="{WIDTH}" height="{height}" fill="#fdfdfb"/>',
        f'<text x="{_MARGIN}" y="20" font-size="14">{escape(title)} '
        f"({root.samples:,} samples)</text>",
    ]
    _draw(parts, root, root.samples, _MARGIN, WIDTH - 2 * _MARGIN, height - _MARGIN - ROW)
    return "\n".join([*parts, "</svg>", ""])


def _draw(parts: list[str], frame: Frame, whole: int, x: float, width: float, y: int) -> None:
    name = frame.name.removesuffix(_KERNEL_SUFFIX)
    share = frame.samples / whole if whole else 0.0
    shown = _shortened(name, width)
    text = f'<text x="{x + 2:.1f}" y="{y + 12}">{escape(shown)}</text>' if shown else ""
    parts.append(
        f"<g><title>{escape(name)}: {share:.1%}</title>"
        f'<rect x="{x:.1f}" y="{y}" width="{max(0.4, width - 0.4):.1f}" height="{ROW - 1}" '
        f'fill="{_colour(frame.name)}"/>{text}</g>'
    )
    # by name, so that two pictures of one program can be laid side by side
    for each in sorted(frame.inner.values(), key=lambda inner: inner.name):
        part = width * each.samples / frame.samples
        _draw(parts, each, whole, x, part, y - ROW)
        x += part


def _shortened(name: str, width: float) -> str:
    room = int((width - 4) / _CHARACTER)
    if room < 3:
        return ""
    return name if len(name) <= room else name[: room - 1] + "…"


def _colour(name: str) -> str:
    """Blue for the kernel, warm for programs; the shade is the name's, always the same."""
    shade = zlib.crc32(name.encode())
    hue = 195 + shade % 25 if name.endswith(_KERNEL_SUFFIX) else 20 + shade % 35
    return f"hsl({hue},{65 + shade // 64 % 20}%,{68 + shade // 4096 % 10}%)"
