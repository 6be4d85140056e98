"""The server's own secrets: made once, read by their owner alone, rotated without a gap."""

import os
import stat
from pathlib import Path

import pytest

from vibecell.config.settings import MAX_SERVER_SECRETS
from vibecell.model.errors import PlatformError
from vibecell.sharing.secret_file import SecretFile, given_secrets
from vibecell.sharing.server_secrets import ServerSecrets, new_server_secret


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "secret"


@pytest.fixture
def made(path: Path) -> SecretFile:
    file = SecretFile(path)
    file.make()
    return file


def test_a_first_secret_has_256_bits_and_is_its_owners_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        SecretFile(tmp_path / "secret").make()
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "secret").stat().st_mode) == 0o600
    (text,) = (tmp_path / "secret").read_text().splitlines()
    assert len(bytes.fromhex(text)) * 8 == 256
    assert [p.name for p in tmp_path.iterdir()] == ["secret"]


def test_it_is_made_once(made: SecretFile, path: Path) -> None:
    before = made.secrets()
    SecretFile(path).make()
    assert made.secrets() == before


def test_none_is_made_where_one_is_missing(path: Path) -> None:
    with pytest.raises(PlatformError, match=r"read the server's secret: .*No such file"):
        SecretFile(path).secrets()
    assert not path.exists()


def test_another_follows_and_the_old_one_verifies(made: SecretFile, path: Path) -> None:
    before = made.secrets()
    kept = before.hashed("vc_x")
    after = made.put_first({*before.names})
    assert after.names[1:] == before.names and after.signing[1:] == before.signing
    assert after.matching("vc_x", (kept,)) == kept
    assert SecretFile(path).secrets() == made.secrets() == after
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_who_reads_it_notices_that_another_process_rotated(made: SecretFile, path: Path) -> None:
    before = made.secrets()
    after = SecretFile(path).put_first(())
    assert made.secrets() == after != before


def test_what_no_key_needs_goes_but_the_one_before(made: SecretFile) -> None:
    first = made.secrets().names[0]
    second = made.put_first(()).names[0]
    third = made.put_first(()).names
    assert second in third and first not in third


def test_what_keys_need_is_never_dropped_and_so_may_be_too_much(made: SecretFile) -> None:
    for _ in range(MAX_SERVER_SECRETS - 1):
        made.put_first(made.secrets().names)
    before = made.secrets()
    with pytest.raises(PlatformError, match=f"must be 1 to {MAX_SERVER_SECRETS}"):
        made.put_first(before.names)
    assert made.secrets() == before


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o666, 0o610])
def test_one_that_others_may_read_is_refused(made: SecretFile, path: Path, mode: int) -> None:
    made.secrets()
    path.chmod(mode)
    with pytest.raises(PlatformError, match="others may read it"):
        made.secrets()


@pytest.mark.parametrize(
    "text", ["", "\n\n", "short\n", "x" * 31, f"{'x' * 32}\nshort\n", "x y" * 20, "é" * 40]
)
def test_what_is_no_secret_is_refused_and_not_repeated(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(PlatformError, match="read the server's secrets") as caught:
        SecretFile(path).secrets()
    assert not text.strip() or text.strip() not in str(caught.value)


@pytest.mark.parametrize("kind", ["directory", "fifo"])
def test_what_is_no_file_is_refused_without_waiting(path: Path, kind: str) -> None:
    path.mkdir() if kind == "directory" else os.mkfifo(path, 0o600)
    with pytest.raises(PlatformError):
        SecretFile(path).secrets()


class TestGiven:
    def test_a_group_may_read_it_but_not_everybody(self, path: Path) -> None:
        texts = (new_server_secret(), new_server_secret())
        path.write_text("\n".join(texts))
        path.chmod(0o640)
        assert given_secrets(path) == texts
        path.chmod(0o644)
        with pytest.raises(PlatformError, match="others may read it"):
            given_secrets(path)

    def test_several_servers_that_have_it_hash_alike(self) -> None:
        one, other = new_server_secret(), new_server_secret()
        assert ServerSecrets((one, other)).hashed("k") == ServerSecrets((one,)).hashed("k")
        assert ServerSecrets((one,)).hashed("k") != ServerSecrets((other,)).hashed("k")


def test_nothing_that_is_printed_tells_a_secret() -> None:
    text = new_server_secret()
    secrets = ServerSecrets((text,))
    assert text not in repr(secrets) + str(secrets) + repr(secrets.names)
