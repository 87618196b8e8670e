"""The terms of a float: whether a vending point sells from it, and how far below zero."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy.orm import Session

from vmsapp.errors import N_, InvalidInput
from vmsapp.models import VendingPointAccount
from vmsapp.money import MAX_MINOR, Money
from vmsapp.scope import Actor
from vmsapp.security import FLOATS, Permission
from vmsapp.services import audit
from vmsapp.services.approvals.deed import ChangedSinceAsked, Deed, Line, Place
from vmsapp.services.floats import AmountTooLarge, currency_now, locked, present

TERMS: Final[Permission] = ("can_terms", FLOATS)


class CreditLimitTooLarge(AmountTooLarge):
    """The same of a credit limit."""

    field = "credit_limit"


class CreditLimitNegative(InvalidInput):
    """A float that must hold something before the first sale is not offered."""

    code = "credit_limit_negative"
    message = N_("A credit limit cannot be below zero.")
    field = "credit_limit"


class CreditInUse(InvalidInput):
    """More has been sold on credit than the new limit allows."""

    code = "credit_in_use"
    message = N_("%(used)s of the credit is in use; have it paid in before the limit goes lower.")
    field = "credit_limit"

    def __init__(self, *, used: Money) -> None:
        super().__init__(used=used)


@dataclass(frozen=True, slots=True)
class Terms:
    """Whether a vending point sells from its float, and how far below zero.

    Attributes:
        was: The terms when the form was opened, as ``written``; nothing where nobody noted them:
            then whatever they are is overwritten.
    """

    vending_point_id: int
    limited: bool
    credit_limit_minor: int
    was: str = ""


def written(account: VendingPointAccount) -> str:
    """Write the terms that are overwritten, as they stand."""
    return f"limited {account.limited}, credit limit {account.credit_limit_minor}"


def _check_terms(session: Session, _actor: Actor, params: Terms) -> None:
    account = locked(session, params.vending_point_id)
    if params.credit_limit_minor < 0:
        raise CreditLimitNegative
    if params.credit_limit_minor > MAX_MINOR:
        raise CreditLimitTooLarge
    if params.was and params.was != written(account):
        raise ChangedSinceAsked
    used = account.pending_minor - account.balance_minor
    if params.limited and used > params.credit_limit_minor:
        raise CreditInUse(used=Money(used, currency_now(session)))


def _change_terms(session: Session, actor: Actor, params: Terms, _key: str) -> None:
    account = locked(session, params.vending_point_id)
    audit.record(
        session, actor, "float.terms_changed", "vending_point", params.vending_point_id,
        vending_point_id=params.vending_point_id, limited=params.limited,
        credit_limit_minor=params.credit_limit_minor, was_limited=account.limited,
        was_credit_limit_minor=account.credit_limit_minor,
    )  # fmt: skip
    account.limited, account.credit_limit_minor = params.limited, params.credit_limit_minor


def _describe_terms(session: Session, params: Terms) -> Sequence[Line]:
    currency = currency_now(session)
    name, account = present(session, params.vending_point_id)
    return (
        Line(N_("Vending point"), name),
        Line(N_("Sells from a float"), params.limited, account.limited),
        Line(
            N_("Credit limit"),
            Money(params.credit_limit_minor, currency), Money(account.credit_limit_minor, currency),
        ),
        Line(N_("Balance of the float"), Money(account.balance_minor, currency), passing=True),
    )  # fmt: skip


CHANGE_TERMS = Deed(
    action="float.terms",
    label=N_("Change a float’s terms"),
    params=Terms,
    permission=TERMS,
    place=lambda _session, params: Place(vending_point_id=params.vending_point_id),
    # without a limit the credit is endless, so no amount tells how much is let through
    amount_minor=lambda params: params.credit_limit_minor if params.limited else None,
    describe=_describe_terms,
    check=_check_terms,
    run=_change_terms,
)
