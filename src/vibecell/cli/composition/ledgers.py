"""Where what was used is kept.

Owns the choice of the ledger's store and its place; refuses nothing: the engine opens it.
"""

from vibecell.config import Settings
from vibecell.sharing.ledger import LedgerStore
from vibecell.sharing.memory_ledger import MemoryLedger
from vibecell.sharing.sqlite_ledger import SqliteLedger

DIRECTORY = "usage"  # of the engine alone, in the state directory


def ledger_store(settings: Settings) -> LedgerStore:
    """The store of a deployment, not yet open."""
    return SqliteLedger(settings.state_dir / DIRECTORY) if settings.keep_usage else MemoryLedger()
