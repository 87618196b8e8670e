"""Days in the life of a meter: everything the engine makes, entered into a virtual one.

The meter shares no code with the engine and starts with a key of the manufacturer's. It is sold
to, cheated, managed, taken over by a utility, moved to another tariff, rolled over to the next
base date, twice, and sold to again.
"""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from vmsapp.sts import keychange, mse
from vmsapp.sts.batch.campaign import change_many, credit_many
from vmsapp.sts.batch.keys import derive_many
from vmsapp.sts.codec import encode
from vmsapp.sts.credit import CreditToken, CurrencyToken, Service
from vmsapp.sts.dkga import derive
from vmsapp.sts.errors import KeyExpired, KeyTypeRefused, TimePastBaseDate
from vmsapp.sts.identifiers import BaseDate, KeyType, drn, luhn, meter_pan
from vmsapp.sts.keys import KeyParameters, VendingKey
from vmsapp.sts.meter import Result, VirtualMeter
from vmsapp.sts.nmse import MeterTest, run_tests
from vmsapp.sts.rules import require_usable
from vmsapp.sts.tid import next_tid, ordinary_tid

MINUTE = timedelta(minutes=1)
DRN = "12345678903"
PAN = meter_pan.of_drn(DRN)
DES = VendingKey("02", bytes.fromhex("0dfe450851baf80e"))
HMAC = VendingKey("04", bytes.fromhex("2f53480b0c327710bf945ac2b7dc39bae8b34b6f"))
KEYS = {"02": DES, "04": HMAC}


class Counter:
    """Sells to one meter: keeps its parameters and its last TID, as a vending system does."""

    def __init__(self, parameters, moment):
        self.now = moment
        self.last_tid = None
        self.take(parameters)

    def take(self, parameters):
        self.parameters, self.key = parameters, derive(KEYS[parameters.dkga], parameters)

    def tid(self):
        now = ordinary_tid(self.now, self.parameters.base_date)
        self.last_tid = next_tid(now, self.last_tid)
        return self.last_tid

    def digits(self, token):
        require_usable(token, self.parameters.kt, ken=self.parameters.ken)
        return encode(token, self.key)

    def sell(self, units):
        token = CreditToken.of_units(Service.ELECTRICITY, Decimal(units), tid=self.tid(), rnd=7)
        return self.digits(token), token.amount

    def change(self, parameters, *, three_tokens=False):
        new_key = derive(KEYS[parameters.dkga], parameters)
        sections = keychange.change(
            self.key, new_key, self.parameters, parameters,
            moment=self.now, three_tokens=three_tokens,
        )  # fmt: skip
        digits = [encode(section, self.key) for section in sections]
        if parameters.base_date is not self.parameters.base_date:
            self.last_tid = None
        self.take(parameters)
        return digits


def start(algorithm, ea, kt=KeyType.DITK, base_date=BaseDate.Y1993, moment=None):
    moment = moment or datetime(2020, 3, 1, 8, 0, tzinfo=UTC)
    parameters = KeyParameters(
        PAN, "000000", 1, "00", kt=kt, base_date=base_date, dkga=algorithm, ea=ea
    )
    counter = Counter(parameters, moment)
    made = ordinary_tid(moment - timedelta(days=30), base_date)
    meter = VirtualMeter(counter.key, kt=kt, ti=0, drn=DRN, manufactured_tid=made)
    return counter, meter


@pytest.mark.parametrize(
    ("algorithm", "ea", "three_tokens", "waits"),
    [
        ("02", 7, False, [Result.FIRST_KCT]),
        ("04", 7, True, [Result.FIRST_KCT, Result.SECOND_KCT]),
        ("04", 11, False, [Result.FIRST_KCT, Result.SECOND_KCT, Result.THIRD_KCT]),
    ],
    ids=["Legacy, two tokens", "STS6, three tokens", "STS6 MISTY1, four tokens"],
)
def test_days_in_the_life_of_a_meter(algorithm, ea, three_tokens, waits):
    counter, meter = start(algorithm, ea)

    # The utility takes the meter over from its manufacturer.
    own = replace(counter.parameters, sgc="600042", ti="03", kt=KeyType.DUTK)
    before = counter.sell("1")[0]
    change = counter.change(own, three_tokens=three_tokens)
    assert [meter.enter(digits) for digits in change] == [*waits, Result.ACCEPT]
    assert meter.enter(before) is Result.CRC_ERROR, "the manufacturer's key is gone"
    assert meter.enter(encode(run_tests(MeterTest.TI, MeterTest.KRN_AND_KT))) is Result.ACCEPT
    assert meter.shown == {"ti": 3, "krn kt": (1, KeyType.DUTK)}

    # Credit, the same again, and one that somebody kept in a drawer for too long.
    drawer, _ = counter.sell("3")
    counter.now += timedelta(days=1)
    digits, amount = counter.sell("25.55")
    assert amount == Decimal("25.6")
    assert meter.enter(digits) is Result.ACCEPT
    assert meter.enter(digits) is Result.USED_ERROR
    assert meter.registers[0] == 256
    for _ in range(60):
        counter.now += timedelta(days=2)
        assert meter.enter(counter.sell("1")[0]) is Result.ACCEPT
    assert meter.enter(drawer) is Result.OLD_ERROR
    assert meter.registers[0] == 256 + 600

    # Three tokens in one minute, entered the wrong way round: each counts, once.
    three = [counter.sell("2")[0] for _ in range(3)]
    assert [meter.enter(digits) for digits in reversed(three)] == [Result.ACCEPT] * 3
    assert [meter.enter(digits) for digits in three] == [Result.USED_ERROR] * 3

    # The engineer comes.
    meter.tampered = True
    for token in (
        mse.clear_tamper_condition(tid=counter.tid(), rnd=1),
        mse.set_maximum_power_limit(5_000, tid=counter.tid(), rnd=1),
    ):
        assert meter.enter(counter.digits(token)) is Result.ACCEPT
    assert (meter.tampered, meter.maximum_power_limit) == (False, 5_000)

    # Another tariff: the key changes, spent tokens stay spent, the old key is gone.
    sold_before = counter.sell("4")[0]
    change = counter.change(replace(counter.parameters, ti="07"), three_tokens=three_tokens)
    assert [meter.enter(digits) for digits in reversed(change)][-1] is Result.ACCEPT
    assert meter.ti == 7
    assert meter.enter(sold_before) is Result.CRC_ERROR

    # The base date 1993 comes to its end: roll-over to 2014.
    counter.now = datetime(2024, 11, 24, 20, 15, tzinfo=UTC)
    assert meter.enter(counter.sell("1")[0]) is Result.ACCEPT
    counter.now += MINUTE
    with pytest.raises(TimePastBaseDate):
        counter.sell("1")
    change = counter.change(
        replace(counter.parameters, base_date=BaseDate.Y2014, krn=2), three_tokens=three_tokens
    )
    assert [meter.enter(digits) for digits in change][-1] is Result.ACCEPT
    held = meter.registers[0]
    digits, _ = counter.sell("10")
    assert counter.last_tid < 6_000_000, "counted anew, far below the last of 1993"
    assert meter.enter(digits) is Result.ACCEPT
    assert meter.enter(digits) is Result.USED_ERROR
    assert meter.registers[0] == held + 100

    # And a generation later to 2035.
    counter.now = datetime(2045, 11, 24, 20, 0, tzinfo=UTC)
    change = counter.change(
        replace(counter.parameters, base_date=BaseDate.Y2035, krn=3), three_tokens=three_tokens
    )
    assert [meter.enter(digits) for digits in change][-1] is Result.ACCEPT
    digits, _ = counter.sell("10")
    assert meter.enter(digits) is Result.ACCEPT
    assert meter.krn == 3
    assert meter.registers[0] == held + 200


def test_a_legacy_meter_becomes_an_sts6_one():
    counter, meter = start(
        "02", 7, KeyType.DUTK, BaseDate.Y2014, datetime(2026, 11, 24, 13, 0, tzinfo=UTC)
    )
    assert meter.enter(counter.sell("5")[0]) is Result.ACCEPT
    change = counter.change(replace(counter.parameters, dkga="04", sgc="600043"))
    assert [meter.enter(digits) for digits in change][-1] is Result.ACCEPT
    assert meter.enter(counter.sell("5")[0]) is Result.ACCEPT
    assert meter.registers[0] == 100


def test_midnight_passes_without_the_reserved_minute():
    counter, meter = start(
        "04", 7, KeyType.DUTK, BaseDate.Y2014, datetime(2026, 11, 24, 23, 59, tzinfo=UTC)
    )
    tids = []
    for _ in range(4):
        assert meter.enter(counter.sell("1")[0]) is Result.ACCEPT
        tids.append(counter.last_tid % 1440)
        counter.now += MINUTE
    assert tids == [1439, 0, 2, 3]


def test_a_meter_on_a_default_key_waits_for_its_utility():
    counter, meter = start(
        "02", 7, KeyType.DDTK, BaseDate.Y2014, datetime(2026, 11, 24, 13, 0, tzinfo=UTC)
    )
    with pytest.raises(KeyTypeRefused):
        counter.sell("1")
    token = CreditToken.of_units(Service.ELECTRICITY, 1, tid=counter.tid(), rnd=1)
    assert meter.enter(encode(token, counter.key)) is Result.DDTK_ERROR
    change = counter.change(replace(counter.parameters, kt=KeyType.DUTK, sgc="600042"))
    assert [meter.enter(digits) for digits in change][-1] is Result.ACCEPT
    assert meter.enter(counter.sell("1")[0]) is Result.ACCEPT
    back = replace(counter.parameters, kt=KeyType.DITK)
    with pytest.raises(KeyTypeRefused):
        counter.change(back)


def test_a_key_expires_and_its_successor_takes_over():
    counter, meter = start(
        "04", 7, KeyType.DUTK, BaseDate.Y2014, datetime(2026, 11, 24, 13, 0, tzinfo=UTC)
    )
    expiring = replace(counter.parameters, ken=103)
    for digits in counter.change(expiring):
        meter.enter(digits)
    counter.now += timedelta(days=60)
    with pytest.raises(KeyExpired):
        counter.sell("1")
    for digits in counter.change(replace(counter.parameters, ken=255, krn=2)):
        result = meter.enter(digits)
    assert result is Result.ACCEPT
    assert meter.enter(counter.sell("1")[0]) is Result.ACCEPT


def test_a_meter_with_its_own_tariff_is_given_money():
    counter, meter = start(
        "04", 11, KeyType.DUTK, BaseDate.Y2014, datetime(2026, 11, 24, 13, 0, tzinfo=UTC)
    )
    token = CurrencyToken.of_amount(Service.ELECTRICITY, Decimal("12.34567"), tid=counter.tid())
    assert meter.enter(counter.digits(token)) is Result.ACCEPT
    assert meter.registers[4] == token.amount * 100_000
    assert token.amount == Decimal("12.34624"), "180224 + 100 n hundred-thousandths, rounded up"


def test_a_campaign_rolls_a_whole_street_over():
    # The batch path, for meters enough that it works on bit planes.
    old = KeyParameters(PAN, "600042", 1, "01", base_date=BaseDate.Y1993, dkga="02")
    new = replace(old, base_date=BaseDate.Y2014, dkga="04", sgc="600043", krn=2, ken=200)
    pans = []
    for serial in range(300):
        body = f"07{serial:08d}"
        pans.append(meter_pan.of_drn(drn.validate(body + luhn.check_digit(body))))
    moment = datetime(2024, 11, 20, 9, 0, tzinfo=UTC)
    old_keys, new_keys = derive_many(DES, old, pans), derive_many(HMAC, new, pans)
    sets = change_many(old_keys, new_keys, moment=moment, three_tokens=True)
    tid = ordinary_tid(moment, BaseDate.Y2014)
    credits_ = credit_many(Service.ELECTRICITY, [100] * 300, [tid] * 300, [3] * 300, new_keys)
    for row in range(300):
        meter = VirtualMeter(old_keys.key(row), manufactured_tid=14_000_000)
        assert [meter.enter(digits) for digits in sets[row]][-1] is Result.ACCEPT
        assert meter.enter(credits_[row]) is Result.ACCEPT
        assert (meter.registers[0], meter.sgc, meter.ken) == (100, 600043, 200)
