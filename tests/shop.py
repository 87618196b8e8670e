"""A vending point as tests use it: quote, sell, look at what was written, decode tokens.

Every deed has a session of its own, as every web request has, and the scope of the
person who does it.
"""

import contextvars
import threading
from collections.abc import Callable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Engine, func, inspect, select
from sqlalchemy.orm import Session

from tests.factories import (
    EPOCH,
    HARBOUR,
    LEGACY_11,
    OPERATOR,
    SUPERVISOR,
    FrozenClock,
    Utility,
)
from tests.faults import WeatherySession
from vmsapp.extensions import atomic
from vmsapp.hsm.keystore import Keystore
from vmsapp.hsm.registry import Registry
from vmsapp.hsm.requests import KeyRef
from vmsapp.models import (
    Counter,
    FeePayment,
    Meter,
    MeterInstallation,
    Sale,
    ServicePoint,
    Token,
    VendingPointAccount,
)
from vmsapp.scope import SYSTEM, Actor, seen_by, unscoped
from vmsapp.security import sight_of
from vmsapp.services import vending
from vmsapp.services.vending import Purchase, SaleRequest, new_key
from vmsapp.services.vending.reconcile import Patience, reconcile
from vmsapp.services.vending.settle import seal
from vmsapp.sts import dkga
from vmsapp.sts.codec import decode
from vmsapp.sts.credit import CreditToken
from vmsapp.sts.identifiers import BaseDate
from vmsapp.sts.keys import KeyParameters, VendingKey

DEFAULT_PATIENCE = Patience()
LOOK = "the test looks at everything"


class Shop:
    """Sells from the utility of ``factories``."""

    def __init__(
        self, engine: Engine, registry: Registry, utility: Utility, clock: FrozenClock
    ) -> None:
        self.engine = engine
        self.registry = registry
        self.utility = utility
        self.clock = clock

    def session(self) -> WeatherySession:
        """A session as the product has it."""
        return WeatherySession(self.engine, expire_on_commit=False)

    def actor(self, name: str = OPERATOR) -> Actor:
        """One of the utility's people."""
        user = self.utility.users[name]
        return Actor(user.id, user.username, sight_of(user))

    def do(self, deed: Callable[..., Any], *args: Any, by: str = OPERATOR, **options: Any) -> Any:
        """Do something as one of the utility's people, in a session of its own."""
        actor = self.actor(by)
        with self.session() as session, seen_by(actor):
            return deed(session, actor, *args, **options)

    def purchase(self, meter: str, *, units: str = "50", tender: int | None = None) -> Purchase:
        """What a customer wants: units, or the worth of ``tender`` minor units."""
        meter_id = self.utility.meters[meter]
        if tender is not None:
            return Purchase(meter_id, "amount", tender_minor=tender)
        return Purchase(meter_id, "quantity", units=Decimal(units))

    def quote(self, meter: str, **wish: Any) -> dict[str, Any]:
        """The figures the screen would show."""
        with self.session() as session, unscoped(LOOK):
            row = session.get_one(Meter, self.utility.meters[meter])
            point = session.get_one(ServicePoint, self.point_of(meter))
            priced = vending.quote(
                session, row, point, self.purchase(meter, **wish), self.clock.now
            )
            return priced.quote.figures()

    def form(
        self,
        meter: str = LEGACY_11,
        *,
        key: str | None = None,
        point: str = HARBOUR,
        shown: dict[str, Any] | None = None,
        repeat_confirmed: bool = True,
        **wish: Any,
    ) -> SaleRequest:
        """Fill a form in: by default with the quote of this moment and a key of its own."""
        return SaleRequest(
            vending_point_id=self.utility.points[point],
            key=key or new_key(EPOCH),
            purchase=self.purchase(meter, **wish),
            quote_shown=self.quote(meter, **wish) if shown is None else shown,
            repeat_confirmed=repeat_confirmed,
        )

    def submit(self, form: SaleRequest, *, by: str = OPERATOR, weather: Sequence[str] = ()) -> Sale:
        """Send a form in."""
        actor = self.actor(by)
        with self.session() as session, seen_by(actor):
            session.weather = list(weather)
            return vending.sell(session, self.registry, actor, form)

    def sell(self, meter: str = LEGACY_11, **form: Any) -> Sale:
        """Fill a form in and send it."""
        by, weather = form.pop("by", OPERATOR), form.pop("weather", ())
        return self.submit(self.form(meter, **form), by=by, weather=weather)

    def reconcile(
        self, patience: Patience = DEFAULT_PATIENCE, weather: Sequence[str] = ()
    ) -> dict[str, int]:
        """Run the worker once."""
        with self.session() as session, seen_by(SYSTEM):
            session.weather = list(weather)
            return reconcile(session, self.registry, patience)

    def seal(self, sale: Sale, *, by: str = SUPERVISOR) -> Sale:
        """Note that the money of a doubtful sale was given back."""
        actor = self.actor(by)
        with self.session() as session, seen_by(actor):
            return seal(session, actor, sale.id)

    def change(self, deed: Callable[[Session], Any]) -> Any:
        """Change the database behind the product's back."""
        with self.session() as session, unscoped(LOOK), atomic(session):
            return deed(session)

    def rows(self, model: type, *where: Any) -> list[Any]:
        """Read rows as they stand, the one added last behind the others."""
        order = inspect(model).primary_key
        with self.session() as session, unscoped(LOOK):
            return list(session.scalars(select(model).where(*where).order_by(*order)))

    def count(self, model: type, *where: Any) -> int:
        """Count rows as they stand."""
        with self.session() as session, unscoped(LOOK):
            return session.scalar(select(func.count()).select_from(model).where(*where)) or 0

    def again(self, sale: Sale) -> Sale:
        """Read a sale as it stands now."""
        return self.rows(Sale, Sale.id == sale.id)[0]

    def tokens(self, sale: Sale) -> list[Token]:
        """The tokens of a sale: one, or none."""
        return self.rows(Token, Token.sale_id == sale.id)

    def digits(self, sale: Sale) -> str:
        """The twenty digits of a sale."""
        return self.tokens(sale)[0].digits

    def decode(self, sale: Sale, keystore: Keystore) -> CreditToken:
        """Read a sale's digits as the meter would, with the key it has inside."""
        meter = self.rows(Meter, Meter.id == sale.meter_id)[0]
        generation = "02" if meter.algorithm == "legacy" else "04"
        ref = KeyRef(meter.sgc, meter.krn, meter.kt, generation)
        parameters = KeyParameters(
            meter_pan=meter.meter_pan, sgc=meter.sgc, krn=meter.krn, kt=meter.kt, ti=meter.ti,
            base_date=BaseDate(meter.base_date), dkga=generation, ea=meter.ea,
        )  # fmt: skip
        vending_key = VendingKey(generation, keystore.vending_key(ref)[1].reveal())
        return decode(self.digits(sale), dkga.derive(vending_key, parameters))

    def meter(self, name: str) -> Meter:
        """A meter's row."""
        return self.rows(Meter, Meter.id == self.utility.meters[name])[0]

    def point_of(self, meter: str) -> int:
        """Id of the service point a meter was last hung at."""
        mine = MeterInstallation.meter_id == self.utility.meters[meter]
        newest = max(self.rows(MeterInstallation, mine), key=lambda hung: hung.id)
        return newest.service_point_id

    def counters(self, meter: str) -> dict[Any, Decimal]:
        """Units counted at a meter's service point, by period."""
        rows = self.rows(Counter, Counter.service_point_id == self.point_of(meter))
        return {row.period_start: row.units for row in rows}

    def fees(self, meter: str) -> list[Any]:
        """Periods whose fee is paid at a meter's service point."""
        rows = self.rows(FeePayment, FeePayment.service_point_id == self.point_of(meter))
        return sorted(row.period_start for row in rows)

    def account(self, point: str = HARBOUR) -> VendingPointAccount:
        """A vending point's locked account."""
        mine = VendingPointAccount.vending_point_id == self.utility.points[point]
        return self.rows(VendingPointAccount, mine)[0]

    def at(self, moment: datetime) -> "Shop":
        """Set the clock."""
        self.clock.now = moment
        return self


def in_threads(*deeds: Callable[[], Any]) -> list[Any]:
    """Do things at the same time, each under this thread's clock and scope.

    Returns:
        What each gave, or the exception it raised, in order.
    """
    outcomes: list[Any] = [None] * len(deeds)
    barrier = threading.Barrier(len(deeds))

    def run(index: int, deed: Callable[[], Any]) -> None:
        barrier.wait()
        try:
            outcomes[index] = deed()
        except Exception as error:  # noqa: BLE001 - it is what the test looks at
            outcomes[index] = error

    threads = [
        threading.Thread(target=contextvars.copy_context().run, args=(run, index, deed))
        for index, deed in enumerate(deeds)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcomes
