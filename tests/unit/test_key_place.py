"""Where keys are: what a first start makes, and what no start makes again."""

import os
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from vibecell.cli.composition.key_place import KeyPlace, key_directory, make_directory
from vibecell.config import Settings
from vibecell.model.errors import PlatformError
from vibecell.sharing.key_desk import KeyDesk
from vibecell.sharing.keys import Key


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    # nobody is to become another: as root the directory would be another user's
    return Settings(state_dir=tmp_path / "state", gateway_uid=os.geteuid() or 1)


def place(settings: Settings) -> KeyPlace:
    make_directory(settings)
    return KeyPlace(settings)


def create(settings: Settings) -> str:
    made = place(settings)
    made.make()
    text = KeyDesk(made.store, made.secrets()).create(Key("", "shop")).text
    made.store.close()
    return text


def test_a_first_start_makes_all_of_it_for_one_user_alone(settings: Settings) -> None:
    made = place(settings)
    made.make()
    assert made.source().view().records == ()
    made.store.close()
    directory = key_directory(settings)
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    modes = {p.name: stat.S_IMODE(p.stat().st_mode) for p in directory.iterdir()}
    assert modes == {"keys.sqlite3": 0o600, "secret": 0o600}


def test_a_second_start_finds_what_there_is(settings: Settings) -> None:
    text = create(settings)
    again = place(settings)
    again.make()
    view = again.source().view()
    again.store.close()
    (record,) = view.records
    assert view.secrets.matching(text, record.hashes) == record.hashes[0]


def test_a_store_that_is_lost_is_not_made_anew(settings: Settings) -> None:
    create(settings)
    (key_directory(settings) / "keys.sqlite3").unlink()
    with pytest.raises(PlatformError, match=r"keys\.sqlite3 is missing, and its secret is there"):
        place(settings).make()
    assert not (key_directory(settings) / "keys.sqlite3").exists()


def test_a_secret_that_is_lost_is_not_made_anew(settings: Settings) -> None:
    create(settings)
    (key_directory(settings) / "secret").unlink()
    with pytest.raises(PlatformError, match=r"secret is missing, by which 1 are hashed"):
        place(settings).make()
    assert not (key_directory(settings) / "secret").exists()


def test_a_start_that_was_cut_off_is_gone_on_with(settings: Settings) -> None:
    place(settings).make()
    (key_directory(settings) / "secret").unlink()
    place(settings).make()
    assert (key_directory(settings) / "secret").exists()


def test_secrets_of_the_settings_leave_no_file(settings: Settings) -> None:
    given = replace(settings, server_secrets=("s" * 32,))
    create(given)
    assert not (key_directory(settings) / "secret").exists()
    with pytest.raises(PlatformError, match="none of 1 was hashed by a secret of this server"):
        place(replace(settings, server_secrets=("t" * 32,))).make()
    place(replace(settings, server_secrets=("t" * 32, "s" * 32))).make()


def test_a_directory_that_others_may_enter_is_refused(settings: Settings) -> None:
    create(settings)
    key_directory(settings).chmod(0o750)
    with pytest.raises(PlatformError, match="others may enter"):
        place(settings)


def test_a_link_in_the_place_of_the_directory_is_refused(
    settings: Settings, tmp_path: Path
) -> None:
    settings.state_dir.mkdir()
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    key_directory(settings).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(PlatformError, match="make the directory of the keys"):
        place(settings)


def test_a_directory_of_somebody_else_is_refused(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    create(settings)
    uid = os.geteuid()
    monkeypatch.setattr("os.geteuid", lambda: uid + 7)
    with pytest.raises(PlatformError, match=f"belongs to user .*, not to {uid + 7}"):
        place(settings)
