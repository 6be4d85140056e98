"""Secrets of the service: in no log, and in nothing that a child is started with."""

from pathlib import Path
from typing import Any

import pytest

from vibecell.cli import children
from vibecell.config import Settings

KEY = "k" * 32
GIVEN = Settings(state_dir=Path("/s"), run_dir=Path("/r"), api_keys=(KEY,))


def test_settings_that_are_printed_show_no_key() -> None:
    assert KEY not in repr(GIVEN)
    assert KEY not in str(GIVEN)


@pytest.mark.parametrize("role", ["engine", "gateway"])
def test_a_child_is_started_with_nothing_of_our_environment_but_its_paths(
    monkeypatch: pytest.MonkeyPatch, role: children.Role
) -> None:
    monkeypatch.setenv("VIBECELL_API_KEYS", KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", KEY)
    environments: list[dict[str, str]] = []

    def popen(command: list[str], **options: Any) -> None:
        environments.append(options["env"])

    monkeypatch.setattr("subprocess.Popen", popen)
    children.start(role, GIVEN)
    assert [environment.keys() for environment in environments] == [
        {"PATH", "LC_ALL", "PYTHONPATH", "HOME"}
    ]
