"""A whole change of keys through every kind of module, at meters that hold the old key."""

from datetime import timedelta

import pytest

from tests.factories import SOUTHERN, STS6_11, SUPERVISOR
from tests.keyring import KeyShop
from tests.services.changes import credit_of, enter
from tests.unit.hsm.drivers import DRIVERS, NEXT04, PARAMETERS, meter_of
from tests.unit.hsm.hsm_cases import NOW, REF02, REF04, meter
from vmsapp.hsm.registry import Registry
from vmsapp.models import KeyChangeToken
from vmsapp.sts.meter import Result

pytestmark = pytest.mark.parametrize("backend", ["sqlite"])


@pytest.fixture(params=PARAMETERS)
def driver(request, tmp_path):
    with DRIVERS[request.param](tmp_path) as driver:
        yield driver


@pytest.fixture
def registry(driver):
    return Registry((), {"soft": lambda _: driver.module})


@pytest.fixture
def keys(shop):
    shop.at(NOW + timedelta(seconds=10))
    return KeyShop(shop, SUPERVISOR)


@pytest.mark.parametrize(
    ("ref", "ea", "to", "tokens"),
    [
        (REF02, 7, {"ti": "33"}, 2),
        (REF04, 7, {"krn": NEXT04.krn, "three_tokens": True}, 3),
        (REF04, 11, {"krn": NEXT04.krn, "ti": "09"}, 4),
    ],
    ids=["two", "three", "four"],
)
def test_a_meter_takes_the_set_and_the_credit_after_it(shop, keys, ref, ea, to, tokens):
    keys.set_meter(
        STS6_11, sgc=ref.sgc, krn=ref.krn, kt=ref.kt, ea=ea,
        algorithm="legacy" if ref.dkga == "02" else "sts6",
    )  # fmt: skip
    row = shop.meter(STS6_11)
    held = meter_of(meter(ref, pan=row.meter_pan, ti=row.ti, ea=ea))
    change = keys.start(STS6_11, **to)
    assert change.state == "completed"
    rows = shop.rows(KeyChangeToken, KeyChangeToken.key_change_id == change.id)
    digits = [one.digits for one in sorted(rows, key=lambda one: one.number)]
    assert len(digits) == tokens
    sale = shop.sell(STS6_11)
    assert enter(held, digits) is Result.ACCEPT
    assert held.enter(credit_of(shop, sale)) is Result.ACCEPT
    assert held.registers[0] == 500
    assert shop.meter(SOUTHERN).krn == 1  # nobody else's
    krn, ti = to.get("krn", ref.krn), to.get("ti", row.ti)
    assert keys.confirm(change, "test_tokens", held.krn, f"{held.ti:02d}").state == "confirmed"
    assert (shop.meter(STS6_11).krn, shop.meter(STS6_11).ti) == (krn, ti)
