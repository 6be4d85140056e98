"""What loading each module does besides defining it, noted while a zygote loads.

Owns the notes: which modules a module imports, which it makes by itself, which
filters of warnings it adds. Refuses to change what is loaded, or how. With
them the shelf (``shelf.py``) does again what an import would do.

The interpreter looks its import functions up by name each time, in ``builtins``
and in its own ``importlib``; ours stand there from ``begin`` to ``end``.

Source: CPython 3.11, Python/import.c, PyImport_ImportModuleLevelObject;
Python/ceval.c, import_name; Lib/importlib/_bootstrap.py
"""

import builtins
import sys

TYPE_CHECKING = False  # what is loaded before the first note is missing in all of them
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    Said = tuple[str, Any, int]

_MODULES_AT_ONCE = 128

_imp: "Any" = sys.modules["_imp"]
machinery: "Any" = sys.modules["_frozen_importlib"]
_warnings: "Any" = sys.modules["_warnings"]


class Recording:
    """The notes of a zygote.

    Attributes:
        at_start: names of the modules that any interpreter has before its program.
        imports: by module, what it imports, in order: the absolute name, and what a
            statement says: its name, what is taken ``from`` there, and its level;
            ``None`` where no statement says it.
        made: by module, the names it put into ``sys.modules`` itself, and how many
            statements came before each.
        filters: by module, the filters of warnings it added, the foremost first.
    """

    def __init__(self, at_start: "Iterable[str]") -> None:
        self.at_start = tuple(at_start)
        self.imports: dict[str, list[tuple[str, Said | None]]] = {}
        self.made: dict[str, list[tuple[int, str]]] = {}
        self.filters: dict[str, list[object]] = {}
        self.filters_at_start: list[object] = list(_warnings.filters)
        self._seen_filters = list(self.filters_at_start)
        self._known = set(sys.modules)
        self._loading: list[str] = []
        self._import = builtins.__import__
        self._get = machinery._gcd_import
        self._find = machinery._find_and_load
        self._load = machinery._load_unlocked
        self._new = machinery._new_module
        self._create = _imp.create_dynamic
        self._spare: list[Any] = []
        self._room: list[Any] = []

    def begin(self) -> None:
        """Note from now on."""
        builtins.__import__ = self._imported
        vars(machinery).update(
            _gcd_import=self._got,
            _find_and_load=self._found,
            _load_unlocked=self._loaded,
            _new_module=self._module,
        )
        _imp.create_dynamic = self._created

    def end(self) -> None:
        """Give the interpreter its own functions back."""
        builtins.__import__ = self._import
        vars(machinery).update(
            _gcd_import=self._get,
            _find_and_load=self._find,
            _load_unlocked=self._load,
            _new_module=self._new,
        )
        _imp.create_dynamic = self._create
        self._spare.clear()
        self._room.clear()

    def _module(self, name: str) -> "Any":
        """A new module, beside others in memory.

        Whoever refers to one writes to the page where it is, and a fork has to copy that.
        """
        if not self._spare:
            self._spare.extend(self._new("") for _ in range(_MODULES_AT_ONCE))
        module = self._spare.pop()
        module.__name__ = name
        return module

    def _created(self, spec: "Any") -> "Any":
        """A module of compiled code, which makes it by itself: where one of ours has just been.

        What is freed last is taken first. Source: CPython 3.11, Objects/obmalloc.c
        """
        if not self._room:
            self._room.extend(self._new("") for _ in range(_MODULES_AT_ONCE))
        self._room.pop()
        return self._create(spec)

    def _imported(
        self,
        name: str,
        globals: "Mapping[str, Any] | None" = None,
        locals: "Mapping[str, Any] | None" = None,
        fromlist: "Any" = (),
        level: int = 0,
    ) -> "Any":
        if self._loading:
            package = None
            if level:
                assert globals is not None
                package = globals.get("__package__") or globals["__spec__"].parent
            self._note(_absolute(name, package, level), (name, fromlist, level))
        return self._import(name, globals, locals, fromlist, level)

    def _got(self, name: str, package: str | None = None, level: int = 0) -> "Any":
        if self._loading:
            self._note(_absolute(name, package, level), None)
        return self._get(name, package, level)

    def _found(self, name: str, import_: "Any") -> "Any":
        """Compiled code comes here straight away, with what is not loaded yet.

        So does what is noted already, and the packages that it is in.
        """
        if self._loading:
            imports = self.imports[self._loading[-1]]
            if not imports or not f"{imports[-1][0]}.".startswith(f"{name}."):
                self._note(name, None)
        return self._find(name, import_)

    def _loaded(self, spec: "Any") -> "Any":
        name = spec.name
        self.imports[name] = []
        self._known.add(name)
        self._loading.append(name)
        try:
            module = self._load(spec)
            self._note_made()
        except BaseException:
            self._known.discard(name)
            raise
        finally:
            self._loading.pop()
        filters = _warnings.filters
        if len(filters) != len(self._seen_filters) or filters != self._seen_filters:
            self.filters[name] = [x for x in filters if x not in self._seen_filters]
            self._seen_filters = list(filters)
        return module

    def _note(self, name: str, said: "Said | None") -> None:
        """An import that fails counts too: what it had imported before stays loaded."""
        self._note_made()
        self.imports[self._loading[-1]].append((name, said))

    def _note_made(self) -> None:
        if len(sys.modules) > len(self._known):
            module = self._loading[-1]
            for name in [x for x in sys.modules if x not in self._known]:
                self.made.setdefault(module, []).append((len(self.imports[module]), name))
            self._known.update(sys.modules)


def _absolute(name: str, package: str | None, level: int) -> str:
    """Source: importlib._bootstrap._resolve_name."""
    if not level:
        return name
    assert package is not None
    base = package.rsplit(".", level - 1)[0]
    return f"{base}.{name}" if name else base
