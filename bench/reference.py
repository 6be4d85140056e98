"""Starting and stopping the reference and its peers.

Owns the interpreter they run programs with; refuses to give them a slower
one than cells have.

Theory of operation: the programs of the reference run in a virtual
environment made for the occasion: the very binary that cells run a copy of,
and the very packages that cells have, by a link to the runtime image's
directory. Neither the packages that happen to be installed for the bare
interpreter nor any ``.pth`` file of a developer's environment is looked at,
either of which can double the start of an interpreter.
"""

import contextlib
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import vibecell
from bench.account import Account, own_cgroup
from bench.case import Bench, NotHad
from bench.contender import Contender, clean_environment, command_of, ended_after

_HERE = Path(__file__).parent.parent
_SOURCES = Path(vibecell.__file__).parent.parent


@contextlib.contextmanager
def reference(
    bench: Bench,
    way: str = "subprocess",
    name: str = "reference",
    environment: Mapping[str, str] | None = None,
) -> Iterator[Contender]:
    """A running reference service, which runs programs ``way``.

    Args:
        bench: which packages its programs have.
        way: one of ``ways.WAYS``.
        name: in tables.
        environment: of the service, beside what every contender has.

    Raises:
        NotHad: this host lacks what the way needs.
    """
    with (
        own_cgroup() as cgroup,
        tempfile.TemporaryDirectory(prefix="vibecell-bench-") as place,
    ):
        python = _interpreter(Path(place), bench.packages)
        listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        command = command_of(
            cgroup,
            *("-m", "bench.reference_service", "--way", way),
            *("--python", str(python), "--listener-fd", str(listener.fileno())),
            *_node(bench),
        )
        process = subprocess.Popen(
            command,
            env=clean_environment(
                PYTHONPATH=f"{_SOURCES}{os.pathsep}{_HERE}", **(environment or {})
            ),
            cwd=place,
            pass_fds=[listener.fileno()],
            stdout=subprocess.PIPE,
            text=True,
        )
        with listener, ended_after(process):
            assert process.stdout is not None
            with process.stdout:
                said = process.stdout.readline().strip()
            if said != "ready":
                raise NotHad(said.removeprefix("lacking: ") or "its service did not start")
            account = Account.of(process.pid, cgroup)
            yield Contender(name, listener.getsockname()[:2], {}, account)


def _interpreter(place: Path, packages: Path) -> Path:
    """Like ``python -m venv``, with the packages of cells and nothing else.

    Source: PEP 405, "Specification".
    """
    base = Path(getattr(sys, "_base_executable", sys.executable)).resolve()
    library = place / "lib" / packages.parent.name
    library.mkdir(parents=True)
    (library / "site-packages").symlink_to(packages)
    (place / "pyvenv.cfg").write_text(
        f"home = {base.parent}\ninclude-system-site-packages = false\n"
    )
    (place / "bin").mkdir()
    python = place / "bin" / "python"
    python.symlink_to(base)
    return python


def _node(bench: Bench) -> tuple[str, ...]:
    try:
        return ("--node", str(bench.program("node")))
    except NotHad:
        return ()  # asked for JavaScript it will say so
