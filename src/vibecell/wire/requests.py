"""What clients send: a request, a control.

Owns what the public form has beside the model's own members: ``code``, which becomes a
file, and limits of which only some are named. Everything else is derived (``bodies``).
Refuses unknown fields by name, and values above the deployment's ceiling. Paths, counts
and limits are judged by the model's own constructors, so that there is one judge.
"""

from functools import reduce
from operator import or_
from typing import Annotated, Any

from pydantic import BaseModel, Field

from vibecell.model.errors import FieldProblem, InvalidRequest
from vibecell.model.events import Control
from vibecell.model.execution import ExecutionRequest, SourceFile
from vibecell.model.language import DEFAULT_LANGUAGE, Language, Offer
from vibecell.model.limits import Limits
from vibecell.wire import members
from vibecell.wire.bodies import (
    Text,
    body_of,
    built,
    encodable,
    fields_of,
    judged_type,
    part_of,
    strict_model,
)
from vibecell.wire.judging import judged

_LIMITS = "Bounds to set for this execution; absent ones keep the default."


def _execute_body() -> type[BaseModel]:
    told = {each.name: each for each in members.members_of(ExecutionRequest)}
    fields, checks = fields_of(
        ExecutionRequest,
        files=(judged_type(told["files"].hint) | None, Field(default=None)),
        language=(judged_type(told["language"].hint), Field(default=DEFAULT_LANGUAGE)),
        limits=(part_of(Limits, "LimitsBody", _LIMITS) | None, Field(default=None)),
    )
    fields = {"code": (Text | None, Field(default=None, examples=["print(6 * 7)"])), **fields}
    return strict_model("ExecuteBody", "What to run, and how.", fields, _has_source, *checks)


def _has_source(body: BaseModel) -> str | None:
    values = vars(body)
    if values["code"] is None and values["files"] is None:
        return "must have code, files or both"
    return None


ExecuteBody = _execute_body()
_CONTROL_BODIES = {
    kind: body_of(kind, f"{kind.__name__}Control") for kind in members.kinds_of(Control)
}
ControlBody: Any = Annotated[reduce(or_, _CONTROL_BODIES.values()), Field(discriminator="type")]
_CONTROLS = {str(members.tag_of(kind)): (kind, body) for kind, body in _CONTROL_BODIES.items()}


def decode_execute(value: object) -> BaseModel:
    """A parsed JSON value as an ``ExecuteBody``.

    Raises:
        InvalidRequest: names each wrong field.
    """
    return judged(ExecuteBody, value)


def to_execution_request(
    body: BaseModel, offer: Offer, defaults: Limits, ceiling: Limits
) -> ExecutionRequest:
    """The request that a body means.

    Args:
        body: a validated ``ExecuteBody``.
        offer: what can be run; the language tells which file ``code`` becomes.
        defaults: limits of a request that sets none.
        ceiling: limits that no request may exceed.

    Raises:
        InvalidRequest: names each wrong field; an unknown class is one.
        UnsupportedLanguage: the request's class does not offer it.
    """
    given = vars(body)
    language = offer.find(given["request_class"], given["language"], given["version"])
    limits = defaults
    if given["limits"] is not None:
        limits = defaults.overridden(**vars(given["limits"]))
    limits.require_within(ceiling)
    return built(
        ExecutionRequest,
        given,
        language=language.name,
        limits=limits,
        files=_files(given, language),
    )


def _files(given: dict[str, Any], language: Language) -> tuple[SourceFile, ...]:
    listed = given["files"] or ()
    files = tuple(built(SourceFile, dict(each), f"files.{at}") for at, each in enumerate(listed))
    if given["code"] is not None:
        # the program itself, beside the files it may use
        path = given["entrypoint"] or language.entrypoint
        return (_program(path, encodable(given["code"], "code").encode()), *files)
    if given["entrypoint"] is None and language.entrypoint not in {f.path for f in files}:
        raise InvalidRequest(_missing_entrypoint(language, files))
    return files


def _program(path: str, content: bytes) -> SourceFile:
    try:
        return SourceFile(path, content)
    except InvalidRequest as error:
        raise InvalidRequest(FieldProblem("entrypoint", error.problems[0].message)) from error


def _missing_entrypoint(language: Language, files: tuple[SourceFile, ...]) -> FieldProblem:
    if not files:
        return FieldProblem("files", "must have at least one file")
    return FieldProblem("entrypoint", f"is required where no file is named {language.entrypoint}")


def decode_control(value: object) -> Control:
    """A parsed JSON value as a control.

    Raises:
        InvalidRequest: not a control, or names each wrong field.
    """
    if not isinstance(value, dict):
        raise InvalidRequest(FieldProblem("request", "should be an object"))
    if "type" not in value:
        raise InvalidRequest(FieldProblem("type", "is required"))
    tag = value["type"]
    if not isinstance(tag, str) or tag not in _CONTROLS:
        raise InvalidRequest(FieldProblem("type", f"should be one of {', '.join(_CONTROLS)}"))
    kind, shape = _CONTROLS[tag]
    control: Control = built(kind, vars(judged(shape, value)))
    return control
