"""``vibecell serve`` as systemd starts it: what it tells the manager, and when.

The manager is a datagram socket of the test's; nothing else of it is needed.
"""

import os
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from .crashes_service import LiveService, serving

WATCHDOG_S = 1.5
HEARD_WITHIN_S = 60.0


class Manager:
    """Hears what a service tells."""

    def __init__(self, path: Path) -> None:
        self.address = str(path)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(self.address)

    def hear(self, within_s: float = HEARD_WITHIN_S) -> dict[str, str]:
        """The next message; none at all is an error."""
        self._socket.settimeout(within_s)
        lines = self._socket.recv(4096).decode().splitlines()
        return dict(line.split("=", 1) for line in lines)

    def hear_until(self, name: str) -> dict[str, str]:
        """The next message with this in it."""
        end_s = time.monotonic() + HEARD_WITHIN_S
        while name not in (heard := self.hear()):
            assert time.monotonic() < end_s, f"no {name} came"
        return heard

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Manager]:
    manager = Manager(tmp_path / "notify")
    monkeypatch.setenv("NOTIFY_SOCKET", manager.address)
    monkeypatch.setenv("WATCHDOG_USEC", str(int(WATCHDOG_S * 1e6)))
    yield manager
    manager.close()


@pytest.fixture
def service(prepared: object, manager: Manager) -> Iterator[LiveService]:
    with serving(uid_base=1_954_000_000) as service:
        yield service


def _environments(service: LiveService) -> Iterator[bytes]:
    for pid in service.family():
        try:
            yield Path(f"/proc/{pid}/environ").read_bytes()
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue  # it has ended meanwhile, or hides from an ordinary user as cells do


def test_it_is_told_when_programs_run_and_when_that_ends(
    service: LiveService, manager: Manager
) -> None:
    assert manager.hear() == {"READY": "1", "STATUS": "serving"}
    assert service.is_whole()
    assert manager.hear_until("WATCHDOG")["STATUS"] == "serving"
    for environment in _environments(service):
        assert b"NOTIFY_SOCKET" not in environment
        assert b"WATCHDOG" not in environment
    assert service.stop() == 0
    assert manager.hear_until("STOPPING")
    with pytest.raises(TimeoutError):
        manager.hear(within_s=0.2)


@pytest.mark.parametrize("role", ["engine", "gateway"])
def test_a_part_that_hangs_is_not_said_to_be_alive(
    service: LiveService, manager: Manager, role: str
) -> None:
    manager.hear_until("WATCHDOG")
    pid = service.role(role)
    os.kill(pid, signal.SIGSTOP)
    try:
        time.sleep(WATCHDOG_S)
        # what was told of looks before it hung
        manager._socket.setblocking(False)
        with pytest.raises(BlockingIOError):
            while True:
                manager._socket.recv(4096)
        heard = manager.hear()
        assert heard == {"STATUS": "a part of the service does not answer"}
    finally:
        os.kill(pid, signal.SIGCONT)
    assert manager.hear_until("WATCHDOG")
