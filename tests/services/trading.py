"""A utility that trades for a few days: what reports are tried with."""

import random  # noqa: TID251 - the same figures each time, and no secret
from decimal import Decimal

from tests.factories import (
    DOMESTIC,
    LEGACY_11,
    LEGACY_13,
    MARKET,
    OPERATOR,
    SOUTH_OPERATOR,
    SOUTHERN,
    STS6_11,
    SUPERVISOR,
    WATER,
    add_tariff,
    step,
)
from tests.services import raw_sums
from tests.services.gifts import Gifts
from tests.services.pair import make_pair
from tests.till import Till
from vmsapp.models import Meter, ReceiptPrint, Setup, VendingPointAccount
from vmsapp.services.vending import reversal
from vmsapp.services.vending.reversal import REVERSE
from vmsapp.tariffs.levies import Base, FlatLevy, PercentLevy, UnitLevy

LEVIES = (
    FlatLevy("Stamp", 7),
    UnitLevy("Lighting", Decimal("0.013")),
    PercentLevy("VAT", Decimal("16"), frozenset({Base.ENERGY}), of_levies=("Lighting",)),
    PercentLevy("Fund", Decimal("2.5"), frozenset({Base.TENDER})),
)


class World:
    """A utility that trades for a few days, as the dice fall."""

    def __init__(self, shop, zone, begins):
        self.shop, self.zone, self.begins = shop, zone, begins
        self.dice, self.pair, self.till = random.Random(zone), make_pair(shop), Till(shop)
        self.gifts = Gifts(shop, self.pair)
        shop.clock.now = begins
        shop.change(self.prepare)

    def prepare(self, session):
        session.query(Setup).update({"time_zone": self.zone})
        meters = self.shop.utility.meters
        levied = add_tariff(
            session, "Levied", step("0", "30", "0.0931"), step("30", None, "0.217", "5"),
            levies=LEVIES,
        )  # fmt: skip
        gross = add_tariff(
            session, "Gross", step("0", "40", "0.11", "7"), step("40", None, "0.17", "9"),
            levies=LEVIES[1:3], tax_inclusive=True,
        )  # fmt: skip
        water = add_tariff(
            session, "Water", step("0", "3", "1.25"), step("3", None, "2", "5"), levies=LEVIES,
            meter_type="water",
        )  # fmt: skip
        priced = {WATER: water, LEGACY_11: levied, SOUTHERN: levied, STS6_11: gross}
        for name, tariff in priced.items():
            session.get_one(Meter, meters[name]).tariff_id = tariff.id
        point = self.shop.utility.points[MARKET]
        session.add(
            VendingPointAccount(vending_point_id=point, limited=True, credit_limit_minor=10**6)
        )

    def trade(self):
        """Sell, take back, print again, give, move money; over three days."""
        shop, dice, shift, sales = self.shop, self.dice, None, []
        for number in range(12):
            shop.clock.forward(minutes=dice.choice([65, 190, 400]))
            if number % 4 == 0:
                shift = self.cash_up(shift)
            meter = dice.choice([LEGACY_11, DOMESTIC, STS6_11, SOUTHERN, WATER])
            south = {"point": MARKET, "by": SOUTH_OPERATOR} if meter == SOUTHERN else {}
            sales.append(shop.sell(meter, units=f"{dice.randint(50, 2900) / 10}", **south))
            for nth in range(1, dice.choice([1, 1, 2, 4])):
                self.print(sales[-1], nth)
            if number % 3 == 1:
                self.take_back(sales.pop(dice.randrange(len(sales))), f"back-{number}")
        self.give()
        shop.clock.forward(minutes=30)
        return self

    def cash_up(self, shift):
        """Count the drawer and open another one."""
        if shift is not None:
            self.till.move(shift, self.dice.randint(1, 900))
            self.till.move(shift, self.dice.randint(1, 900), out=False, reason="change")
            self.till.count(shift, self.dice.randint(1000, 9000))
            if self.till.again(shift).closed_at is None:
                self.till.finish(shift, "counted twice")
        return self.till.open(self.dice.randint(0, 3000))

    def print(self, sale, nth):
        who = self.dice.choice([OPERATOR, SUPERVISOR])
        at = self.shop.clock.forward(minutes=self.dice.choice([1, 90]))
        self.shop.change(lambda session: session.add(ReceiptPrint(
            vending_point_id=sale.vending_point_id, sale_id=sale.id, nth=nth, kind="paper",
            language="en", printed_at=at, printed_by_id=self.shop.utility.users[who].id,
        )))  # fmt: skip

    def take_back(self, sale, key):
        wanted = reversal.Reversal(sale.id, sale.charged_minor, "wrong_meter", "")
        asked = self.pair.ask(REVERSE, key, params=wanted)
        assert self.pair.approve(asked).state == "approved"

    def give(self):
        self.gifts.give(units="12.5")
        social = self.gifts.give(LEGACY_13, kind="free", reason="social", units="30")
        self.gifts.give(WATER, kind="free", reason="social", units="4")
        self.shop.clock.forward(minutes=200)
        self.take_back(social, "back-gift")

    def rows(self, first, last):
        return raw_sums.Rows(self.shop, self.zone, first, last)
