"""What a field of the settings says of itself, beside its type.

Owns the rules that stand at a field (``Annotated[int, at_least(1)]``) and the
judgement of a whole by them; refuses what takes two fields to see. How a value
becomes one of a field's type is ``conversion.py``'s.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, is_dataclass
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

MaybeEmpty = Annotated[str, "may be empty"]
"""A text whose emptiness means something; any other must have a character."""


@dataclass(frozen=True, slots=True)
class Rule:
    """What each value of a field must keep.

    Attributes:
        keeps: whether a value does; not asked of one that is not set.
        text: what is said where it does not.
    """

    keeps: Callable[[Any], bool]
    text: str


def at_least(least: int) -> Rule:
    """A number of ``least`` or more."""
    return Rule(lambda number: number >= least, f"must be at least {least}")


def at_most(most: int) -> Rule:
    """A number of ``most`` or less."""
    return Rule(lambda number: number <= most, f"must be at most {most}")


def above(least: float) -> Rule:
    """A number of more than ``least``, and neither infinite nor none."""
    return Rule(lambda number: least < number < float("inf"), f"must be above {least:g}")


def types_of(kind: type) -> Mapping[str, Any]:
    """The fields of a dataclass and their types, rules included."""
    return get_type_hints(kind, include_extras=True)


def set_type(kind: Any) -> Any:
    """``X`` of ``X | None``; ``None`` where a type is no such."""
    kinds = get_args(kind)
    if type(None) not in kinds:
        return None
    return next(x for x in kinds if x is not type(None))


def broken(whole: Any, where: str = "") -> Iterator[str]:
    """What is wrong with the fields of a dataclass, each by itself."""
    for name, kind in types_of(type(whole)).items():
        yield from _broken(kind, getattr(whole, name), f"{where}{name}")


def _broken(kind: Any, value: Any, name: str) -> Iterator[str]:
    if where_set := set_type(kind):
        if value is not None:
            yield from _broken(where_set, value, name)
        return
    if get_origin(kind) is Annotated:
        for rule in kind.__metadata__:
            if isinstance(rule, Rule) and not rule.keeps(value):
                yield f"{name}: {rule.text}"
        kind = kind.__origin__
    if get_origin(kind) is Literal and value not in get_args(kind):
        *others, last = get_args(kind)
        yield f"{name}: must be {', '.join(others)} or {last}"
    elif get_origin(kind) is Mapping:
        for key, member in value.items():
            yield from _broken(get_args(kind)[1], member, f"{name}.{key}")
    elif is_dataclass(kind):
        yield from broken(value, f"{name}.")
