"""Field types and the translation of field errors, of the public form.

Owns the base64 field and how pydantic's findings become ``FieldProblem``;
refuses to let a caller's value travel into a message.
"""

import base64
import binascii
import re
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError, WithJsonSchema

from vibecell.model.errors import FieldProblem

MAX_PROBLEMS = 32
_MAX_PATH_TEXT = 160
_MAX_MESSAGE_TEXT = 320
#: What pydantic says before and behind what is wrong; the one behind counts what was sent.
_FOREWORD = re.compile(r"(Value error, |Input |String |List )")
_AFTERWORD = re.compile(r" after validation, not .*")


class StrictModel(BaseModel):
    """No coercion, no unknown fields, no changes after validation."""

    model_config = ConfigDict(
        strict=True, extra="forbid", frozen=True, allow_inf_nan=False, hide_input_in_errors=True
    )


def decode_base64(text: object) -> bytes:
    """Bytes of a standard, padded base64 string.

    Raises:
        ValueError: anything else; also bits that a canonical encoder would
            have left zero are accepted, line ends and blanks are not.
    """
    if not isinstance(text, str):
        raise ValueError("should be a string of base64")
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError("is not valid base64") from error


def encode_base64(data: bytes) -> str:
    """Standard, padded base64."""
    return base64.b64encode(data).decode("ascii")


#: What is sent is text, whatever it stands for. Source: OpenAPI Specification 3.1.0, 4.7.14.2
Base64Bytes = Annotated[
    bytes,
    BeforeValidator(decode_base64),
    WithJsonSchema({"type": "string", "contentEncoding": "base64"}),
]


def problems_of(error: ValidationError) -> list[FieldProblem]:
    """What pydantic found, in our words, without the caller's values."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    return [_problem(x["loc"], x["type"], x["msg"]) for x in found[:MAX_PROBLEMS]]


def _problem(loc: tuple[int | str, ...], kind: str, message: str) -> FieldProblem:
    path = path_of(loc)
    if kind == "extra_forbidden":
        return FieldProblem(path, "unknown field")
    if kind == "missing":
        return FieldProblem(path, "is required")
    if kind == "model_type":
        return FieldProblem(path, "should be an object")
    text = _AFTERWORD.sub("", message[len(m[0]) :] if (m := _FOREWORD.match(message)) else message)
    return FieldProblem(path, text[:_MAX_MESSAGE_TEXT])


def path_of(loc: tuple[int | str, ...]) -> str:
    """Where a field stands, as it is told: bounded, and of printable characters."""
    return ".".join(_printable(str(part)) for part in loc)[:_MAX_PATH_TEXT] or "request"


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in text[:_MAX_PATH_TEXT])
