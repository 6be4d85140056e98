"""What `vibecell keys` prints of a store that somebody else has written to."""

import argparse
from dataclasses import replace
from pathlib import Path

import pytest

from vibecell.cli.composition.key_place import KeyPlace
from vibecell.cli.key_words import keys
from vibecell.config import Settings
from vibecell.sharing.key_desk import KeyDesk
from vibecell.sharing.keys import Key

FORGED = "shop\x1b]0;title\x07\x9b31m\rvc\x08\nforged  admin  active"


WORDS: list[dict[str, object]] = [
    {"keys_word": "list"},
    {"keys_word": "show"},
    {"keys_word": "revoke"},
    {"keys_word": "rotate", "grace": 9.0},
]


@pytest.mark.parametrize("words", WORDS)
def test_no_terminal_obeys_what_a_key_is_called(
    words: dict[str, object],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    settings = replace(Settings(), state_dir=tmp_path)
    monkeypatch.setattr(
        "vibecell.cli.key_words.become_gateway", lambda settings: KeyPlace(settings)
    )
    place = KeyPlace(settings)
    (tmp_path / "gateway").mkdir(mode=0o700)
    place.make()
    made = KeyDesk(place.store, place.secrets()).create(Key("", FORGED, origins=("\x1b[2J",)))
    place.store.close()
    options = argparse.Namespace(json=False, id=made.key.id, **words)
    assert keys(settings, options) == 0
    said = "".join(capsys.readouterr())
    assert "shop\\x1b]0;title" in said and "\\nforged" in said
    assert all(character.isprintable() or character == "\n" for character in said)
