"""The token desk: each kind of answer from a case of its own, in scope, counted and on record."""

from datetime import timedelta
from decimal import Decimal

import pytest
from sqlalchemy import update

from tests.factories import (
    BLOCKED,
    DOMESTIC,
    EXPIRED_KEN,
    EXPIRED_KEY,
    EXPIRED_SGC,
    HARBOUR,
    LEGACY_11,
    LEGACY_SGC,
    MARKET,
    MISSING_SGC,
    NO_KEY,
    NOW,
    OPERATOR,
    SOUTH_OPERATOR,
    SOUTHERN,
    STS6_13,
    SUPERVISOR,
    WATER,
    drn_of,
)
from tests.faults import down, request_lost
from tests.web.office import counts
from vmsapp.hsm.requests import KeyRef
from vmsapp.models import AuditEvent, FindingKind, JournalFinding, Meter, Sale, SpentTid
from vmsapp.services.registration.number_errors import CheckDigitWrong, NumberLength
from vmsapp.services.token_desk import Answer, look_up
from vmsapp.services.token_desk import errors as wrong
from vmsapp.services.token_desk.asking import LOOK_UPS, WITHIN
from vmsapp.services.token_desk.keys import Whose
from vmsapp.services.token_desk.reading import What
from vmsapp.services.token_desk.records import Kind
from vmsapp.services.token_desk.typed import digits_of
from vmsapp.sts import dkga, mse, nmse
from vmsapp.sts.codec import encode
from vmsapp.sts.credit import CreditToken, CurrencyToken, Service
from vmsapp.sts.identifiers import BaseDate
from vmsapp.sts.keys import KeyParameters, VendingKey
from vmsapp.sts.tid import tid_from_datetime


@pytest.fixture
def backend() -> str:
    """Nothing here depends on the kind of database."""
    return "sqlite"


ABSENT = drn_of("07", 999)
TID_NOW = tid_from_datetime(NOW, BaseDate.Y2014)


@pytest.fixture
def desk(shop):
    """Look digits up as somebody; by default a supervisor, and without naming a meter."""

    def look(digits: str, meter: str | None = None, *, number: str = "", by: str = SUPERVISOR):
        number = shop.meter(meter).drn if meter else number
        return shop.do(
            lambda session, actor: look_up(
                session, shop.registry, actor, digits, number, table_set="production"
            ),
            by=by,
        )  # fmt: skip

    return look


@pytest.fixture
def key_of(shop, keystore):
    """The decoder key that a meter has inside."""

    def derived(name: str):
        meter = shop.meter(name)
        generation = "02" if meter.algorithm == "legacy" else "04"
        ref = KeyRef(meter.sgc, meter.krn, meter.kt, generation)
        parameters = KeyParameters(
            meter_pan=meter.meter_pan, sgc=meter.sgc, krn=meter.krn, kt=meter.kt, ti=meter.ti,
            base_date=BaseDate(meter.base_date), dkga=generation, ea=meter.ea,
        )  # fmt: skip
        vending_key = VendingKey(generation, keystore.vending_key(ref)[1].reveal())
        return dkga.derive(vending_key, parameters)

    return derived


def spend(shop, meter: str, *tids: int) -> None:
    """Give token identifiers out, as sales and engineering tokens do."""
    pan = shop.meter(meter).meter_pan
    shop.change(
        lambda s: s.add_all(
            SpentTid(meter_pan=pan, base_date="14", tid=tid, request_id=f"x-{tid}") for tid in tids
        )
    )


def slipped(digits: str, place: int) -> str:
    """Write one digit wrongly; ``place`` is from 1."""
    other = str((int(digits[place - 1]) + 1) % 10)
    return digits[: place - 1] + other + digits[place:]


# each answer


def test_a_token_that_was_sold_is_taken_unless_it_was_before(desk, shop):
    sale = shop.sell(units="50")
    look = desk(shop.digits(sale), LEGACY_11)
    assert look.answer is Answer.TAKES
    assert (look.reading.what, look.reading.amount) == (What.CREDIT, Decimal(50))
    assert look.reading.meter_type == "electricity"
    assert look.reading.issued_at == NOW.replace(second=0)
    assert look.reading.key.whose is Whose.PRESENT
    made = look.made
    assert (made.kind, made.sale_id, made.at, made.state) == (Kind.SALE, sale.id, NOW, "issued")
    assert (made.by, made.point) == (OPERATOR, HARBOUR)
    assert made.consumer == "Consumer 1 · C0001"
    assert made.charged_minor == 500
    assert (look.since.newer, look.since.newest) == (0, None)


def test_a_sold_token_names_its_meter_itself(desk, shop):
    look = desk(shop.digits(shop.sell(STS6_13)))
    assert (look.answer, look.meter.drn, look.named) == (
        Answer.TAKES, shop.meter(STS6_13).drn, False,
    )  # fmt: skip


def test_with_fifty_newer_ones_taken_it_is_too_old(desk, shop):
    sale = shop.sell()
    spend(shop, LEGACY_11, *range(TID_NOW + 10, TID_NOW + 59))
    look = desk(shop.digits(sale), LEGACY_11)
    assert (look.answer, look.since.newer) == (Answer.TAKES, 49)
    assert look.since.newest == NOW.replace(second=0) + timedelta(minutes=58)
    spend(shop, LEGACY_11, TID_NOW + 60)
    look = desk(shop.digits(sale), LEGACY_11)
    assert (look.answer, look.since.newer) == (Answer.TOO_OLD, 50)


def test_a_display_token_needs_neither_meter_nor_module(desk, module):
    module.always("verify", request_lost)
    look = desk(encode(nmse.run_tests(nmse.MeterTest.TI, nmse.MeterTest.DRN)))
    assert look.answer is Answer.ANY_METER
    assert look.reading.tests == (nmse.MeterTest.TI, nmse.MeterTest.DRN)
    assert (look.token_class, look.made) == (1, None)
    assert module.count("verify") == 0


def test_a_makers_own_test_token_is_for_its_meters(desk):
    look = desk(encode(nmse.proprietary(11, 5, 7)), LEGACY_11)
    assert (look.answer, look.reading.what) == (Answer.MAKERS_METERS, What.MAKERS)
    assert look.reading.manufacturer == 7


def test_a_token_of_an_expired_key_is_refused(desk, shop, key_of):
    tid = ((EXPIRED_KEN + 1) << 16) + 5
    digits = encode(CreditToken(0, 3, tid, 100), key_of(EXPIRED_KEY))
    look = desk(digits, EXPIRED_KEY)
    assert (look.answer, look.reading.outcome) == (Answer.EXPIRED, "key_expired")
    assert look.reading.key.name.sgc == EXPIRED_SGC
    in_time = encode(CreditToken(0, 3, tid - 10, 100), key_of(EXPIRED_KEY))
    assert desk(in_time, EXPIRED_KEY).answer is Answer.TAKES


def test_a_token_of_another_meter_is_named_as_that_meters(desk, shop):
    look = desk(shop.digits(shop.sell(DOMESTIC)), LEGACY_11)
    assert look.answer is Answer.OTHER_METER
    assert look.made.drn == shop.meter(DOMESTIC).drn
    assert look.reading is None


@pytest.mark.parametrize("place", [1, 7, 20])
def test_one_wrong_digit_is_found_by_the_token_that_was_meant(desk, shop, place):
    sale = shop.sell()
    digits = shop.digits(sale)
    if place == 1:  # a first digit of 7 and more may be no token at all
        digits_typed = ("1" if digits[0] == "0" else "0") + digits[1:]
    else:
        digits_typed = slipped(digits, place)
    look = desk(digits_typed, LEGACY_11)
    assert look.answer is Answer.SLIP
    assert (look.near.places, look.near.sale_id, look.near.swapped) == ((place,), sale.id, False)
    assert look.made is None


def test_two_digits_that_changed_places_are_told(desk, shop):
    digits = shop.digits(shop.sell())
    # the smaller digit first: a larger one near the front may be no token at all
    at = next(n for n in range(1, 19) if digits[n] > digits[n + 1])
    typed = digits[:at] + digits[at + 1] + digits[at] + digits[at + 2 :]
    look = desk(typed, LEGACY_11)
    assert look.answer is Answer.SLIP
    assert (look.near.places, look.near.swapped) == ((at + 1, at + 2), True)


def test_the_right_digit_is_not_in_what_is_told(desk, shop):
    digits = shop.digits(shop.sell())
    look = desk(slipped(digits, 9), LEGACY_11)
    assert digits not in str([getattr(look.near, name) for name in look.near.__slots__])


def test_what_no_key_reads_is_mistyped_or_another_meters(desk, shop):
    digits = shop.digits(shop.sell())
    far = slipped(slipped(slipped(digits, 5), 9), 14)
    look = desk(far, LEGACY_11)
    assert (look.answer, look.reading, look.made, look.near) == (Answer.UNREAD, None, None, None)


def test_without_a_meter_what_was_not_sold_here_is_not_read(desk, shop, module):
    look = desk(slipped(shop.digits(shop.sell()), 5))
    assert (look.answer, look.meter) == (Answer.NEEDS_METER, None)
    assert module.count("verify") == 0


@pytest.mark.parametrize("fault", [down, request_lost], ids=["down", "no answer"])
def test_while_the_module_is_silent_no_answer_is_made_up(desk, shop, module, fault):
    digits = shop.digits(shop.sell())
    module.always("verify", fault)
    assert desk(slipped(digits, 5), LEGACY_11).answer is Answer.SILENT


def test_a_key_that_no_module_holds_is_named(desk):
    look = desk("0" * 19 + "7", NO_KEY)
    assert look.answer is Answer.UNREAD
    assert [key.name.sgc for key in look.missing] == [MISSING_SGC]


# what tokens say


@pytest.mark.parametrize(
    ("token", "what", "amount", "value"),
    [
        (CurrencyToken.of_amount(Service.ELECTRICITY, Decimal("0.12"), tid=TID_NOW), What.MONEY,
         Decimal("0.12000"), None),
        (mse.set_maximum_power_limit(5_000, tid=TID_NOW, rnd=1), What.POWER_LIMIT, Decimal(5_000),
         5_000),
        (mse.set_maximum_phase_power_unbalance_limit(700, tid=TID_NOW, rnd=1), What.UNBALANCE,
         Decimal(700), 700),
        (mse.clear_credit(0xFFFF, tid=TID_NOW, rnd=1), What.CLEAR_CREDIT, None, 0xFFFF),
        (mse.clear_tamper_condition(tid=TID_NOW, rnd=1), What.CLEAR_TAMPER, None, 0),
        (mse.set_tariff_rate(9, tid=TID_NOW, rnd=1), What.TARIFF_RATE, None, 9),
        (mse.set_water_meter_factor(4, tid=TID_NOW, rnd=1), What.WATER_FACTOR, None, 4),
        (mse.set_extended(2, 3, tid=TID_NOW, rnd=1), What.EXTENDED, None, 2 << 10 | 3),
        (mse.ProprietaryToken(12, 5), What.MAKERS, None, None),
    ],
)  # fmt: skip
def test_a_token_made_elsewhere_under_the_meters_key_is_read_and_not_ours(
    desk, key_of, token, what, amount, value
):
    look = desk(encode(token, key_of(LEGACY_11)), LEGACY_11)
    assert (look.answer, look.made) == (Answer.TAKES, None)
    assert (look.reading.what, look.reading.amount) == (what, amount)
    assert value is None or look.reading.value == value


def test_water_is_told_as_water(desk, key_of):
    token = CreditToken(Service.WATER, 1, TID_NOW, 30)
    look = desk(encode(token, key_of(WATER)), WATER)
    assert (look.reading.what, look.reading.meter_type) == (What.CREDIT, "water")


def test_a_sale_that_was_taken_back_says_so(desk, shop):
    sale = shop.sell()
    taken_back = update(Sale).where(Sale.id == sale.id).values(state="reversed")
    shop.change(lambda s: s.execute(taken_back))
    look = desk(shop.digits(sale), LEGACY_11)
    assert (look.answer, look.made.state) == (Answer.TAKES, "reversed")


def test_a_token_of_the_modules_journal_alone_is_told_to_who_sees_everything(desk, shop, key_of):
    digits = encode(CreditToken(0, 3, TID_NOW + 7, 100), key_of(LEGACY_11))
    shop.change(
        lambda s: s.add(
            JournalFinding(
                module_id=shop.utility.module_id, kind=FindingKind.NOT_SOLD, request_id="ghost",
                number=1, made_at=NOW, meter_pan=shop.meter(LEGACY_11).meter_pan, tid=TID_NOW + 7,
                found_at=NOW,
            )
        )
    )  # fmt: skip
    assert desk(digits, LEGACY_11, by="auditor").made.kind is Kind.UNSOLD
    assert desk(digits, LEGACY_11, by=SUPERVISOR).made is None


# what is typed


@pytest.mark.parametrize(
    "typed",
    [
        "2905 4347 1393 0985 1356",
        "2905-4347-1393-0985-1356",
        " 2905\u00a04347\u20111393\u20130985\t1356\n",
        "\u200e29054347139309851356\u200f",
    ],
)
def test_digits_are_read_whatever_stands_between_them(typed):
    assert digits_of(typed) == "29054347139309851356"


@pytest.mark.parametrize(
    ("typed", "error"),
    [
        ("", wrong.TokenMissing),
        (" - ", wrong.TokenMissing),
        ("2905434713930985135", wrong.TokenLength),
        ("290543471393098513566", wrong.TokenLength),
        ("2905 4347 1393 0985 135x", wrong.TokenNotDigits),
        ("7378 6976 2948 3820 6464", wrong.TokenTooLarge),  # 2 ** 66
        ("9999 9999 9999 9999 9999", wrong.TokenTooLarge),
    ],
)
def test_what_is_no_token_is_refused_without_a_word_of_it(desk, shop, typed, error):
    with pytest.raises(error) as refused:
        desk(typed)
    assert typed.strip(" -") == "" or typed not in str(refused.value)
    assert lookups(shop) == []


def test_the_largest_token_is_one(desk):
    assert desk("7378 6976 2948 3820 6463", LEGACY_11).answer is Answer.UNREAD


@pytest.mark.parametrize(
    ("number", "error"),
    [("123", NumberLength), ("07000000014", CheckDigitWrong), ("1" * 18, CheckDigitWrong),
     (ABSENT, wrong.MeterUnknown)],
)  # fmt: skip
def test_a_number_of_no_meter_is_refused_before_anything_is_looked_up(desk, shop, number, error):
    with pytest.raises(error):
        desk("0" * 20, number=number)
    assert lookups(shop) == []


def test_a_meter_is_named_by_its_meter_pan_too(desk, shop):
    sale = shop.sell()
    look = desk(shop.digits(sale), number=shop.meter(LEGACY_11).meter_pan)
    assert (look.answer, look.named) == (Answer.TAKES, True)


# scope


def test_a_meter_out_of_scope_answers_as_one_that_is_not_there(desk, shop):
    with pytest.raises(wrong.MeterUnknown) as unseen:
        desk("0" * 20, LEGACY_11, by=SOUTH_OPERATOR)
    with pytest.raises(wrong.MeterUnknown) as unknown:
        desk("0" * 20, number=ABSENT, by=SOUTH_OPERATOR)
    assert str(unseen.value) == str(unknown.value)


def test_others_tokens_answer_as_tokens_of_nobody(desk, shop):
    """What was sold in the north is, in the south, as any digits."""
    digits = shop.digits(shop.sell())
    nobodys = "1" + "0" * 19
    told = [desk(each, by=SOUTH_OPERATOR) for each in (digits, nobodys)]
    assert {look.answer for look in told} == {Answer.NEEDS_METER}
    told = [desk(each, SOUTHERN, by=SOUTH_OPERATOR) for each in (digits, nobodys)]
    assert {look.answer for look in told} == {Answer.UNREAD}
    assert {look.made for look in told} == {None}


def test_a_token_sold_at_another_point_for_the_own_meter_is_read_and_not_ours(desk, shop, key_of):
    """Its sale may not be seen, so it answers as one made elsewhere under the meter's key."""
    sale = shop.sell(SOUTHERN, point=MARKET, by=SOUTH_OPERATOR)
    shop.change(lambda s: move_north(s, shop))
    look = desk(shop.digits(sale), SOUTHERN, by=OPERATOR)
    elsewhere = desk(
        encode(CreditToken(0, 3, sale.tid, 100), key_of(SOUTHERN)), SOUTHERN, by=OPERATOR
    )
    assert (look.answer, look.made) == (elsewhere.answer, elsewhere.made) == (Answer.TAKES, None)
    assert look.since == elsewhere.since


def move_north(session, shop) -> None:
    session.get(Meter, shop.utility.meters[SOUTHERN]).region_id = shop.utility.regions["north"].id


# counted and on record


def lookups(shop) -> list[AuditEvent]:
    return shop.rows(AuditEvent, AuditEvent.action == "token.looked_up")


def test_each_look_up_is_on_record_without_its_digits(desk, shop):
    sale = shop.sell()
    digits = shop.digits(sale)
    desk(digits, LEGACY_11)
    desk(slipped(digits, 3))
    first, second = lookups(shop)
    meter = shop.meter(LEGACY_11)
    assert (first.actor_name, first.subject, first.subject_id) == (
        SUPERVISOR, "meter", str(meter.id),
    )  # fmt: skip
    assert first.details == {
        "drn": meter.drn, "ends_in": digits[-4:], "found": "sale", "sale_id": sale.id,
        "change_id": None,
    }  # fmt: skip
    assert (second.subject, second.details["found"]) == ("token", None)
    assert digits not in str([event.details for event in lookups(shop)])


def test_it_is_on_record_though_the_module_fails(desk, shop, module):
    module.always("verify", request_lost)
    desk("1" + "0" * 19, LEGACY_11)
    assert len(lookups(shop)) == 1


def test_nothing_else_is_written(desk, shop, engine):
    digits = shop.digits(shop.sell())
    before = counts(engine, "audit_event", "audit_unsealed")
    desk(digits, LEGACY_11)
    desk(slipped(digits, 3), LEGACY_11)
    assert counts(engine, "audit_event", "audit_unsealed") == before


def test_a_person_looks_up_so_many_and_then_waits(desk, shop):
    for _ in range(LOOK_UPS):
        desk("1" + "0" * 19)
    with pytest.raises(wrong.TooManyLookUps) as refused:
        desk("1" + "0" * 19)
    assert refused.value.params == {"count": 30, "minutes": 10}
    assert len(lookups(shop)) == LOOK_UPS
    desk("1" + "0" * 19, by="auditor")  # another person's are counted apart
    shop.clock.now += WITHIN
    desk("1" + "0" * 19)


def test_digits_are_in_no_repr(desk, shop):
    digits = shop.digits(shop.sell())
    look = desk(digits, LEGACY_11)
    assert digits not in repr(look)
    assert digits not in repr(look.made)


def test_a_meter_that_is_blocked_is_answered_for_all_the_same(desk, key_of):
    digits = encode(CreditToken(0, 3, TID_NOW, 100), key_of(BLOCKED))
    assert desk(digits, BLOCKED).answer is Answer.TAKES


def test_the_fixture_has_the_key_it_says(shop):
    assert shop.meter(LEGACY_11).sgc == LEGACY_SGC
