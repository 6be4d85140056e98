"""What the two processes of the service are told."""

import os
from pathlib import Path
from typing import Any

import pytest

from vibecell.cli import children
from vibecell.config import Settings, unpack
from vibecell.model.errors import PlatformError

KEY = "k" * 32
GIVEN = Settings(state_dir=Path("/s"), run_dir=Path("/r"), host="0.0.0.0", api_keys=(KEY,))


def told(patch: pytest.MonkeyPatch, role: children.Role, settings: Settings) -> bytes:
    """What a child would read from its pipe."""
    seen = []

    def popen(command: list[str], **options: Any) -> None:
        assert KEY not in " ".join(command)
        assert KEY not in repr(options["env"])
        seen.append(os.read(options["pass_fds"][0], 100_000))

    patch.setattr("subprocess.Popen", popen)
    children.start(role, settings)
    return seen[0]


def test_the_gateway_is_told_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    assert unpack(told(monkeypatch, "gateway", GIVEN), Settings) == GIVEN


def test_the_engine_is_told_everything_but_the_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    data = told(monkeypatch, "engine", GIVEN)
    assert KEY.encode() not in data
    assert unpack(data, Settings) == Settings(state_dir=Path("/s"), run_dir=Path("/r"))


def test_settings_that_no_pipe_holds_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = tuple(f"{number:032}" for number in range(3000))
    with pytest.raises(PlatformError, match="the settings are too long"):
        told(monkeypatch, "gateway", Settings(api_keys=keys))
