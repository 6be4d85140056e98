"""Ways to run a program that somebody sent: what the services beside Vibecell do.

Owns one small class for each; refuses isolation of its own. Each is used by
``reference_service``, so that all are reached over the same HTTP.
"""

import json
import os
import queue
import shutil
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from bench.contender import IMAGE_VARIABLE
from vibecell.config import DEFAULT_BASE_IMAGE

TIMEOUT_S = 30


class Lacking(Exception):
    """This host cannot run programs that way; the message says what is missing."""


@dataclass(frozen=True, slots=True)
class Ran:
    """What came of a program."""

    success: bool
    output: str
    error: str


class Way(Protocol):
    """One way; ``run`` is called by many threads at once."""

    def run(self, code: str, language: str) -> Ran:
        """Run a program to its end."""
        ...


class Subprocess:
    """The reference: the interpreter, started for each program, with no wall at all."""

    def __init__(self, python: Path, node: Path | None) -> None:
        self._python, self._node = python, node

    def command(self, code: str, language: str) -> list[str]:
        """What is executed; raises ``Lacking`` for a language that is not here."""
        if language != "javascript":
            return [str(self._python), "-c", code]
        if self._node is None:
            raise Lacking("no Node.js")
        return [str(self._node), "-e", code]

    def run(self, code: str, language: str) -> Ran:
        """As most people write it."""
        done = subprocess.run(
            self.command(code, language),
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
        return Ran(done.returncode == 0, done.stdout, done.stderr)


class Bubblewrap(Subprocess):
    """A new sandbox for each program: namespaces and a read-only view of the host."""

    def command(self, code: str, language: str) -> list[str]:
        """The reference's command, behind bubblewrap."""
        walls = ["--unshare-all", "--die-with-parent", "--new-session", "--ro-bind", "/", "/"]
        places = ["--dev", "/dev", "--proc", "/proc", "--tmpfs", "/tmp"]
        # the virtual environment may lie below /tmp, which is empty in there
        place = str(self._python.parent.parent)
        return [
            *(program("bwrap"), *walls, *places, "--ro-bind", place, place),
            *super().command(code, language),
        ]


class Nsjail(Subprocess):
    """A new nsjail for each program."""

    def command(self, code: str, language: str) -> list[str]:
        """The reference's command, behind nsjail."""
        walls = ["--mode", "o", "--quiet", "--chroot", "/", "--disable_rlimits"]
        return [program("nsjail"), *walls, "--", *super().command(code, language)]


class Docker(Subprocess):
    """A new container for each program, of an image that is already here."""

    def __init__(self, python: Path, node: Path | None) -> None:
        super().__init__(python, node)
        self._image = os.environ.get(IMAGE_VARIABLE, DEFAULT_BASE_IMAGE)
        self._ask("version", "no Docker engine runs")
        self._ask(f"image inspect {self._image}", f"the image {self._image} is not here: pull it")

    def _ask(self, what: str, lacking: str) -> None:
        asked = subprocess.run(
            [program("docker"), *what.split()], capture_output=True, timeout=20, check=False
        )
        if asked.returncode != 0:
            raise Lacking(lacking)

    def command(self, code: str, language: str) -> list[str]:
        """``docker run``, without a network."""
        return docker_command(program("docker"), self._image, code)


class Jupyter:
    """One kernel for all programs, one after the other: state is kept, nothing is walled."""

    def __init__(self, python: Path, node: Path | None) -> None:
        try:
            from jupyter_client.manager import start_new_kernel
        except ImportError as error:
            raise Lacking("jupyter_client is not installed (the extra 'bench')") from error
        self._asked: queue.Queue[tuple[str, queue.Queue[Ran]]] = queue.Queue()
        self._start: Any = start_new_kernel
        started: queue.Queue[Exception | None] = queue.Queue()
        # its sockets belong to one thread
        threading.Thread(target=self._serve, args=(started,), daemon=True).start()
        problem = started.get()
        if problem is not None:
            raise Lacking(f"no Jupyter kernel starts: {problem}") from problem

    def run(self, code: str, language: str) -> Ran:
        """Wait for one's turn, then for the kernel."""
        answer: queue.Queue[Ran] = queue.Queue()
        self._asked.put((code, answer))
        return answer.get(timeout=TIMEOUT_S)

    def _serve(self, started: "queue.Queue[Exception | None]") -> None:
        try:
            _, client = self._start(kernel_name="python3", stderr=subprocess.DEVNULL)
        except Exception as error:  # whatever it is, the caller reports it
            started.put(error)
            return
        started.put(None)
        while True:
            code, answer = self._asked.get()
            answer.put(self._execute(client, code))

    def _execute(self, client: Any, code: str) -> Ran:
        out: dict[str, list[str]] = {"stdout": [], "stderr": []}

        def take(message: dict[str, Any]) -> None:
            if message["msg_type"] == "stream":
                out[message["content"]["name"]].append(message["content"]["text"])

        reply = client.execute_interactive(
            code, allow_stdin=False, output_hook=take, timeout=TIMEOUT_S, store_history=False
        )
        success = reply["content"]["status"] == "ok"
        return Ran(success, "".join(out["stdout"]), "".join(out["stderr"]))


WAYS: dict[str, type[Subprocess] | type[Jupyter]] = {
    "subprocess": Subprocess,
    "bubblewrap": Bubblewrap,
    "nsjail": Nsjail,
    "docker": Docker,
    "jupyter": Jupyter,
}


def make(name: str, python: Path, node: Path | None) -> Way:
    """A way by its name, tried once.

    Raises:
        Lacking: this host does not have it, or it does not work here.
    """
    way: Way = WAYS[name](python, node)
    tried = way.run("print(6 * 7)", "python")
    if tried.output != "42\n":
        raise Lacking(f"it does not work here: {json.dumps(tried.error.strip()[-300:])}")
    return way


def docker_command(docker: str, image: str, code: str, *options: str) -> list[str]:
    """``docker run`` of a Python program, whatever the image would start by itself.

    Args:
        docker: path of the program.
        image: must have ``python3``.
        code: the program's source.
        options: of ``docker`` itself.
    """
    alone = ("--rm", "--network", "none", "--entrypoint", "python3")
    return [docker, *options, "run", *alone, image, "-c", code]


def program(name: str) -> str:
    """The path of a program.

    Raises:
        Lacking: this host does not have it.
    """
    beside_us = Path(sys.executable).parent
    found = shutil.which(name, path=f"{os.environ.get('PATH', os.defpath)}:{beside_us}")
    if found is None:
        raise Lacking(f"no program {name} on this host")
    return found
