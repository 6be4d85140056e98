"""The public form of what clients send, derived from the model.

Owns how a type of the model becomes a strict shape that judges and documents what
arrives, and how what has passed becomes the model. Bytes come as text or, under the same
name and ``_base64``, as base64; lists are tuples of the model. Bounds are those that the
model has annotated. Refuses to judge what the model's constructors judge.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from types import MappingProxyType, UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, cast, get_args, get_origin

from msgspec import NODEFAULT, Meta
from pydantic import (
    BaseModel,
    Field,
    ValidationError,
    WrapValidator,
    create_model,
    model_validator,
)
from pydantic_core import PydanticCustomError

from vibecell.model.errors import FieldProblem, InvalidRequest
from vibecell.model.names import END
from vibecell.wire import members
from vibecell.wire.fields import Base64Bytes, StrictModel

MAX_TEXT_CHARACTERS = 2 * 1024 * 1024
MAX_NAME_IN_PATH = 64
#: Beside the type of a list or table: its first wrong item is told, and no more are looked at.
_FIRST_WRONG_ONLY = Field(fail_fast=True)
Text = Annotated[str, Field(max_length=MAX_TEXT_CHARACTERS)]
Check = Callable[[BaseModel], str | None]
"""What is wrong with a body as a whole; ``None``: nothing."""
Convert = Callable[[Any, str], Any]
"""From a value of JSON, and where it stood, to a value of the model."""
_T = TypeVar("_T")


@lru_cache(64)
def body_of(kind: type, name: str) -> type[BaseModel]:
    """The shape of a value of this type, named ``name``; a tagged one says its ``type``."""
    tag = members.tag_of(kind)
    tagged: dict[str, Any] = {} if tag is None else {"type": (Literal[tag], ...)}
    fields, checks = fields_of(kind)
    summary = members.summary_of(kind)
    if checks:
        summary += " Its bytes come as text or as base64."
    return strict_model(name, summary, tagged | fields, *checks)


def fields_of(kind: type, **instead: Any) -> tuple[dict[str, Any], list[Check]]:
    """The fields of such a shape, and what is to be checked of them as a whole.

    Args:
        instead: fields that differ from what the type says.
    """
    fields: dict[str, Any] = {}
    checks: list[Check] = []
    for member in members.members_of(kind):
        if member.name in instead:
            fields[member.name] = instead[member.name]
        elif members.is_bytes(member.hint):
            fields |= _bytes_fields(member)
            checks.append(_one_of(member))
        else:
            fields[member.name] = field_of(member)
    return fields, checks


def part_of(kind: type, name: str, summary: str) -> type[BaseModel]:
    """The shape of those members of a value that are to be other than by default."""
    fields = {
        member.name: (judged_type(member.hint) | None, _field(member, None))
        for member in members.members_of(kind)
    }
    return strict_model(name, summary, fields)


def strict_model(
    name: str, summary: str, fields: Mapping[str, Any], *checks: Check
) -> type[BaseModel]:
    """A strict shape of these fields that fails where one of the checks finds something."""

    def check(self: BaseModel) -> BaseModel:
        for each in checks:
            if (wrong := each(self)) is not None:
                raise ValueError(wrong)
        return self

    validators: dict[str, Any] = {"_whole": model_validator(mode="after")(check)}
    return create_model(
        name,
        __base__=StrictModel,
        __doc__=summary,
        __validators__=validators if checks else None,
        **fields,
    )


def field_of(member: members.Member) -> tuple[Any, Any]:
    """A member as a field, with its default."""
    default = member.default
    kind = judged_type(member.hint)
    if default == () or (isinstance(default, Mapping) and not default):
        made = list if default == () else dict  # a default that is shared would be copied
        return kind, Field(default_factory=made, description=member.description or None)
    return kind, _field(member, default)


def judged_type(hint: Any) -> Any:
    """The type that JSON is judged by, for a type of the model."""
    kind, meta = members.plain(hint)
    kind, may_be_none = members.optional(kind)
    if may_be_none:
        return judged_type(kind) | None
    if (item := members.item_of(kind)) is not None:
        kind = Annotated[list[judged_type(item)], _FIRST_WRONG_ONLY]  # type: ignore[misc]
    elif (value := members.value_of(kind)) is not None:
        kind = Annotated[dict[str, judged_type(value)], _FIRST_WRONG_ONLY]  # type: ignore[misc]
    elif members.is_object(kind):
        kind = body_of(kind, f"{members.public_name(kind)}Body")
    elif kind is str and meta is None:
        return Text
    elif get_origin(kind) in (Union, UnionType):
        kind = Annotated[kind, WrapValidator(partial(_one_of_kinds, get_args(kind)))]
    return kind if meta is None else Annotated[kind, _bounds(meta)]


def _one_of_kinds(kinds: tuple[Any, ...], value: Any, judge: Callable[[Any], Any]) -> Any:
    """Judge a value that may be of several kinds; what is wrong is said once, and not of each."""
    try:
        return judge(value)
    except ValidationError as error:
        words = [
            word
            for kind in kinds
            for word in (("true", "false") if kind is bool else map(repr, get_args(kind)))
        ]
        raise PydanticCustomError("kinds", f"must be {' or '.join(words)}") from error


def built(kind: type[_T], given: Mapping[str, Any], where: str = "", **made: Any) -> _T:
    """A value of the model from what has passed, by the names of its members.

    Args:
        made: members that are there already.

    Raises:
        InvalidRequest: its constructor refuses it, or a text is none in UTF-8.
    """
    prefix = f"{where}." if where else ""
    for name, read in _readers_of(cast(type, kind)):
        if name not in made:
            made[name] = read(given, name, prefix)
    try:
        return kind(**made)
    except InvalidRequest as error:
        raise InvalidRequest(
            *(FieldProblem(prefix + each.path, each.message) for each in error.problems)
        ) from error


@lru_cache(64)
def _readers_of(kind: type) -> tuple[tuple[str, Callable[[Mapping[str, Any], str, str], Any]], ...]:
    """How each member is made of what has passed; found out once, since it is on the path."""
    found: list[tuple[str, Callable[[Mapping[str, Any], str, str], Any]]] = []
    for member in members.members_of(kind):
        if members.is_bytes(member.hint):
            found.append((member.name, _read_bytes))
        else:
            found.append((member.name, partial(_read_value, _converter(member.hint))))
    return tuple(found)


def _read_value(convert: Convert | None, given: Mapping[str, Any], name: str, prefix: str) -> Any:
    value = given[name]
    return value if value is None or convert is None else convert(value, prefix + name)


def _read_bytes(given: Mapping[str, Any], name: str, prefix: str) -> bytes:
    from_base64: bytes | None = given[f"{name}_base64"]
    if from_base64 is not None:
        return from_base64
    return encodable(given[name] or "", prefix + name).encode()


def _converter(hint: Any) -> Convert | None:
    """How a value of JSON becomes one of this type; ``None``: it is one."""
    kind = members.bare(hint)
    if (item := members.item_of(kind)) is not None:
        convert = _converter(item)
        if convert is None:
            return lambda values, _: tuple(values)
        return lambda values, where: tuple(
            convert(each, f"{where}.{at}") for at, each in enumerate(values)
        )
    if (inner := members.value_of(kind)) is not None:
        part = _converter(inner) or (lambda value, _: value)
        return lambda values, where: MappingProxyType(
            {name: part(x, f"{where}.{name[:MAX_NAME_IN_PATH]}") for name, x in values.items()}
        )
    if members.is_object(kind):
        return lambda body, where: built(kind, vars(body), where)
    return encodable if kind is str else None


def encodable(text: str, where: str) -> str:
    """A text that has bytes in UTF-8.

    Raises:
        InvalidRequest: it holds a lone surrogate.
    """
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise InvalidRequest(FieldProblem(where, "must not hold a lone surrogate")) from error
    return text


def _bounds(meta: Meta) -> Any:
    said: dict[str, Any] = {
        "min_length": meta.min_length,
        "max_length": meta.max_length,
        "pattern": meta.pattern and meta.pattern.replace(END, "$"),
        "ge": meta.ge,
        "le": meta.le,
        "examples": meta.examples,
    }
    return Field(**{name: value for name, value in said.items() if value is not None})


def _field(member: members.Member, default: Any, **more: Any) -> Any:
    if member.description:
        more["description"] = member.description
    return Field(**more) if default is NODEFAULT else Field(default=default, **more)


def _bytes_fields(member: members.Member) -> dict[str, Any]:
    _, meta = members.plain(member.hint)
    bounds = (meta.extra if meta is not None else None) or {}
    most = bounds.get("text_characters", MAX_TEXT_CHARACTERS)
    text = Annotated[str, Field(max_length=most)]
    base64 = _field(member, None)
    return {
        member.name: (text | None, _field(member, None)),
        f"{member.name}_base64": (Base64Bytes | None, base64),
    }


def _one_of(member: members.Member) -> Check:
    name, other = member.name, f"{member.name}_base64"

    def check(body: BaseModel) -> str | None:
        count = (getattr(body, name) is not None) + (getattr(body, other) is not None)
        if member.default is NODEFAULT and count != 1:
            return f"must have exactly one of {name} and {other}"
        return f"must have at most one of {name} and {other}" if count > 1 else None

    return check
