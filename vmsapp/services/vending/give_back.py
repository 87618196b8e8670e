"""Money given back for a sale in doubt, as a deed that may ask for a second person."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from vmsapp.errors import N_, Conflict, NotFound
from vmsapp.models import Sale, SaleState
from vmsapp.money import Money
from vmsapp.scope import Actor
from vmsapp.security import COUNTER
from vmsapp.services.approvals.deed import Deed, Line, Place
from vmsapp.services.vending.settle import stamp_seal


class NothingToGiveBack(Conflict):
    """The sale is settled, or is not in doubt yet."""

    code = "nothing_to_give_back"
    message = N_("Sale %(sale_id)s is not in doubt, so no money is to be given back for it.")

    def __init__(self, *, sale_id: int) -> None:
        super().__init__(sale_id=sale_id)


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


def _sale(session: Session, sale_id: int) -> Sale:
    fresh = select(Sale).where(Sale.id == sale_id).execution_options(populate_existing=True)
    sale = session.scalars(fresh).one_or_none()
    if sale is None:
        raise NotFound
    return sale


def _place(session: Session, params: GiveBack) -> Place:
    return Place(vending_point_id=_sale(session, params.sale_id).vending_point_id)


def _check(session: Session, _actor: Actor, params: GiveBack) -> None:
    sale = _sale(session, params.sale_id)
    in_doubt = sale.state == SaleState.PENDING and sale.doubt_at is not None
    if not in_doubt or sale.received_minor != params.amount_minor:
        raise NothingToGiveBack(sale_id=params.sale_id)


def _run(session: Session, actor: Actor, params: GiveBack, _key: str) -> None:
    stamp_seal(session, actor, params.sale_id)


def _describe(session: Session, params: GiveBack) -> Sequence[Line]:
    sale = _sale(session, params.sale_id)
    return (
        Line(N_("Sale"), sale.id),
        Line(N_("Sold at"), sale.sold_at),
        Line(N_("Money given back"), Money(params.amount_minor, sale.currency)),
        Line(N_("The token is never shown"), True, sale.sealed_at is not None),  # noqa: FBT003
    )


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
)
