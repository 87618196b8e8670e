"""Changing the key of a meter: reserve, issue, complete, as a sale."""

from sqlalchemy.orm import Session

from vmsapp.hsm.registry import Registry
from vmsapp.models import KeyChange
from vmsapp.scope import Actor
from vmsapp.services.key_changes.planning import Wish
from vmsapp.services.key_changes.reserve import reserve, reserved
from vmsapp.services.key_changes.settle import issue
from vmsapp.services.restore import standstill


def start(
    session: Session,
    registry: Registry,
    actor: Actor,
    wish: Wish,
    form_key: str,
    *,
    table_set: str,
) -> KeyChange:
    """Have a set made that gives a meter another key.

    Args:
        session: Outside any transaction but one that only read.
        registry: The security modules.
        actor: Who wants it; the scope is taken on already.
        wish: Which key.
        form_key: Made with the form: the same form sent twice makes one set.
        table_set: Name of the STA tables in use.

    Returns:
        The change: completed with its tokens, failed with its reason, or reserved when the
        outcome is not known yet.

    Raises:
        VmsError: Nothing was written; the error says why.
        Standstill: A backup was restored.
    """
    standstill.check_modules(session, registry)
    change, again = reserved(
        session, form_key, wish.body_hash(),
        lambda request_id: reserve(
            session, actor, wish, form_key=form_key, request_id=request_id, table_set=table_set
        ),
    )  # fmt: skip
    return change if again else issue(session, registry, actor, change)
