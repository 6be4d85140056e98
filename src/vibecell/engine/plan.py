"""What running a request will take, decided before anything runs.

Owns the choice of warm profile and the processes of each stage; refuses to do
anything: it is a pure function of the request and what is on offer.
"""

import ast
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from vibecell.model.execution import ExecutionRequest, SourceFile
from vibecell.model.language import Language, Offer, WarmProfile
from vibecell.sandbox.backend import ProcessSpec

RUN = "run"
COMPILE = "compile"
RENDER = "render"
# Above this a scan of the lines has to do: parsing costs the engine's one
# thread about a millisecond for each kilobyte.
MAX_PARSED_BYTES = 64 * 1024
_IMPORT_LINE = re.compile(rb"^[ \t]*(?:from|import)[ \t]+([A-Za-z_][A-Za-z0-9_]*)", re.MULTILINE)


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
    wanted = frozenset[str]().union(*(p.triggers for p in others))
    if not wanted:
        return default
    imported = imported_modules(files, wanted)
    for profile in others:
        if profile.triggers & imported:
            return profile
    return default


def imported_modules(files: tuple[SourceFile, ...], wanted: frozenset[str]) -> frozenset[str]:
    """Which of ``wanted`` the Python files import, by top-level name.

    A file that is no Python imports nothing: it will not get that far either.
    """
    found: set[str] = set()
    budget_bytes = MAX_PARSED_BYTES
    for file in files:
        # most programs name no heavy module anywhere, and need no parsing
        if not file.path.endswith(".py") or not _mentions(file.content, wanted):
            continue
        if len(file.content) <= budget_bytes:
            budget_bytes -= len(file.content)
            found |= _parsed_imports(file.content)
        else:
            found |= {name.decode() for name in _IMPORT_LINE.findall(file.content)}
    return frozenset(found & wanted)


def _mentions(source: bytes, names: frozenset[str]) -> bool:
    return any(name.encode() in source for name in names)


def _parsed_imports(source: bytes) -> set[str]:
    try:
        with warnings.catch_warnings():
            # a hostile "\d" must not write on the engine's stderr
            warnings.simplefilter("ignore")
            tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return set()
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.partition(".")[0])
    return found


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
