"""What the platform knows about a language.

Owns the description, and which languages a request may choose from; refuses
knowledge of how a cell runs one. Every description comes from a
``language.toml`` through ``languages/catalogue.py``.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from vibecell.model.errors import FieldProblem, InvalidRequest, UnsupportedLanguage
from vibecell.model.limits import MIB

INTERNAL: Mapping[str, object] = MappingProxyType({"internal": True})
"""Marks a member that is nobody's business but the platform's: it is not shown to clients."""
DEFAULT_LANGUAGE = "python"  # of a request that names none; shown first
DEFAULT_IMAGE = "runtime"  # the image of languages that name none
_NURSERIES_PER_HEAP, _MAX_NURSERY_MIB = 32, 16
StartMode = Literal["in_place", "warm_exec", "exec", "page"]


@dataclass(frozen=True, slots=True)
class Cold:
    """What a request has that an interpreter reads at its start, and a warm one has read already.

    A program that comes with any of it is run by an interpreter of its own. In a pattern ``*``
    stands for any characters, ``/`` too, and ``?`` for one.

    Attributes:
        environment: patterns of names of variables.
        files: patterns of paths in the workspace.
    """

    environment: tuple[str, ...] = ()
    files: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class WarmProfile:
    """A kind of zygote and of the warm cells forked from it.

    Attributes:
        name: unique over all languages ("python-light").
        modules: imported by the zygote once; empty where nothing is preloaded.
        triggers: top-level imports of a program that make planning choose it.
        bound: top-level names of packages among the modules that cannot be loaded twice in
            a process, and of what they import beside the interpreter's library; empty
            where all can. A program that brings a module of such a name runs cold.
        warm_argv: a program started ahead in each warm cell that waits for
            its source; empty where the forked runner itself waits.
        warm_env: environment additions for ``warm_argv`` only, which ``fit_to_memory``
            completes.
        place: the deployment's name for the walls its cells stand behind; empty
            for those it has by default.
    """

    name: str
    modules: tuple[str, ...] = ()
    triggers: frozenset[str] = frozenset()
    bound: frozenset[str] = frozenset()
    warm_argv: tuple[str, ...] = ()
    warm_env: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    place: str = ""


def fit_to_memory(env: Mapping[str, str], memory_bytes: int) -> dict[str, str]:
    """Fill in what a runtime that collects garbage has to know of its memory limit.

    ``{heap_mib}`` is what its heap may grow to, in MiB, as much as the limit: the kernel ends a
    program whose data outgrows it, before the runtime gives up and the end looks like a crash of
    its own. Garbage is collected before, since a collector begins at a half, and again halfway
    between what was left and that. ``{nursery_mib}`` bounds the part that new objects are made
    in, 1 to 16 MiB: of that several are in use at once.

    Source: V8, src/heap/heap.cc, Heap::ConfigureHeap (16 MiB is the most that it takes by
    itself); src/heap/memory-controller.cc, CalculateAllocationLimit
    """
    heap_mib = max(1, memory_bytes // MIB)
    nursery_mib = min(max(1, heap_mib // _NURSERIES_PER_HEAP), _MAX_NURSERY_MIB)
    return {
        name: value.replace("{heap_mib}", str(heap_mib)).replace("{nursery_mib}", str(nursery_mib))
        for name, value in env.items()
    }


@dataclass(frozen=True, slots=True)
class Language:
    """One language at one version.

    Attributes:
        name: canonical name ("javascript").
        display_name: for people ("JavaScript (Node.js)").
        version: of the runtime, as measured at set-up.
        aliases: other names requests may use ("js", "node").
        entrypoint: default file name of the program ("main.py").
        mode: ``in_place`` (the warm interpreter runs it), ``warm_exec`` (a
            started program waits for it), ``exec`` (argv is executed),
            ``page`` (nothing is executed: the source is shown).
        argv: command to execute; ``{entrypoint}`` stands for the path.
        env: environment additions of the language.
        profiles: warm profiles, the default one first.
        cold: what no interpreter that was started ahead can run.
        cold_env: for ``argv`` only: what stands before a request's own value of a variable;
            ``fit_to_memory`` completes it.
        example: a small program to begin with.
        grammar: what an editor colours it by, as the page names its grammars; empty:
            it is plain text.
        image: name of the runtime image where its cells are containers.
    """

    name: str
    display_name: str
    version: str
    aliases: tuple[str, ...]
    entrypoint: str
    mode: StartMode
    argv: tuple[str, ...] = field(default=(), metadata=INTERNAL)
    env: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}), metadata=INTERNAL)
    profiles: tuple[WarmProfile, ...] = field(default=(), metadata=INTERNAL)
    cold: Cold = field(default_factory=Cold, metadata=INTERNAL)
    cold_env: Mapping[str, str] = field(
        default_factory=lambda: MappingProxyType({}), metadata=INTERNAL
    )
    example: str = ""
    grammar: str = ""
    image: str = field(default=DEFAULT_IMAGE, metadata=INTERNAL)


@dataclass(frozen=True, slots=True)
class Offer:
    """What a deployment can run; each of its classes may run something else.

    Attributes:
        languages: of a request that names no class.
        classes: of one that does, by the name of the class.
    """

    languages: tuple[Language, ...]
    classes: Mapping[str, tuple[Language, ...]] = field(
        default_factory=lambda: MappingProxyType({})
    )

    def find(self, request_class: str | None, name: str, version: str | None) -> Language:
        """The language of a request.

        Raises:
            InvalidRequest: no such class.
            UnsupportedLanguage: no such language or version in it.
        """
        return find_language(self.of_class(request_class), name, version)

    def of_class(self, request_class: str | None) -> tuple[Language, ...]:
        """The languages of a request that names this class, or none.

        Raises:
            InvalidRequest: no such class; names those there are.
        """
        if request_class is None:
            return self.languages
        found = self.classes.get(request_class)
        if found is None:
            names = ", ".join(sorted(self.classes))
            said = f"must be one of {names}" if names else "is not known: there are no classes"
            raise InvalidRequest(FieldProblem("request_class", said))
        return found


def find_language(languages: Iterable[Language], name: str, version: str | None = None) -> Language:
    """The language of this name or alias.

    Args:
        languages: what to choose from.
        name: canonical name or alias, in any case.
        version: ``None`` is the one there is; "3" also means "3.11.2".

    Raises:
        UnsupportedLanguage: no such name, or not at this version; the message
            names what there is.
    """
    known = tuple(languages)
    wanted = name.lower()
    for language in known:
        if wanted != language.name and wanted not in language.aliases:
            continue
        if version is None or f"{language.version}.".startswith(f"{version}."):
            return language
        raise UnsupportedLanguage(f"{language.name} is here at version {language.version} only")
    names = ", ".join(sorted(x.name for x in known))
    raise UnsupportedLanguage(f"no such language; there are: {names}")
