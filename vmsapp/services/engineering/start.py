"""Having an engineering token made: asked for or reserved, issued, completed.

Source: SALE.md, "4. Idempotency", "9. Lock order".
"""

from dataclasses import replace

from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from vmsapp.errors import VmsError
from vmsapp.extensions import end_reading
from vmsapp.hsm.registry import Registry
from vmsapp.models import ApprovalRequest, EngineeringToken
from vmsapp.scope import Actor
from vmsapp.services.approvals.asking import submit
from vmsapp.services.broken_off import TRIES, is_worth_a_try
from vmsapp.services.engineering import making
from vmsapp.services.engineering.errors import EngineeringBusy
from vmsapp.services.engineering.functions import Function
from vmsapp.services.engineering.refusals import counts, note_refusal
from vmsapp.services.engineering.reserve import check_epoch
from vmsapp.services.engineering.rows import of_form
from vmsapp.services.engineering.settle import issue
from vmsapp.services.engineering.wish import Wish, spec_of
from vmsapp.services.vending.issue import check_module_ready


def start(
    session: Session, registry: Registry, actor: Actor, wish: Wish, form_key: str
) -> ApprovalRequest | EngineeringToken:
    """Have a token made, or ask a second person for it where a rule says so.

    Args:
        session: Outside any transaction but one that only read.
        registry: The security modules.
        actor: Who wants it; the scope is taken on already.
        wish: What the meter is to do.
        form_key: Made with the form: the same form sent twice makes one token.

    Returns:
        The request that waits for a second person; else the token: issued, failed with its
        reason, or reserved when the outcome is not known yet.

    Raises:
        VmsError: Nothing was made; the error says why, and a refusal is kept.
    """
    spec_of(wish.function)
    try:
        return _start(session, registry, actor, wish, form_key)
    except VmsError as error:
        session.rollback()
        if counts(error):
            note_refusal(session, actor, wish, error)
        raise


def _start(
    session: Session, registry: Registry, actor: Actor, wish: Wish, form_key: str
) -> ApprovalRequest | EngineeringToken:
    before = making.done(session, wish, form_key)
    if not before:
        check_epoch(session, form_key)
        check_module_ready(session, registry, wish.meter_id)
    end_reading(session)
    mine: list[EngineeringToken] = []
    asked = _submitted(session, actor, wish, form_key, mine)
    if asked is not None:
        return asked
    token = of_form(session, form_key)
    assert token is not None, "it was reserved"
    end_reading(session)
    return issue(session, registry, actor, token) if mine else token


def _submitted(
    session: Session, actor: Actor, wish: Wish, form_key: str, mine: list[EngineeringToken]
) -> ApprovalRequest | None:
    """Reserve or ask for it, trying again what the database broke off.

    Whoever reserved the token asks the module: ``mine`` tells that it was this call.
    """

    def reserve_it(session: Session, actor: Actor, wish: Wish, key: str) -> None:
        mine.append(making.run(session, actor, wish, key))

    deed = replace(making.MAKING[Function(wish.function)], run=reserve_it)
    tries = 0
    while True:
        mine.clear()
        try:
            return submit(session, actor, deed, wish, form_key)
        except DBAPIError as error:
            tries += 1
            if not is_worth_a_try(error):
                raise
            if tries == TRIES:
                raise EngineeringBusy from error
