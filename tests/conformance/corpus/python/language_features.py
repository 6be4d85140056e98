from __future__ import annotations

from typing import NamedTuple, Protocol


class Shape(Protocol):
    def area(self) -> float: ...


class Rect(NamedTuple):
    w: float
    h: float


def describe(thing):
    match thing:
        case Rect(w, h) if w == h:
            return f"square {w}"
        case Rect(w=w):
            return f"rect {w}"
        case {"k": [first, *rest]}:
            return f"{first} {rest}"
        case str() | bytes():
            return "text"
        case _:
            return "other"


print([describe(x) for x in (Rect(2, 2), Rect(1, 2), {"k": [1, 2, 3]}, "s", 5)])
print((n := 10) * n, f"{n=!r:>6}", Rect(1, 2)._asdict(), describe.__annotations__)


class Meta(type):
    def __new__(cls, name, bases, namespace, **kwargs):
        print("making", name, kwargs)
        return super().__new__(cls, name, bases, namespace)


class Made(metaclass=Meta, option=1):
    __slots__ = ("x",)


Made().y = 1
