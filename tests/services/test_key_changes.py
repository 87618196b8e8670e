"""Key changes: sets of tokens that meters really take, and the credit that follows them."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest
from sqlalchemy import delete, update

from tests.factories import LEGACY_11, LEGACY_SGC, STS6_11, STS6_SGC
from tests.faults import answer_lost, down, during, request_lost
from tests.keyring import FACTORY_SGC, OTHER_SGC, meter_in_the_field
from tests.services.changes import credit_of, enter
from vmsapp.models import (
    AuditEvent,
    ChangeState,
    KeyChange,
    KeyChangeToken,
    Sale,
    SmAlgorithm,
    SpentTid,
    VendingKey,
)
from vmsapp.scope import SYSTEM, seen_by
from vmsapp.services.key_changes import errors as wrong
from vmsapp.services.key_changes.reconcile import reconcile_changes
from vmsapp.services.meters import meter_card
from vmsapp.services.registration.meter_errors import MetersBusy
from vmsapp.services.setup import setup_at
from vmsapp.services.vending.errors import ModuleClockDiffers, NoSuchMeter
from vmsapp.services.vending.reconcile import Patience
from vmsapp.sts.meter import Result

pytestmark = [pytest.mark.parametrize("backend", ["sqlite"]), pytest.mark.ring]


def again(shop, change):
    return shop.rows(KeyChange, KeyChange.id == change.id)[0]


def tokens_of(shop, change):
    rows = shop.rows(KeyChangeToken, KeyChangeToken.key_change_id == change.id)
    return [row.digits for row in sorted(rows, key=lambda row: row.number)]


def deeds(shop):
    return [e.action for e in shop.rows(AuditEvent) if e.action.startswith("key_change.")]


def reconcile(shop, patience=Patience()):  # noqa: B008 - frozen
    with shop.session() as session, seen_by(SYSTEM):
        return reconcile_changes(session, shop.registry, patience)


# what meters take: 2, 3 and 4 tokens


WAYS = [
    (LEGACY_11, {}, {"krn": 2, "ti": "07"}, 2),
    (LEGACY_11, {}, {"sgc": OTHER_SGC, "ti": "07", "three_tokens": True}, 3),
    (STS6_11, {}, {"krn": 2}, 2),
    (STS6_11, {"ea": 11}, {"krn": 2, "ti": "09"}, 4),
    (LEGACY_11, {}, {"ti": "33"}, 2),
    (LEGACY_11, {"sgc": FACTORY_SGC, "kt": 0}, {"sgc": LEGACY_SGC, "kt": 2, "ti": "04"}, 2),
]


@pytest.mark.parametrize(
    ("name", "before", "to", "tokens"), WAYS,
    ids=["krn and ti", "three tokens", "sts6", "ea 11", "ti alone", "from the factory key"],
)  # fmt: skip
def test_a_meter_takes_the_older_credit_the_set_and_the_credit_under_the_new_key(
    shop, keys, name, before, to, tokens
):
    keys.set_meter(name, **before)
    meter = meter_in_the_field(shop.meter(name))
    older = shop.sell(name)
    change = keys.start(name, **to)
    assert change.state == ChangeState.COMPLETED
    set_of = tokens_of(shop, change)
    assert len(set_of) == tokens
    sale = shop.sell(name, units="30")
    assert sale.key_change_id == change.id
    assert meter.enter(credit_of(shop, sale)) is Result.CRC_ERROR  # not before the set
    assert meter.enter(credit_of(shop, older)) is Result.ACCEPT
    assert enter(meter, set_of) is Result.ACCEPT
    assert meter.enter(credit_of(shop, sale)) is Result.ACCEPT
    assert meter.registers[0] == 500 + 300
    assert (meter.krn, meter.ti) == (to.get("krn", 1), int(to.get("ti", "01")))
    assert [meter.enter(each) for each in set_of] == [Result.CRC_ERROR] * tokens  # twice: nothing
    # the row keeps the old key until somebody says what the meter did
    assert shop.meter(name).krn == 1
    assert shop.meter(name).ti == "01"
    confirmed = keys.confirm(change, "test_tokens", meter.krn, f"{meter.ti:02d}")
    assert confirmed.state == ChangeState.CONFIRMED
    row = shop.meter(name)
    assert (row.krn, row.ti) == (to.get("krn", 1), to.get("ti", "01"))
    shop.clock.forward(minutes=5)
    plain = shop.sell(name, units="40")
    assert plain.key_change_id is None
    assert meter.enter(credit_of(shop, plain)) is Result.ACCEPT
    assert meter.registers[0] == 1200


@pytest.mark.parametrize(
    ("name", "before", "to", "tokens"), WAYS[:4], ids=["two", "three", "sts6", "four"]
)
def test_a_set_entered_in_any_order_ends_on_the_new_key_and_no_part_of_it_does(
    shop, keys, name, before, to, tokens
):
    keys.set_meter(name, **before)
    row = shop.meter(name)
    set_of = tokens_of(shop, keys.start(name, **to))
    credit = credit_of(shop, shop.sell(name, units="30"))
    assert len(set_of) == tokens
    krn, ti = to.get("krn", row.krn), int(to.get("ti", row.ti))
    for order in permutations(set_of):
        meter = meter_in_the_field(row)
        enter(meter, order[:-1])
        assert (meter.krn, meter.ti) == (row.krn, int(row.ti))
        assert meter.enter(order[-1]) is Result.ACCEPT
        assert (meter.krn, meter.ti) == (krn, ti)
        assert meter.enter(credit) is Result.ACCEPT
        assert meter.registers[0] == 300


def test_three_tokens_tell_the_meter_its_supply_group_and_two_do_not(shop, keys):
    two, three = (
        meter_in_the_field(shop.meter(LEGACY_11)),
        meter_in_the_field(shop.meter(LEGACY_11)),
    )
    change = keys.start(LEGACY_11, sgc=OTHER_SGC, ti="07", three_tokens=True)
    enter(three, tokens_of(shop, change))
    assert three.sgc == int(OTHER_SGC)
    keys.refuse(change, 1, "01")
    keys.confirm(shop.rows(KeyChange)[-1], "test_tokens", 1, "01")
    enter(two, tokens_of(shop, keys.start(LEGACY_11, key="form-2", sgc=OTHER_SGC, ti="07")))
    assert (two.sgc, two.ti) == (None, 7)


def test_a_legacy_meter_becomes_sts6_only_where_its_product_says_so(shop, keys):
    with pytest.raises(wrong.AlgorithmOfHardware):
        keys.start(LEGACY_11, dkga="04", ti="02")
    keys.let_become_sts6()
    meter = meter_in_the_field(shop.meter(LEGACY_11))
    change = keys.start(LEGACY_11, dkga="04", ti="02")
    sale = shop.sell()
    assert (sale.dkga, sale.ea) == ("04", 7)
    enter(meter, tokens_of(shop, change))
    assert meter.enter(credit_of(shop, sale)) is Result.ACCEPT
    keys.confirm(change, "test_tokens", 1, "02")
    assert (shop.meter(LEGACY_11).algorithm, shop.meter(LEGACY_11).ea) == ("sts6", 7)
    assert shop.sell(units="7").dkga == "04"


def test_a_later_base_date_counts_its_tids_apart_and_there_is_no_way_back(shop, keys):
    """2036 is a year in which both base dates are in force."""
    shop.at(datetime(2036, 1, 1, 12, tzinfo=UTC))
    meter = meter_in_the_field(shop.meter(STS6_11))
    older = shop.sell(STS6_11)
    change = keys.start(STS6_11, krn=3)
    sale = shop.sell(STS6_11, units="30")
    # 365 days and 12 hours of minutes since 2035; 22 years (6 of them leap years) since 2014
    assert sale.tid == (365 * 24 + 12) * 60
    assert older.tid == ((22 * 365 + 5) * 24 + 12) * 60
    assert {(t.base_date, t.tid) for t in shop.rows(SpentTid)} == {
        ("14", older.tid), ("35", sale.tid),
    }  # fmt: skip
    meter.enter(credit_of(shop, older))
    assert enter(meter, tokens_of(shop, change)) is Result.ACCEPT
    assert meter.enter(credit_of(shop, sale)) is Result.ACCEPT
    with pytest.raises(wrong.EnterItFirst):
        keys.refuse(change, 1, "01")
    keys.confirm(change, "test_tokens", 3, "01")
    with pytest.raises(wrong.BackOverBaseDate):
        keys.start(STS6_11, key="form-2", krn=1)


# what is not reserved


@pytest.mark.parametrize(
    ("to", "error"),
    [
        ({}, wrong.NothingChanges),
        ({"ti": "7"}, wrong.TiUnreadable),
        ({"ti": "٠٧"}, wrong.TiUnreadable),
        ({"krn": 9}, wrong.NewKeyMissing),
        ({"dkga": "01"}, wrong.NewKeyMissing),
        ({"ti": "07", "reason": "  "}, wrong.ReasonMissing),
        ({"sgc": STS6_SGC, "dkga": "04"}, wrong.AlgorithmOfHardware),
        ({"sgc": FACTORY_SGC, "kt": 0}, wrong.TypeNotReached),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_is_written(shop, keys, to, error):
    with pytest.raises(error):
        keys.start(LEGACY_11, **to)
    assert shop.count(KeyChange) == 0


def test_a_key_that_the_key_file_does_not_lead_to_is_refused(shop, keys):
    keys.set_meter(LEGACY_11, krn=2)
    with pytest.raises(wrong.NotByTheList):
        keys.start(LEGACY_11, sgc=OTHER_SGC, krn=1)


def test_a_key_whose_meters_no_module_serves_is_not_entered(shop, keys):
    keys.let_become_sts6()
    shop.change(lambda s: s.execute(delete(SmAlgorithm).where(SmAlgorithm.algorithm == "sts6")))
    with pytest.raises(wrong.NotServed):
        keys.start(LEGACY_11, dkga="04", ti="02")
    assert shop.count(KeyChange) == 0


def test_a_long_key_has_no_set_of_three(keys):
    keys.set_meter(STS6_11, ea=11)
    with pytest.raises(wrong.TokensOfLongKey):
        keys.start(STS6_11, krn=2, three_tokens=True)


def test_a_key_whose_base_date_is_to_come_is_not_entered(keys):
    with pytest.raises(wrong.NewKeyUnusable):
        keys.start(STS6_11, krn=3)


def test_a_meter_out_of_sight_is_not_there(shop, keys):
    with pytest.raises(NoSuchMeter):
        keys.start(LEGACY_11, krn=2, by="operator2")
    change = keys.start(LEGACY_11, krn=2)
    for deed in (
        lambda: keys.withdraw(change, by="operator2"),
        lambda: keys.confirm(change, "test_tokens", 2, "01", by="operator2"),
        lambda: keys.refuse(change, 1, "01", by="operator2"),
    ):
        with pytest.raises(wrong.NoSuchChange):
            deed()
    assert again(shop, change).state == "completed"


# once, and one at a time


def test_a_form_sent_twice_makes_one_set_and_one_for_something_else_is_refused(shop, keys, module):
    first = keys.start(LEGACY_11, krn=2)
    second = keys.start(LEGACY_11, krn=2)
    assert (second.id, shop.count(KeyChange)) == (first.id, 1)
    assert module.count("issue_key_change") == 1
    with pytest.raises(wrong.FormUsed):
        keys.start(LEGACY_11, krn=2, ti="55")


def test_one_change_is_open_at_most(shop, keys):
    keys.start(LEGACY_11, krn=2)
    with pytest.raises(wrong.ChangeOpen):
        keys.start(LEGACY_11, key="form-2", ti="55")
    assert shop.count(KeyChange) == 1


def test_a_set_waits_for_no_sale_it_is_refused_while_one_is_pending(shop, keys, module):
    module.once("issue_credit", request_lost)
    shop.sell()
    with pytest.raises(MetersBusy):
        keys.start(LEGACY_11, krn=2)
    assert shop.count(KeyChange) == 0


def test_no_token_is_reserved_while_a_set_is_being_made(shop, keys, module, monkeypatch):
    monkeypatch.setattr("vmsapp.services.vending.UNDERWAY_WAIT_S", 0.0)
    module.once("issue_key_change", request_lost)
    change = keys.start(LEGACY_11, krn=2)
    assert change.state == ChangeState.RESERVED
    with pytest.raises(wrong.KeyChangeUnderway):
        shop.sell()
    assert (shop.count(Sale), shop.count(SpentTid)) == (0, 0)
    keys.withdraw(change)
    assert shop.sell().key_change_id is None


def test_every_sale_until_somebody_confirms_carries_the_same_set(shop, keys):
    change = keys.start(LEGACY_11, krn=2)
    sales = []
    for days in (0, 1, 30):
        shop.clock.forward(days=days)
        sales.append(shop.sell(units=str(10 + days)))
    assert {sale.key_change_id for sale in sales} == {change.id}
    assert {(sale.krn, sale.ti) for sale in sales} == {(2, "01")}


# the table of states: every move, legal or not

ANSWERS = {
    "withdraw": lambda keys, change: keys.withdraw(change),
    "confirm": lambda keys, change: keys.confirm(change, "test_tokens", 2, "01"),
    "refuse": lambda keys, change: keys.refuse(change, 1, "01"),
}
LEGAL = {
    ("reserved", "withdraw"): "withdrawn",
    ("withdrawn", "withdraw"): "withdrawn",  # once more
    ("completed", "confirm"): "confirmed",
    ("confirmed", "confirm"): "confirmed",  # once more
    ("completed", "refuse"): "refused",
}


def bring(shop, keys, module, state, key="form-1"):
    """Bring a change into a state, by the ways the product has."""
    if state == "reserved":
        module.once("issue_key_change", request_lost)
    if state == "failed":
        module.refuse("key_closed", method="issue_key_change")
    if state == "withdrawn":
        module.once("issue_key_change", request_lost)
    change = keys.start(LEGACY_11, key, krn=2)
    if state == "withdrawn":
        keys.withdraw(change)
    if state == "confirmed":
        keys.confirm(change, "test_tokens", 2, "01")
    if state == "refused":
        keys.refuse(change, 1, "01", key="first")
    assert again(shop, change).state == state
    return change


@pytest.mark.parametrize("state", [state.value for state in ChangeState])
@pytest.mark.parametrize("answer", list(ANSWERS))
def test_every_move_of_the_table(shop, keys, module, state, answer):
    change = bring(shop, keys, module, state)
    wanted = LEGAL.get((state, answer))
    if wanted is None:
        with pytest.raises((wrong.IllegalMove, wrong.KeyChangeUnderway)):
            ANSWERS[answer](keys, change)
        assert again(shop, change).state == state
    else:
        ANSWERS[answer](keys, change)
        assert again(shop, change).state == wanted


def test_the_key_of_a_meter_follows_the_state_alone(shop, keys, module):
    """Which key a credit is made under in each state: 1 is the old one's revision."""
    made = {}
    for number, state in enumerate(["withdrawn", "failed", "completed"]):
        bring(shop, keys, module, state, key=state)
        made[state] = shop.sell(units=str(20 + number)).krn
    assert made == {"withdrawn": 1, "failed": 1, "completed": 2}


# what confirms


@pytest.mark.parametrize(
    ("proof", "krn", "ti", "error"),
    [
        ("test_tokens", 1, "01", wrong.ShowsOtherKey),
        ("test_tokens", 2, "02", wrong.ShowsNeitherKey),
        ("test_tokens", None, "01", wrong.ShownUnreadable),
        ("test_tokens", 2, "1", wrong.ShownUnreadable),
        ("test_tokens", 10, "01", wrong.ShownUnreadable),
        ("credit_taken", None, "", wrong.NoEarlierCredit),
        ("", None, "", wrong.ProofMissing),
        ("time", 2, "01", wrong.ProofMissing),
    ],
)
def test_nothing_else_confirms(shop, keys, proof, krn, ti, error):
    change = keys.start(LEGACY_11, krn=2)
    shop.sell()
    with pytest.raises(error):
        keys.confirm(change, proof, krn, ti)
    assert again(shop, change).state == "completed"


def test_a_credit_of_an_earlier_day_confirms_and_one_of_today_does_not(shop, keys):
    change = keys.start(LEGACY_11, krn=2)
    shop.sell()
    shop.clock.forward(hours=10)  # 22:30 in the utility's zone: the same day
    with pytest.raises(wrong.NoEarlierCredit):
        keys.confirm(change, "credit_taken")
    shop.clock.forward(hours=2)
    assert keys.confirm(change, "credit_taken").state == "confirmed"


def test_a_display_that_shows_the_same_under_both_keys_proves_nothing(shop, keys):
    change = keys.start(LEGACY_11, sgc=OTHER_SGC)
    with pytest.raises(wrong.DisplayTellsNothing):
        keys.confirm(change, "test_tokens", 1, "01")
    with pytest.raises(wrong.DisplayTellsNothing):
        keys.refuse(change, 1, "01")
    back = keys.refuse(change, 1, "01", entered=True)
    assert (again(shop, change).state, back.state) == ("refused", "completed")


# the meter refused it


def test_after_a_refusal_the_set_back_goes_before_each_credit_under_the_old_key(shop, keys):
    meter = meter_in_the_field(shop.meter(LEGACY_11))
    change = keys.start(LEGACY_11, krn=2, ti="07")
    lost = shop.sell(units="10")
    back = keys.refuse(change, 1, "01", reason="customer lost the slip")
    refused = again(shop, change)
    assert (refused.state, refused.note, refused.shown_krn, refused.shown_ti) == (
        "refused", "customer lost the slip", 1, "01",
    )  # fmt: skip
    assert (back.state, back.undoes_id) == ("completed", change.id)
    sale = shop.sell(units="30")
    assert (sale.krn, sale.ti, sale.key_change_id) == (1, "01", back.id)
    # the meter is still on the old key: the set back is refused, the credit taken
    assert [meter.enter(each) for each in tokens_of(shop, back)] == [Result.CRC_ERROR] * 2
    assert meter.enter(credit_of(shop, sale)) is Result.ACCEPT
    # the slip is found and entered: the next sale takes the meter back
    enter(meter, tokens_of(shop, change))
    assert meter.enter(credit_of(shop, lost)) is Result.ACCEPT
    later = shop.sell(units="40")
    assert meter.enter(credit_of(shop, later)) is Result.CRC_ERROR
    assert enter(meter, tokens_of(shop, back)) is Result.ACCEPT
    assert meter.enter(credit_of(shop, later)) is Result.ACCEPT
    keys.confirm(back, "test_tokens", 1, "01")
    assert (shop.meter(LEGACY_11).krn, shop.sell(units="50").key_change_id) == (1, None)


def test_the_old_key_is_confirmed_only_once_the_refused_slips_are_away(shop, keys):
    """Without that the customer who enters one later has the other key, and nobody knows."""
    meter = meter_in_the_field(shop.meter(LEGACY_11))
    change = keys.start(LEGACY_11, krn=2, ti="07")
    back = keys.refuse(change, 1, "01")
    sale = shop.sell()
    assert meter.enter(credit_of(shop, sale)) is Result.ACCEPT  # shows the old key, as before
    with pytest.raises(wrong.SlipsLeft):
        keys.confirm(back, "test_tokens", meter.krn, f"{meter.ti:02d}", cleared=False)
    shop.clock.forward(days=1)
    with pytest.raises(wrong.SlipsLeft):
        keys.confirm(back, "credit_taken", cleared=False)
    assert again(shop, back).state == "completed"
    enter(meter, tokens_of(shop, change))  # the late slip; the set back still goes before credits
    later = shop.sell(units="20")
    enter(meter, tokens_of(shop, back))
    assert meter.enter(credit_of(shop, later)) is Result.ACCEPT
    assert keys.confirm(back, "credit_taken", cleared=True).state == "confirmed"
    told = [e.details.get("cleared") for e in shop.rows(AuditEvent)
            if e.action == "key_change.confirmed"]  # fmt: skip
    assert told == [True]


@pytest.mark.parametrize(
    ("krn", "ti", "reason", "error"),
    [
        (2, "07", "x", wrong.ShowsOtherKey),
        (3, "07", "x", wrong.ShowsNeitherKey),
        (None, "01", "x", wrong.ShownUnreadable),
        (1, "01", " ", wrong.ReasonMissing),
    ],
)
def test_a_refusal_is_no_bare_claim(shop, keys, krn, ti, reason, error):
    change = keys.start(LEGACY_11, krn=2, ti="07")
    with pytest.raises(error):
        keys.refuse(change, krn, ti, reason=reason)
    assert (again(shop, change).state, shop.count(KeyChange)) == ("completed", 1)


def test_a_refusal_waits_for_the_tokens_under_way(shop, keys, module):
    change = keys.start(LEGACY_11, krn=2)
    module.once("issue_credit", request_lost)
    shop.sell()
    with pytest.raises(MetersBusy):
        keys.refuse(change, 1, "01")


def test_until_the_set_back_is_made_the_new_key_counts(shop, keys, module):
    change = keys.start(LEGACY_11, krn=2)
    module.refuse("key_closed", method="issue_key_change")
    back = keys.refuse(change, 1, "01")
    assert (back.state, again(shop, change).state) == ("failed", "completed")
    assert shop.sell().krn == 2
    module.once("issue_key_change", request_lost)
    back = keys.refuse(change, 1, "01", key="again")
    assert (back.state, again(shop, change).state) == ("reserved", "completed")
    with pytest.raises(wrong.KeyChangeUnderway):
        keys.confirm(change, "test_tokens", 2, "01")
    keys.withdraw(back)
    assert keys.confirm(change, "test_tokens", 2, "01").state == "confirmed"


def test_from_the_factory_key_no_set_leads_back_so_it_is_entered_and_seen_refused(shop, keys):
    keys.set_meter(LEGACY_11, sgc=FACTORY_SGC, kt=0)
    change = keys.start(LEGACY_11, sgc=LEGACY_SGC, kt=2, ti="07")
    with pytest.raises(wrong.EnterItFirst):
        keys.refuse(change, 1, "01")
    closed = keys.refuse(change, 1, "01", entered=True)
    assert (closed.id, closed.state, closed.proof) == (change.id, "refused", "entered")
    assert shop.count(KeyChange) == 1
    assert (shop.meter(LEGACY_11).sgc, shop.meter(LEGACY_11).kt) == (FACTORY_SGC, 0)


def test_a_refusal_sent_twice_makes_one_set_back(shop, keys):
    change = keys.start(LEGACY_11, krn=2)
    first, second = keys.refuse(change, 1, "01"), keys.refuse(change, 1, "01")
    assert (first.id, shop.count(KeyChange)) == (second.id, 2)


def test_the_trail_tells_the_whole_story(shop, keys):
    change = keys.start(LEGACY_11, krn=2)
    keys.confirm(keys.refuse(change, 1, "01"), "test_tokens", 1, "01")
    assert deeds(shop) == [
        "key_change.reserved", "key_change.completed", "key_change.reserved",
        "key_change.refused", "key_change.completed", "key_change.confirmed",
    ]  # fmt: skip
    text = "".join(str(event.details) for event in shop.rows(AuditEvent))
    assert not any(row.digits in text for row in shop.rows(KeyChangeToken))


# deaths, silence, and the worker


def test_a_lost_answer_is_settled_with_the_same_digits(shop, keys, module):
    module.once("issue_key_change", answer_lost)
    change = keys.start(LEGACY_11, krn=2)
    assert change.state == "reserved"
    assert reconcile(shop) == {}  # too young
    shop.clock.forward(minutes=1)
    assert reconcile(shop) == {"completed": 1}
    made = [token.digits for token in module.inner.fetch_result(change.request_id)]
    assert tokens_of(shop, change) == made


def test_a_lost_request_is_asked_again_under_the_same_id(shop, keys, module):
    module.once("issue_key_change", request_lost)
    change = keys.start(LEGACY_11, krn=2)
    shop.clock.forward(minutes=1)
    assert reconcile(shop) == {"completed": 1}
    assert {rid for name, rid in module.asked if name == "issue_key_change"} == {change.request_id}


def test_an_old_one_is_cancelled_first_and_waits_while_the_module_is_silent(shop, keys, module):
    module.once("issue_key_change", request_lost)
    change = keys.start(LEGACY_11, krn=2)
    shop.clock.forward(minutes=11)
    module.once("fetch_result", request_lost)
    module.once("cancel", request_lost)
    assert reconcile(shop) == {"reserved": 1}
    assert reconcile(shop) == {"failed": 1}
    assert again(shop, change).failure == "cancelled"
    assert shop.sell().krn == 1


def test_no_byte_sent_fails_at_once_unless_the_worker_has_it(shop, keys, module):
    module.once("issue_key_change", down)
    change = keys.start(LEGACY_11, krn=2)
    assert (change.state, change.failure) == ("failed", "unavailable_down")


def test_a_definite_no_fails_with_its_reason(shop, keys, module):
    module.refuse("change_not_allowed", method="issue_key_change", heard=False)
    change = keys.start(LEGACY_11, krn=2)
    assert change.state == "reserved"
    shop.clock.forward(minutes=1)
    assert reconcile(shop) == {"failed": 1}
    assert again(shop, change).failure == "change_not_allowed"


def test_withdrawn_digits_never_leave_though_the_module_made_them(shop, keys, module):
    module.once("issue_key_change", answer_lost)
    change = keys.start(LEGACY_11, krn=2)
    keys.withdraw(change)
    shop.clock.forward(minutes=1)
    assert reconcile(shop) == {}
    assert tokens_of(shop, change) == []


@pytest.mark.parametrize("weather", [["lost"], ["broken"], ["broken", "lost"]])
def test_a_reserve_whose_commit_is_unknown_is_made_once(shop, keys, weather):
    change = keys.start(LEGACY_11, krn=2, weather=weather)
    assert (change.state, shop.count(KeyChange)) == ("completed", 1)


def test_a_complete_whose_commit_was_written_though_it_seemed_to_break_is_told_as_it_stands(
    shop, keys
):
    change = keys.start(LEGACY_11, krn=2, weather=["fine", "lost"])
    assert (change.state, len(change.tokens)) == ("completed", 2)


def test_a_set_back_withdrawn_while_it_is_made_leaves_what_was_said_meanwhile(shop, keys, module):
    change = keys.start(LEGACY_11, krn=2)

    def withdrawn_and_confirmed():
        keys.withdraw(shop.rows(KeyChange)[-1])
        keys.confirm(change, "test_tokens", 2, "01")

    module.once("issue_key_change", during(withdrawn_and_confirmed))
    back = keys.refuse(change, 1, "01")
    assert (back.state, again(shop, change).state) == ("withdrawn", "confirmed")
    assert tokens_of(shop, back) == []


def test_a_complete_that_breaks_is_completed_by_the_worker(shop, keys):
    assert keys.start(LEGACY_11, krn=2, weather=["fine", "broken"]).state == "reserved"
    assert [row.state for row in shop.rows(KeyChange)] == ["reserved"]
    shop.clock.forward(minutes=1)
    assert reconcile(shop) == {"completed": 1}
    assert shop.count(KeyChangeToken) == 2


def test_a_set_back_whose_maker_died_is_completed_by_the_worker(shop, keys, module):
    change = keys.start(LEGACY_11, krn=2)
    module.once("issue_key_change", answer_lost)
    back = keys.refuse(change, 1, "01")
    assert (back.state, again(shop, change).state) == ("reserved", "completed")
    shop.clock.forward(minutes=1)
    assert reconcile(shop) == {"completed": 1}
    assert (again(shop, back).state, again(shop, change).state) == ("completed", "refused")
    assert shop.sell().krn == 1


def test_no_token_is_reserved_while_a_set_back_is_being_made(shop, keys, module, monkeypatch):
    monkeypatch.setattr("vmsapp.services.vending.UNDERWAY_WAIT_S", 0.0)
    change = keys.start(LEGACY_11, krn=2)
    module.once("issue_key_change", request_lost)
    back = keys.refuse(change, 1, "01")
    assert (back.state, again(shop, change).state) == ("reserved", "completed")
    with pytest.raises(wrong.KeyChangeUnderway):
        shop.sell()
    assert shop.count(Sale) == 0
    keys.withdraw(back)
    assert shop.sell().krn == 2


def test_the_module_that_is_looked_at_before_a_sale_is_the_one_of_the_new_key(
    shop, keys, module, monkeypatch
):
    keys.let_become_sts6()
    keys.start(LEGACY_11, dkga="04", krn=1)
    shop.change(
        lambda session: session.execute(
            delete(SmAlgorithm).where(SmAlgorithm.algorithm == "legacy")
        )
    )
    status, ahead = module.status, timedelta(hours=1)
    monkeypatch.setattr(
        module, "status", lambda: replace(status(), time_utc=status().time_utc + ahead)
    )
    with pytest.raises(ModuleClockDiffers):
        shop.sell()
    monkeypatch.undo()
    assert shop.sell().dkga == "04"


def test_the_card_warns_of_the_key_of_the_next_token_alone(shop, keys):
    keys.start(LEGACY_11, krn=2)
    for krn, ended in ((1, False), (2, True)):
        shop.change(
            lambda session, krn=krn: session.execute(
                update(VendingKey)
                .where(VendingKey.sgc == LEGACY_SGC, VendingKey.krn == krn, VendingKey.dkga == "02")
                .values(issue_until=shop.clock() - timedelta(days=1))
            )
        )
        with shop.session() as session, seen_by(SYSTEM):
            now = shop.clock()
            card = meter_card(session, setup_at(session, now), shop.utility.meters[LEGACY_11], now)
        assert (card.key_ended, card.key_change is not None) == (ended, True)
