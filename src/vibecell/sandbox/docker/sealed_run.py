"""Asking an image something: one program in a container that can do nothing else.

Owns the questions that set-up puts to an image (which interpreter, which versions);
refuses programs of users: those run in cells. The container has no network, no
capability, no user of the host's, a read-only root, and ends within its deadline.
Where who asked was killed, it is left, and is removed by who asks next.
"""

import contextlib
import json
import time
from typing import Any

import docker
from docker.errors import APIError, DockerException
from requests.exceptions import RequestException

from vibecell.model.errors import SandboxFailure
from vibecell.sandbox.docker.client import asking, remove
from vibecell.sandbox.images.image_rules import PROGRAM_PATH

# of no user: Debian gives this one out last, and a daemon that remaps has it, too
NOBODYS_IDS = "64999:64999"
DEADLINE_S = 60.0
# Older than any whose asker lives can be: beside the deadline of the program there is that of
# starting it and of reading what it said. Whether it runs says nothing: one that does not may be
# about to start, or to be read.
LEFT_AFTER_S = 600.0
QUESTION_LABEL = "io.vibecell.question"
MAX_ANSWER_BYTES = 64 * 1024
_MEMORY_BYTES = 512 * 1024 * 1024
# what runc says where there is no such program, by image and version
_NOT_THERE = ("executable file not found", "no such file or directory")


class NoInterpreter(SandboxFailure):
    """There is no ``python3`` in the image."""


def ask_python(client: docker.APIClient, image: str, step: str, program: str, *words: str) -> Any:
    """What ``python3 -c program`` prints in an image, read as JSON.

    Args:
        image: its id.
        step: named by what goes wrong.
        program: the source.
        words: its arguments.

    Raises:
        NoInterpreter: the image has no ``python3`` where it is looked for.
        SandboxFailure: it fails, takes too long or prints something else.
    """
    with asking(step):
        container = client.create_container(
            image,
            # without site: a base may have start-up hooks, and what they print is no answer
            command=["-I", "-S", "-c", program, *words],
            entrypoint=["python3"],
            user=NOBODYS_IDS,
            environment={"PATH": PROGRAM_PATH, "LC_ALL": "C.UTF-8"},
            working_dir="/",
            network_disabled=True,
            healthcheck={"Test": ["NONE"]},
            labels={QUESTION_LABEL: "1"},
            host_config=client.create_host_config(
                network_mode="none",
                read_only=True,
                cap_drop=["ALL"],
                security_opt=["no-new-privileges"],
                pids_limit=64,
                mem_limit=_MEMORY_BYTES,
                memswap_limit=_MEMORY_BYTES,
                ulimits=[
                    {"Name": name, "Soft": bound, "Hard": bound}
                    for name, bound in (("core", 0), ("nofile", 256), ("fsize", MAX_ANSWER_BYTES))
                ],
                log_config={"Type": "json-file", "Config": {"max-size": "1m", "max-file": "1"}},
            ),
        )["Id"]
    try:
        return _answer(client, container, step)
    finally:
        # v: a base may declare volumes, and each was made for this container; a daemon that
        # does not answer here has failed above, and that failure is the one to tell
        with contextlib.suppress(DockerException, RequestException, OSError):
            client.remove_container(container, v=True, force=True)


def remove_left(client: docker.APIClient, older_than_s: float = LEFT_AFTER_S) -> None:
    """Remove the containers of questions whose answer nobody waits for any more.

    Args:
        older_than_s: younger ones may be of somebody who asks at this moment.

    Raises:
        SandboxFailure: the daemon does not tell of them, or does not remove one; all others
            are removed all the same.
    """
    step = "remove what an interrupted build has left"
    with asking(step):
        found = client.containers(all=True, filters={"label": QUESTION_LABEL})
    newest, failures = time.time() - older_than_s, []
    for entry in found:
        if entry["Created"] < newest:
            try:
                with asking(step):
                    remove(client, entry["Id"])
            except SandboxFailure as error:
                failures.append(error)
    if failures:
        raise failures[0]


def _answer(client: docker.APIClient, container: str, step: str) -> Any:
    with asking(step):
        try:
            client.start(container)
        except APIError as error:
            if any(words in str(error.explanation) for words in _NOT_THERE):
                raise NoInterpreter(step, f"there is no python3 in {PROGRAM_PATH}") from error
            raise
        status = client.wait(container, timeout=DEADLINE_S)["StatusCode"]
        printed: bytes = client.logs(container, stdout=True, stderr=False, tail=100)
        said: bytes = client.logs(container, stdout=False, stderr=True, tail=20)
    if status != 0:
        last = said.decode("utf-8", "replace").strip()[-500:]
        raise SandboxFailure(step, f"python3 ended with status {status}: {last}")
    try:
        return json.loads(printed[:MAX_ANSWER_BYTES])
    except ValueError as error:
        raise SandboxFailure(step, "python3 answered something unreadable") from error
