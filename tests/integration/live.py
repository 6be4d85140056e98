"""A running service, as the tests of this folder see it."""

import socket
import subprocess
from dataclasses import dataclass

import requests


@dataclass(frozen=True)
class Service:
    """A running service.

    Attributes:
        live: it was there before, and is not ours to configure or stop.
    """

    host: str
    port: int
    live: bool
    gateway: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    @property
    def ws(self) -> str:
        return f"ws://{self.host}:{self.port}"

    def connect(self, timeout_s: float = 30.0) -> socket.socket:
        """A plain connection, for what no client library would send."""
        return socket.create_connection((self.host, self.port), timeout_s)

    def is_unharmed(self) -> bool:
        """It still runs a program."""
        answer = requests.post(f"{self.url}/execute", json={"code": "print('ok')"}, timeout=30)
        return answer.status_code == 200 and answer.json()["output"] == "ok\n"
