"""Writing tariffs and plans: what may be changed, what stays for ever, and what is on record."""

import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from tests.factories import LEGACY_11, LEGACY_13, MONEY, NOW, TODAY, step
from tests.faults import request_lost
from tests.services.test_clocks import accept
from vmsapp.errors import NotFound
from vmsapp.models import AuditEvent, Meter, Sale, SaleState, Tariff, TariffPlan
from vmsapp.scope import SYSTEM, seen_by
from vmsapp.services.tariffs import as_plan, editing, files, looking, rules
from vmsapp.services.tariffs.errors import (
    FileOfOtherCurrency,
    FileOfOtherDecimals,
    FileOfOtherMeterType,
    OtherMeterType,
    PlanDayBeyond,
    PlanDayTaken,
    PlanNameTaken,
    PlanNeeded,
    PlanTooEarly,
    PlanUsed,
    PlanWithoutDay,
    TariffIndexWrong,
    TariffInUse,
    TariffNameTaken,
)
from vmsapp.tariffs.plan import Penalty, Plan

TOMORROW = TODAY + timedelta(days=1)
MANUAL = Plan(
    "Manual",
    (step("0", "150", "3", "0.1"), step("150", "2000", "4", "0.2")),
    None,
    penalties=(
        Penalty(Decimal(0), Decimal(500), 0),
        Penalty(Decimal(500), Decimal(2000), 10_000),
        Penalty(Decimal(2000), Decimal(5000), 50_000),
    ),
)
"""The example of the manual, section 3.6: fines of 0, 100 and 500 USD."""


def do(shop, deed, *args, **options):
    """Do a deed of the service, as an administrator."""
    with shop.session() as session, seen_by(SYSTEM):
        return deed(session, SYSTEM, *args, **options)


def ask(shop, question, *args):
    with shop.session() as session, seen_by(SYSTEM):
        return question(session, *args)


def tariff(shop, name: str = "Flat") -> Tariff:
    return shop.rows(Tariff, Tariff.name == name)[0]


def plans(shop, name: str = "Flat") -> list[TariffPlan]:
    rows = shop.rows(TariffPlan, TariffPlan.tariff_id == tariff(shop, name).id)
    return sorted(rows, key=lambda row: row.effective_on)


def simple(name: str = "New", price: str = "0.15") -> Plan:
    return Plan(name, (step("0", None, price),), None)


def last_event(shop) -> AuditEvent:
    return max(shop.rows(AuditEvent), key=lambda event: event.id)


@pytest.fixture
def flat(shop) -> int:
    """Id of the tariff most meters have; its plan is of January 2025."""
    return tariff(shop).id


# plans


def test_the_manuals_example_is_stored_as_it_was_typed(shop, flat):
    row = do(shop, editing.add_plan, flat, MANUAL, TOMORROW)
    stored = json.loads(shop.rows(TariffPlan, TariffPlan.id == row.id)[0].rules)
    assert stored["steps"] == [
        {"start": "0", "end": "150", "price": "3", "tax_percent": "0.1"},
        {"start": "150", "end": "2000", "price": "4", "tax_percent": "0.2"},
    ]
    assert [band["fine"] for band in stored["penalties"]] == ["0.00", "100.00", "500.00"]
    event = last_event(shop)
    assert (event.action, event.subject_id) == ("tariff_plan.added", str(row.id))
    assert event.details["after"]["effective_on"] == "2026-03-18"
    assert json.loads(event.details["after"]["rules"]) == stored


def test_two_plans_on_one_day_are_refused_and_the_other_is_named(shop, flat):
    do(shop, editing.add_plan, flat, simple("First"), TOMORROW)
    with pytest.raises(PlanDayTaken) as caught:
        do(shop, editing.add_plan, flat, simple("Second"), TOMORROW)
    assert caught.value.params == {"name": "First", "day": TOMORROW}
    first = plans(shop)[-1]
    do(shop, editing.change_plan, first.id, simple("First"), TOMORROW)  # its own day is free
    other = do(shop, editing.add_plan, flat, simple("Second"), TOMORROW + timedelta(days=1))
    with pytest.raises(PlanDayTaken):
        do(shop, editing.change_plan, other.id, simple("Second"), TOMORROW)


@pytest.mark.parametrize("day", [TODAY, date(2026, 3, 1), date(2024, 1, 1)])
def test_a_day_up_to_the_last_sale_is_refused_and_the_earliest_is_named(shop, flat, day):
    shop.sell()
    with pytest.raises(PlanTooEarly) as caught:
        do(shop, editing.add_plan, flat, simple(), day)
    assert caught.value.params == {"last": TODAY, "earliest": TOMORROW}
    assert len(plans(shop)) == 1
    assert ask(shop, rules.earliest_day, flat) == TOMORROW
    do(shop, editing.add_plan, flat, simple(), TOMORROW)


def test_a_plan_sold_by_under_a_clock_ahead_stays_though_an_earlier_day_was_sold_on_since(
    shop, flat
):
    april = do(shop, editing.add_plan, flat, simple("April"), TODAY + timedelta(days=15))
    ahead = TODAY + timedelta(days=20)
    shop.at(NOW + timedelta(days=20)).sell(LEGACY_11)
    shop.at(NOW)
    accept(shop)
    assert shop.sell(LEGACY_13).business_date == TODAY
    assert ask(shop, rules.last_sold_on, flat) == ahead
    for deed, more in ((editing.change_plan, (simple("April", "9.99"), april.effective_on)),
                       (editing.remove_plan, ())):  # fmt: skip
        with pytest.raises(PlanUsed):
            do(shop, deed, april.id, *more)
    with pytest.raises(PlanTooEarly) as caught:
        do(shop, editing.add_plan, flat, simple("Between"), TODAY + timedelta(days=17))
    assert caught.value.params == {"last": ahead, "earliest": ahead + timedelta(days=1)}
    assert json.loads(plans(shop)[-1].rules)["steps"][0]["price"] == "0.15"


def test_today_is_free_while_nothing_was_sold_today(shop, flat):
    shop.sell()
    shop.clock.forward(days=1)
    assert ask(shop, rules.earliest_day, flat) == TOMORROW
    do(shop, editing.add_plan, flat, simple(), TOMORROW)
    assert shop.quote(LEGACY_11, units="100")["charged_minor"] == 1500  # 100 at 0.15


def test_the_day_of_a_sale_is_the_utilitys_not_utc(shop, flat):
    shop.clock.now = datetime(2026, 3, 16, 21, 30, tzinfo=UTC)  # half past midnight in Nairobi
    shop.sell()
    with pytest.raises(PlanTooEarly) as caught:
        do(shop, editing.add_plan, flat, simple(), TODAY)
    assert caught.value.params["earliest"] == TOMORROW


def test_sales_by_another_tariff_do_not_count(shop):
    shop.sell(LEGACY_11)
    domestic = tariff(shop, "Domestic").id
    do(shop, editing.add_plan, domestic, simple(), TODAY)
    assert ask(shop, rules.last_sold_on, domestic) is None


def test_a_plan_in_the_past_is_taken_where_nothing_was_sold(shop, flat):
    row = do(shop, editing.add_plan, flat, simple(), date(2026, 1, 1))
    assert shop.quote(LEGACY_11, units="100")["charged_minor"] == 1500
    assert [one.state for one in ask(shop, looking.plans_of, flat, TODAY)] == ["now", "past"]
    assert ask(shop, looking.plans_of, flat, TODAY)[0].row.id == row.id


@pytest.mark.parametrize("day", [date(1999, 12, 31), date(2200, 1, 1)])
def test_a_year_nobody_means_is_refused(shop, flat, day):
    with pytest.raises(PlanDayBeyond):
        do(shop, editing.add_plan, flat, simple(), day)


def test_a_used_plan_stays_as_it_is_for_ever(shop, flat):
    sale = shop.sell()
    used = plans(shop)[0]
    assert sale.plan_id == used.id
    for _ in range(2):
        with pytest.raises(PlanUsed):
            do(shop, editing.change_plan, used.id, simple(), date(2025, 1, 1))
        with pytest.raises(PlanUsed):
            do(shop, editing.change_plan, used.id, simple(), date(2030, 1, 1))
        with pytest.raises(PlanUsed):
            do(shop, editing.remove_plan, used.id)
        shop.clock.forward(days=400)
    assert plans(shop)[0].rules == used.rules


def test_a_sale_that_failed_was_priced_too(shop, module, flat):
    module.once("issue_credit", request_lost)
    sale = shop.sell()
    shop.change(lambda s: setattr(s.get_one(Sale, sale.id), "state", SaleState.FAILED))
    with pytest.raises(PlanUsed):
        do(shop, editing.remove_plan, plans(shop)[0].id)


def test_a_plan_whose_fees_a_later_sale_may_have_paid_stays_too(shop, flat):
    """No sale points at it, but the sale of March asked for what was missed under it."""
    between = do(shop, editing.add_plan, flat, simple("February"), date(2026, 2, 1))
    do(shop, editing.add_plan, flat, simple("March"), date(2026, 3, 1))
    shop.sell()
    dated = ask(shop, looking.plans_of, flat, TODAY)
    found = {one.row.name: (one.used, one.fixed) for one in dated}
    assert found == {"Flat": (False, True), "February": (False, True), "March": (True, True)}
    with pytest.raises(PlanUsed):
        do(shop, editing.change_plan, between.id, simple(), date(2026, 2, 2))


def test_a_plan_in_force_that_nothing_was_sold_under_may_be_changed(shop, flat):
    row = plans(shop)[0]
    do(shop, editing.change_plan, row.id, simple("Flat 2", "0.20"), row.effective_on)
    assert shop.quote(LEGACY_11, units="100")["charged_minor"] == 2000
    event = last_event(shop)
    assert event.action == "tariff_plan.changed"
    assert (event.details["before"]["name"], event.details["after"]["name"]) == ("Flat", "Flat 2")
    assert len(ask(shop, looking.history, row.id).changes) == 1


def test_saving_a_plan_unchanged_is_no_change(shop, flat):
    row = plans(shop)[0]
    before = len(shop.rows(AuditEvent))
    do(shop, editing.change_plan, row.id, as_plan(row, MONEY), row.effective_on)
    assert len(shop.rows(AuditEvent)) == before


def test_a_plan_that_is_gone_is_not_found(shop, flat):
    row = do(shop, editing.add_plan, flat, simple(), TOMORROW)
    do(shop, editing.remove_plan, row.id)
    event = last_event(shop)
    assert (event.action, event.details["before"]["name"]) == ("tariff_plan.removed", "New")
    for deed in (lambda: do(shop, editing.remove_plan, row.id),
                 lambda: do(shop, editing.change_plan, row.id, simple(), TOMORROW),
                 lambda: do(shop, editing.add_plan, 10**6, simple(), TOMORROW)):  # fmt: skip
        with pytest.raises(NotFound):
            deed()


# copies


def test_a_used_plan_is_copied_to_a_later_day(shop, flat):
    shop.sell()
    used = plans(shop)[0]
    made = do(
        shop, editing.copy_plan, used.id, tariff_id=flat, name="Flat 2027",
        effective_on=date(2027, 1, 1),
    )  # fmt: skip
    assert json.loads(made.rules) == json.loads(used.rules) | {"name": "Flat 2027"}
    event = last_event(shop)
    assert (event.action, event.details["copy_of"]) == (
        "tariff_plan.copied", f"Flat ({used.id})",
    )  # fmt: skip


def test_a_plan_is_copied_to_a_tariff_for_the_same_meters_alone(shop, flat):
    water = do(shop, editing.add_tariff, name="Wells", meter_type="water").id
    used = plans(shop)[0]
    with pytest.raises(OtherMeterType):
        do(shop, editing.copy_plan, used.id, tariff_id=water, name="x", effective_on=TOMORROW)
    domestic = tariff(shop, "Domestic").id
    made = do(shop, editing.copy_plan, used.id, tariff_id=domestic, name="x", effective_on=TOMORROW)
    assert made.tariff_id == domestic


# tariffs


def test_a_name_is_taken_in_other_capitals_too(shop, flat):
    with pytest.raises(TariffNameTaken):
        do(shop, editing.add_tariff, name="FLAT", meter_type="water")
    with pytest.raises(TariffNameTaken):
        do(shop, editing.rename, tariff(shop, "Domestic").id, "flat")
    do(shop, editing.rename, flat, "FLAT")
    assert tariff(shop, "FLAT").id == flat
    assert last_event(shop).details == {"before": {"name": "Flat"}, "after": {"name": "FLAT"}}


@pytest.mark.parametrize("typed", ["7", "007", "0x", "٠٧", " 7"])
def test_a_tariff_index_has_two_digits(shop, typed):
    with pytest.raises(TariffIndexWrong):
        do(shop, editing.give_index, tariff(shop, "Flat").id, typed)
    assert tariff(shop, "Flat").tariff_index is None


def test_a_tariff_is_given_an_index_and_loses_it_and_both_are_on_record(shop):
    flat = tariff(shop, "Flat").id
    for typed in ("07", "07", ""):
        do(shop, editing.give_index, flat, typed)
    assert tariff(shop, "Flat").tariff_index is None
    told = [
        (e.details["before"]["tariff_index"], e.details["after"]["tariff_index"])
        for e in shop.rows(AuditEvent) if e.action == "tariff.index_changed"
    ]  # fmt: skip
    assert told == [(None, "07"), ("07", None)]


def test_a_retired_tariff_keeps_its_meters_and_is_put_back(shop, flat):
    meters = shop.count(Meter, Meter.tariff_id == flat, Meter.state != "retired")
    for _ in range(2):  # a second press changes nothing
        do(shop, editing.retire, flat)
    event = last_event(shop)
    assert (event.action, event.details["meters"]) == ("tariff.retired", meters)
    shop.sell()  # as ever
    do(shop, editing.take_back, flat)
    assert last_event(shop).action == "tariff.taken_back"
    assert not tariff(shop).retired


def test_a_tariff_with_meters_or_sales_is_not_deleted(shop, flat):
    with pytest.raises(TariffInUse):
        do(shop, editing.delete_tariff, flat)
    shop.sell()

    def take_meters(session):
        session.query(Meter).where(Meter.tariff_id == flat).update({"tariff_id": None})

    shop.change(take_meters)
    with pytest.raises(TariffInUse):
        do(shop, editing.delete_tariff, flat)


def test_a_tariff_nothing_hangs_on_goes_with_its_plans(shop):
    made = do(shop, editing.add_tariff, name="Mistake", meter_type="electricity").id
    do(shop, editing.add_plan, made, simple("Slip"), TODAY)
    assert do(shop, editing.delete_tariff, made) == "Mistake"
    assert shop.rows(Tariff, Tariff.id == made) == []
    assert shop.rows(TariffPlan, TariffPlan.tariff_id == made) == []
    details = last_event(shop).details
    assert (details["before"]["name"], details["plans"][0]["name"]) == ("Mistake", "Slip")


def test_an_overview_names_the_plan_in_force_the_next_and_the_meters(shop, flat):
    do(shop, editing.add_plan, flat, simple("Later"), date(2028, 1, 1))
    do(shop, editing.add_plan, flat, simple("Next"), date(2027, 1, 1))
    future = tariff(shop, "Future").id
    found = ask(shop, looking.overviews, [flat, future], TODAY)
    assert (found[flat].in_force.name, found[flat].following.name) == ("Flat", "Next")
    assert found[future].in_force is None
    assert found[flat].meters == shop.count(
        Meter, Meter.tariff_id == flat, Meter.state != "retired"
    )


# files


def written(shop, name: str = "Domestic") -> str:
    with shop.session() as session, seen_by(SYSTEM):
        row = session.query(TariffPlan).where(TariffPlan.name == name).one()
        return files.export_plan(session, SYSTEM, row, session.get_one(Tariff, row.tariff_id))


def imported(shop, text: str, into: str, day: date | None = TOMORROW) -> TariffPlan:
    with shop.session() as session, seen_by(SYSTEM):
        row = session.query(Tariff).where(Tariff.name == into).one()
        return files.import_text(session, SYSTEM, row, text, effective_on=day, file="plan.json")


def test_a_plan_comes_back_from_its_file_as_it_was(shop):
    text = written(shop)
    assert last_event(shop).action == "tariff_plan.exported"
    row = imported(shop, text, "Flat")
    assert json.loads(row.rules) == json.loads(plans(shop, "Domestic")[0].rules)
    event = last_event(shop)
    assert (event.action, event.details["file"]) == ("tariff_plan.imported", "plan.json")


def test_the_day_of_a_file_counts_unless_another_is_given(shop):
    text = written(shop)  # in force from 2025-01-01
    with pytest.raises(PlanDayTaken):
        imported(shop, text, "Flat", None)
    undated = json.dumps({k: v for k, v in json.loads(text).items() if k != "effective_on"})
    with pytest.raises(PlanWithoutDay):
        imported(shop, undated, "Flat", None)
    assert imported(shop, undated, "Flat").effective_on == TOMORROW


@pytest.mark.parametrize(("changed", "refusal"), [
    ({"currency": {"code": "KES", "decimals": 2}}, FileOfOtherCurrency),
    ({"currency": {"code": "USD", "decimals": 3}}, FileOfOtherDecimals),
    ({"meter_type": "water"}, FileOfOtherMeterType),
])  # fmt: skip
def test_a_file_whose_prices_mean_something_else_is_refused(shop, changed, refusal):
    text = json.dumps(json.loads(written(shop)) | changed)
    with pytest.raises(refusal):
        imported(shop, text, "Flat")
    assert len(plans(shop)) == 1


def test_all_faults_of_a_file_are_told_at_once(shop):
    content = json.loads(written(shop))
    content["steps"][0]["end"] = "90"
    content["steps"][1]["tax_percent"] = "101"
    with pytest.raises(files.PlanFileFaults) as caught:
        imported(shop, json.dumps(content), "Flat")
    assert [(fault.field, fault.row, fault.column) for fault in caught.value.faults] == [
        ("steps", 2, "start"), ("steps", 2, "tax_percent"),
    ]  # fmt: skip


# what meters live by


def test_the_only_plan_in_force_stays_while_meters_have_the_tariff(shop, flat):
    row = plans(shop)[0]
    having = len(shop.rows(Meter, Meter.tariff_id == flat, Meter.state != "retired"))
    later = as_plan(row, MONEY)
    for deed in (
        lambda: do(shop, editing.remove_plan, row.id),
        lambda: do(shop, editing.change_plan, row.id, later, TOMORROW),
    ):
        with pytest.raises(PlanNeeded) as caught:
            deed()
        assert caught.value.params == {"name": row.name, "meters": having}
    assert [(one.id, one.effective_on) for one in plans(shop)] == [(row.id, row.effective_on)]
    do(shop, editing.change_plan, row.id, later, TODAY)  # it stays in force


def test_a_plan_may_go_where_another_is_in_force_or_none_is_needed(shop, flat):
    first = plans(shop)[0]
    second = do(shop, editing.add_plan, flat, simple("Second"), TODAY)
    coming = do(shop, editing.add_plan, flat, simple("Coming"), TOMORROW)
    do(shop, editing.change_plan, coming.id, simple("Coming"), TOMORROW + timedelta(days=3))
    do(shop, editing.remove_plan, coming.id)
    do(shop, editing.remove_plan, first.id)
    with pytest.raises(PlanNeeded):
        do(shop, editing.remove_plan, second.id)
    lonely = do(shop, editing.add_tariff, name="Lonely", meter_type="electricity")
    plan = do(shop, editing.add_plan, lonely.id, simple("Only"), TODAY)
    do(shop, editing.remove_plan, plan.id)
    assert plans(shop, "Lonely") == []


def test_the_day_that_is_offered_is_free(shop, flat):
    do(shop, editing.add_plan, flat, simple("A"), TODAY)
    do(shop, editing.add_plan, flat, simple("B"), TOMORROW)
    free = TODAY + timedelta(days=2)
    assert ask(shop, rules.earliest_day, flat) == free
    do(shop, editing.add_plan, flat, simple("C"), free)


def test_two_plans_of_a_tariff_have_two_names(shop, flat):
    do(shop, editing.add_plan, flat, simple("Rain 2025"), TODAY)
    with pytest.raises(PlanNameTaken):
        do(shop, editing.add_plan, flat, simple("RAIN 2025"), TOMORROW)
    other = do(shop, editing.add_plan, flat, simple("Sun"), TOMORROW)
    with pytest.raises(PlanNameTaken):
        do(shop, editing.change_plan, other.id, simple("rain 2025"), TOMORROW)
    do(shop, editing.change_plan, other.id, simple("sun"), TOMORROW)  # its own name
    elsewhere = do(shop, editing.add_tariff, name="Other", meter_type="electricity")
    do(shop, editing.add_plan, elsewhere.id, simple("Rain 2025"), TODAY)


def test_a_name_is_suggested_by_the_year_then_by_the_day(shop, flat):
    do(shop, editing.add_plan, flat, simple("Rain 2025"), TODAY)
    assert ask(shop, rules.free_name, flat, "Fresh", TOMORROW) == "Fresh"
    assert ask(shop, rules.free_name, flat, "Rain 2025", TOMORROW) == "Rain 2026"
    do(shop, editing.add_plan, flat, simple("Rain 2026"), TOMORROW)
    assert ask(shop, rules.free_name, flat, "Rain 2025", TOMORROW) == "Rain 2026-03-18"
