"""A tariff plan written in a real browser: by keyboard, seen to be wrong, drawn while typed."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.scenarios import look
from tests.scenarios.look import WAYS, Way

pytestmark = [pytest.mark.browser, pytest.mark.processes]


@pytest.fixture(scope="module")
def product(start_product):
    """A product of its own, whose plans nobody sells under."""
    return start_product()


@pytest.fixture(params=["light"])
def page(request, chromium: Browser, product) -> Iterator[Page]:
    """An administrator's page with the editor of a new plan."""
    page = look.page_for(chromium, product, WAYS[request.param], script=look.AXE)
    page.goto(f"{product.address}/tariffs/1/plans/new")
    yield page
    page.context.close()


def tab_to(page: Page, goal: str) -> None:
    """Go on with Tab to a field or a button, by its id."""
    for _ in range(40):
        if page.evaluate("document.activeElement.id") == goal:
            return
        page.keyboard.press("Tab")
    pytest.fail(f"Tab never comes to {goal}")


def type_row(page: Page, first: str, *figures: str) -> None:
    """Type figures into a row, from a field on."""
    expect(page.locator(f"#{first}")).to_be_focused()
    for number, figure in enumerate(figures):
        if number:
            page.keyboard.press("Tab")
        page.keyboard.type(figure)


def type_manual(page: Page, name: str, day: str) -> None:
    """Enter the manual's own example, section 3.6, with the keyboard alone."""
    page.locator("#name").focus()
    page.keyboard.type(name)
    page.locator("#effective_on").fill(day)
    tab_to(page, "steps-0-end")
    type_row(page, "steps-0-end", "150", "3", "0.1")
    tab_to(page, "steps-add")
    page.keyboard.press("Enter")
    type_row(page, "steps-1-end", "2000", "4", "0.2")
    for row, (end, fine) in enumerate([("500", "0"), ("2000", "100"), ("5000", "500")]):
        tab_to(page, "penalties-add")
        page.keyboard.press("Enter")
        type_row(page, f"penalties-{row}-high", end, fine)


def rules(product, name: str) -> dict:
    with closing(sqlite3.connect(product.instance / "vms.sqlite")) as database:
        row = database.execute("SELECT rules FROM tariff_plan WHERE name = ?", (name,)).fetchone()
    return json.loads(row[0])


def test_the_manuals_example_is_entered_with_the_keyboard_alone(page, product) -> None:
    type_manual(page, "Manual", "2030-01-01")
    expect(page.locator("#steps-1-start")).to_have_value("150")
    expect(page.locator("#penalties-2-low")).to_have_value("2000")
    page.keyboard.press("Enter")
    page.wait_for_url("**/tariffs/1/plans/*")
    expect(page.locator("h1")).to_have_text("Manual")
    stored = rules(product, "Manual")
    assert [(one["end"], one["price"], one["tax_percent"]) for one in stored["steps"]] == [
        ("150", "3", "0.1"), ("2000", "4", "0.2"),
    ]  # fmt: skip
    assert [(one["low"], one["high"], one["fine"]) for one in stored["penalties"]] == [
        ("0", "500", "0.00"), ("500", "2000", "100.00"), ("2000", "5000", "500.00"),
    ]  # fmt: skip
    assert look.violations(page, shell=False) == []


def test_a_start_follows_the_end_before_it_until_somebody_types_it(page) -> None:
    page.locator("#steps-0-end").fill("100")
    page.locator("#steps-add").click()
    expect(page.locator("#steps-1-start")).to_have_value("100")
    page.locator("#steps-0-end").press("End")
    page.keyboard.type("0")
    expect(page.locator("#steps-1-start")).to_have_value("1000")
    page.locator("#steps-1-start").fill("7")
    page.locator("#steps-0-end").fill("200")
    expect(page.locator("#steps-1-start")).to_have_value("7")


def test_faults_appear_and_go_while_typing_and_the_chart_follows(page) -> None:
    type_manual(page, "Live", "2031-01-01")
    costs = page.locator("[data-plan-costs]")
    expect(costs.locator("polyline")).to_have_count(1)
    before = costs.locator("polyline").get_attribute("points")
    page.locator("#steps-1-price").fill("40")
    expect(costs.locator("polyline")).not_to_have_attribute("points", before or "")
    page.locator("#steps-1-start").fill("170")
    said = page.locator("#steps-1-start-error")
    expect(said).to_contain_text("the step before it ends lower, at 150")
    expect(page.locator("#steps-1-start")).to_have_attribute("aria-invalid", "true")
    expect(page.locator("#steps-1-start")).to_have_attribute(
        "aria-describedby", "steps-1-start-error"
    )
    expect(page.locator("[data-plan-said]")).to_have_text("1 field needs your attention")
    expect(costs).to_contain_text("once the steps and their prices fit together")
    assert look.violations(page, shell=False) == []
    page.locator("#steps-1-start").fill("150")
    expect(said).to_have_count(0)
    expect(page.locator("[data-plan-said]")).to_have_text("")
    expect(costs.locator("polyline")).to_have_count(1)


def test_rows_are_moved_with_alt_and_arrows_and_the_focus_goes_along(page) -> None:
    page.locator("summary", has_text="Taxes and levies").click()
    for row, name in enumerate(("Fuel", "Road")):
        page.locator("#levies-add").click()
        expect(page.locator(f"#levies-{row}-name")).to_be_focused()
        page.keyboard.type(name)
    page.locator("#levies-1-rate").fill("16")
    page.keyboard.press("Alt+ArrowUp")
    expect(page.locator("#levies-0-rate")).to_be_focused()
    expect(page.locator("#levies-0-name")).to_have_value("Road")
    expect(page.locator("#levies-0-rate")).to_have_value("16")
    expect(page.locator("[data-plan-said]")).to_have_text("The row was moved up.")
    page.keyboard.press("Alt+ArrowUp")  # it is the first: nothing happens
    expect(page.locator("#levies-0-rate")).to_be_focused()
    page.keyboard.press("Alt+ArrowDown")
    expect(page.locator("#levies-1-name")).to_have_value("Road")
    page.get_by_role("button", name="Remove tax or levy 1").press("Enter")
    expect(page.locator("#levies-0-name")).to_have_value("Road")
    expect(page.get_by_role("group", name="Tax or levy 1", exact=True)).to_be_focused()
    page.keyboard.press("Enter")  # once too often: nothing is done
    expect(page.locator("#levies-1-name")).to_have_count(0)


def test_leaving_a_changed_plan_is_asked_about(page) -> None:
    asked: list[str] = []
    page.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.dismiss()))
    page.locator("#steps-add").click()
    expect(page.locator("#steps-1-end")).to_be_focused()
    page.locator(".side-brand").click()
    assert asked == ["beforeunload"]


def test_it_all_works_without_a_script(chromium, product) -> None:
    context = look.new_context(chromium, product, Way(), java_script_enabled=False)
    page = context.new_page()
    look.sign_in(context.request, product, "admin")
    page.goto(f"{product.address}/tariffs/1/plans/new")
    page.locator("#name").fill("Plain")
    page.locator("#effective_on").fill("2032-01-01")
    page.locator("#steps-0-end").fill("100")
    page.locator("#steps-0-price").fill("1")
    page.locator("#steps-add").click()
    expect(page.locator("#steps-1-start")).to_have_value("100")
    page.locator("#steps-1-price").fill("2")
    page.locator("#steps-1-price").press("Enter")  # saves, and does not move a row
    page.wait_for_url("**/tariffs/1/plans/*")
    expect(page.locator("h1")).to_have_text("Plain")
    assert [one["price"] for one in rules(product, "Plain")["steps"]] == ["1", "2"]
    context.close()


@pytest.mark.parametrize("page", ["dark-arabic", "phone"], indirect=True)
def test_the_editor_is_open_to_everybody_in_the_dark_mirrored_and_on_a_phone(page) -> None:
    page.locator("#steps-0-end").fill("١٥٠")
    page.locator("#steps-add").click()
    expect(page.locator("#steps-1-start")).to_have_value("١٥٠")
    page.locator("#steps-0-price").fill("x")
    expect(page.locator("#steps-0-price-error")).to_be_visible()
    for fold in page.locator("[data-plan-parts] summary").all():
        fold.click()
    page.locator("#levies-add").click()
    expect(page.locator("#levies-0-name")).to_be_focused()
    page.evaluate("scrollTo(0, 0)")  # what the bar at the top half covers is no small target
    width = page.viewport_size["width"]
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert look.violations(page, shell=False) == []
    assert page.evaluate(look.CUT_OFF) == []
