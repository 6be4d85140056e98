"""Who is at the other end of a socket."""

import os
import socket

import pytest

from vibecell.wire.unix_sockets import peer


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_SEQPACKET])
def test_the_kernel_says_who_connected(kind: socket.SocketKind) -> None:
    here, there = socket.socketpair(socket.AF_UNIX, kind)
    with here, there:
        assert peer(here) == (os.getpid(), os.getuid(), os.getgid())
