"""Every function, under every algorithm, through every kind of module, at a virtual meter.

What the meter is to do with a token is stated here in the meter's own terms; the meter reads
digits by code of its own, which shares nothing with the modules.
"""

from datetime import timedelta

import pytest

from tests.engineer import Engineer
from tests.factories import STS6_11, SUPERVISOR, WATER
from tests.keyring import KeyShop
from tests.unit.hsm.drivers import DRIVERS, PARAMETERS, meter_of
from tests.unit.hsm.hsm_cases import NOW, REF02, REF04, meter
from vmsapp.hsm.registry import Registry
from vmsapp.sts.meter import Result

pytestmark = pytest.mark.parametrize("backend", ["sqlite"])

AMOUNT_MAX = 16_383
"""Above that nobody knows how a PrismToken service takes a number that is no power limit."""
FULL = {0: 500, 1: 400, 4: 300}


@pytest.fixture(params=PARAMETERS)
def driver(request, tmp_path):
    with DRIVERS[request.param](tmp_path) as driver:
        yield driver


@pytest.fixture
def registry(driver):
    return Registry((), {"soft": lambda _: driver.module})


@pytest.fixture
def engineer(shop):
    shop.at(NOW + timedelta(seconds=10))
    return Engineer(shop)


DOES = [
    (STS6_11, "power_limit", {"value": 1000}, lambda m: m.maximum_power_limit, 1000),
    # rounded up to the next step of ten: SPEC 5.1
    (STS6_11, "power_limit", {"value": 20_001}, lambda m: m.maximum_power_limit, 20_004),
    (STS6_11, "clear_credit", {"value": 0}, lambda m: m.registers[0], 0),
    (STS6_11, "clear_credit", {"value": 0xFFFF}, lambda m: sum(m.registers.values()), 0),
    (STS6_11, "clear_tamper", {}, lambda m: m.tampered, False),
    (STS6_11, "phase_unbalance", {"value": 500},
     lambda m: m.phase_power_unbalance_limit, 500),
    (STS6_11, "tariff_rate", {"value": 16_383}, lambda m: m.tariff_rate, 16_383),
    (STS6_11, "tariff_rate", {"value": 65_535}, lambda m: m.tariff_rate, 65_535),
    (WATER, "water_factor", {"value": 12}, lambda m: m.water_meter_factor, 12),
    (WATER, "clear_credit", {"value": 1}, lambda m: m.registers[1], 0),
    (STS6_11, "extended", {"index": 0, "value": 123}, lambda m: m.extended, {0: 123}),
    # flag 5 on: index 63, nine bits which one, one bit its value (SPEC 4.4)
    (STS6_11, "extended", {"index": 63, "value": 11}, lambda m: m.extended, {63: 11}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("ref", "ea"), [(REF02, 7), (REF04, 7), (REF04, 11)], ids=["dkga02", "dkga04", "misty1"]
)
def test_the_meter_takes_each_token_once_and_does_what_the_card_said(
    shop, engineer, driver, ref, ea
):
    keys = KeyShop(shop, SUPERVISOR)
    for name in (STS6_11, WATER):
        keys.set_meter(
            name, sgc=ref.sgc, krn=ref.krn, kt=ref.kt, ea=ea,
            algorithm="legacy" if ref.dkga == "02" else "sts6",
        )  # fmt: skip
    held = {}
    for name in (STS6_11, WATER):
        row = shop.meter(name)
        held[name] = meter_of(meter(ref, pan=row.meter_pan, ti=row.ti, ea=ea))
    for number, (name, function, said, look, expected) in enumerate(DOES):
        mine = held[name]
        mine.registers |= FULL
        mine.tampered = True
        mine.extended = {}
        token = engineer.make(name, function, form=f"1-{number}", **said)
        if driver.own_rnd and token.value > AMOUNT_MAX and function in {"tariff_rate", "extended"}:
            assert (token.state, token.failure) == ("failed", "parameters")
            continue
        assert token.state == "issued", (function, token.failure)
        digits = engineer.digits(token)
        other = held[WATER if name == STS6_11 else STS6_11]
        assert other.enter(digits) is Result.CRC_ERROR  # nobody else's
        assert look(mine) != expected
        assert mine.enter(digits) is Result.ACCEPT, function
        assert look(mine) == expected, function
        assert mine.enter(digits) is Result.USED_ERROR
