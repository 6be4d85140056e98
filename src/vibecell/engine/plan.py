"""What running a request will take, decided before anything runs.

Owns the choice of warm profile and the processes of each stage; refuses to do
anything: it is a pure function of the request and what is on offer.
"""

import mmap
import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import translate
from functools import lru_cache
from types import MappingProxyType

from vibecell.engine.python_imports import imported_by
from vibecell.model.errors import FieldProblem, InvalidRequest
from vibecell.model.execution import ExecutionRequest, SourceFile
from vibecell.model.language import Language, Offer, WarmProfile, fit_to_memory
from vibecell.model.limits import DEFAULT_LIMITS
from vibecell.sandbox.backend import ProcessSpec

RUN = "run"
COMPILE = "compile"
RENDER = "render"


@dataclass(frozen=True, slots=True)
class Stage:
    """One process of an execution.

    An interpreted program has one, "run"; a compiled language's is compiled, then run.

    Attributes:
        name: "compile" or "run"; a failure of the first is a compilation error.
        spec: what the cell starts.
    """

    name: str
    spec: ProcessSpec


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything an execution will do.

    Attributes:
        language: canonical name.
        profile: the kind of warm cell; ``None`` where nothing is executed.
        stages: in order; the next begins only if the last was accepted.
        page: what to show instead of executing, as MIME type to content.
    """

    language: str
    profile: WarmProfile | None
    stages: tuple[Stage, ...]
    page: Mapping[str, str] | None = None

    @property
    def is_warm(self) -> bool:
        """Whether interpreters that were started ahead run all of it."""
        return bool(self.stages) and all(s.spec.mode == "in_place" for s in self.stages)


def make_plan(
    request: ExecutionRequest, offer: Offer, warm_memory_bytes: int = DEFAULT_LIMITS.memory_bytes
) -> Plan:
    """Decide how a request is run.

    Args:
        request: valid, within the ceiling.
        offer: what can be run.
        warm_memory_bytes: the limit that was supposed when interpreters were started ahead.

    Raises:
        UnsupportedLanguage: no such language or version in the request's class.
        InvalidRequest: no such class, or no room for the files.
    """
    language = offer.find(request.request_class, request.language, request.version)
    entrypoint = request.entrypoint or language.entrypoint
    if language.mode == "page":
        return Plan(language.name, None, (), _page(request, entrypoint))
    _require_room(request)
    profile = language.profiles[0]
    warm = can_be_warm(request, language, entrypoint, warm_memory_bytes)
    if warm:
        profile = choose_profile(language, request.files)
        if brings_what_is_bound(profile, request.files):
            profile, warm = language.profiles[0], False
    return Plan(language.name, profile, (Stage(RUN, _spec(request, language, entrypoint, warm)),))


def can_be_warm(
    request: ExecutionRequest, language: Language, entrypoint: str, warm_memory_bytes: int
) -> bool:
    """Whether an interpreter that was started ahead is as good as one that starts now.

    It was started under the default name: only for that one is going on with it the same as
    running it. A program started ahead cannot be given a terminal any more, nor a heap of
    another size.
    """
    modes = ("in_place",) if request.interactive is True else ("in_place", "warm_exec")
    if language.mode not in modes or entrypoint != language.entrypoint:
        return False
    sized = language.profiles[0].warm_env
    if fit_to_memory(sized, request.limits.memory_bytes) != fit_to_memory(sized, warm_memory_bytes):
        return False
    cold = language.cold
    changed = (name for name, value in request.env.items() if language.env.get(name) != value)
    return not (
        _any_like(cold.environment, changed)
        or _any_like(cold.files, (f.path for f in request.files))
    )


def brings_what_is_bound(profile: WarmProfile, files: tuple[SourceFile, ...]) -> bool:
    """Whether a module of the program would have taken the place of one that is loaded for good."""
    if not profile.bound:
        return False
    tops = {re.split(r"[./]", file.path, maxsplit=1)[0] for file in files}
    return not tops.isdisjoint(profile.bound | sys.stdlib_module_names)


def _any_like(patterns: tuple[str, ...], names: Iterable[str]) -> bool:
    return bool(patterns) and any(map(_matcher(patterns).match, names))


@lru_cache(64)
def _matcher(patterns: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(map(translate, patterns)))


def choose_profile(language: Language, files: tuple[SourceFile, ...]) -> WarmProfile:
    """The first profile one of whose triggers the program imports, else the default."""
    default, *others = language.profiles
    if not any(profile.triggers for profile in others):
        return default
    imported = imported_by(file.content for file in files if file.path.endswith(".py"))
    for profile in others:
        if profile.triggers & imported:
            return profile
    return default


def _require_room(request: ExecutionRequest) -> None:
    """Refuse files that do not fit the workspace they are to be written into.

    Source: tmpfs(5): each file takes whole pages, and the size is rounded up to such
    """
    available = request.limits.workspace_bytes
    if sum(len(f.content) + mmap.PAGESIZE for f in request.files) <= available:
        return
    needed = sum(-(-len(f.content) // mmap.PAGESIZE) for f in request.files)
    if needed > -(-available // mmap.PAGESIZE):
        least = (needed - 1) * mmap.PAGESIZE + 1
        raise InvalidRequest(
            FieldProblem("limits.workspace_bytes", f"must be at least {least} for these files")
        )


def _spec(
    request: ExecutionRequest, language: Language, entrypoint: str, warm: bool
) -> ProcessSpec:
    # what begins so, interpreters take for an option
    named = f"./{entrypoint}" if entrypoint.startswith(("-", "+")) else entrypoint
    command = tuple(part.replace("{entrypoint}", named) for part in language.argv)
    return ProcessSpec(
        mode="in_place" if warm else "exec",
        entrypoint=entrypoint,
        argv=request.args if warm else command + request.args,
        files=request.files,
        env=MappingProxyType({**language.env, **request.env, **_cold_env(request, language, warm)}),
        limits=request.limits,
        stdin=request.stdin,
        interactive=request.interactive,
        columns=request.columns,
        rows=request.rows,
    )


def _cold_env(request: ExecutionRequest, language: Language, warm: bool) -> dict[str, str]:
    if warm:
        return {}
    sized = fit_to_memory(language.cold_env, request.limits.memory_bytes)
    return {
        name: f"{value} {request.env[name]}" if name in request.env else value
        for name, value in sized.items()
    }


def _page(request: ExecutionRequest, entrypoint: str) -> Mapping[str, str]:
    content = next((f.content for f in request.files if f.path == entrypoint), b"")
    return MappingProxyType({"text/html": content.decode("utf-8", "replace")})
