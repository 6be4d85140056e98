"""The first process of a container, as this host's kernel shows it.

Owns the hold on it, so that its number cannot come to mean another, and the proof
that the daemon took from it what we had asked; refuses to take the daemon's word
for that.

Source: pidfd_open(2); proc_pid_status(5)
"""

import os
import select
from pathlib import Path

from vibecell.model.errors import SandboxFailure

_SETS = ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")
_STEP = "look at the container's wall"


class FirstProcess:
    """A process held by a descriptor.

    Attributes:
        pid: its number on this host.
        pidfd: polls readable when it has ended.

    Raises:
        ProcessLookupError: there is none of that number here.
    """

    def __init__(self, pid: int, proc: Path = Path("/proc")) -> None:
        if pid <= 0:  # what the daemon says of a container that does not run
            raise ProcessLookupError(pid)
        self.pid = pid
        self.pidfd = os.pidfd_open(pid)
        self._status = proc / str(pid) / "status"

    def require_confined(self) -> None:
        """Make sure that it is not root, can gain nothing and is filtered.

        Raises:
            SandboxFailure: names what it has, or that it cannot be seen.
        """
        try:
            lines = self._status.read_text().splitlines()
        except OSError as error:
            raise SandboxFailure(_STEP, str(error)) from error
        status = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
        try:
            faults = _faults(status)
        except (KeyError, ValueError) as error:
            raise SandboxFailure(_STEP, f"{self._status} makes no sense: {error!r}") from error
        if faults:
            raise SandboxFailure(_STEP, "its first process " + ", ".join(faults))
        poll = select.poll()
        poll.register(self.pidfd, select.POLLIN)
        if poll.poll(0):  # so its number may be another's
            raise SandboxFailure(_STEP, "its first process has ended")

    def close(self) -> None:
        """Hold it no longer."""
        os.close(self.pidfd)


def _faults(status: dict[str, str]) -> list[str]:
    faults = []
    if 0 in (int(uid) for uid in status["Uid"].split()):
        faults.append("is root of this host")
    if any(int(status[name], 16) for name in _SETS):
        faults.append("may have capabilities")
    if int(status["NoNewPrivs"]) != 1:
        faults.append("may gain privileges by exec")
    if int(status["Seccomp"]) != 2:
        faults.append("has no seccomp filter")
    return faults
