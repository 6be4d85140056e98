"""What a gateway knows of keys: who is let in by one, until when, and who without."""

import hmac
from collections.abc import Callable
from dataclasses import replace

import pytest

from vibecell.model.access import Anonymous
from vibecell.model.caller import SCOPES, Grant, Rate
from vibecell.model.errors import (
    ExpiredCredential,
    RevokedCredential,
    StoreUnavailable,
    WrongCredential,
)
from vibecell.sharing.key_desk import GivenOut, KeyDesk
from vibecell.sharing.key_ring import STALE_AFTER_S, KeyRing, KeyView
from vibecell.sharing.keys import Key
from vibecell.sharing.memory_key_store import MemoryKeyStore
from vibecell.sharing.server_secrets import ServerSecrets, new_server_secret

OF_SETTINGS = "0123456789abcdef-key"
WANTED = Key("", "shop", frozenset({"execute"}), Grant(rate=Rate(60, 60)), 2.0)
HOUR_S = 3600.0


class Place:
    """A store, a desk and a ring on clocks that are set."""

    def __init__(self, settings_keys: tuple[str, ...] = (), anonymous: Anonymous = "auto") -> None:
        self.now, self.grown_s = 1_000_000.0, 50.0
        self.store = MemoryKeyStore()
        self.secrets = ServerSecrets((new_server_secret(),))
        self.ring = KeyRing(
            settings_keys,
            anonymous,
            self.view(),
            clock=lambda: self.now,
            monotonic=lambda: self.grown_s,
        )

    @property
    def desk(self) -> KeyDesk:
        return KeyDesk(self.store, self.secrets, lambda: self.now)

    def view(self) -> KeyView:
        return KeyView(self.store.records(), self.secrets)

    def look(self) -> None:
        self.ring.take(self.view())

    def create(self, lifetime_s: float | None = None) -> GivenOut:
        made = self.desk.create(WANTED, lifetime_s)
        self.look()
        return made


@pytest.fixture
def place() -> Place:
    return Place()


def test_a_key_says_what_it_was_made_with(place: Place) -> None:
    made = place.create()
    found = place.ring.of_text(made.text)
    assert found == place.ring.of_id(made.key.id) == made.key
    assert (found.name, found.scopes, found.grant, found.weight) == (
        "shop",
        WANTED.scopes,
        WANTED.grant,
        2.0,
    )
    assert made.text.startswith(f"vc_{made.key.id}_")


def test_two_keys_share_nothing(place: Place) -> None:
    one, other = place.create(), place.create()
    assert one.key.id != other.key.id
    crossed = one.text.replace(one.key.id, other.key.id)
    with pytest.raises(WrongCredential):
        place.ring.of_text(crossed)


def alter_last(text: str) -> str:
    return text[:-1] + ("0" if text[-1] != "0" else "1")


@pytest.mark.parametrize(
    "alter",
    [
        alter_last,
        lambda text: text + "0",
        lambda text: text[:-1],
        lambda text: text.upper(),
        lambda text: " " + text,
        lambda text: text + "\n",
        lambda _: "",
        lambda _: "vc__",
        lambda _: "é" * 20,
        lambda _: "\udc80" * 20,
    ],
)
def test_what_is_not_the_key_is_wrong(place: Place, alter: Callable[[str], str]) -> None:
    made = place.create()
    with pytest.raises(WrongCredential):
        place.ring.of_text(alter(made.text))


def test_a_key_expires_by_itself(place: Place) -> None:
    made = place.create(lifetime_s=HOUR_S)
    place.now += HOUR_S - 1
    place.ring.of_text(made.text)
    place.now += 1
    with pytest.raises(ExpiredCredential):
        place.ring.of_text(made.text)
    with pytest.raises(ExpiredCredential):
        place.ring.of_id(made.key.id)


def test_a_revoked_key_is_told_apart_only_to_who_holds_it(place: Place) -> None:
    made = place.create()
    place.desk.revoke(made.key.id)
    place.look()
    with pytest.raises(RevokedCredential):
        place.ring.of_text(made.text)
    with pytest.raises(RevokedCredential):
        place.ring.of_id(made.key.id)
    with pytest.raises(WrongCredential):
        place.ring.of_text(alter_last(made.text))


def test_a_rotated_key_has_two_texts_for_a_grace(place: Place) -> None:
    first = place.create()
    second = place.desk.rotate(first.key.id, grace_s=HOUR_S)
    place.look()
    assert place.ring.of_text(first.text) == place.ring.of_text(second.text) == first.key
    place.now += HOUR_S
    with pytest.raises(ExpiredCredential):
        place.ring.of_text(first.text)
    assert place.ring.of_text(second.text) == first.key


def test_no_later_rotation_makes_a_grace_longer(place: Place) -> None:
    first = place.create()
    place.desk.rotate(first.key.id, grace_s=10)
    place.desk.rotate(first.key.id, grace_s=HOUR_S)
    place.look()
    place.now += 10
    with pytest.raises(ExpiredCredential):
        place.ring.of_text(first.text)


def test_what_is_no_key_any_more_is_not_rotated(place: Place) -> None:
    revoked, expired = place.create(), place.create(lifetime_s=1)
    place.desk.revoke(revoked.key.id)
    place.now += 1
    with pytest.raises(RevokedCredential):
        place.desk.rotate(revoked.key.id, HOUR_S)
    with pytest.raises(ExpiredCredential):
        place.desk.rotate(expired.key.id, HOUR_S)


def test_keys_of_the_settings_may_do_all(place: Place) -> None:
    ring = KeyRing((OF_SETTINGS,))
    found = ring.of_text(OF_SETTINGS)
    assert found.scopes == frozenset(SCOPES) and found.grant == Grant()
    assert found == ring.of_id(found.id) and OF_SETTINGS not in repr(found)


class TestAnonymous:
    def test_is_open_until_the_first_key_and_never_again(self, place: Place) -> None:
        assert place.ring.anonymous_is_open() and place.ring.anonymous_alone
        made = place.create()
        assert not place.ring.anonymous_is_open()
        place.desk.revoke(made.key.id)
        place.look()
        assert place.ring.has_keys and not place.ring.anonymous_is_open()

    def test_a_key_of_the_settings_closes_it(self) -> None:
        assert not KeyRing((OF_SETTINGS,)).anonymous_is_open()

    def test_never_is_never(self) -> None:
        place = Place(anonymous="never")
        assert not place.ring.anonymous_is_open() and not place.ring.anonymous_alone

    def test_loopback_is_open_beside_keys(self) -> None:
        place = Place((OF_SETTINGS,), "loopback")
        place.create()
        assert place.ring.anonymous_is_open() and not place.ring.anonymous_alone


class TestOldView:
    def test_nobody_is_judged_by_it(self) -> None:
        place = Place((OF_SETTINGS,))
        made = place.create()
        place.grown_s += STALE_AFTER_S
        place.ring.of_text(made.text)
        place.grown_s += 0.1
        for shown in (made.text, alter_last(made.text)):
            with pytest.raises(StoreUnavailable):
                place.ring.of_text(shown)
        with pytest.raises(StoreUnavailable):
            place.ring.of_id(made.key.id)
        assert place.ring.of_text(OF_SETTINGS), "which are in no store"

    def test_nor_served_as_anonymous(self, place: Place) -> None:
        place.grown_s += STALE_AFTER_S + 0.1
        with pytest.raises(StoreUnavailable):
            place.ring.anonymous_is_open()
        place.ring.confirm()
        assert place.ring.anonymous_is_open()

    def test_a_ring_without_a_store_has_none(self) -> None:
        times = iter((0.0, 1e9))
        assert KeyRing(monotonic=lambda: next(times)).anonymous_is_open()


class TestServerSecrets:
    def test_a_key_is_hashed_anew_when_it_is_used(self, place: Place) -> None:
        old, new = new_server_secret(), new_server_secret()
        place.secrets = ServerSecrets((old,))
        made = place.create()
        place.secrets = ServerSecrets((new, old))
        place.look()
        assert place.ring.of_text(made.text) == made.key
        ((before, after),) = place.ring.owed().rehashed.values()
        place.store.replace_hashes(made.key.id, before, after)
        place.secrets = ServerSecrets((new,))
        place.look()
        assert place.ring.of_text(made.text) == made.key
        assert not place.ring.owed().rehashed

    def test_without_its_secret_a_key_is_nobodys(self, place: Place) -> None:
        made = place.create()
        place.secrets = ServerSecrets((new_server_secret(),))
        place.look()
        with pytest.raises(WrongCredential):
            place.ring.of_text(made.text)

    def test_who_writes_a_store_cannot_make_up_a_key(self, place: Place) -> None:
        made = place.create()
        (record,) = place.store.records()
        (kept,) = record.hashes
        for forged in (b"", bytes(32), kept.digest[:16]):
            for name in ("", kept.hashed_by, "0" * 16):
                hashes = (replace(kept, digest=forged, hashed_by=name),)
                place.ring.take(KeyView((replace(record, hashes=hashes),), place.secrets))
                with pytest.raises(WrongCredential):
                    place.ring.of_text(made.text)

    def test_what_signs_tokens_hashes_no_keys(self) -> None:
        old, new = new_server_secret(), new_server_secret()
        both = ServerSecrets((new, old))
        assert both.signing == (*ServerSecrets((new,)).signing, *ServerSecrets((old,)).signing)
        assert len({*both.signing, new.encode(), old.encode(), bytes.fromhex(new)}) == 5
        assert both.hashed("x").digest != hmac.digest(both.signing[0], b"x", "sha256")
        third = new_server_secret()
        assert ServerSecrets((third, new, old)).signing[1:] == both.signing[:1], "for a day at most"


def test_uses_are_told_once(place: Place) -> None:
    made = place.create()
    place.ring.of_text(made.text)
    assert place.ring.owed().used_at == {made.key.id: place.now}
    assert not place.ring.owed()
