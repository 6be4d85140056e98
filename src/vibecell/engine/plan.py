"""What running a request will take, decided before anything runs.

Owns the choice of warm profile and the processes of each stage; refuses to do
anything: it is a pure function of the request and what is on offer.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from vibecell.engine.python_imports import imported_by
from vibecell.model.execution import ExecutionRequest, SourceFile
from vibecell.model.language import Language, Offer, WarmProfile
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


def make_plan(request: ExecutionRequest, offer: Offer) -> Plan:
    """Decide how a request is run.

    Raises:
        UnsupportedLanguage: no such language or version in the request's class.
        InvalidRequest: no such class.
    """
    language = offer.find(request.request_class, request.language, request.version)
    entrypoint = request.entrypoint or language.entrypoint
    if language.mode == "page":
        return Plan(language.name, None, (), _page(request, entrypoint))
    profile = choose_profile(language, request.files)
    return Plan(language.name, profile, (Stage(RUN, _spec(request, language, entrypoint)),))


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


def _spec(request: ExecutionRequest, language: Language, entrypoint: str) -> ProcessSpec:
    # A warm interpreter was started under the default name; only for that one
    # is running in it the same as running it. A program started ahead cannot
    # be given a terminal any more.
    modes = ("in_place",) if request.interactive else ("in_place", "warm_exec")
    warm = language.mode in modes and entrypoint == language.entrypoint
    command = tuple(part.replace("{entrypoint}", entrypoint) for part in language.argv)
    return ProcessSpec(
        mode="in_place" if warm else "exec",
        entrypoint=entrypoint,
        argv=request.args if warm else command + request.args,
        files=request.files,
        env=MappingProxyType({**language.env, **request.env}),
        limits=request.limits,
        stdin=request.stdin,
        interactive=request.interactive,
    )


def _page(request: ExecutionRequest, entrypoint: str) -> Mapping[str, str]:
    content = next((f.content for f in request.files if f.path == entrypoint), b"")
    return MappingProxyType({"text/html": content.decode("utf-8", "replace")})
