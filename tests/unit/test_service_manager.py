"""A service manager is told when we serve, that we are alive, and that we end; by us alone."""

import os
import secrets
import socket
import threading
from pathlib import Path

import pytest

from vibecell.cli.service_manager import MAX_STATUS_CHARACTERS, ServiceManager

# More than a socket of datagrams holds. Source: unix(7), max_dgram_qlen, which is 10 by default
ON_THEIR_WAY = 100


def _listening(address: str) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    listener.bind("\0" + address[1:] if address.startswith("@") else address)
    listener.settimeout(30)
    return listener


def _heard(listener: socket.socket) -> dict[str, str]:
    lines = listener.recv(4096).decode().splitlines()
    return dict(line.split("=", 1) for line in lines)


@pytest.fixture(params=["path", "abstract"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "path":
        return str(tmp_path / "notify")
    return f"@vibecell-test-{secrets.token_hex(8)}"


def test_it_is_told_of_a_start_and_of_an_end(address: str) -> None:
    with _listening(address) as listener:
        manager = ServiceManager.of({"NOTIFY_SOCKET": address})
        manager.tell_ready("serving")
        assert _heard(listener) == {"READY": "1", "STATUS": "serving"}
        manager.tell_stopping()
        assert _heard(listener) == {"STOPPING": "1", "STATUS": "stopping"}


def test_what_it_gave_us_is_given_to_no_child() -> None:
    environ = {"NOTIFY_SOCKET": "@x", "WATCHDOG_USEC": "1", "WATCHDOG_PID": "1", "PATH": "/bin"}
    ServiceManager.of(environ)
    assert environ == {"PATH": "/bin"}


def test_it_hears_of_us_again_and_again_but_only_while_all_is_alive(address: str) -> None:
    alive = threading.Event()
    alive.set()
    with _listening(address) as listener:
        told = {"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "60000"}
        manager = ServiceManager.of(told)
        with manager.told(lambda: "serving" if alive.is_set() else None):
            for _ in range(3):
                assert _heard(listener) == {"WATCHDOG": "1", "STATUS": "serving"}
            alive.clear()
            # those of looks that were before come first
            assert any("WATCHDOG" not in _heard(listener) for _ in range(ON_THEIR_WAY))
            for _ in range(3):
                assert list(_heard(listener)) == ["STATUS"]
            alive.set()
            assert any("WATCHDOG" in _heard(listener) for _ in range(ON_THEIR_WAY))


@pytest.mark.parametrize(
    "told",
    [{"WATCHDOG_USEC": "60000", "WATCHDOG_PID": str(os.getpid() + 1)}, {"WATCHDOG_USEC": "soon"}],
    ids=["another process's", "no number"],
)
def test_a_watchdog_that_is_not_ours_changes_no_pace(told: dict[str, str], address: str) -> None:
    looks: list[int] = []

    def look() -> str:
        looks.append(1)
        return "serving"

    manager = ServiceManager.of({"NOTIFY_SOCKET": address, **told})
    with _listening(address) as listener, manager.told(look):
        _heard(listener)
        listener.settimeout(0.5)
        with pytest.raises(TimeoutError):
            _heard(listener)
    assert len(looks) == 1


def test_after_the_end_was_told_nothing_else_is(address: str) -> None:
    waiting, looking = threading.Event(), threading.Event()

    def look() -> str:
        looking.set()
        waiting.wait(30)
        return "serving"

    with _listening(address) as listener:
        manager = ServiceManager.of({"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "30000"})
        with manager.told(look):
            assert looking.wait(30)
            manager.tell_stopping()
            waiting.set()
        assert "STOPPING" in _heard(listener)
        listener.settimeout(0.5)
        with pytest.raises(TimeoutError):
            _heard(listener)


@pytest.mark.parametrize("environ", [{}, {"NOTIFY_SOCKET": ""}, {"NOTIFY_SOCKET": "vsock:2:1"}])
def test_without_a_manager_nobody_looks(environ: dict[str, str]) -> None:
    looks: list[int] = []
    manager = ServiceManager.of(environ)
    manager.tell_ready("serving")
    with manager.told(lambda: looks.append(1) or ""):  # type: ignore[func-returns-value]
        assert looks == []
    manager.tell_stopping()


def test_a_manager_that_has_gone_is_no_fault_of_ours(tmp_path: Path) -> None:
    manager = ServiceManager.of({"NOTIFY_SOCKET": str(tmp_path / "nobody")})
    manager.tell_ready("serving")
    manager.tell_stopping()


def test_a_status_is_one_line_and_no_assignment_of_its_own(tmp_path: Path) -> None:
    address = str(tmp_path / "notify")
    with _listening(address) as listener:
        ServiceManager(address).tell_ready("broken\nWATCHDOG=1\n" + "x" * 1000)
        heard = _heard(listener)
    assert set(heard) == {"READY", "STATUS"}
    assert len(heard["STATUS"]) == MAX_STATUS_CHARACTERS
