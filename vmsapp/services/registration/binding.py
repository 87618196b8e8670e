"""Binding meters to consumers: which meter hangs where, for whom, from when to when.

A service point is a place; it keeps its counters whatever hangs there. Binding makes a new one,
or takes over one where nothing hangs. With a new consumer the month's units stay with the place;
missed fees stay with the leaving consumer: their sum is kept with the link that ended. It is
worked out when the meter is taken off, by the tariff the place had: while the meter hangs
nowhere it may get the tariff of who comes next.

Source: SALE.md, "11. Counters and the service point".
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session, joinedload

from vmsapp.clock import now_utc
from vmsapp.extensions import atomic
from vmsapp.models import Consumer, Meter, MeterInstallation, MeterState, ServicePoint
from vmsapp.scope import Actor, unscoped
from vmsapp.services import audit
from vmsapp.services.registration import meter_errors as wrong
from vmsapp.services.registration.dues import dues_at
from vmsapp.services.registration.meter_checks import batches
from vmsapp.services.registration.meter_locks import hung, lock_both, lock_meters, refuse_busy
from vmsapp.services.registration.meter_states import put
from vmsapp.services.registration.meters import today_of
from vmsapp.services.setup import NotSetUp, setup_at
from vmsapp.sts import identifiers
from vmsapp.tariffs.figures import GRID, fits

AFTERWARDS: Final = (MeterState.STOCK, MeterState.RETIRED)
"""Where a meter goes that is taken off."""


@dataclass(frozen=True, slots=True)
class Link:
    """A meter that is to be bound.

    Attributes:
        service_point_id: The place taken over; ``None`` makes a new one, at the consumer's.
        credit: Units that stand on the meter; ``None``: nobody looked.
    """

    meter_id: int
    consumer_id: int
    service_point_id: int | None = None
    credit: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Swap:
    """A meter that takes another's place.

    Attributes:
        old_credit, new_credit: Units that stand on them; ``None``: nobody looked.
        afterwards: Where the old one goes.
    """

    old_id: int
    new_id: int
    old_credit: Decimal | None = None
    new_credit: Decimal | None = None
    afterwards: MeterState = MeterState.STOCK


def bind(
    session: Session, actor: Actor, links: Sequence[Link], *, batch_id: int | None = None
) -> list[int]:
    """Bind meters to consumers, all of them or none; a meter in stock becomes active.

    The meter goes to the region of the place.

    Args:
        session: In the actor's scope.
        actor: Who binds them.
        links: One for each meter.
        batch_id: The import they belong to; it has one event for all.

    Returns:
        Ids of the service points, in the order of the links.

    Raises:
        NoSuchMeter, NoSuchConsumer, NoSuchPlace: Not there, or out of sight.
        MeterBound, MeterRetired, ConsumerRetired, PlaceTaken, OtherKindOfPlace, MetersBusy,
        CreditOutOfRange: Each with its sentence.
    """
    with atomic(session):
        for link in links:
            _check_credit(link.credit)
        points = _lock_vacant(session, [link.service_point_id for link in links])
        meters = lock_meters(session, [link.meter_id for link in links])
        consumers = _consumers(session, [link.consumer_id for link in links])
        _check_free(session, meters)
        refuse_busy(session, meters.values())
        points = _take_over(session, links, points, meters, consumers)
        made = _new_points(session, links, consumers)
        where = [points.get(link.service_point_id or 0) or made[link.meter_id] for link in links]
        _write_links(session, links, where)
        for link, point in zip(links, where, strict=True):
            meter = meters[link.meter_id]
            was = {"state": meter.state, "region_id": meter.region_id}
            _settle_in(meter, point, actor)
            if batch_id is None:
                audit.record(
                    session, actor, "meter.bound", "meter", meter.id, drn=meter.drn,
                    consumer=link.consumer_id, service_point=point.id,
                    credit=_text(link.credit), before=was,
                    after={"state": meter.state, "region_id": meter.region_id},
                )  # fmt: skip
        if batch_id is not None and links:
            audit.record(
                session, actor, "meter.import_bound", "meter", None, batch=batch_id,
                count=len(links), first=meters[links[0].meter_id].drn,
                last=meters[links[-1].meter_id].drn,
            )  # fmt: skip
        session.flush()
    return [point.id for point in where]


def unbind(
    session: Session,
    actor: Actor,
    meter_id: int,
    *,
    credit: Decimal | None = None,
    afterwards: MeterState = MeterState.STOCK,
) -> None:
    """Take a meter off its place; the place stays the consumer's, with its counters.

    Args:
        session: In the actor's scope.
        actor: Who does it.
        meter_id: Which meter.
        credit: Units that stand on it; ``None``: nobody looked.
        afterwards: One of ``AFTERWARDS``; a blocked meter that is not retired stays blocked.

    Raises:
        NoSuchMeter, MeterUnbound, MetersBusy, CreditOutOfRange: Each with its sentence.
    """
    assert afterwards in AFTERWARDS
    with atomic(session):
        _check_credit(credit)
        points, meters = lock_both(session, [meter_id])
        meter, point = meters[meter_id], points.get(meter_id)
        if point is None:
            raise wrong.MeterUnbound(number=identifiers.drn.format(meter.drn))
        refuse_busy(session, [meter])
        before, now = meter.state, now_utc()
        link = _end(session, meter, credit, now)
        link.arrears_minor = _missed(session, point, meter.tariff_id, now)
        _put_away(meter, afterwards, actor)
        audit.record(
            session, actor, "meter.unbound", "meter", meter.id, drn=meter.drn,
            consumer=point.consumer_id, service_point=point.id, credit=_text(credit),
            before={"state": before}, after={"state": meter.state},
        )  # fmt: skip


def swap(session: Session, actor: Actor, deed: Swap) -> None:
    """Hang another meter where one hangs: place, counters, fees and tariff go on.

    Raises:
        NoSuchMeter, MeterUnbound, MeterBound, MeterRetired, OtherKindOfPlace, MetersBusy,
        CreditOutOfRange: Each with its sentence.
    """
    assert deed.afterwards in AFTERWARDS
    with atomic(session):
        _check_credit(deed.old_credit)
        _check_credit(deed.new_credit)
        points, meters = lock_both(session, [deed.old_id, deed.new_id])
        point = points.get(deed.old_id)
        old, new = meters[deed.old_id], meters[deed.new_id]
        if point is None:
            raise wrong.MeterUnbound(number=identifiers.drn.format(old.drn))
        _check_free(session, {new.id: new})
        if new.meter_type != old.meter_type:
            raise _other_kind(new, old.meter_type)
        refuse_busy(session, [old, new])
        now = now_utc()
        _end(session, old, deed.old_credit, now)
        session.add(
            MeterInstallation(
                service_point_id=point.id, meter_id=new.id, consumer_id=point.consumer_id,
                installed_at=now, installed_credit=deed.new_credit,
            )
        )  # fmt: skip
        new.tariff_id = old.tariff_id
        _settle_in(new, point, actor)
        _put_away(old, deed.afterwards, actor)
        audit.record(
            session, actor, "meter.swapped", "meter", old.id, drn=old.drn,
            by=new.id, by_drn=new.drn, service_point=point.id, consumer=point.consumer_id,
            credit=_text(deed.old_credit), credit_of_new=_text(deed.new_credit),
            afterwards=deed.afterwards.value,
        )  # fmt: skip


def _check_credit(credit: Decimal | None) -> None:
    if credit is not None and (not fits(credit, GRID) or credit < 0):
        raise wrong.CreditOutOfRange


def _check_free(session: Session, meters: Mapping[int, Meter]) -> None:
    """Refuse meters that hang somewhere, seen or not, or are retired."""
    for number in hung(session, meters):
        raise wrong.MeterBound(number=identifiers.drn.format(meters[number].drn))
    for meter in meters.values():
        if meter.state == MeterState.RETIRED:
            raise wrong.MeterRetired(number=identifiers.drn.format(meter.drn))


def _consumers(session: Session, ids: Iterable[int]) -> dict[int, Consumer]:
    """Fetch who the meters go to, and keep others from retiring them until the end.

    Not shared with who binds another meter to them: each writes that something is bound.
    """
    wanted = set(ids)
    found = {
        row.id: row
        for some in batches(wanted)
        for row in session.scalars(
            select(Consumer).where(Consumer.id.in_(some)).order_by(Consumer.id)
            .with_for_update(key_share=True).execution_options(populate_existing=True)
        )
    }  # fmt: skip
    if found.keys() != wanted:
        raise wrong.NoSuchConsumer
    for row in found.values():
        if row.retired:
            raise wrong.ConsumerRetired(name=row.name)
    return found


def _lock_vacant(session: Session, ids: Iterable[int | None]) -> dict[int, ServicePoint]:
    """Lock the places that are taken over: seen, each once, and nothing hanging there."""
    wanted = [number for number in ids if number is not None]
    found: dict[int, ServicePoint] = {}
    for some in batches(set(wanted)):
        locked = session.scalars(
            select(ServicePoint).where(ServicePoint.id.in_(some)).order_by(ServicePoint.id)
            .with_for_update().execution_options(populate_existing=True)
        )  # fmt: skip
        found |= {point.id: point for point in locked}
        hanging = select(MeterInstallation.id).where(
            MeterInstallation.service_point_id.in_(some), MeterInstallation.removed_at.is_(None)
        )
        if session.scalar(hanging.limit(1)) is not None:
            raise wrong.PlaceTaken
    if found.keys() != set(wanted):
        raise wrong.NoSuchPlace
    if len(found) != len(wanted):
        raise wrong.PlaceTaken
    return found


def _take_over(
    session: Session,
    links: Sequence[Link],
    points: dict[int, ServicePoint],
    meters: Mapping[int, Meter],
    consumers: Mapping[int, Consumer],
) -> dict[int, ServicePoint]:
    """Give places where something hung before to who comes now."""
    for link in links:
        point = points.get(link.service_point_id or 0)
        if point is None:
            continue
        meter, last = meters[link.meter_id], _last_link(session, point.id)
        if last is not None and last.meter.meter_type != meter.meter_type:
            raise _other_kind(meter, last.meter.meter_type)
        anew = last is None or last.meter.tariff_id != meter.tariff_id
        if point.consumer_id != link.consumer_id:
            _leave_arrears(session, point, last)
            point.consumer_id, anew = link.consumer_id, True
            point.region_id = consumers[link.consumer_id].region_id
        elif last is not None:
            last.arrears_minor = None  # nobody left: what is due is due at the place
        if anew:
            point.plan_attached_on = today_of(session)
    session.flush()
    return points


def _last_link(session: Session, point_id: int) -> MeterInstallation | None:
    """The link that ended last at a place, with its meter, whoever sees that."""
    with unscoped("the place is seen; what hung there may be elsewhere by now"):
        return session.scalars(
            select(MeterInstallation)
            .where(MeterInstallation.service_point_id == point_id)
            .options(joinedload(MeterInstallation.meter))
            .order_by(MeterInstallation.id.desc())
            .limit(1)
        ).first()


def _leave_arrears(session: Session, point: ServicePoint, last: MeterInstallation | None) -> None:
    """Keep with the links that ended whose they were, and with the last what is owed.

    That was worked out when the meter was taken off; of one taken off before this was so it is
    worked out now, by the tariff its meter has by now.
    """
    if last is None or last.removed_at is None or point.consumer_id is None:
        return
    session.execute(
        update(MeterInstallation)
        .where(MeterInstallation.service_point_id == point.id)
        .where(MeterInstallation.consumer_id.is_(None))
        .values(consumer_id=point.consumer_id)
    )
    if last.arrears_minor is None:
        last.arrears_minor = _missed(session, point, last.meter.tariff_id, last.removed_at)


def _missed(
    session: Session, point: ServicePoint, tariff_id: int | None, moment: datetime
) -> int | None:
    """Add up the fees missed at a place by a moment; ``None`` where nothing was sold as yet."""
    try:
        setup = setup_at(session, now_utc())
    except NotSetUp:
        return None
    due = dues_at(session, setup, [(point, tariff_id)], moment)
    return due[point.id].missed_minor if due else 0


def _new_points(
    session: Session, links: Sequence[Link], consumers: Mapping[int, Consumer]
) -> dict[int, ServicePoint]:
    """Make the new places, by the meters that will hang there."""
    fresh = [link for link in links if link.service_point_id is None]
    if not fresh:
        return {}
    today = today_of(session)
    rows: list[dict[str, Any]] = [
        {
            "consumer_id": link.consumer_id,
            "region_id": consumers[link.consumer_id].region_id,
            "address": consumers[link.consumer_id].address,
            "plan_attached_on": today,
        }
        for link in fresh
    ]
    statement = insert(ServicePoint).returning(ServicePoint, sort_by_parameter_order=True)
    made = session.scalars(statement, rows).all()
    return {link.meter_id: point for link, point in zip(fresh, made, strict=True)}


def _write_links(session: Session, links: Sequence[Link], where: Sequence[ServicePoint]) -> None:
    now = now_utc()
    rows: list[dict[str, Any]] = [
        {
            "service_point_id": point.id,
            "meter_id": link.meter_id,
            "consumer_id": link.consumer_id,
            "installed_at": now,
            "installed_credit": link.credit,
        }
        for link, point in zip(links, where, strict=True)
    ]
    if rows:
        session.execute(insert(MeterInstallation), rows)


def _settle_in(meter: Meter, point: ServicePoint, actor: Actor) -> None:
    meter.region_id, meter.bound = point.region_id, True
    if meter.state == MeterState.STOCK:
        put(meter, MeterState.ACTIVE, actor)


def _put_away(meter: Meter, afterwards: MeterState, actor: Actor) -> None:
    meter.bound = False
    if meter.state != MeterState.BLOCKED or afterwards is MeterState.RETIRED:
        put(meter, afterwards, actor)


def _end(
    session: Session, meter: Meter, credit: Decimal | None, now: datetime
) -> MeterInstallation:
    link = session.scalars(
        select(MeterInstallation).where(
            MeterInstallation.meter_id == meter.id, MeterInstallation.removed_at.is_(None)
        )
    ).one()
    link.removed_at, link.removed_credit = now, credit
    session.flush()
    return link


def _other_kind(meter: Meter, counted: str) -> wrong.OtherKindOfPlace:
    number = identifiers.drn.format(meter.drn)
    return wrong.OtherKindOfPlace(counted=counted, number=number, meter_type=meter.meter_type)


def _text(credit: Decimal | None) -> str | None:
    return None if credit is None else str(credit)
