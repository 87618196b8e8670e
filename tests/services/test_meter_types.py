"""Electricity, water, gas and time are sold alike; each token fits its own kind of meter."""

from decimal import Decimal

import pytest

from tests import factories
from tests.factories import LEGACY_SGC
from vmsapp.hsm.requests import KeyRef
from vmsapp.models import AccountKind, LedgerAccount, LedgerEntry, MeterType
from vmsapp.sts import dkga
from vmsapp.sts.identifiers import BaseDate, KeyType
from vmsapp.sts.keys import KeyParameters, VendingKey
from vmsapp.sts.meter import Result, VirtualMeter

SUBCLASSES = [
    (MeterType.ELECTRICITY, 0), (MeterType.WATER, 1), (MeterType.GAS, 2), (MeterType.TIME, 3),
]  # fmt: skip
"""IEC 62055-41, "Class 0: Transfer credit": the sub-classes 0 to 3."""


NAME = "sold to here"


@pytest.fixture
def kind(shop, request):
    """Hang a meter of the kind asked for, with two steps: 0.10 up to 100 and 0.20 above."""
    kind = request.param

    def add(session):
        product = factories.add_product(session, "09", kind)
        tariff = factories.add_tariff(
            session, f"Two steps of {kind}", factories.step("0", "100", "0.10"),
            factories.step("100", None, "0.20"), meter_type=kind,
        )  # fmt: skip
        region = shop.utility.regions["north"]
        return factories.add_meter(session, 900, product=product, tariff=tariff, region=region)

    shop.utility.meters[NAME] = shop.change(add)
    yield kind
    del shop.utility.meters[NAME]


def virtual(shop, keystore) -> VirtualMeter:
    """The meter as it hangs there, with its key inside."""
    row = shop.meter(NAME)
    parameters = KeyParameters(
        meter_pan=row.meter_pan, sgc=row.sgc, krn=row.krn, kt=row.kt, ti=row.ti,
        base_date=BaseDate(row.base_date), dkga="02", ea=row.ea,
    )  # fmt: skip
    ref = KeyRef(LEGACY_SGC, 1, 2, "02")
    vending_key = VendingKey("02", keystore.vending_key(ref)[1].reveal())
    return VirtualMeter(dkga.derive(vending_key, parameters), kt=KeyType.DUTK, ti=int(row.ti))


@pytest.mark.parametrize(("kind", "subclass"), SUBCLASSES, indirect=["kind"])
def test_each_kind_of_meter_takes_its_own_token_and_counts_it_in_its_own_register(
    shop, keystore, kind, subclass
):
    sale = shop.sell(NAME, units="150")
    assert (sale.state, sale.subclass, sale.charged_minor) == ("issued", subclass, 2000)
    (token,) = shop.tokens(sale)
    assert (token.token_class, token.subclass) == (0, subclass)
    meter = virtual(shop, keystore)
    assert meter.enter(token.digits) is Result.ACCEPT
    assert {place: held for place, held in meter.registers.items() if held} == {subclass: 1500}


@pytest.mark.parametrize(("kind", "subclass"), SUBCLASSES, indirect=["kind"])
def test_each_kind_has_its_own_account_and_counts_its_own_months(shop, kind, subclass):
    shop.sell(NAME, units="60")
    second = shop.sell(NAME, units="60")
    assert second.charged_minor == 800  # 40 at 0.10 and 20 at 0.20
    assert shop.counters(NAME) == {factories.TODAY: Decimal(120)}
    (account,) = shop.rows(LedgerAccount, LedgerAccount.kind == AccountKind.ENERGY)
    assert account.detail == kind
    entries = shop.rows(LedgerEntry, LedgerEntry.account_id == account.id)
    assert sorted(entry.amount_minor for entry in entries) == [-800, -600]
