"""Money given back for a sale in doubt, as a deed that may ask for a second person."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session, joinedload, undefer
from sqlalchemy.sql.base import ExecutableOption

from vmsapp.clock import now_utc
from vmsapp.errors import N_, Conflict, NotFound
from vmsapp.models import ApprovalRequest, ApprovalState, Sale, SaleState
from vmsapp.money import Money
from vmsapp.scope import Actor
from vmsapp.security import COUNTER
from vmsapp.services.approvals.deed import Deed, Line, Place, SaleNumber, Sentence
from vmsapp.services.approvals.rules import ADDS_UP_FOR, rule_of
from vmsapp.services.vending.settle import stamp_seal
from vmsapp.sts import identifiers

if TYPE_CHECKING:
    from vmsapp.services.receipts import OpenSale


class NothingToGiveBack(Conflict):
    """The sale is settled, or is not in doubt yet."""

    code = "nothing_to_give_back"
    message = N_("Sale %(sale_id)s is not in doubt, so no money is to be given back for it.")

    def __init__(self, *, sale_id: int) -> None:
        super().__init__(sale_id=sale_id)


class GivenBackBefore(Conflict):
    """Somebody, ``by_id``, noted already that the money was given back."""

    code = "given_back_before"
    message = N_(
        "The money for sale %(sale_id)s was given back already. Do not give it back again."
    )

    def __init__(self, *, sale_id: int, by_id: int | None) -> None:
        super().__init__(sale_id=sale_id, by_id=by_id)


class Step(StrEnum):
    """How far a sale is from having its money given back."""

    NOT_YET = "not_yet"
    POSSIBLE = "possible"
    GIVEN = "given"
    SETTLED = "settled"


def step_of(sale: Sale) -> Step:
    """Tell whether the money of a sale may be given back now: in doubt, and once."""
    if sale.state != SaleState.PENDING:
        return Step.SETTLED
    if sale.sealed_at is not None:
        return Step.GIVEN
    return Step.NOT_YET if sale.doubt_at is None else Step.POSSIBLE


@dataclass(frozen=True, slots=True)
class GiveBack:
    """Which sale, and how much was received for it."""

    sale_id: int
    amount_minor: int


def give_back_for(session: Session, sale_id: int) -> GiveBack:
    """Say what there is to give back for a sale.

    Raises:
        NotFound: There is no such sale, or it is out of sight.
    """
    return GiveBack(sale_id, _sale(session, sale_id).received_minor)


def _sale(session: Session, sale_id: int, *loads: ExecutableOption) -> Sale:
    fresh = select(Sale).where(Sale.id == sale_id).execution_options(populate_existing=True)
    sale = session.scalars(fresh.options(*loads)).one_or_none()
    if sale is None:
        raise NotFound
    return sale


def _place(session: Session, params: GiveBack) -> Place:
    return Place(vending_point_id=_sale(session, params.sale_id).vending_point_id)


def _check(session: Session, _actor: Actor, params: GiveBack) -> None:
    sale = _sale(session, params.sale_id)
    step = step_of(sale)
    if step == Step.GIVEN:
        raise GivenBackBefore(sale_id=params.sale_id, by_id=sale.sealed_by_id)
    if step != Step.POSSIBLE or sale.received_minor != params.amount_minor:
        raise NothingToGiveBack(sale_id=params.sale_id)


def _run(session: Session, actor: Actor, params: GiveBack, _key: str) -> None:
    if not stamp_seal(session, actor, params.sale_id):
        by_id = _sale(session, params.sale_id).sealed_by_id
        raise GivenBackBefore(sale_id=params.sale_id, by_id=by_id)


def request_for(session: Session, sale: Sale) -> ApprovalRequest | None:
    """Find the newest request to give the money of a sale back, with the people in it."""
    _, digest = GIVE_BACK.freeze(GiveBack(sale.id, sale.received_minor))
    return session.scalars(
        select(ApprovalRequest)
        .where(ApprovalRequest.vending_point_id == sale.vending_point_id)
        .where(ApprovalRequest.hash == digest)
        .order_by(ApprovalRequest.id.desc())
        .limit(1)
        .options(undefer(ApprovalRequest.asked_by), undefer(ApprovalRequest.decided_by))
    ).first()


def waiting_for(session: Session, sale_ids: Iterable[int]) -> dict[int, int]:
    """Find which of some sales have a request that waits: its id, by sale."""
    waiting = session.execute(
        select(ApprovalRequest.id, ApprovalRequest.params).where(
            ApprovalRequest.action == GIVE_BACK.action,
            ApprovalRequest.state == ApprovalState.PENDING,
            ApprovalRequest.expires_at > now_utc(),
        )
    )
    wanted = set(sale_ids)
    return {params["sale_id"]: found for found, params in waiting if params["sale_id"] in wanted}


def second_needed(session: Session, actor: Actor, sales: Iterable["OpenSale"]) -> set[int]:
    """Tell for which of some sales a second person must approve that money is given back."""
    rule = rule_of(session, GIVE_BACK.action)
    if not rule.active or actor.user_id is None:
        return set()
    start = rule.from_amount_minor or 0
    given = _given_alone(session, actor.user_id, now_utc() - ADDS_UP_FOR) if start else {}
    return {
        sale.id
        for sale in sales
        if sale.received_minor + given.get(sale.vending_point_id, 0) >= start
    }


def _alone(session: Session, user_id: int, params: GiveBack, since: datetime) -> int:
    mine = Sale.__table__.c
    here = select(mine.vending_point_id).where(mine.id == params.sale_id).scalar_subquery()
    return sum(_given_alone(session, user_id, since, Sale.vending_point_id == here).values())


def _given_alone(
    session: Session, user_id: int, since: datetime, *where: ColumnElement[bool]
) -> dict[int, int]:
    """Add up what somebody gave back at each vending point, but for what another approved."""
    request = ApprovalRequest
    approved = select(request.id).where(
        request.action == GIVE_BACK.action,
        request.state == ApprovalState.APPROVED,
        request.asked_by_id == user_id,
        request.vending_point_id == Sale.vending_point_id,
        request.params["sale_id"].as_numeric(20, 0) == Sale.id,
    )
    given = session.execute(
        select(Sale.vending_point_id, func.sum(Sale.received_minor))
        .where(Sale.sealed_by_id == user_id, Sale.sealed_at > since, ~approved.exists(), *where)
        .group_by(Sale.vending_point_id)
    )
    return {point: int(total) for point, total in given}


def _describe(session: Session, params: GiveBack) -> Sequence[Line]:
    sale = _sale(session, params.sale_id, joinedload(Sale.consumer), joinedload(Sale.meter))
    return (
        Line(N_("Sale"), SaleNumber(sale.id)),
        Line(N_("Sold at"), sale.sold_at),
        Line(N_("Consumer"), sale.consumer.name if sale.consumer else None),
        Line(N_("Meter number"), identifiers.drn.format(sale.meter.drn) if sale.meter else None),
        _sold(sale),
        Line(N_("Money given back"), Money(params.amount_minor, sale.currency)),
        Line(N_("Token"), Sentence(N_("It is then never shown, even if it was made."))),
    )


def _sold(sale: Sale) -> Line:
    if sale.credit_minor is None:
        return Line(N_("Units"), sale.units)
    return Line(N_("Credit"), Money(sale.credit_minor, sale.currency))


GIVE_BACK = Deed(
    action="sale.give_back",
    label=N_("Give money back for a sale in doubt"),
    params=GiveBack,
    permission=("can_give_back", COUNTER),
    place=_place,
    amount_minor=lambda params: params.amount_minor,
    describe=_describe,
    check=_check,
    run=_run,
    alone=_alone,
)
