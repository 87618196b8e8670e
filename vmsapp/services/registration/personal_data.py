"""What is held of a person: seen by who may, handed over whole, removed for good.

Numbers of identity cards stand in no event, address or log. Whoever looks at one, or looks for
one, is on record each time.
"""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session, joinedload

from config import Settings
from vmsapp.clock import now_utc
from vmsapp.errors import N_, Conflict, InvalidInput
from vmsapp.extensions import atomic
from vmsapp.models import Consumer, Delivery, Gender, Region, Sale, SaleState
from vmsapp.scope import Actor, unscoped
from vmsapp.services import audit
from vmsapp.services.imports import forgetting
from vmsapp.services.imports.forgetting import FilesUnderway, Person
from vmsapp.services.registration.consumer_meters import Link, links_of, meters_bound
from vmsapp.services.registration.consumers import ConsumerAnonymised, locked
from vmsapp.services.registration.masking import NOBODY

FOUND_AT_MOST: Final = 20
EVERY_LINK: Final = 100_000
LONGEST_REASON: Final = 255


class ReasonMissing(InvalidInput):
    """What cannot be undone has a reason on record."""

    code = "anonymise_reason_missing"
    message = N_("Say why, in at most %(count)s characters.")
    field = "reason"

    def __init__(self) -> None:
        super().__init__(count=LONGEST_REASON)


class NumberNotRepeated(InvalidInput):
    """What cannot be undone is confirmed by the number."""

    code = "anonymise_number_differs"
    message = N_("This is not the number of this consumer.")
    field = "number"


class MeterStillBound(Conflict):
    """Somebody buys for it, and that somebody must be known."""

    code = "anonymise_meter_bound"
    message = N_("A meter is bound to this consumer. Unbind it first.")


class SaleStillPending(Conflict):
    """Its receipt will need the name."""

    code = "anonymise_sale_pending"
    message = N_("A sale to this consumer is still being settled. Try again once it is.")


def show_id_number(session: Session, actor: Actor, consumer_id: int) -> str:
    """Read a consumer's whole number, and put it on record that it was read.

    Raises:
        NotFound: Nobody there, as far as the actor sees.
    """
    with atomic(session):
        row = locked(session, [consumer_id])[consumer_id]
        audit.record(session, actor, "consumer.id_number_shown", "consumer", row.id,
                     number=row.number)  # fmt: skip
        return row.id_number


def find_id_number(session: Session, actor: Actor, id_number: str) -> Sequence[Consumer]:
    """Find consumers by their whole number, in the actor's scope, and put that on record."""
    wanted = (
        select(Consumer).where(Consumer.id_number == id_number, Consumer.id_number != "")
        .options(joinedload(Consumer.region)).order_by(Consumer.id).limit(FOUND_AT_MOST)
    )  # fmt: skip
    with atomic(session):
        found = session.scalars(wanted).all()
        audit.record(session, actor, "consumer.id_number_searched", "consumer", None,
                     found=[row.number for row in found])  # fmt: skip
        return found


def everything_of(session: Session, actor: Actor, consumer_id: int) -> dict[str, Any]:
    """Gather all that is held of a person, as far as the actor sees, and put that on record.

    The digits of tokens are left out: they are money, and were handed over when it was paid.

    Returns:
        What JSON can hold; ``complete`` tells whether the actor saw all of it.

    Raises:
        NotFound: Nobody there, as far as the actor sees.
    """
    with atomic(session):
        row = locked(session, [consumer_id])[consumer_id]
        region = session.scalars(select(Region).where(Region.id == row.region_id)).one()
        links = links_of(session, consumer_id, EVERY_LINK).shown
        sales = session.scalars(
            select(Sale).where(Sale.consumer_id == consumer_id)
            .options(joinedload(Sale.vending_point), joinedload(Sale.meter)).order_by(Sale.id)
        ).all()  # fmt: skip
        audit.record(session, actor, "consumer.person_exported", "consumer", row.id,
                     number=row.number, meters=len(links), sales=len(sales))  # fmt: skip
        return {
            "made_at": now_utc().isoformat(),
            "complete": _count_sales(session, consumer_id) == len(sales),
            "consumer": _record(row, region),
            "meters": [_link(link) for link in links],
            "sales": [_sale(sale) for sale in sales],
        }


def anonymise(
    session: Session,
    actor: Actor,
    settings: Settings,
    consumer_id: int,
    *,
    reason: str,
    number: str,
) -> None:
    """Remove what tells who a consumer is, for good; what was sold stays.

    Files of imports in which the person stands are removed with it, and all files made of lists.

    Args:
        session: In the actor's scope, no transaction open.
        actor: Who does it.
        settings: Of the installation, to find the files.
        consumer_id: To whom.
        reason: Why; it stays on record, so it names nobody.
        number: The consumer's number, typed again.

    Raises:
        NotFound: Nobody there, as far as the actor sees.
        ConsumerAnonymised: It was done before.
        ReasonMissing, NumberNotRepeated: What was typed.
        MeterStillBound, SaleStillPending, FilesUnderway: Something goes on.
    """
    with atomic(session):
        row = _open_to_it(session, consumer_id, reason, number)
        person = Person.of(row)
    found = forgetting.find(session, settings, person)  # it reads files: nothing is locked
    with atomic(session):
        row = _open_to_it(session, consumer_id, reason, number)
        if Person.of(row) != person:  # other words were looked for in the files
            raise FilesUnderway
        files = forgetting.forget(session, person, found, NOBODY)
        _empty(row, actor, now_utc())
        session.execute(  # where receipts went tells who it was
            update(Delivery).where(Delivery.consumer_id == row.id).values(to_masked="")
        )
        audit.record(session, actor, "consumer.anonymised", "consumer", row.id,
                     number=row.number, reason=reason)  # fmt: skip
    files.remove(settings)


def _open_to_it(session: Session, consumer_id: int, reason: str, number: str) -> Consumer:
    """Fetch the consumer, unless something speaks against it."""
    row = locked(session, [consumer_id])[consumer_id]
    if row.anonymised_at is not None:
        raise ConsumerAnonymised
    if not 0 < len(reason) <= LONGEST_REASON:
        raise ReasonMissing
    if number.upper() != row.number.upper():
        raise NumberNotRepeated
    if meters_bound(session, [row.id], everywhere=True):
        raise MeterStillBound
    if _count_sales(session, row.id, Sale.state == SaleState.PENDING):
        raise SaleStillPending
    return row


def _empty(row: Consumer, actor: Actor, now: datetime) -> None:
    row.name, row.gender, row.anonymised_at = NOBODY, Gender.UNKNOWN, now
    row.address = row.id_number = row.email = row.phone = ""
    row.email_changed_at = row.email_changed_by_id = row.email_confirmed_at = None
    row.phone_changed_at = row.phone_changed_by_id = row.phone_confirmed_at = None
    row.version += 1
    if row.retired_at is None:
        row.retired_at, row.retired_by_id = now, actor.user_id


def _count_sales(session: Session, consumer_id: int, *which: Any) -> int:  # noqa: ANN401
    wanted = select(func.count(Sale.id)).where(Sale.consumer_id == consumer_id, *which)
    with unscoped("a person's sales count wherever they were made"):
        return session.scalar(wanted) or 0


def _record(row: Consumer, region: Region) -> dict[str, Any]:
    return {
        "number": row.number, "name": row.name, "region": region.name, "address": row.address,
        "gender": row.gender, "id_number": row.id_number, "email": row.email,
        "phone": row.phone, "language": row.language, "retired_at": _moment(row.retired_at),
        "anonymised_at": _moment(row.anonymised_at),
    }  # fmt: skip


def _link(link: Link) -> dict[str, Any]:
    return {
        "number": link.meter.drn, "type": link.meter.meter_type, "model": link.meter.product.model,
        "tariff": link.meter.tariff.name if link.meter.tariff else None,
        "bound_at": _moment(link.since), "unbound_at": _moment(link.until),
    }  # fmt: skip


def _sale(sale: Sale) -> dict[str, Any]:
    def money(minor: int) -> str:
        return str(Decimal(minor).scaleb(-sale.exponent))

    return {
        "id": sale.id, "kind": sale.kind, "state": sale.state, "sold_at": _moment(sale.sold_at),
        "receipt": sale.receipt, "vending_point": sale.vending_point.name,
        "meter": sale.meter.drn if sale.meter else None,
        "units": None if sale.in_money else str(sale.units),
        "credit": None if sale.credit_minor is None else money(sale.credit_minor),
        "received": money(sale.received_minor), "charged": money(sale.charged_minor),
        "change": money(sale.change_minor), "currency": sale.currency,
    }  # fmt: skip


def _moment(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()
