"""The modules that a zygote has loaded and its program has not imported yet.

Owns the shelf: put away before any fork, they are not in ``sys.modules``, nor
attributes of their packages, nor are their filters of warnings there. So a
program finds what any interpreter has at its start, and no more. When it
imports one, it gets the one from the shelf instead of loading it: with all that
loading it would have imported, in that order. Refuses to give what the program's
own search would not find.

Two ways. Where the search is as it was (nobody has added a finder, a hook or a
function of import, and no directory that was added to ``sys.path`` holds a name
that is on the shelf), a module comes with its whole closure, in microseconds.
Otherwise the interpreter searches as ever, the program's finders first, and
where it finds the same file, the import statements of the module are done again
instead of its code; if one of them brings another module than the one on the
shelf is bound to, the code is run after all. What compiled libraries outside the
standard library belong to cannot be run twice in a process: it is bound to what
it is bound to.

The interpreter calls two functions of its own ``importlib`` by name; ours stand
in their place, under the file name that it leaves out of tracebacks.

Source: CPython 3.11, Lib/importlib/_bootstrap.py, _find_and_load_unlocked() and
_load_unlocked(); Python/import.c, remove_importlib_frames()
"""

import _imp
import builtins
import os
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from types import FunctionType
from typing import Any

from recording import Recording

Renewals = Mapping[str, Callable[[Any], None]]
"""What a module decided when it was loaded, and decides when it is imported."""

machinery: Any = sys.modules["_frozen_importlib"]
_finders: Any = sys.modules["_frozen_importlib_external"]
_warnings: Any = sys.modules["_warnings"]

_INSTALLED = "/site-packages/"


class Shelf:
    """What was loaded ahead.

    Args:
        notes: of how it was loaded.
        ours: modules that are nobody's but the platform's.

    Attributes:
        loaded: every module that was, by name, whether it is still on the shelf or not.
    """

    def __init__(self, notes: Recording, ours: Collection[str]) -> None:
        self._notes = notes
        self._at_start = {name: sys.modules[name] for name in notes.at_start}
        self.loaded: dict[str, Any] = {
            _moved(name): module
            for name, module in sys.modules.items()
            if name not in self._at_start and name not in ours
        }
        self._given: set[str] = set()
        self._tops = {name.partition(".")[0] for name in self.loaded}
        self._paths = {name: _path_of(module) for name, module in self.loaded.items()}
        self._brings = {name: tuple(self._statements_of(name)) for name in notes.imports}
        self._names = {name: name for name in self.loaded}
        self._closures: dict[str, dict[str, Any]] = {}
        self._detached: set[str] = set()
        self._acting: set[str] = set()
        self._renewals: Renewals = {}
        self._search: tuple[Any, ...] = ()
        self._path: list[str] = []

    def put_away(self, renewals: Renewals, wanted: Iterable[str]) -> None:
        """Leave the interpreter as one that has just started, but for what stands in.

        Args:
            renewals: see there.
            wanted: modules that are likely to be imported.
        """
        for name, module in self.loaded.items():
            parent, _, child = name.rpartition(".")
            if getattr(self._package(parent), "__dict__", {}).get(child) is module:
                self._keep_closure(parent)
                if name not in self._closures[parent]:
                    self._detached.add(name)
        for name in self._detached:
            parent, _, child = name.rpartition(".")
            delattr(self._package(parent), child)
        for name in filter(self.loaded.__contains__, wanted):
            self._keep_closure(name)
        sys.modules.clear()
        sys.modules.update(self._at_start)
        _set_filters(self._notes.filters_at_start)
        self._renewals = renewals
        self._acting = {*self._detached, *renewals, *self._notes.filters}
        self._search = _search()
        self._path = list(sys.path)
        self._stand_in()

    def _statements_of(self, name: str) -> Iterator[str]:
        """The modules that the import statements of one name, and those it made, in order."""
        made = list(self._notes.made.get(name, ()))
        for count, (imported, said) in enumerate(self._notes.imports[name]):
            while made and made[0][0] <= count:
                yield made.pop(0)[1]
            yield imported
            package = self.loaded.get(imported)
            wanted = said[1] or () if said else ()
            for child in getattr(package, "__all__", ()) if "*" in wanted else wanted:
                module = self.loaded.get(f"{imported}.{child}")
                if module is not None and getattr(package, child, module) is module:
                    yield f"{imported}.{child}"
        yield from (each for _, each in made)

    def _package(self, name: str) -> Any:
        return self.loaded.get(name, self._at_start.get(name))

    def _keep_closure(self, name: str) -> None:
        if name not in self._closures:
            self._closures[name] = self._closure_of(name)

    def _closure(self, name: str) -> dict[str, Any]:
        """The one that is kept; one that is not is worked out, and nothing is kept in a fork."""
        return self._closures.get(name) or self._closure_of(name)

    def _closure_of(self, name: str) -> dict[str, Any]:
        """A module and all that comes with it, in the order in which their loading ends."""
        found: dict[str, Any] = {}
        seen = set(self._at_start)

        def visit(name: str) -> None:
            if name in seen:
                return
            seen.add(name)
            if parent := name.rpartition(".")[0]:
                visit(parent)
            for imported in self._brings.get(name, ()):
                visit(imported)
            if name in self.loaded:
                found[self._names[name]] = self.loaded[name]

        visit(name)
        return found

    # what a program does

    def _stand_in(self) -> None:
        find, load = machinery._find_and_load_unlocked, machinery._load_unlocked
        loaded, given, give, give_found = self.loaded, self._given, self._give, self._give_found

        def find_and_load(name: str, import_: Any) -> Any:
            if name in loaded and name not in given and give(name):
                return loaded[name]
            return find(name, import_)

        def load_unlocked(spec: Any) -> Any:
            if spec.name in loaded and spec.name not in given and give_found(spec):
                return loaded[spec.name]
            return load(spec)

        machinery._find_and_load_unlocked = _as(find, find_and_load)
        machinery._load_unlocked = _as(load, load_unlocked)

    def _give(self, name: str) -> bool:
        """Take a module and all that comes with it, where no search could find another."""
        parent = name.rpartition(".")[0]
        if parent in sys.modules and not self._is_as_loaded(parent):
            return False
        if _search() != self._search or self._names_before() != set():
            return False
        wanted = self._closure(name)
        if not self._is_to_be_had(wanted):
            return False
        self._take(wanted)
        return True

    def _is_to_be_had(self, wanted: dict[str, Any]) -> bool:
        """Whether all of these are imported already, or on the shelf; no other has their names."""
        # never through the names in ``sys.modules``, as ``&`` may: each lies on a page of its own
        there = list(filter(sys.modules.__contains__, wanted))
        if any(sys.modules[name] is not wanted[name] for name in there):
            return False
        return len(self._given.intersection(wanted)) == len(there)

    def _is_as_loaded(self, package: str) -> bool:
        there = sys.modules[package]
        if package in self._at_start:
            return there is self._at_start[package]
        return there is self.loaded.get(package) and _path_of(there) == self._paths[package]

    def _names_before(self) -> set[str] | None:
        """Names of the shelf in directories that came to ``sys.path``; ``None`` where some went."""
        found: set[str] = set()
        known = 0
        for entry in sys.path:
            if known < len(self._path) and entry == self._path[known]:
                known += 1
                continue
            try:
                there = os.listdir(entry or ".")
            except FileNotFoundError:
                continue
            except (OSError, TypeError, ValueError):
                return None
            found.update(self._tops.intersection([name.partition(".")[0] for name in there]))
        return found if known == len(self._path) else None

    def _take(self, wanted: dict[str, Any]) -> None:
        """Do what loading these modules did, as far as they are not there yet.

        For hundreds of modules at once: each is touched once, by the interpreter itself.
        """
        _imp.acquire_lock()
        try:
            acting = [x for x in wanted if x in self._acting and x not in self._given]
            self._given.update(wanted)
            sys.modules.update(wanted)
            for name in acting:
                if name in self._detached:
                    parent, _, child = name.rpartition(".")
                    setattr(sys.modules[parent], child, wanted[name])
                self._renew(name, wanted[name])
        finally:
            _imp.release_lock()

    def _renew(self, name: str, module: Any) -> None:
        if (filters := self._notes.filters.get(name)) is not None:
            _set_filters([*filters, *(x for x in _warnings.filters if x not in filters)])
        if (renew := self._renewals.get(name)) is not None:
            renew(module)

    def _give_found(self, spec: Any) -> bool:
        """Take one module, if that is what a search has found."""
        name = spec.name
        if not _is_same(spec, getattr(self.loaded[name], "__spec__", None)):
            return False
        if _INSTALLED not in (spec.origin or ""):
            return self._import_again(name)
        wanted = self._closure(name)
        if not self._is_to_be_had(wanted):
            return False
        others = self._names_before()
        self._take({n: m for n, m in wanted.items() if self._comes_along(n, m, others)})
        return True

    def _comes_along(self, name: str, module: Any, others: Collection[str] | None) -> bool:
        """Whether no search of its own could find another; where nobody can tell, it searches."""
        if others is None:
            return _INSTALLED in (getattr(module.__spec__, "origin", None) or "")
        return name.partition(".")[0] not in others

    def _import_again(self, name: str) -> bool:
        """Take one module and do its import statements again; false where they bring others."""
        module = sys.modules[name] = self.loaded[name]
        self._given.add(name)
        try:
            for imported, said in self._notes.imports.get(name, ()):
                with suppress(ImportError):  # perhaps it was not there before, either
                    if said is None:
                        machinery._gcd_import(imported)
                    else:
                        statement, fromlist, level = said
                        builtins.__import__(statement, vars(module), None, fromlist, level)
        except BaseException as error:
            sys.modules.pop(name, None)
            if not isinstance(error, Exception):
                raise
            return False
        made = [each for _, each in self._notes.made.get(name, ())]
        self._take({each: self.loaded[each] for each in made if each not in self._given})
        for each in self._brings.get(name, ()):
            if each in self.loaded and sys.modules.get(each) is not self.loaded[each]:
                sys.modules.pop(name, None)
                return False
        sys.modules[name] = sys.modules.pop(name)
        self._renew(name, module)
        return True


def _as(original: Any, function: Any) -> FunctionType:
    """A function under the name, module, file and globals of one of the interpreter's."""
    code = function.__code__.replace(
        co_filename=original.__code__.co_filename,
        co_firstlineno=original.__code__.co_firstlineno,
        co_name=original.__name__,
        co_qualname=original.__qualname__,
    )
    globals_, name = original.__globals__, original.__name__
    made = FunctionType(code, globals_, name, None, function.__closure__)
    # the module has got another name since the original was made
    made.__module__ = original.__module__
    return made


def _search() -> tuple[Any, ...]:
    """What decides where a search looks, but for ``sys.path``."""
    return (
        *(sys.meta_path or ()),
        *sys.path_hooks,
        builtins.__import__,
        vars(_finders.PathFinder)["find_spec"],
        vars(_finders.FileFinder)["find_spec"],
    )


def _moved(name: str) -> str:
    """A copy: whoever refers to it writes to a page that holds many of them."""
    return str(name.encode(), "utf-8")


def _path_of(module: Any) -> list[str]:
    return list(getattr(module, "__path__", ()))


def _is_same(spec: Any, ours: Any) -> bool:
    return (
        ours is not None
        and spec.origin == ours.origin
        and (spec.loader is ours.loader or type(spec.loader) is type(ours.loader))
        and list(spec.submodule_search_locations or ())
        == list(ours.submodule_search_locations or ())
    )


def _set_filters(filters: list[object]) -> None:
    if _warnings.filters != filters:
        _warnings.filters[:] = filters
        _warnings._filters_mutated()
