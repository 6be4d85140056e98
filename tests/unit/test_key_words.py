"""What `vibecell keys` prints of a store that somebody else has written to."""

import argparse
import json
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from vibecell.cli.composition.key_place import KeyPlace
from vibecell.cli.key_words import keys
from vibecell.config import Settings
from vibecell.model.errors import RevokedCredential
from vibecell.sharing.key_desk import KeyDesk
from vibecell.sharing.key_ring import KeyRing, KeyView
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


TIMES = {
    "created_at": "$.key.created_at",
    "expires_at": "$.key.expires_at",
    "last_used_at": "$.last_used_at",
    "valid_until": "$.hashes[0].valid_until",
}


@pytest.mark.parametrize("path", TIMES.values(), ids=TIMES)
@pytest.mark.parametrize("seconds", [1e300, -1e300, 253402300800.0, -1.0])
def test_a_time_that_is_none_is_shown_as_it_is_and_its_key_is_refused(
    seconds: float,
    path: str,
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
    desk = KeyDesk(place.store, place.secrets())
    odd, sound = (
        desk.create(Key("", "odd", origins=("https://odd.example",))),
        desk.create(Key("", "sound")),
    )
    place.store.close()
    with sqlite3.connect(tmp_path / "gateway" / "keys.sqlite3") as file:
        changed = "UPDATE keys SET record = json_set(record, ?, ?) WHERE id = ?"
        assert file.execute(changed, (path, seconds, odd.key.id)).rowcount == 1
    file.close()

    for words in ({"keys_word": "list"}, {"keys_word": "show"}):
        for as_json in (False, True):
            options = argparse.Namespace(json=as_json, id=odd.key.id, **words)
            assert keys(settings, options) == 0
            said = capsys.readouterr().out
            assert "damaged" in said
            if as_json and "valid_until" not in path:
                shown = json.loads(said)
                shown = shown[0] if isinstance(shown, list) else shown
                assert shown[path.rpartition(".")[2]] == f"{seconds:g} s, which is no time"

    view = KeyView(place.store.records(), place.secrets())
    assert [record.key.name for record in view.alive(1000.0)] == ["sound"]
    ring = KeyRing(view=view)
    assert ring.of_text(sound.text) == sound.key
    for refused in (lambda: ring.of_text(odd.text), lambda: ring.of_id(odd.key.id)):
        with pytest.raises(RevokedCredential, match="has a time that is none"):
            refused()
    assert not ring.lists_origin("https://odd.example")
    with pytest.raises(RevokedCredential, match="has a time that is none"):
        desk.rotate(odd.key.id, 0.0)
    assert desk.revoke(odd.key.id).revoked_at is not None
    place.store.close()
