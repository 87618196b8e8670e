"""Making an engineering token, as the second person's machinery sees it: one deed a function.

A rule says for each function whether it asks for a second person. The deed reserves the token,
in the transaction that approves it; the module is asked once that is committed.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from vmsapp.errors import N_, VmsError
from vmsapp.models import ApprovalRequest, EngineeringToken, Meter
from vmsapp.scope import Actor
from vmsapp.security import ENGINEERING, Permission
from vmsapp.services.approvals.deed import Deed, Line, Means, Place, Sentence
from vmsapp.services.engineering import errors as wrong
from vmsapp.services.engineering.functions import FUNCTIONS, Function, parted
from vmsapp.services.engineering.refusals import add_refusal, counts
from vmsapp.services.engineering.reserve import check_meter, new_request_id, reserve
from vmsapp.services.engineering.rows import of_form
from vmsapp.services.engineering.settle import issue
from vmsapp.services.engineering.wish import Wish
from vmsapp.services.vending.errors import NoSuchMeter
from vmsapp.sts import identifiers
from vmsapp.sts.mse import Register

MAY_MAKE: Final[Permission] = ("can_make", ENGINEERING)

NAMES: Final[Mapping[str, str]] = {
    Function.POWER_LIMIT: N_("Set the maximum power"),
    Function.CLEAR_CREDIT: N_("Clear the balance"),
    Function.CLEAR_TAMPER: N_("Clear the tamper status"),
    Function.PHASE_UNBALANCE: N_("Set the phase unbalance limit"),
    Function.TARIFF_RATE: N_("Set the tariff rate"),
    Function.WATER_FACTOR: N_("Set the water meter factor"),
    Function.EXTENDED: N_("Set a value of the extended set"),
}
"""What a meter is told, as the reader's language has it."""

REGISTER_NAMES: Final[Mapping[int, str]] = {
    Register.ELECTRICITY: N_("Electricity"),
    Register.WATER: N_("Water"),
    Register.GAS: N_("Gas"),
    Register.TIME: N_("Time"),
    Register.ELECTRICITY_CURRENCY: N_("Electricity, in money"),
    Register.WATER_CURRENCY: N_("Water, in money"),
    Register.GAS_CURRENCY: N_("Gas, in money"),
    Register.TIME_CURRENCY: N_("Time, in money"),
    Register.ALL: N_("All balances"),
}


def _check(session: Session, _actor: Actor, wish: Wish) -> None:
    check_meter(session, wish)


def run(session: Session, actor: Actor, wish: Wish, key: str) -> EngineeringToken:
    """Reserve the token, inside the transaction of who did or approved it."""
    return reserve(session, actor, wish, form_key=key, request_id=new_request_id())


def done(session: Session, wish: Wish, key: str) -> bool:
    """Tell whether a form made its token already.

    Raises:
        EngineeringFormUsed: It made another one.
    """
    before = of_form(session, key)
    if before is None:
        return False
    if before.body_hash != wish.body_hash():
        raise wrong.EngineeringFormUsed
    return True


def _follow(session: Session, means: Means, actor: Actor, request: ApprovalRequest) -> object:
    """Have the token made that an approval reserved."""
    token = of_form(session, request.key)
    return None if token is None else issue(session, means.registry, actor, token)


def _refused(session: Session, actor: Actor, wish: Wish, error: VmsError) -> None:
    if counts(error):
        add_refusal(session, actor, wish, error)


def _place(session: Session, wish: Wish) -> Place:
    region = session.scalar(select(Meter.region_id).where(Meter.id == wish.meter_id))
    if region is None:
        raise NoSuchMeter
    return Place(region_id=region)


def _describe(session: Session, wish: Wish) -> Sequence[Line]:
    drn = session.scalar(select(Meter.drn).where(Meter.id == wish.meter_id))
    return (
        Line(N_("Meter number"), identifiers.drn.format(drn) if drn else None),
        Line(N_("What the meter does"), Sentence(NAMES[Function(wish.function)])),
        *value_lines(Function(wish.function), wish.wanted),
        Line(N_("Reason"), wish.reason),
    )


def value_lines(function: Function, wanted: int) -> Sequence[Line]:
    """Tell a function's value, as the lines of a request show it."""
    if not FUNCTIONS[function].takes_value:
        return ()
    if function is Function.CLEAR_CREDIT:
        return (Line(N_("Balance"), Sentence(REGISTER_NAMES.get(wanted, str(wanted)))),)
    if function is Function.EXTENDED:
        index, data = parted(wanted)
        return Line(N_("Index"), index), Line(N_("Value"), data)
    if FUNCTIONS[function].unit:
        return (Line(N_("Watts"), wanted),)
    return (Line(N_("Value"), wanted),)


def _deed(function: Function) -> Deed[Wish]:
    reserving: Callable[[Session, Actor, Wish, str], None] = run  # type: ignore[assignment]
    return Deed(
        action=f"engineering.{function}",
        label=NAMES[function],
        params=Wish,
        permission=MAY_MAKE,
        place=_place,
        amount_minor=None,
        describe=_describe,
        check=_check,
        run=reserving,
        done=done,
        refused=_refused,
        follows=_follow,
    )


MAKING: Final[Mapping[Function, Deed[Wish]]] = {each: _deed(each) for each in Function}
"""A rule says of each whether it asks for a second person."""
