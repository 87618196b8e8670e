"""A free token, as a deed that always asks for a second person."""

from collections.abc import Iterator, Sequence
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from vmsapp.clock import now_utc
from vmsapp.errors import N_, VmsError
from vmsapp.models import Consumer, Meter
from vmsapp.money import Money
from vmsapp.scope import Actor
from vmsapp.security import COUNTER, Permission
from vmsapp.services.approvals.deed import Deed, Line, Place, SaleNumber, Sentence
from vmsapp.services.free_tokens import reserve as reserving
from vmsapp.services.free_tokens.making import check_ready, make
from vmsapp.services.free_tokens.quota import used
from vmsapp.services.free_tokens.reserve import KINDS, REASONS, Gift, request_of
from vmsapp.services.free_tokens.valuing import value
from vmsapp.services.meters import meter_to_sell_to
from vmsapp.services.setup import setup_at
from vmsapp.services.vending.reserve import find_replay
from vmsapp.sts import identifiers

MAY_GIVE: Final[Permission] = ("can_give_free", COUNTER)


def _check(session: Session, _actor: Actor, gift: Gift) -> None:
    reserving.check(session, gift)


def _run(session: Session, actor: Actor, gift: Gift, key: str) -> None:
    reserving.reserve(session, actor, gift, key)


def _done(session: Session, gift: Gift, key: str) -> bool:
    return find_replay(session, request_of(gift, key)) is not None


def _place(_session: Session, gift: Gift) -> Place:
    return Place(vending_point_id=gift.vending_point_id)


def _describe(session: Session, gift: Gift) -> Sequence[Line]:
    return tuple(_lines(session, gift))


def _lines(session: Session, gift: Gift) -> Iterator[Line]:
    # plain tables, outside the scope: who may decide reads whose meter it is
    consumer, meter = Consumer.__table__.c, Meter.__table__.c
    name = session.scalar(select(consumer.name).where(consumer.id == gift.consumer_id))
    drn = session.scalar(select(meter.drn).where(meter.id == gift.meter_id))
    setup = setup_at(session, now_utc())
    yield Line(N_("What is given"), Sentence(KINDS.get(gift.kind, gift.kind)))
    yield Line(N_("Consumer"), name)
    yield Line(N_("Meter number"), identifiers.drn.format(drn) if drn else None)
    if gift.credit_minor:
        yield Line(N_("Credit"), Money(gift.credit_minor, setup.currency))
    else:
        yield Line(N_("Units"), gift.wish.units)
    reason = REASONS.get(gift.kind, {}).get(gift.reason, gift.reason)
    yield Line(N_("Reason"), Sentence(reason))
    yield Line(N_("Remark"), gift.note or None)
    if gift.for_sale_id is not None:
        yield Line(N_("Makes up for"), SaleNumber(gift.for_sale_id))
    yield from _as_it_stands(session, gift)
    yield Line(N_("Money"), Sentence(N_("None is taken.")))


def _as_it_stands(session: Session, gift: Gift) -> Iterator[Line]:
    """Tell what it is worth and what was given before; of what moved away there is nothing."""
    now = now_utc()
    setup = setup_at(session, now)
    try:
        meter, point = meter_to_sell_to(session, gift.meter_id)
        given = value(session, setup, meter, point, gift.wish, now)
    except VmsError:
        return
    so_far = used(session, meter, gift.vending_point_id, given.business_date)
    yield Line(N_("Worth"), Money(given.value_minor, setup.currency), passing=True)
    with_it = so_far.units + (0 if given.in_money else given.on_token.sold)
    yield Line(N_("Given to this meter this month"), with_it, so_far.units, passing=True)


GIVE: Final = Deed(
    action="free_token.give",
    label=N_("Give a token without money"),
    params=Gift,
    permission=MAY_GIVE,
    place=_place,
    amount_minor=None,
    describe=_describe,
    check=_check,
    run=_run,
    done=_done,
    asks=lambda _session, _gift: True,
    ready=check_ready,
    follows=make,
)
"""Always asks: its digits are worth money, and nobody pays for them."""
