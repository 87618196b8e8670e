"""A free token written down: every rule under the locks, then the pending sale.

The transaction is the approval's. What the module is asked for afterwards is read from what
is written here, as of every sale.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from decimal import Decimal, InvalidOperation
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from vmsapp.clock import now_utc
from vmsapp.errors import N_
from vmsapp.models import (
    AccountKind,
    FreeReason,
    FreeToken,
    Sale,
    SaleKind,
)
from vmsapp.scope import Actor, unscoped
from vmsapp.services import audit, ledger
from vmsapp.services.free_tokens import quota
from vmsapp.services.free_tokens.errors import (
    MAX_NOTE,
    ConsumerChanged,
    ForSaleOfFree,
    ForUnknownSale,
    FreeAmountMissing,
    FreeNoteMissing,
    FreeNoteTooLong,
    FreeReasonMissing,
)
from vmsapp.services.free_tokens.valuing import Given, value
from vmsapp.services.meters import meter_to_sell_to
from vmsapp.services.setup import installation, setup_at
from vmsapp.services.vending.errors import FormOutdated
from vmsapp.services.vending.ground import Ground, check_meter, lock_ground
from vmsapp.services.vending.request import Purchase, SaleRequest
from vmsapp.services.vending.reserve import count, new_request_id, write_sale
from vmsapp.services.vending.tids import check_newest

KINDS: Final[Mapping[str, str]] = {
    SaleKind.FREE: N_("Free token"),
    SaleKind.COMPENSATION: N_("Compensation"),
}
"""What is given without money, in words."""

REASONS: Final[Mapping[str, Mapping[str, str]]] = {
    SaleKind.COMPENSATION: {
        FreeReason.OUTAGE: N_("Compensation for an outage"),
        FreeReason.FAULTY_CREDIT: N_("Credit that the meter lost or did not take"),
        FreeReason.OTHER: N_("Other compensation"),
    },
    SaleKind.FREE: {
        FreeReason.SOCIAL: N_("Social allowance"),
        FreeReason.COMMISSIONING: N_("Test or commissioning"),
        FreeReason.OTHER: N_("Other reason"),
    },
}
"""The reasons by kind, in words."""


@dataclass(frozen=True, slots=True)
class Gift:
    """What is to be given to whom, and why: what a second person approves.

    Attributes:
        consumer_id: Whose meter it was when it was asked for.
        kind: ``free`` or ``compensation``.
        reason: One of the kind's.
        table_set: Name of the STA tables in use.
        units: Decimal text; nothing for a meter that takes money.
        credit_minor: Money for the token of such a meter; else 0.
        for_sale_id: The purchase a compensation makes up for.
    """

    vending_point_id: int
    meter_id: int
    consumer_id: int
    kind: str
    reason: str
    table_set: str
    note: str = ""
    units: str = ""
    credit_minor: int = 0
    for_sale_id: int | None = None

    @property
    def wish(self) -> Purchase:
        """What is given, as a purchase says it.

        Raises:
            FreeAmountMissing: Neither units nor money, or both, or no number.
        """
        if bool(self.units) == bool(self.credit_minor):
            raise FreeAmountMissing
        if self.credit_minor:
            return Purchase(self.meter_id, "amount", tender_minor=self.credit_minor)
        try:
            units = Decimal(self.units)
        except InvalidOperation:
            raise FreeAmountMissing from None
        if not units.is_finite() or units <= 0:
            raise FreeAmountMissing
        return Purchase(self.meter_id, "quantity", units=units)


def request_of(gift: Gift, key: str) -> SaleRequest:
    """Make of it what a sale is asked for with: the same key finds the same sale."""
    return SaleRequest(gift.vending_point_id, key, gift.wish, quote_shown={"given": asdict(gift)})


@dataclass(frozen=True, slots=True)
class Preview:
    """What is shown before somebody asks: what is given, and what was given before."""

    given: Given
    used: quota.Used


def preview(session: Session, gift: Gift) -> Preview:
    """Tell what a gift carries and is worth, without a lock; it is checked again.

    Raises:
        VmsError: One of the rules of ``errors``.
    """
    _check_words(gift)
    _check_for_sale(session, gift)
    meter, point = meter_to_sell_to(session, gift.meter_id)
    moment = now_utc()
    setup = setup_at(session, moment)
    given = value(session, setup, meter, point, gift.wish, moment)
    quota.check(session, setup, meter, gift.vending_point_id, given)
    so_far = quota.used(session, meter, gift.vending_point_id, given.business_date)
    return Preview(given, so_far)


def check(session: Session, gift: Gift) -> tuple[Ground, Given]:
    """Lock what a free token stands on, and refuse what may not be given.

    Raises:
        VmsError: One of the rules of ``errors``, or of selling to the meter at all.
    """
    _check_words(gift)
    ground = lock_ground(session, request_of(gift, ""))
    check_meter(ground)
    check_newest(ground.moment, ground.newest_sale)
    if ground.point.consumer_id != gift.consumer_id:
        raise ConsumerChanged
    _check_for_sale(session, gift)
    given = worth(session, ground, gift)
    quota.check(session, ground.setup, ground.meter, gift.vending_point_id, given)
    return ground, given


def worth(session: Session, ground: Ground, gift: Gift) -> Given:
    """Tell what a gift carries and is worth, on locked ground."""
    return value(session, ground.setup, ground.meter, ground.point, gift.wish, now_utc())


def reserve(session: Session, actor: Actor, gift: Gift, key: str) -> Sale:
    """Write the pending sale of a free token, inside the caller's transaction.

    Raises:
        FormOutdated: The form is older than the last restore.
        VmsError: As ``check`` does.
    """
    request = request_of(gift, key)
    if request.epoch != installation(session).epoch:
        raise FormOutdated
    ground, given = check(session, gift)
    sale = write_sale(
        session, actor, request, ground, given, now_utc(), gift.table_set, new_request_id(), None,
        SaleKind(gift.kind),
    )  # fmt: skip
    count(session, sale, given)
    session.add(
        FreeToken(
            sale_id=sale.id, vending_point_id=sale.vending_point_id, meter_id=sale.meter_id,
            kind=gift.kind, reason=gift.reason, note=gift.note, for_sale_id=gift.for_sale_id,
            value_minor=given.value_minor, business_date=sale.business_date,
        )
    )  # fmt: skip
    energy = (AccountKind.ENERGY, ground.meter.meter_type)
    ledger.reserve_free(session, sale, given.value_minor, energy)
    audit.record(
        session, actor, "sale.reserved", "sale", sale.id,
        vending_point_id=sale.vending_point_id, meter_pan=sale.meter_pan, charged_minor=0,
        units=str(sale.units), tid=sale.tid, request_id=sale.request_id, kind=gift.kind,
        reason=gift.reason, note=gift.note, value_minor=given.value_minor,
    )  # fmt: skip
    return sale


def _check_words(gift: Gift) -> None:
    if gift.reason not in REASONS.get(gift.kind, {}):
        raise FreeReasonMissing
    if gift.reason == FreeReason.OTHER and not gift.note:
        raise FreeNoteMissing
    if len(gift.note) > MAX_NOTE:
        raise FreeNoteTooLong
    if gift.for_sale_id is not None and gift.kind != SaleKind.COMPENSATION:
        raise ForSaleOfFree


def _check_for_sale(session: Session, gift: Gift) -> None:
    """A compensation makes up for a purchase of this consumer, or of this meter."""
    if gift.for_sale_id is None:
        return
    with unscoped("a purchase made elsewhere can be made up for here; only whose it is, is told"):
        found = session.execute(
            select(Sale.meter_id, Sale.consumer_id).where(
                Sale.id == gift.for_sale_id, Sale.kind == SaleKind.SALE
            )
        ).one_or_none()
    if found is None or (found.consumer_id != gift.consumer_id and found.meter_id != gift.meter_id):
        raise ForUnknownSale(sale_id=gift.for_sale_id)
