"""Where a deployment's audit is kept: one file of the engine's user, one of the gateway's.

Owns the choice of the stores and their places; refuses to open them: whoever may, does.
"""

from vibecell.cli.composition.key_place import key_directory
from vibecell.config import Settings
from vibecell.sharing.audit_trail import AuditBounds, AuditTrail
from vibecell.sharing.sqlite_audit import SqliteAudit

DIRECTORY = "audit"  # of one user alone, in the state directory and in the gateway's


def engine_audit(settings: Settings) -> SqliteAudit:
    """Of what was executed; for the engine's user."""
    return SqliteAudit(settings.state_dir / DIRECTORY)


def gateway_audit(settings: Settings) -> SqliteAudit:
    """Of what happened to keys and tokens; for the gateway's user."""
    return SqliteAudit(key_directory(settings) / DIRECTORY)


def trail_to(store: SqliteAudit, settings: Settings) -> AuditTrail | None:
    """The way to a store; ``None`` where nothing is audited."""
    if settings.audit == "off":
        return None
    bounds = AuditBounds(settings.audit_days, settings.audit_bytes, settings.audit_required)
    return AuditTrail(store, bounds)
