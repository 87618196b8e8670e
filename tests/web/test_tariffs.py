"""Tariffs in the browser: lists, plans, the editor with its rows, refusals, files."""

import hashlib
import io
import json
import re
from datetime import date, timedelta
from typing import Any

import pytest

from tests import factories
from tests.factories import AUDITOR, LEGACY_11, OPERATOR, TODAY, step
from tests.web.office import ADMIN, contents
from tests.web.records import links, permit, read, rows, sent, the_form
from vmsapp.models import AuditEvent, Tariff, TariffPlan
from vmsapp.views.tariffs import plan_pages

TOMORROW = TODAY + timedelta(days=1)


@pytest.fixture
def admin(browse):
    return browse(ADMIN)


def tariff_of(shop, name: str) -> Tariff:
    return shop.rows(Tariff, Tariff.name == name)[0]


def plans_of(shop, name: str) -> list[TariffPlan]:
    found = shop.rows(TariffPlan, TariffPlan.tariff_id == tariff_of(shop, name).id)
    return sorted(found, key=lambda row: row.effective_on)


@pytest.fixture
def flat(shop) -> str:
    """Where the plans of a tariff are that meters have."""
    return f"/tariffs/{tariff_of(shop, 'Flat').id}/plans"


def form_of(page: str) -> dict[str, Any]:
    form = sent(the_form(read(page)))
    return {name: value for name, value in form.items() if name != "csrf_token"}


MANUAL = {
    "name": "Manual", "effective_on": TOMORROW.isoformat(),
    "steps-0-start": "0", "steps-0-end": "150", "steps-0-price": "3", "steps-0-tax": "0.1",
    "steps-1-start": "150", "steps-1-end": "2000", "steps-1-price": "4", "steps-1-tax": "0.2",
    "penalties-0-low": "0", "penalties-0-high": "500", "penalties-0-fine": "0",
    "penalties-1-low": "500", "penalties-1-high": "2000", "penalties-1-fine": "100",
    "penalties-2-low": "2000", "penalties-2-high": "5000", "penalties-2-fine": "500",
    "fee_amount": "", "fee_period": "month", "fee_missed": "usual", "fee_periods": "",
    "fee_share": "", "accumulation": "month", "inclusive": "no",
    "smallest_units": "", "smallest_minor": "", "sale_units": "", "sale_minor": "",
    "day_units": "", "day_minor": "", "month_units": "", "month_minor": "", "do": "save",
}  # fmt: skip
"""What the form sends for the example of the manual, section 3.6."""


def rules(shop, name: str) -> dict[str, Any]:
    """The document of a plan."""
    return dict(json.loads(shop.rows(TariffPlan, TariffPlan.name == name)[0].rules))


def wrong(page: str) -> dict[str, str]:
    """What is said beside which field."""
    found = read(page)
    errors = [one for one in found.all("div", "field-error") if one.get("hidden") is None]
    return {one["id"].removesuffix("-error"): one.text for one in errors}


# lists and pages


def test_the_list_says_which_plan_is_in_force_and_which_is_next(admin, shop):
    domestic = tariff_of(shop, "Domestic").id
    shop.change(lambda s: factories.add_plan(
        s, domestic, step("0", None, "0.3"), name="Next", effective_on=date(2027, 5, 1)
    ))  # fmt: skip
    shop.change(lambda s: setattr(s.get_one(Tariff, domestic), "retired", True))
    listed = {line[0]: line[1:] for line in rows(read(admin.get("/tariffs/list/").text))}
    told = ["Electricity", "Jan 1, 2025", "May 1, 2027", "1", "Retired tariff"]
    assert listed["Domestic"] == told
    assert listed["Flat"][1:3] == ["Jan 1, 2025", "– empty"]
    assert listed["Flat"][4] == "In use"
    assert listed["Future"][1:] == ["– empty", "Jan 1, 2027", "1", "No plan in force"]
    retired = rows(read(admin.get("/tariffs/list/?retired=yes").text))
    assert [line[0] for line in retired] == ["Domestic"]
    assert [line[0] for line in rows(read(admin.get("/tariffs/list/?q=fla").text))] == ["Flat"]
    assert rows(read(admin.get("/tariffs/list/?type=water").text)) == []


def test_a_tariff_begins_with_its_name_and_leads_on_to_its_plan(admin, shop):
    answer = admin.post("/tariffs/add", {"name": "Wells", "meter_type": "water"})
    made = tariff_of(shop, "Wells")
    assert made.meter_type == "water"
    assert answer.location == f"/tariffs/{made.id}/plans/new"
    page = read(admin.get(answer.location).text)
    assert "m³" in page.one("div", "plan-editor").text
    empty = read(admin.get(f"/tariffs/show/{made.id}").text)
    assert "nothing is sold" in empty.one("div", "empty").text


def test_a_tariff_is_renamed_and_its_type_stays(admin, shop):
    path = f"/tariffs/edit/{tariff_of(shop, 'Flat').id}"
    typed = form_of(admin.get(path).text)
    assert set(typed) == {"name", "tariff_index", "seen"}
    assert admin.post(path, typed | {"name": "Level", "meter_type": "gas"}).status_code == 302
    assert tariff_of(shop, "Level").meter_type == "electricity"
    late = admin.post(path, typed | {"name": "Later"})
    assert late.status_code == 409
    assert "Somebody else changed this record" in late.text
    assert wrong(late.text) == {"name": "Saved here now: “Level”."}
    taken = admin.post(path, form_of(admin.get(path).text) | {"name": "DOMESTIC"})
    assert (taken.status_code, list(wrong(taken.text))) == (422, ["name"])


def test_a_tariff_index_is_typed_in_any_digits_and_a_wrong_one_said_beside_its_field(admin, shop):
    path = f"/tariffs/edit/{tariff_of(shop, 'Flat').id}"
    typed = form_of(admin.get(path).text)
    bad = admin.post(path, typed | {"tariff_index": "7"})
    assert (bad.status_code, list(wrong(bad.text))) == (422, ["tariff_index"])
    assert admin.post(path, typed | {"tariff_index": "٠٧"}).status_code == 302
    assert tariff_of(shop, "Flat").tariff_index == "07"


def test_retiring_tells_how_many_meters_keep_it_and_offers_it_no_more(admin, shop):
    domestic = tariff_of(shop, "Domestic").id
    assert "1 meter has it and keeps it" in admin.get(f"/tariffs/retire/{domestic}").text
    offered = [one["text"] for one in admin.get("/tariffs/lookup?q=").json]
    assert "Domestic" in offered
    admin.post(f"/tariffs/retire/{domestic}", {"deed": "retire"})
    offered = [one["text"] for one in admin.get("/tariffs/lookup?q=").json]
    assert "Domestic" not in offered
    admin.post(f"/tariffs/retire/{domestic}", {"deed": "take_back"})
    assert not tariff_of(shop, "Domestic").retired


def test_a_tariff_that_meters_have_is_not_deleted(admin, shop, engine):
    before = contents(engine)
    answer = admin.post(f"/tariffs/delete/{tariff_of(shop, 'Flat').id}")
    assert answer.status_code == 409
    assert "Retire it instead" in answer.text
    assert contents(engine) == before


def test_meters_are_listed_by_their_tariff(admin, shop):
    page = read(admin.get(f"/tariffs/show/{tariff_of(shop, 'Domestic').id}").text)
    listed = rows(read(admin.get(links(page)["Its meters"]).text))
    assert [line[4] for line in listed] == ["Domestic"]


# one plan


def test_a_plans_page_shows_all_of_it(admin, shop, flat):
    typed = MANUAL | {
        "fee_amount": "2", "fee_share": "50", "fee_periods": "3",
        "levies-0-name": "VAT", "levies-0-kind": "percent", "levies-0-rate": "16",
        "levies-0-base": ["energy", "fee"], "levies-0-steps": ["2"],
        "levies-1-name": "Stamp", "levies-1-kind": "flat", "levies-1-rate": "0.25",
        "day_units": "90", "smallest_minor": "1",
    }  # fmt: skip
    where = admin.post(f"{flat}/new", typed).location
    page = read(admin.get(where).text)
    tables = [
        [[cell.text for cell in row.children] for row in one.one("tbody").all("tr")]
        for one in page.all("table", "grid")
    ]
    assert tables[0] == [
        ["1", "up to 150 kWh", "3.00", "0.1"],
        ["2", "more than 150, up to 2,000 kWh", "4.00", "0.2"],
    ]  # fmt: skip
    assert tables[1][1:] == [
        ["more than 500, up to 2,000 kWh", "100.00 USD"],
        ["more than 2,000, up to 5,000 kWh", "500.00 USD"],
    ]  # fmt: skip
    assert tables[2] == [
        ["VAT", "16%", "Energy, Fixed fee", "2"], ["Stamp", "0.25 USD", "each purchase", "all"],
    ]  # fmt: skip
    facts = {one.one("dt").text: one.one("dd").text for one in page.all("div") if one.all("dt")
             and len(one.all("dt")) == 1}  # fmt: skip
    assert "Penalty band 3 is never reached: the last step ends at 2,000." in page.text
    assert facts["Sales under it"] == "0"
    row = plans_of(shop, "Flat")[-1]
    assert facts["Version of the plan"] == hashlib.sha256(row.rules.encode()).hexdigest()[:12]
    assert facts["Changes"] == "0"
    assert facts["Made by"] == ADMIN
    assert facts["Most fees at once"] == "3"
    assert facts["Most in a day"] == "90 kWh"
    assert facts["Smallest purchase"] == "1.00 USD"
    assert form_of(admin.get(f"{where}/change").text)["levies-0-base"] == ["energy", "fee"]


def test_a_used_plan_counts_its_sales_and_offers_no_change(admin, shop, flat):
    shop.sell(units="10")
    shop.sell(units="20")
    used = plans_of(shop, "Flat")[0].id
    page = admin.get(f"{flat}/{used}").text
    assert "stays as it is for ever" in page
    assert re.search(r"Sales under it</dt><dd>(<bdi>)?2<", page)
    assert f"{flat}/{used}/change" not in page
    assert f"{flat}/{used}/remove" not in page
    assert f"{flat}/{used}/copy" in page
    refused = admin.get(f"{flat}/{used}/change")
    assert (refused.status_code, "Copy it to a later day" in refused.text) == (409, True)
    rules_before = rules(shop, "Flat")
    forged = admin.post(f"{flat}/{used}/change", MANUAL)
    assert forged.status_code == 409
    assert form_of(forged.text)["steps-1-price"] == "4"
    assert admin.post(f"{flat}/{used}/remove").location == f"{flat}/{used}"
    assert rules(shop, "Flat") == rules_before


def test_a_plan_of_another_tariff_is_not_found(admin, shop, flat):
    other = plans_of(shop, "Domestic")[0].id
    for path in ("", "/change", "/copy"):
        assert admin.get(f"{flat}/{other}{path}").status_code == 404
    for path in ("/remove", "/export"):
        assert admin.post(f"{flat}/{other}{path}").status_code == 404


# the editor


def test_the_manuals_example_is_saved_as_typed(admin, shop, flat):
    answer = admin.post(f"{flat}/new", MANUAL)
    assert answer.status_code == 302, wrong(answer.text)
    stored = rules(shop, "Manual")
    assert [(s["start"], s["end"], s["price"], s["tax_percent"]) for s in stored["steps"]] == [
        ("0", "150", "3", "0.1"), ("150", "2000", "4", "0.2"),
    ]  # fmt: skip
    assert [band["fine"] for band in stored["penalties"]] == ["0.00", "100.00", "500.00"]
    again = form_of(admin.get(f"{answer.location}/change").text)
    money = {f"penalties-{n}-fine": f"{fine}.00" for n, fine in enumerate((0, 100, 500))}
    kept = {name: value for name, value in (MANUAL | money).items() if value and name != "do"}
    assert {name: again[name] for name in kept} == kept


def test_a_new_plan_begins_on_the_earliest_day_with_one_step(admin, shop, flat):
    assert form_of(admin.get(f"{flat}/new").text)["effective_on"] == TODAY.isoformat()
    shop.sell()
    typed = form_of(admin.get(f"{flat}/new").text)
    assert typed["effective_on"] == TOMORROW.isoformat()
    assert [name for name in typed if name.startswith("steps-")] == [
        "steps-0-start", "steps-0-end", "steps-0-price", "steps-0-tax",
    ]  # fmt: skip


def test_a_start_left_empty_is_where_the_row_before_ends(admin, shop, flat):
    typed = MANUAL | dict.fromkeys(["steps-0-start", "steps-1-start", "penalties-1-low"], "")
    assert admin.post(f"{flat}/new", typed).status_code == 302
    assert [s["start"] for s in rules(shop, "Manual")["steps"]] == ["0", "150"]


@pytest.mark.parametrize(("language", "price"), [("fr", "0,125"), ("ar", "٠٫١٢٥"), ("en", "0.125")])
def test_numbers_are_typed_the_readers_way(browse, shop, flat, language, price):
    typed = MANUAL | {"steps-0-price": price}
    assert browse(ADMIN, language=language).post(f"{flat}/new", typed).status_code == 302
    assert rules(shop, "Manual")["steps"][0]["price"] == "0.125"


WRONG = {
    "a gap": ({"steps-1-start": "170"}, "steps-1-start", "the step before it ends lower, at 150"),
    "an overlap": ({"steps-1-start": "100"}, "steps-1-start", "ends higher, at 150"),
    "not from zero": ({"steps-0-start": "10"}, "steps-0-start", "it must start at 0"),
    "end before start": ({"steps-1-end": "100"}, "steps-1-end", "above its start"),
    "after an open step": ({"steps-0-end": ""}, "steps-1-start", "after a step without an end"),
    "a negative price": ({"steps-0-price": "-1"}, "steps-0-price", "a price below 0"),
    "tax above 100": ({"steps-0-tax": "100.5"}, "steps-0-tax", "it must be from 0 to 100"),
    "off the grid": ({"steps-0-end": "150.25", "steps-1-start": "150.25"}, "steps-0-end",
                     "At most 1 decimal"),
    "too many decimals": ({"steps-0-price": "0.1234567"}, "steps-0-price", "At most 6 decimals"),
    "money finer than a cent": ({"penalties-1-fine": "0.001"}, "penalties-1-fine",
                                "At most 2 decimals"),
    "no price": ({"steps-1-price": ""}, "steps-1-price", "Enter a number."),
    "no number": ({"steps-1-price": "four"}, "steps-1-price", "four"),
    "two ways to read it": ({"steps-1-price": "1,250"}, "steps-1-price", "1,250"),
    "a band gap": ({"penalties-1-low": "600"}, "penalties-1-low", "ends lower, at 500"),
    "a falling fine": ({"penalties-2-fine": "50"}, "penalties-2-fine", "lower fine"),
    "a negative fee": ({"fee_amount": "-2"}, "fee_amount", "0 or more"),
    "no share": ({"fee_amount": "2", "fee_share": "0"}, "fee_share", "above 0, up to 100"),
    "half a period": ({"fee_amount": "2", "fee_periods": "1.5"}, "fee_periods", "whole number"),
    "six bands": ({f"penalties-{n}-{c}": v for n in (3, 4, 5) for c, v in (
        ("low", str(5000 + n)), ("high", str(5001 + n)), ("fine", "600"))}, "penalties",
        "at most 5 penalty bands"),
    "limits that leave nothing": ({"smallest_units": "10", "sale_units": "5"}, "limits",
                                  "smallest purchase"),
    "a levy of a later one": ({
        "levies-0-name": "VAT", "levies-0-kind": "percent", "levies-0-rate": "16",
        "levies-0-of_levies": "2", "levies-1-name": "Fuel", "levies-1-kind": "per_unit",
        "levies-1-rate": "0.01"}, "levies-0-of_levies", "listed before it"),
    "a nameless levy": ({"levies-0-kind": "flat", "levies-0-rate": "1"}, "levies-0-name",
                        "needs a name"),
    "a flat sum finer than a cent": ({"levies-0-name": "Stamp", "levies-0-kind": "flat",
                                      "levies-0-rate": "0.001"}, "levies-0-rate", "At most 2"),
    "inclusive below its levies": ({
        "inclusive": "yes", "levies-0-name": "Fuel", "levies-0-kind": "per_unit",
        "levies-0-rate": "3.5"}, "steps-0-price", "lower than the levies per unit"),
    "no name": ({"name": " "}, "name", "required"),
    "no date": ({"effective_on": ""}, "effective_on", "Enter a date."),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_said_beside_its_field_and_nothing_typed_is_lost(
    admin, flat, engine, case
):
    changed, field, words = WRONG[case]
    typed, before = MANUAL | changed, contents(engine)
    answer = admin.post(f"{flat}/new", typed)
    assert answer.status_code == 422
    assert words in wrong(answer.text)[field], wrong(answer.text)
    again = form_of(answer.text)
    assert {name: again.get(name) for name in typed if name not in {"do", "name"}} == {
        name: [value] if name.endswith("of_levies") else value
        for name, value in typed.items() if name not in {"do", "name"}
    }  # fmt: skip
    assert contents(engine) == before


def test_all_that_is_wrong_is_said_at_once(admin, flat):
    typed = MANUAL | {"steps-0-tax": "120", "steps-1-start": "170", "penalties-1-low": "400",
                      "name": "", "fee_share": "x"}  # fmt: skip
    answer = admin.post(f"{flat}/new", typed)
    fields = ["name", "steps-0-tax", "steps-1-start", "penalties-1-low", "fee_share"]
    assert [*wrong(answer.text)] == fields
    summary = read(answer.text).one(id="errors")
    assert "5 fields need your attention" in summary.text
    assert [(link.text, link["href"]) for link in summary.all("a")][1:4] == [
        ("Step 1, Tax", "#steps-0-tax"), ("Step 2, From", "#steps-1-start"),
        ("Penalty band 2, From", "#penalties-1-low"),
    ]  # fmt: skip


def test_a_field_that_is_wrong_is_tied_to_its_sentence(admin, flat):
    page = read(admin.post(f"{flat}/new", MANUAL | {"steps-1-start": "170"}).text)
    field = page.one("input", name="steps-1-start")
    assert field["aria-invalid"] == "true"
    assert field["aria-describedby"] == page.one(id="steps-1-start-error")["id"]


@pytest.mark.parametrize(("day", "words"), [
    (date(2025, 1, 1), "begins on Jan 1, 2025 already"), (TODAY, "The earliest day"),
    (date(2026, 1, 1), "The earliest day for this one is Mar 18, 2026"),
    (date(2999, 1, 1), "Enter a date between"),
])  # fmt: skip
def test_a_day_that_cannot_be_is_refused_beside_the_date(admin, shop, flat, day, words):
    shop.sell()
    typed = MANUAL | {"effective_on": day.isoformat()}
    answer = admin.post(f"{flat}/new", typed)
    assert answer.status_code == 422
    assert words in wrong(answer.text)["effective_on"]
    assert form_of(answer.text)["steps-1-price"] == "4"


def test_two_people_do_not_overwrite_each_other(admin, browse, shop, flat):
    path = admin.post(f"{flat}/new", MANUAL).location + "/change"
    mine, theirs = form_of(admin.get(path).text), form_of(browse(ADMIN).get(path).text)
    assert browse(ADMIN).post(path, theirs | {"steps-0-price": "5"}).status_code == 302
    late = admin.post(path, mine | {"steps-0-price": "6"})
    assert late.status_code == 409
    assert "Somebody else changed this record" in late.text
    assert wrong(late.text)["steps-0-price"] == ("Price: Saved here now: “5”.")
    assert "steps-1-price" not in wrong(late.text)
    assert f'href="{path.removesuffix("/change")}" target="_blank"' in late.text
    assert form_of(late.text)["steps-0-price"] == "6"
    assert rules(shop, "Manual")["steps"][0]["price"] == "5"
    assert admin.post(path, form_of(late.text)).status_code == 302  # looked at, saved again
    assert rules(shop, "Manual")["steps"][0]["price"] == "6"


# rows, without a script


def pressed(admin, flat, deed: str, typed: dict[str, Any] | None = None) -> dict[str, Any]:
    answer = admin.post(f"{flat}/new", (typed or MANUAL) | {"do": deed})
    assert answer.status_code == 200
    return form_of(answer.text)


def test_a_row_is_added_where_the_one_before_ends(admin, flat):
    found = pressed(admin, flat, "steps.add")
    assert (found["steps-2-start"], found["steps-2-price"]) == ("2000", "")
    assert found["penalties-2-fine"] == "500"
    assert found["name"] == "Manual"


def test_an_added_row_is_not_scolded_before_it_is_filled(admin, flat):
    answer = admin.post(f"{flat}/new", {"do": "steps.add", "steps-0-start": "0"})
    assert [*wrong(answer.text)] == ["steps-1-start"]  # the step before it has no end yet


@pytest.mark.parametrize("deed", ["levies.add", "penalties.add", "steps.add"])
def test_no_fault_of_a_new_row_is_shown_before_anything_is_typed_into_it(admin, flat, deed):
    bands = {name: text for name, text in MANUAL.items() if not name.startswith("penalties-2")}
    answer = admin.post(f"{flat}/new", bands | {"do": deed})
    assert wrong(answer.text) == {}
    typed = form_of(answer.text)
    assert checked(admin, flat, typed)["fields"] == {}
    assert admin.post(f"{flat}/new", typed | {"do": "save"}).status_code == 422


def test_figures_of_faults_have_no_idle_zeros(admin, flat):
    said = wrong(admin.post(f"{flat}/new", MANUAL | {"steps-0-tax": "101"}).text)
    assert said["steps-0-tax"] == "Tax: Step 1 has a tax of 101 percent; it must be from 0 to 100."
    late = admin.post(f"{flat}/new", MANUAL | {"steps-0-start": "0.05"}).text
    assert wrong(late)["steps-0-start"] == "From: At most 1 decimal fits."


def test_a_row_is_removed_and_the_others_keep_what_was_typed(admin, flat):
    found = pressed(admin, flat, "penalties.remove.1", MANUAL | {"penalties-2-fine": "odd"})
    assert [name for name in found if name.startswith("penalties-1")] == [
        "penalties-1-low", "penalties-1-high", "penalties-1-fine",
    ]  # fmt: skip
    assert (found["penalties-1-low"], found["penalties-1-fine"]) == ("2000", "odd")


def test_rows_are_moved_and_what_names_them_moves_along(admin, flat):
    typed = MANUAL | {
        "levies-0-name": "Fuel", "levies-0-kind": "per_unit", "levies-0-rate": "0.01",
        "levies-1-name": "Road", "levies-1-kind": "flat", "levies-1-rate": "1",
        "levies-2-name": "VAT", "levies-2-kind": "percent", "levies-2-rate": "16",
        "levies-2-of_levies": ["1"], "levies-2-steps": ["2"],
    }  # fmt: skip
    found = pressed(admin, flat, "levies.down.0", typed)
    assert [found[f"levies-{n}-name"] for n in range(3)] == ["Road", "Fuel", "VAT"]
    assert found["levies-2-of_levies"] == ["2"]
    assert pressed(admin, flat, "steps.up.1", typed)["levies-2-steps"] == ["1"]
    assert "levies-2-steps" not in pressed(admin, flat, "steps.remove.1", typed)


@pytest.mark.parametrize("deed", ["levies.remove.0", "steps.up.1"])
def test_a_row_named_by_a_number_nobody_can_have_is_named_no_more(admin, flat, deed):
    typed = MANUAL | {"levies-0-name": "VAT", "levies-0-steps": ["9" * 5000, "1"]}
    assert admin.post(f"{flat}/new", typed | {"do": deed}).status_code == 200


def test_moving_a_step_or_a_band_exchanges_what_is_charged_and_no_border(admin, flat):
    found = pressed(admin, flat, "steps.down.0")
    names = ("start", "end", "price", "tax")
    assert [found[f"steps-{n}-{name}"] for n in (0, 1) for name in names] == [
        "0", "150", "4", "0.2", "150", "2000", "3", "0.1",
    ]  # fmt: skip
    found = pressed(admin, flat, "penalties.up.2")
    assert [found[f"penalties-{n}-{name}"] for n in (1, 2) for name in ("low", "high", "fine")] == [
        "500", "2000", "500", "2000", "5000", "100",
    ]  # fmt: skip


@pytest.mark.parametrize(("deed", "goal"), [
    ("steps.down.0", "steps-1-row"), ("penalties.down.0", "penalties-1-down"),
    ("penalties.up.2", "penalties-1-up"), ("penalties.up.1", "penalties-0-row"),
    ("penalties.remove.1", "penalties-1-row"), ("penalties.remove.2", "penalties-1-row"),
    ("steps.add", "steps-2-end"),
])  # fmt: skip
def test_after_a_move_one_goes_on_at_the_same_button_or_at_the_row(admin, flat, deed, goal):
    page = read(admin.post(f"{flat}/new", MANUAL | {"do": deed}).text)
    parts = next(one for one in page.all("div") if one.get("data-focus") is not None)
    assert parts["data-focus"] == goal
    kinds = [*page.all("button"), *page.all("input"), *page.all("fieldset")]
    there = next(one for one in kinds if one.get("id") == goal)
    assert there.get("disabled") is None


@pytest.mark.parametrize("deed", ["steps.up.0", "steps.down.1", "steps.remove.9", "steps.up.999"])
def test_what_cannot_be_done_changes_nothing(admin, flat, deed):
    found = pressed(admin, flat, deed)
    assert {name: found[name] for name in MANUAL if name != "do"} == {
        name: value for name, value in MANUAL.items() if name != "do"
    }


@pytest.mark.parametrize("deed", ["steps", "steps.add.1", "x.add", "steps.remove.-1", "steps.up."])
def test_an_odd_deed_is_no_deed_but_saving(admin, flat, shop, deed):
    assert admin.post(f"{flat}/new", MANUAL | {"do": deed}).status_code == 302
    assert rules(shop, "Manual")


def test_there_are_no_more_than_five_bands_to_add(admin, flat):
    typed = MANUAL
    for count in (4, 5, 5):
        typed = pressed(admin, flat, "penalties.add", typed)
        assert len([name for name in typed if re.fullmatch(r"penalties-\d-fine", name)]) == count


# while typing


def checked(admin, flat, typed: dict[str, Any]) -> dict[str, Any]:
    answer = admin.post(f"{flat}/check", typed)
    assert answer.status_code == 200
    return dict(answer.json)


def test_faults_are_told_while_typing_and_what_is_not_typed_yet_is_none(admin, flat, engine):
    before = contents(engine)
    found = checked(admin, flat, MANUAL | {"name": "", "steps-1-start": "170", "steps-1-price": ""})
    assert found["fields"] == {
        "steps-1-start": "From: Step 2 starts at 170; the step before it ends lower, at 150."
    }
    assert found["missing"] == ["name", "steps-1-price"]
    assert found["said"] == "1 field needs your attention"
    assert "<svg" not in found["chart"]
    assert contents(engine) == before


def test_the_chart_follows_what_is_typed_and_has_a_table(admin, flat):
    """500 at 3 and 4: 150 x 3.003 + 350 x 4.008 = 1853.25; the fine of 100 comes above it."""
    found = checked(admin, flat, MANUAL)
    assert (found["fields"], found["parts"], found["said"]) == ({}, {}, "")
    assert "<polyline" in found["chart"]
    table = {line[0]: line[1] for line in rows(read(f"<main>{found['chart']}</main>"))}
    assert table["150.0"] == "450.45 USD"
    assert table["500.0"] == "1,853.25 USD"
    assert table["500.1"] == "1,953.65 USD"
    assert table["2,000.0"] == "7,965.25 USD"
    dearer = checked(admin, flat, MANUAL | {"steps-1-price": "40"})
    assert dearer["chart"] != found["chart"]


def test_faults_are_told_in_the_readers_language(browse, flat):
    typed = MANUAL | {"steps-0-price": "-"}
    english = checked(browse(ADMIN), flat, typed)["fields"]["steps-0-price"]
    french = checked(browse(ADMIN, language="fr"), flat, typed)["fields"]["steps-0-price"]
    assert english != french


# copies and files


def test_a_copy_leads_on_to_its_editor(admin, shop, flat):
    shop.sell()
    used = plans_of(shop, "Flat")[0].id
    typed = form_of(admin.get(f"{flat}/{used}/copy").text)
    assert (typed["name"], typed["effective_on"]) == ("Flat 2026", TOMORROW.isoformat())
    answer = admin.post(f"{flat}/{used}/copy", typed | {"name": "Flat 2"})
    assert form_of(admin.get(answer.location).text)["name"] == "Flat 2"
    again = admin.post(f"{flat}/{used}/copy", typed)
    assert (again.status_code, list(wrong(again.text))) == (422, ["effective_on"])


def test_a_copy_goes_to_tariffs_for_the_same_meters(admin, shop, flat):
    shop.change(lambda s: factories.add(s, Tariff(name="Wells", meter_type="water")))
    gone = tariff_of(shop, "Future").id
    shop.change(lambda s: setattr(s.get_one(Tariff, gone), "retired", True))
    used = plans_of(shop, "Flat")[0].id
    page = read(admin.get(f"{flat}/{used}/copy").text)
    offered = [option.text for option in page.one("select", name="tariff").all("option")]
    assert offered == ["Domestic", "Flat"]
    typed = form_of(admin.get(f"{flat}/{used}/copy").text)
    forged = admin.post(f"{flat}/{used}/copy", typed | {"tariff": tariff_of(shop, "Wells").id})
    assert (forged.status_code, list(wrong(forged.text))) == (422, ["tariff"])


def exported(admin, shop, name: str) -> bytes:
    row = plans_of(shop, name)[0]
    answer = admin.post(f"/tariffs/{row.tariff_id}/plans/{row.id}/export")
    assert answer.mimetype == "application/json"
    assert answer.headers["Content-Disposition"].startswith("attachment; filename=tariff-")
    return bytes(answer.data)


def put_in(admin, flat, content: bytes, **typed: str):
    file = {"file": (io.BytesIO(content), "plan.json")}
    return admin.post(f"{flat}/import", file | typed)


def test_a_plan_is_taken_away_and_put_in_again(admin, shop, flat):
    content = exported(admin, shop, "Domestic")
    assert json.loads(content)["tariff"] == "Domestic"
    answer = put_in(admin, flat, content, effective_on=TOMORROW.isoformat())
    assert answer.status_code == 302, wrong(answer.text)
    assert plans_of(shop, "Flat")[1].rules == plans_of(shop, "Domestic")[0].rules
    assert [event.action for event in shop.rows(AuditEvent)][-2:] == [
        "tariff_plan.exported", "tariff_plan.imported",
    ]  # fmt: skip


def test_faults_of_a_file_are_listed_by_their_place(admin, shop, flat):
    content = json.loads(exported(admin, shop, "Domestic"))
    del content["steps"][0]["price"]
    content["steps"][1]["tax_percent"] = "much"
    content["stepps"] = []
    page = read(put_in(admin, flat, json.dumps(content).encode()).text)
    faults = {one.one("dt").text: one.one("dd").text for one in page.all("div", "facts-wide")}
    assert faults == {
        "steps[1].price": "it is missing",
        "steps[2].tax_percent": "a number is expected",
        "stepps": "this key is not known",
    }


@pytest.mark.parametrize(("content", "words"), [
    (b"", "Choose the plan file."), (b"\xff\xfe\x00", "not text in UTF-8"),
    (b"[]", "not a plan"), (b"{", "not a plan"),
    (b'{"format": "vms-tariff-plan/2"}', "not a plan"),
])  # fmt: skip
def test_another_file_is_refused_beside_the_field(admin, flat, engine, content, words):
    before = contents(engine)
    answer = put_in(admin, flat, content) if content else admin.post(f"{flat}/import")
    assert answer.status_code == 422
    assert words in wrong(answer.text)["file"]
    assert contents(engine) == before


@pytest.mark.parametrize("figure", [10**30, "1e400", "9" * 5000, "-1e400"])
def test_a_figure_nobody_could_read_out_is_refused(admin, shop, flat, engine, figure):
    content = json.loads(exported(admin, shop, "Domestic"))
    content["steps"][1]["price"] = figure
    before = contents(engine)
    answer = put_in(admin, flat, json.dumps(content).encode())
    assert (answer.status_code, contents(engine) == before) == (422, True)


def test_a_key_of_no_characters_is_refused(admin, shop, flat):
    content = exported(admin, shop, "Domestic").replace(b'"steps"', b'"\\ud800"')
    assert put_in(admin, flat, content).status_code == 422


def test_a_file_of_another_size_is_not_read(admin, flat, monkeypatch):
    monkeypatch.setattr(plan_pages, "MAX_BYTES", 100)
    answer = put_in(admin, flat, b" " * 101)
    assert (answer.status_code, "at most 1 MB" in wrong(answer.text)["file"]) == (422, True)
    assert "not a plan" in wrong(put_in(admin, flat, b" " * 100).text)["file"]


@pytest.mark.parametrize(("changed", "words"), [
    ({"currency": {"code": "KES", "decimals": 2}}, "this utility sells in USD"),
    ({"meter_type": "gas"}, "meters of another type"),
])  # fmt: skip
def test_a_file_for_another_utility_is_refused(admin, shop, flat, changed, words):
    content = json.loads(exported(admin, shop, "Domestic")) | changed
    answer = put_in(admin, flat, json.dumps(content).encode(), effective_on="2027-01-01")
    assert answer.status_code == 422
    assert words in wrong(answer.text)["file"]


# who may


def test_an_auditor_looks_and_changes_nothing(browse, shop, flat, engine):
    auditor = browse(AUDITOR)
    used = plans_of(shop, "Flat")[0].id
    page = auditor.get(f"{flat}/{used}").text
    assert f"{flat}/{used}/export" in page
    for deed in ("change", "copy", "remove"):
        assert f"{flat}/{used}/{deed}" not in page
    before = contents(engine)
    assert auditor.post(f"{flat}/new", MANUAL).status_code == 403
    assert auditor.post(f"{flat}/check", MANUAL).status_code == 403
    assert contents(engine) == before


def test_an_operator_sees_no_tariffs_but_finds_meters_by_them(browse, shop):
    operator = browse(OPERATOR)
    assert operator.get("/tariffs/list/").status_code == 403
    assert 'href="/tariffs/list/"' not in operator.get("/counter/").text
    assert "Flat" in [one["text"] for one in operator.get("/tariffs/lookup?q=Fl").json]
    domestic = tariff_of(shop, "Domestic").id
    assert len(rows(read(operator.get(f"/meters/list/?tariff={domestic}").text))) == 1


def test_who_adds_tariffs_alone_is_led_to_the_tariff(browse, shop):
    permit(shop, "Tariffs", "can_list", "can_show", "can_add")
    supervisor = browse("supervisor")
    answer = supervisor.post("/tariffs/add", {"name": "Wells", "meter_type": "water"})
    made = tariff_of(shop, "Wells").id
    assert answer.location == f"/tariffs/show/{made}"
    assert supervisor.get(f"/tariffs/{made}/plans/new").status_code == 403


def test_what_was_saved_is_what_the_next_sale_costs(admin, shop, flat):
    typed = MANUAL | {"effective_on": TODAY.isoformat()}
    assert admin.post(f"{flat}/new", typed).status_code == 302
    assert shop.quote(LEGACY_11, units="150")["charged_minor"] == 45_045  # 150 x 3 x 1.001


def test_a_plan_that_meters_live_by_is_not_offered_to_be_removed(admin, shop, flat):
    only = plans_of(shop, "Flat")[0].id
    page = admin.get(f"{flat}/{only}").text
    assert f"{flat}/{only}/remove" not in page
    assert "before another plan is in force. Meters: 13" in read(page).text
    assert admin.post(f"{flat}/{only}/remove").status_code == 302
    assert "nothing could be sold to the meters of this tariff" in admin.get(f"{flat}/{only}").text
    late = admin.post(
        f"{flat}/{only}/change",
        form_of(admin.get(f"{flat}/{only}/change").text)
        | {"effective_on": TOMORROW.isoformat(), "do": "save"},
    )
    assert "nothing could be sold" in wrong(late.text)["effective_on"]
    assert plans_of(shop, "Flat")[0].id == only


def test_a_file_whose_name_is_taken_suggests_another(admin, shop, flat):
    content = exported(admin, shop, "Flat")
    late = put_in(admin, flat, content, effective_on=TOMORROW.isoformat())
    assert "already" in wrong(late.text)["name"]
    assert form_of(late.text)["name"] == "Flat 2026"
    answer = put_in(admin, flat, content, effective_on=TOMORROW.isoformat(), name="Flat 2026")
    assert answer.status_code == 302
    assert rules(shop, "Flat 2026")["name"] == "Flat 2026"
