"""A whole service in two processes, over the fake backend: for the tests only.

Usage: service_process.py engine RUN_DIR SETTINGS_JSON
       service_process.py gateway RUN_DIR LISTENING_DESCRIPTOR POLICY_JSON
"""

import sys

if sys.argv[1] == "gateway":
    from gevent import monkey

    monkey.patch_all()

import asyncio
import json
import socket
from pathlib import Path
from typing import Any

from vibecell.config import Settings


def engine(run_dir: Path, given: dict[str, Any]) -> None:
    """One whose class "newer" offers what the default does not, and lacks what that has."""
    from dataclasses import replace

    from vibecell.cli.composition.ledgers import ledger_store
    from vibecell.engine.daemon import run_engine
    from vibecell.languages.catalogue import catalogue, describe
    from vibecell.model.language import Offer
    from vibecell.sandbox.fake.scripted_backend import FakeBackend

    default = catalogue(describe(), {"python3": "1.0", "bash": "1.0"})
    newer = catalogue(describe(), {"python3": "2.1", "node": "2.0"})
    poster = replace(newer.by_name["html"], name="poster", aliases=(), entrypoint="poster.html")
    offer = Offer(default.languages, {"newer": (*newer.languages, poster)})
    settings = Settings(state_dir=run_dir, run_dir=run_dir, backend="fake", **given)
    asyncio.run(run_engine(settings, FakeBackend(), offer, store=ledger_store(settings)))


def gateway(run_dir: Path, descriptor: int, changes: dict[str, dict[str, object]]) -> None:
    from dataclasses import replace

    from vibecell.engine.client import EngineClient
    from vibecell.gateway.daemon import run_gateway
    from vibecell.gateway.policy import Policy

    keys = tuple(changes["policy"].pop("api_keys", ()))  # type: ignore[arg-type]
    trace = bool(changes["policy"].pop("trace", False))
    settings = Settings(state_dir=run_dir, run_dir=run_dir, api_keys=keys, trace=trace)
    policy = Policy.from_settings(settings)
    policy = replace(
        policy,
        server=replace(policy.server, **changes["server"]),  # type: ignore[arg-type]
        websocket=replace(policy.websocket, **changes["websocket"]),  # type: ignore[arg-type]
        **changes["policy"],  # type: ignore[arg-type]
    )
    listener = socket.socket(fileno=descriptor)
    run_gateway(settings, listener, EngineClient(settings.engine_socket), policy)


if __name__ == "__main__":
    if sys.argv[1] == "engine":
        engine(Path(sys.argv[2]), json.loads(sys.argv[3]))
    else:
        gateway(Path(sys.argv[2]), int(sys.argv[3]), json.loads(sys.argv[4]))
