"""The languages on offer: read from one folder each.

Owns the reading of every ``language.toml`` and the question which of them this
deployment can run; refuses to run anything. To add a language, add a folder.
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, cast

from vibecell.model.language import (
    DEFAULT_IMAGE,
    DEFAULT_LANGUAGE,
    Cold,
    Language,
    StartMode,
    WarmProfile,
    find_language,
)

FOLDER = Path(__file__).parent
MODES = ("in_place", "warm_exec", "exec", "page")
WARM_MODES = ("in_place", "warm_exec")
_VARIABLE_PATTERN = re.compile(r"[A-Za-z_?*][A-Za-z0-9_?*]*\Z")
_FILE_PATTERN = re.compile(r"[^/\0\[\]]+(?:/[^/\0\[\]]+)*\Z")


@dataclass(frozen=True, slots=True)
class RuntimeNeeds:
    """What the runtime image must hold for a language to run.

    Attributes:
        program: whose version is the language's; empty: needs none.
        in_every_image: whether each image has the program anyhow, since what runs behind the
            walls needs it, too; then it is not looked for, and its version is known.
        version_args: arguments that make it print its version, where that is not known.
        programs: others of the host that programs of the language use.
        packages: the Debian package of each program that a base image of containers may lack.
        trees: directories and files of the host that its runtime reads.
        requirements: pinned Python packages; ``None``: none.
        cell_programs: of the folder, copied to where the programs behind the walls are.
        mend: what an operator can do where a host lacks ``program``.
    """

    program: str = ""
    in_every_image: bool = False
    version_args: tuple[str, ...] = ()
    programs: tuple[str, ...] = ()
    packages: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    trees: tuple[Path, ...] = ()
    requirements: Path | None = None
    cell_programs: tuple[Path, ...] = ()
    mend: str = ""


@dataclass(frozen=True, slots=True)
class Description:
    """One ``language.toml``, before a host is looked at.

    Attributes:
        language: with an empty version.
        needs: what its runtime needs.
        smoke: a program that must print ``smoke_output``; ``None`` for a page.
        hello: a program that prints a line and asks for nothing, to be measured.
    """

    language: Language
    needs: RuntimeNeeds
    smoke: Path | None
    smoke_output: str
    hello: str


@dataclass(frozen=True, slots=True)
class Unavailable:
    """A language that one place of this deployment cannot run.

    Attributes:
        name: of the language.
        reason: why it cannot.
        mend: what would change that.
        place: as ``WarmProfile.place`` has it.
    """

    name: str
    reason: str
    mend: str
    place: str = ""


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The languages of this deployment.

    Attributes:
        languages: that can run, the default one first, the others by name.
        unavailable: that cannot, with the mend; one for each place it should run in.
    """

    languages: tuple[Language, ...]
    unavailable: tuple[Unavailable, ...] = ()

    @property
    def profiles(self) -> tuple[WarmProfile, ...]:
        """Every warm profile, each once, the default ones of a language first."""
        found = {p.name: p for language in self.languages for p in language.profiles}
        return tuple(found.values())

    @property
    def by_name(self) -> Mapping[str, Language]:
        """The languages under their canonical names."""
        return {language.name: language for language in self.languages}


def describe(folder: Path = FOLDER) -> tuple[Description, ...]:
    """Read every language's description.

    Raises:
        ValueError: a file is wrong; names it.
    """
    found = [_read(path) for path in sorted(folder.glob("*/language.toml"))]
    found.sort(key=lambda d: in_order(d.language))
    _refuse_repeats(found)
    return tuple(found)


def in_order(language: Language) -> tuple[bool, str]:
    """Sorts languages as they are shown: the default one first, the others by name."""
    return language.name != DEFAULT_LANGUAGE, language.name


def catalogue(descriptions: tuple[Description, ...], versions: Mapping[str, str]) -> Catalogue:
    """Choose the languages that a runtime image can run.

    Args:
        descriptions: of all languages.
        versions: program name to version, of the image.
    """
    languages, unavailable = [], []
    for description in descriptions:
        needs, language = description.needs, description.language
        if needs.program and needs.program not in versions:
            reason = f"its runtime ({needs.program}) is not installed"
            unavailable.append(Unavailable(language.name, reason, needs.mend))
            continue
        version = versions.get(needs.program, language.version)
        languages.append(replace(language, version=version))
    return Catalogue(tuple(languages), tuple(unavailable))


def choose(
    descriptions: tuple[Description, ...], name: str | None, file: str | None
) -> Description:
    """The language of a program in a file.

    Args:
        descriptions: of all languages, the default one first.
        name: canonical name or alias; ``None`` leaves it to the file's name.
        file: its path; ``None``, or without a suffix that is known: the default language.

    Raises:
        UnsupportedLanguage: there is none of this name.
    """
    if name is not None:
        found = find_language((d.language for d in descriptions), name)
        return next(d for d in descriptions if d.language is found)
    suffix = Path(file).suffix if file else ""
    by_name = (d for d in descriptions if suffix and suffix == Path(d.language.entrypoint).suffix)
    return next(by_name, descriptions[0])


def _read(path: Path) -> Description:
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
        smoke = table.pop("smoke", None)
        needs = _needs(table.pop("runtime", {}), table.pop("packages", {}), path.parent)
        hello = table.pop("hello", "")
        language = _language(table)
        return Description(
            language=language,
            needs=needs,
            smoke=path.parent / smoke["program"] if smoke else None,
            smoke_output=smoke["output"] if smoke else "",
            hello=hello or language.example,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path.parent.name}/{path.name}: {error!r}") from error


def _language(table: dict[str, Any]) -> Language:
    mode = table.pop("mode")
    if mode not in MODES:
        raise ValueError(f"mode must be one of {', '.join(MODES)}")
    language = Language(
        name=table.pop("name"),
        display_name=table.pop("display_name"),
        version=table.pop("version", ""),
        aliases=tuple(table.pop("aliases", ())),
        entrypoint=table.pop("entrypoint"),
        mode=cast(StartMode, mode),
        argv=tuple(table.pop("argv", ())),
        env=MappingProxyType(dict(table.pop("env", {}))),
        cold_env=MappingProxyType(dict(table.pop("cold_env", {}))),
        profiles=tuple(_profile(dict(p)) for p in table.pop("profiles", ())),
        cold=_cold(dict(table.pop("cold", {}))),
        example=table.pop("example", ""),
        grammar=table.pop("grammar", ""),
        image=table.pop("image", DEFAULT_IMAGE),
    )
    _refuse_rest(table)
    if bool(language.profiles) == (mode == "page"):
        raise ValueError("profiles belong to every mode but page")
    if language.cold != Cold() and mode not in WARM_MODES:
        raise ValueError(f"cold belongs to the modes {' and '.join(WARM_MODES)}")
    return language


def _cold(table: dict[str, Any]) -> Cold:
    cold = Cold(tuple(table.pop("environment", ())), tuple(table.pop("files", ())))
    _refuse_rest(table)
    for kind, patterns, shape in (
        ("variable", cold.environment, _VARIABLE_PATTERN),
        ("path", cold.files, _FILE_PATTERN),
    ):
        for pattern in patterns:
            parts = pattern.split("/")
            if not shape.match(pattern) or "." in parts or ".." in parts:
                raise ValueError(f"no {kind} can be like {pattern!r}")
            if not pattern.strip("*?/"):
                raise ValueError(f"every {kind} is like {pattern!r}: nothing would run warm")
        if len(set(patterns)) < len(patterns):
            raise ValueError(f"a pattern of a {kind} is there twice")
    return cold


def _profile(table: dict[str, Any]) -> WarmProfile:
    profile = WarmProfile(
        name=table.pop("name"),
        modules=tuple(table.pop("modules", ())),
        triggers=frozenset(table.pop("triggers", ())),
        bound=frozenset(table.pop("bound", ())),
        warm_argv=tuple(table.pop("warm_argv", ())),
        warm_env=MappingProxyType(dict(table.pop("warm_env", {}))),
    )
    _refuse_rest(table)
    return profile


def _needs(table: dict[str, Any], packages: dict[str, Any], folder: Path) -> RuntimeNeeds:
    requirements = table.pop("requirements", None)
    needs = RuntimeNeeds(
        program=table.pop("program", ""),
        in_every_image=table.pop("in_every_image", False),
        version_args=tuple(table.pop("version_args", ())),
        programs=tuple(table.pop("programs", ())),
        packages=_packages(packages.pop("apt", {})),
        trees=tuple(Path(p) for p in table.pop("trees", ())),
        requirements=folder / requirements if requirements else None,
        cell_programs=tuple(folder / name for name in table.pop("cell_programs", ())),
        mend=table.pop("mend", ""),
    )
    _refuse_rest(table)
    _refuse_rest(packages)
    if bool(needs.program) != (needs.in_every_image or bool(needs.version_args)):
        raise ValueError("version_args or in_every_image belong to every program, and only there")
    if foreign := needs.packages.keys() - {needs.program, *needs.programs}:
        raise ValueError(f"no programs of this language: {', '.join(sorted(foreign))}")
    return needs


def _packages(table: dict[str, list[str]]) -> Mapping[str, str]:
    """Program to package, from package to programs."""
    brought = [(program, package) for package, found in table.items() for program in found]
    packages = dict(brought)
    if len(packages) < len(brought):
        raise ValueError("more than one package brings the same program")
    return MappingProxyType(packages)


def _refuse_rest(table: dict[str, Any]) -> None:
    if table:
        raise ValueError(f"unknown: {', '.join(sorted(table))}")


def _refuse_repeats(found: list[Description]) -> None:
    names = [n for d in found for n in (d.language.name, *d.language.aliases)]
    profiles = [p.name for d in found for p in d.language.profiles]
    programs = [p.name for d in found for p in d.needs.cell_programs]
    for kind, words in (("name", names), ("profile", profiles), ("cell program", programs)):
        repeated = {w for w in words if words.count(w) > 1}
        if repeated:
            raise ValueError(f"more than one language has the {kind} {', '.join(repeated)}")
