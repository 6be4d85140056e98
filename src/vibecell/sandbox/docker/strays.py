"""Containers that nobody owns any more.

Owns the label by which an engine knows its containers, and their removal when the
engine that made them is gone; refuses to touch any other: neither a container
without our label nor one that carries another run directory's.

A run directory has one engine at a time, which holds a lock on it. So whatever
carries its token and is not known to the living engine was left by a dead one, or
was made by a call that we had given up before the daemon had done it.
"""

import logging
import re
import secrets
import time
from collections.abc import Set
from functools import partial
from pathlib import Path
from typing import Any

from vibecell.model.errors import SandboxFailure
from vibecell.sandbox.docker.client import DockerEngine, remove
from vibecell.sandbox.docker.container import OWNER_LABEL
from vibecell.sandbox.docker.container_wall import NAME_PREFIX

TOKEN_FILE = "owner"
_TOKEN = re.compile("[0-9a-f]{32}")
# A container that is being made is known before it exists, so this is only for
# clocks that differ.
YOUNG_S = 5.0

log = logging.getLogger(__name__)


def owner_token(folder: Path) -> str:
    """The label value of a run directory: made once, the same for every engine of it.

    Raises:
        SandboxFailure: the directory cannot be used.
    """
    path = folder / TOKEN_FILE
    try:
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o711)  # whatever the umask: containers' users pass through it
        if not path.exists():
            making = path.with_suffix(f".{secrets.token_hex(4)}")
            making.touch(mode=0o600)
            making.write_text(secrets.token_hex(16))
            making.rename(path)
        token = path.read_text(errors="replace").strip()
    except OSError as error:
        raise SandboxFailure("make a directory for control sockets", str(error)) from error
    if not _TOKEN.fullmatch(token):
        raise SandboxFailure("make a directory for control sockets", f"{path} is not a token")
    return token


async def reap(engine: DockerEngine, owner: str, known: Set[str], young_s: float) -> frozenset[str]:
    """Remove every container of this owner that is not ``known``.

    Args:
        known: the names of the living; looked at when the daemon has answered, which
            may take its time: whatever it lists was known before it existed.
        young_s: containers younger than this are left for the next time.

    Returns:
        The names of those that were removed.

    Raises:
        SandboxFailure: the daemon does not tell.
    """
    oldest = time.time() - young_s
    found: list[dict[str, Any]] = await engine.ask(
        "list containers",
        lambda c: c.containers(all=True, filters={"label": f"{OWNER_LABEL}={owner}"}),
    )
    strays = [
        entry
        for entry in found
        if (entry["Labels"] or {}).get(OWNER_LABEL) == owner
        and entry["Created"] <= oldest
        and not _names(entry) & known
        and any(name.startswith(NAME_PREFIX) for name in _names(entry))
    ]
    removed = []
    for stray in strays:
        try:
            await engine.ask("remove a stray container", partial(remove, name=stray["Id"]))
        except SandboxFailure as error:  # the others are removed all the same
            log.warning("%s: %s", ", ".join(_names(stray)), error)
        else:
            removed.append(stray)
    return frozenset[str]().union(*map(_names, removed))


def _names(entry: dict[str, Any]) -> frozenset[str]:
    return frozenset(name.removeprefix("/") for name in entry["Names"] or ())
