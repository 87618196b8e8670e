"""The token desk around key changes: what a meter answers before, between and after."""

import pytest

from tests.engineer import Engineer
from tests.factories import LEGACY_11, LEGACY_SGC, NOW, STS6_11, SUPERVISOR
from tests.keyring import FACTORY_SGC, OTHER_SGC, make_ring, value_of
from tests.services.pair import MAKER
from tests.services.test_key_changes import tokens_of
from vmsapp.hsm.keystore import NewKey
from vmsapp.hsm.requests import KeyRef
from vmsapp.models import EngineeringDigits
from vmsapp.services.token_desk import Answer, look_up
from vmsapp.services.token_desk.keys import Whose
from vmsapp.services.token_desk.reading import What
from vmsapp.services.token_desk.records import Kind
from vmsapp.sts import dkga
from vmsapp.sts.codec import encode
from vmsapp.sts.credit import CreditToken
from vmsapp.sts.identifiers import BaseDate
from vmsapp.sts.keychange import change as sections_of
from vmsapp.sts.keys import KeyParameters, VendingKey
from vmsapp.sts.meter import Result, VirtualMeter
from vmsapp.sts.secret import SecretBytes
from vmsapp.sts.tid import tid_from_datetime

pytestmark = [pytest.mark.parametrize("backend", ["sqlite"]), pytest.mark.ring]

DEFAULT = KeyRef(FACTORY_SGC, 1, 1, "02")
DEFAULT_VALUE = value_of(KeyRef(FACTORY_SGC, 1, 0, "02"))[::-1]


@pytest.fixture(scope="module")
def ring(tmp_path_factory):
    store = make_ring(tmp_path_factory.mktemp("ring"))
    store.add(
        NewKey(DEFAULT, BaseDate.Y2014, 255, "Default", demo=False,
               value=SecretBytes(DEFAULT_VALUE))
    )  # fmt: skip
    yield store
    store.close()


@pytest.fixture
def desk(shop):
    def look(digits: str, meter: str | None = LEGACY_11):
        number = shop.meter(meter).drn if meter else ""
        return shop.do(
            lambda session, actor: look_up(
                session, shop.registry, actor, digits, number, table_set="production"
            ),
            by=SUPERVISOR,
        )  # fmt: skip

    return look


def parameters(shop, ref: KeyRef, ti: str = "01", name: str = LEGACY_11) -> KeyParameters:
    meter = shop.meter(name)
    return KeyParameters(
        meter_pan=meter.meter_pan, sgc=ref.sgc, krn=ref.krn, kt=ref.kt, ti=ti,
        base_date=BaseDate.Y2014, dkga=ref.dkga, ea=meter.ea,
    )  # fmt: skip


def derived(shop, ref: KeyRef, ti: str = "01", name: str = LEGACY_11):
    value = DEFAULT_VALUE if ref == DEFAULT else value_of(ref)
    return dkga.derive(VendingKey(ref.dkga, value), parameters(shop, ref, ti, name))


def test_while_a_change_waits_both_keys_are_told_apart(shop, keys, desk):
    older = shop.sell()
    change = keys.start(LEGACY_11, krn=2, ti="07")
    newer = shop.sell(units="30")
    look = desk(shop.digits(newer))
    assert (look.answer, look.reading.key.whose) == (Answer.NEW_KEY_FIRST, Whose.NEW)
    look = desk(shop.digits(older))
    assert (look.answer, look.reading.key.whose) == (Answer.OLD_KEY, Whose.PRESENT)
    # a meter in the field answers so: the new one not before the set, the old one not after
    meter = VirtualMeter(SecretBytes(derived(shop, KeyRef(LEGACY_SGC, 1, 2, "02")).reveal()))
    assert meter.enter(shop.digits(newer)) is Result.CRC_ERROR
    for digits in tokens_of(shop, change):
        meter.enter(digits)
    assert meter.enter(shop.digits(older)) is Result.CRC_ERROR
    assert meter.enter(shop.digits(newer)) is Result.ACCEPT


def test_once_confirmed_an_older_token_says_that_the_key_was_changed(shop, keys, desk):
    older = shop.sell()
    change = keys.start(LEGACY_11, krn=2, ti="07")
    newer = shop.sell(units="30")
    keys.confirm(change, "test_tokens", 2, "07")
    look = desk(shop.digits(older))
    assert (look.answer, look.reading.key.whose) == (Answer.KEY_CHANGED, Whose.FORMER)
    assert (look.reading.key.name.krn, look.reading.key.name.ti) == (1, "01")
    assert look.made.sale_id == older.id
    assert desk(shop.digits(newer)).answer is Answer.TAKES


def test_once_the_meter_refused_the_old_key_counts_again(shop, keys, desk):
    older = shop.sell()
    change = keys.start(LEGACY_11, krn=2, ti="07")
    refused_set = tokens_of(shop, change)
    newer = shop.sell(units="30")
    keys.refuse(change, 1, "01")
    assert desk(refused_set[0]).answer is Answer.SET_REFUSED
    assert desk(shop.digits(newer)).answer in {Answer.KEY_CHANGED, Answer.OLD_KEY}
    assert desk(shop.digits(older)).answer in {Answer.TAKES, Answer.NEW_KEY_FIRST}


def test_an_engineering_token_is_ours_and_tells_who_made_it(shop, keys, desk):
    engineer = Engineer(shop)
    engineer.make(LEGACY_11, "clear_tamper", by=MAKER)
    (digits,) = [row.digits for row in shop.rows(EngineeringDigits)]
    look = desk(digits)
    assert (look.made.kind, look.made.by) == (Kind.ENGINEERING, MAKER)
    assert (look.reading.what, look.answer) == (What.CLEAR_TAMPER, Answer.TAKES)
    slip = digits[:-1] + str((int(digits[-1]) + 1) % 10)
    assert desk(slip).answer is Answer.SLIP
    assert desk(digits, STS6_11).made is None, "found with its meter alone"


def test_a_corrected_record_leaves_the_key_of_the_sales_to_be_tried(shop, keys, desk):
    older = shop.sell()
    keys.set_meter(LEGACY_11, sgc=OTHER_SGC)
    look = desk(shop.digits(older))
    assert (look.answer, look.reading.key.whose) == (Answer.KEY_CHANGED, Whose.FORMER)
    assert look.reading.key.name.sgc == LEGACY_SGC


@pytest.mark.parametrize("kt", [0, 1])
def test_a_default_key_is_tried_as_the_last(shop, keys, desk, kt):
    ref = KeyRef(FACTORY_SGC, 1, kt, "02")
    tid = tid_from_datetime(NOW, BaseDate.Y2014)
    token = CreditToken(0, 1, tid, 50)
    look = desk(encode(token, derived(shop, ref)))
    assert look.reading.key.whose is Whose.DEFAULT
    assert look.answer is (Answer.DEFAULT_KEY if kt == 0 else Answer.NO_CREDIT)


def test_under_a_default_key_no_credit_is_taken(shop, keys, desk):
    keys.set_meter(LEGACY_11, sgc=FACTORY_SGC, kt=1)
    token = CreditToken(0, 1, tid_from_datetime(NOW, BaseDate.Y2014), 50)
    digits = encode(token, derived(shop, DEFAULT))
    look = desk(digits)
    assert (look.answer, look.reading.outcome) == (Answer.NO_CREDIT, "key_type")
    meter = VirtualMeter(SecretBytes(derived(shop, DEFAULT).reveal()), kt=1)
    assert meter.enter(digits) is Result.DDTK_ERROR


@pytest.mark.parametrize(
    ("name", "before", "to", "count"),
    [
        (LEGACY_11, {}, {"krn": 2, "ti": "07"}, 2),
        (LEGACY_11, {}, {"sgc": OTHER_SGC, "three_tokens": True}, 3),
        (STS6_11, {"ea": 11}, {"krn": 2}, 4),
    ],
)
def test_each_token_of_a_set_has_its_place(shop, keys, desk, name, before, to, count):
    keys.set_meter(name, **before)
    change = keys.start(name, **to)
    looks = [desk(digits, name) for digits in tokens_of(shop, change)]
    assert [look.answer for look in looks] == [Answer.SET_OPEN] * count
    assert [(look.made.number, look.made.of) for look in looks] == [
        (n, count) for n in range(1, count + 1)
    ]
    assert {look.made.kind for look in looks} == {Kind.KEY_CHANGE}
    assert {look.reading.what for look in looks} == {What.KEY_CHANGE}
    assert sorted(look.reading.section for look in looks) == list(range(1, count + 1))


def test_a_set_that_was_confirmed_was_taken(shop, keys, desk):
    change = keys.start(LEGACY_11, krn=2, ti="07")
    keys.confirm(change, "test_tokens", 2, "07")
    assert {desk(digits).answer for digits in tokens_of(shop, change)} == {Answer.SET_TAKEN}


def test_a_set_made_elsewhere_is_known_to_no_change_here(shop, keys, desk):
    old, new = KeyRef(LEGACY_SGC, 1, 2, "02"), KeyRef(LEGACY_SGC, 2, 2, "02")
    old_key = derived(shop, old)
    sections = sections_of(
        old_key, derived(shop, new, "07"), parameters(shop, old), parameters(shop, new, "07"),
        moment=NOW,
    )  # fmt: skip
    look = desk(encode(sections[0], old_key))
    assert (look.answer, look.made, look.reading.what) == (
        Answer.SET_UNKNOWN, None, What.KEY_CHANGE,
    )  # fmt: skip
