"""What happens to credentials at a gateway, audited.

Owns which acts of a gateway are audited (a token was issued, a key that had died was shown) and
when they are written: about once a second and at the end, in a thread, since a disk may be slow.
Refuses credentials themselves, and to write a record for each request that somebody makes: a key
that had died is told of once a minute, with how often it was shown meanwhile. What was executed is
the engine's to audit.
"""

import gevent
from gevent.threadpool import ThreadPool

from vibecell.gateway.dead_keys import DeadKeys
from vibecell.model.caller import Caller, Scope, User
from vibecell.model.errors import ExpiredCredential, RevokedCredential
from vibecell.model.measures import Measured
from vibecell.model.provenance import Provenance
from vibecell.model.stopping import AUDIT_STOP_S
from vibecell.sharing.audit import US_PER_S, AuditRecord, Granted
from vibecell.sharing.audit_trail import WRITE_INTERVAL_S, AuditTrail


class CredentialAudit:
    """Audits one gateway.

    Args:
        trail: takes the records; ``None``: nothing is audited.
    """

    def __init__(self, trail: AuditTrail | None) -> None:
        self._trail = trail
        self._dead_keys = DeadKeys()
        self._pool: ThreadPool | None = None
        self._writing: gevent.Greenlet | None = None

    def require_possible(self) -> None:
        """Raise ``StoreUnavailable`` where nothing new may begin, as ``AuditTrail`` says."""
        if self._trail is not None:
            self._trail.require_possible()

    def measured(self) -> tuple[Measured, ...]:
        """What became of acts, for who operates the service."""
        return () if self._trail is None else self._trail.measured("gateway")

    def token_issued(
        self,
        caller: Caller,
        provenance: Provenance,
        user: User,
        scopes: tuple[Scope, ...],
        expires_at: float,
    ) -> None:
        """A key's holder was given a token for one of its users."""
        if self._trail is None:
            return
        self._trail.note(
            AuditRecord(
                at_us=self._trail.now_us(),
                act="token_issued",
                key=caller.owner.key,
                user=user,
                credential=provenance.credential,
                address=provenance.address,
                request_id=provenance.request_id,
                granted=Granted(scopes=scopes, expires_at_us=int(expires_at * US_PER_S)),
            )
        )

    def refused(self, error: ExpiredCredential | RevokedCredential, provenance: Provenance) -> None:
        """A credential that was good came after its time; noted where its key has died."""
        if self._trail is None or error.key_id is None:
            return
        shown = AuditRecord(
            at_us=self._trail.now_us(),
            act="credential_refused",
            key=error.key_id,
            credential=provenance.credential,
            address=provenance.address,
            request_id=provenance.request_id,
            reason="revoked" if isinstance(error, RevokedCredential) else "expired",
        )
        for record in self._dead_keys.shown(shown):
            self._trail.note(record)

    def start(self) -> None:
        """Begin to write."""
        if self._trail is not None:
            self._pool = ThreadPool(1)
            self._writing = gevent.spawn(self._write_for_ever, self._trail)

    def stop(self, patience_s: float = AUDIT_STOP_S) -> None:
        """Write the rest, if that is soon done."""
        if self._trail is None or self._writing is None or self._pool is None:
            return
        self._writing.kill()
        for record in self._dead_keys.owed():
            self._trail.note(record)
        with gevent.Timeout(patience_s, False):
            self._pool.apply(self._trail.close)

    def _write_for_ever(self, trail: AuditTrail) -> None:
        pool = self._pool
        assert pool is not None
        while True:
            gevent.sleep(WRITE_INTERVAL_S)
            for record in self._dead_keys.owed(trail.now_us()):
                trail.note(record)
            pool.apply(trail.write)
