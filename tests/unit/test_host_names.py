"""Which names of this machine a browser may have asked for."""

import pytest

from vibecell.gateway.host_names import Misdirected, check_host

OURS = ["localhost", "LOCALHOST:8000", "127.0.0.1", "127.0.0.1:8000", "127.8.9.1", "[::1]:8000",
        "[::1]", "run.localhost", "Run.LocalHost:80"]  # fmt: skip
OTHERS = ["rebound.example", "rebound.example:8000", "192.0.2.1",
          "[2001:db8::1]:80", "evil-localhost", "localhost.evil.example", "127.0.0.1.evil.example",
          "0.0.0.0"]  # fmt: skip
NONE = ["", "a b", "localhost:", "localhost:x", "localhost:123456", "localhost:80/", "a@localhost",
        "localhost:80 x", "[::1", "localhost\n", "localhost:80\n"]  # fmt: skip


@pytest.mark.parametrize("host", OURS)
def test_names_of_this_machine_are_served(host: str) -> None:
    check_host(host, local_names_only=True)


@pytest.mark.parametrize("host", OTHERS)
def test_a_name_that_a_page_may_have_rebound_is_not(host: str) -> None:
    with pytest.raises(Misdirected):
        check_host(host, local_names_only=True)
    check_host(host, local_names_only=False)


@pytest.mark.parametrize("host", NONE)
@pytest.mark.parametrize("local", [True, False])
def test_what_is_no_name_is_served_nowhere(host: str, local: bool) -> None:
    with pytest.raises(Misdirected):
        check_host(host, local_names_only=local)
