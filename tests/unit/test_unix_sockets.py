"""The sockets that our own processes speak over."""

import os
import socket
import stat
from pathlib import Path

import pytest

from vibecell.model.errors import PlatformError
from vibecell.wire.unix_sockets import peer, private_listener


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_SEQPACKET])
def test_the_kernel_says_who_connected(kind: socket.SocketKind) -> None:
    here, there = socket.socketpair(socket.AF_UNIX, kind)
    with here, there:
        assert peer(here) == (os.getpid(), os.getuid(), os.getgid())


def test_a_listener_is_its_users_alone_whatever_the_umask_and_what_stood_there(
    tmp_path: Path,
) -> None:
    path = tmp_path / "some.sock"
    path.touch()
    mask = os.umask(0)
    try:
        listener = private_listener(path, os.getuid(), "engine")
    finally:
        os.umask(mask)
    with listener, socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        found = path.stat()
        assert stat.S_ISSOCK(found.st_mode)
        assert (stat.S_IMODE(found.st_mode), found.st_uid) == (0o600, os.getuid())
        client.connect(str(path))
    assert [each.name for each in tmp_path.iterdir()] == ["some.sock"]


def test_a_listener_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    path = tmp_path / "some.sock"
    (path / "in the way").mkdir(parents=True)
    with pytest.raises(PlatformError, match="make the engine's socket"):
        private_listener(path, os.getuid(), "engine")
    assert [each.name for each in tmp_path.iterdir()] == ["some.sock"], "half of one is left"
