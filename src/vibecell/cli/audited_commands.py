"""Acts of the command line, audited.

Owns who gave a command, and that it is noted in the gateway's audit, as the gateway's user, once
the act is done. Refuses to do anything, where an audit is required, that cannot be noted; where it
is not, says so and lets it be done.
"""

import contextlib
import os
import time
from dataclasses import dataclass
from pathlib import Path

from vibecell.cli.complaints import complain
from vibecell.cli.composition.audits import gateway_audit
from vibecell.config import Settings
from vibecell.model.caller import SCOPES
from vibecell.model.errors import PlatformError, StoreUnavailable
from vibecell.sharing.audit import US_PER_S, Act, AuditRecord, Granted
from vibecell.sharing.keys import Key

_LOGIN_UID = Path("/proc/self/loginuid")
_NOT_LOGGED_IN = 2**32 - 1


@dataclass(frozen=True, slots=True)
class Commander:
    """Who gave a command.

    Attributes:
        uid: the operating system's user.
        login_uid: as whom he logged in, before any sudo(8); ``None`` where the kernel was not told.
    """

    uid: int
    login_uid: int | None


def commander() -> Commander:
    """Who gave this one. Source: proc_pid_loginuid(5); pam_loginuid(8)"""
    login_uid = None
    with contextlib.suppress(OSError, ValueError):  # a kernel without audit has no such file
        login_uid = int(_LOGIN_UID.read_text())
    return Commander(os.getuid(), None if login_uid == _NOT_LOGGED_IN else login_uid)


def act_of(
    by: Commander, act: Act, key: Key | None = None, count: int | None = None
) -> AuditRecord:
    """What is noted of a command that was done now."""
    granted = None
    if key is not None and act == "key_created":
        end_us = None if key.expires_at is None else int(key.expires_at * US_PER_S)
        scopes = tuple(scope for scope in SCOPES if scope in key.scopes)
        granted = Granted(scopes=scopes, expires_at_us=end_us)
    return AuditRecord(
        at_us=int(time.time() * US_PER_S),
        act=act,
        key=None if key is None else key.id,
        key_name=None if key is None else key.name,
        uid=by.uid,
        login_uid=by.login_uid,
        count=count,
        granted=granted,
    )


class AuditedCommands:
    """What one command does, noted by a process that is the gateway's user already."""

    def __init__(self, settings: Settings, by: Commander) -> None:
        self._by, self._is_required = by, settings.audit_required
        self._store = None if settings.audit == "off" else gateway_audit(settings)

    def open(self) -> None:
        """See that it can be noted; raises ``StoreUnavailable`` where it must, and cannot."""
        if self._store is None:
            return
        try:
            self._store.open()
        except StoreUnavailable as error:
            if self._is_required:
                raise
            complain(f"not audited: {error}")
            self._store = None

    def note(self, act: Act, key: Key | None = None) -> None:
        """Note what was done.

        Raises:
            PlatformError: that failed, where it is required.
        """
        if self._store is None:
            return
        try:
            self._store.append([act_of(self._by, act, key)])
        except StoreUnavailable as error:
            if self._is_required:
                raise PlatformError("it was done, and is in no audit", str(error)) from error
            complain(f"not audited: {error}")

    def close(self) -> None:
        """Let go of the audit."""
        if self._store is not None:
            self._store.close()
