"""Everything whose outcome is open, settled in the order in which money hangs on it."""

from collections.abc import Callable
from typing import Final

from sqlalchemy.orm import Session

from vmsapp.hsm.registry import Registry
from vmsapp.services.campaigns.reconcile import reconcile_chunks
from vmsapp.services.doubt import PLAIN, Patience
from vmsapp.services.engineering.reconcile import reconcile_engineering
from vmsapp.services.key_changes.reconcile import reconcile_changes
from vmsapp.services.vending.reconcile import reconcile

Settle = Callable[[Session, Registry, Patience], dict[str, int]]

KINDS: Final[dict[str, Settle]] = {
    "": reconcile,
    "key_changes_": reconcile_changes,
    "campaign_chunks_": reconcile_chunks,
    "engineering_": reconcile_engineering,
}
"""How each is settled, by what its counts begin with; sales come first, with nothing before."""


def settle_everything(
    session: Session, registry: Registry, patience: Patience = PLAIN
) -> dict[str, int]:
    """Settle what can be settled.

    Args:
        session: In the system's scope, outside any transaction.
        registry: The security modules; none stands still after a restore.
        patience: How long what is open is left alone.

    Returns:
        How many are in which state now, such as ``issued`` and ``key_changes_completed``.
    """
    return {
        f"{begins}{state}": count
        for begins, settle in KINDS.items()
        for state, count in settle(session, registry, patience).items()
    }
