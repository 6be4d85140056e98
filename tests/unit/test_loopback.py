"""Addresses that only this machine can reach."""

from vibecell.model.loopback import is_loopback


def test_loopback_is_told_without_looking_names_up() -> None:
    assert all(is_loopback(h) for h in ("localhost", "127.0.0.9", "::1"))
    assert not any(is_loopback(h) for h in ("", "0.0.0.0", "::", "localhost.example.org"))
