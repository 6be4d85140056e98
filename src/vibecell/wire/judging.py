"""A value of JSON, judged by a shape.

Refuses to find more than can be told, since each finding costs time and whoever sends a
value decides how much is wrong with it. A shape finds no more wrong in the fields it knows
than it has, as a list or a table tells its first wrong item alone (``bodies.judged_type``);
names it does not know are looked for here, before, and where they are many, nothing else is.
"""

from collections.abc import Callable, Iterator
from functools import lru_cache, partial
from itertools import islice
from types import UnionType
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from vibecell.model.errors import FieldProblem, InvalidRequest
from vibecell.wire.fields import MAX_PROBLEMS, path_of, problems_of

#: Unknown names that are told with all else: with them a shape finds ``MAX_PROBLEMS`` at most.
_FEW = 4
_B = TypeVar("_B", bound=BaseModel)
_Where = tuple[int | str, ...]
_Look = Callable[[object, _Where], Iterator[FieldProblem]]


def judged(shape: type[_B], value: object) -> _B:
    """The value, as its shape has it.

    Raises:
        InvalidRequest: names each wrong field, or of many unknown ones the first.
    """
    unknown = tuple(islice(_unknown_names(shape, value, ()), MAX_PROBLEMS))
    if len(unknown) > _FEW:
        raise InvalidRequest(*unknown)
    try:
        return shape.model_validate(value)
    except ValidationError as error:
        raise InvalidRequest(*problems_of(error)) from error


def _unknown_names(shape: type[BaseModel], value: object, where: _Where) -> Iterator[FieldProblem]:
    if not isinstance(value, dict):
        return
    known = shape.__pydantic_fields__.keys()
    if not value.keys() <= known:
        for name in value:
            if name not in known:
                yield FieldProblem(path_of((*where, name)), "unknown field")
    for name, look in _lookers_of(shape):
        if name in value:
            yield from look(value[name], (*where, name))


@lru_cache(64)
def _lookers_of(shape: type[BaseModel]) -> tuple[tuple[str, _Look], ...]:
    """The fields of a shape that hold objects, and how these are found."""
    lookers = ((name, _looker(x.annotation)) for name, x in shape.__pydantic_fields__.items())
    return tuple((name, look) for name, look in lookers if look is not None)


def _looker(hint: Any) -> _Look | None:
    if isinstance(hint, type) and issubclass(hint, BaseModel):
        return partial(_unknown_names, hint)
    kinds = [_looker(each) for each in get_args(hint)]
    if get_origin(hint) in (Union, UnionType, Annotated):
        return next((look for look in kinds if look is not None), None)
    look = kinds[-1] if kinds else None
    if look is None:
        return None
    return partial(_in_list if get_origin(hint) is list else _in_table, look)


def _in_list(look: _Look, values: object, where: _Where) -> Iterator[FieldProblem]:
    if isinstance(values, list):
        for at, each in enumerate(values):
            yield from look(each, (*where, at))


def _in_table(look: _Look, values: object, where: _Where) -> Iterator[FieldProblem]:
    if isinstance(values, dict):
        for name, each in values.items():
            yield from look(each, (*where, name))
