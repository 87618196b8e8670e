"""A meter's first weeks, in a real browser: registered, bound, sold to, swapped, sold to again."""

import re
from decimal import Decimal

import pytest
from playwright.sync_api import Page, expect

from tests.factories import drn_of
from tests.scenarios.test_first_sale import sign_in, token_on, units_in

pytestmark = [pytest.mark.browser, pytest.mark.processes]

FIRST, SECOND = drn_of("07", 90_000_001), drn_of("07", 90_000_002)


def choose(page: Page, field: str, text: str) -> None:
    """Choose a row in a field that is searched."""
    page.locator(f"#{field}-ts-control").fill(text)
    page.locator(".ts-dropdown .option").filter(has_text=text).first.click()


def register(page: Page, product, number: str) -> None:
    """Register a meter as an operator does, with the key that is offered first."""
    page.goto(f"{product.address}/meters/add")
    page.get_by_label("Meter number").fill(number)
    page.locator("#product_id").select_option(label="SP-100 · Single phase meter, 11 digits")
    page.locator("#tariff_id").select_option(label="Domestic")
    choose(page, "region", "Northern")
    page.locator("main form .card-foot .btn-primary").click()
    page.wait_for_url("**/meters/show/*")
    expect(page.locator("main")).to_contain_text("In stock")


def sell(page: Page, units: str) -> str:
    """Sell from the meter's page, and hand back the digits."""
    page.get_by_role("link", name="Sell", exact=True).click()
    page.locator("#value").fill(units)
    page.locator("#quote .total").first.wait_for()
    page.locator("[data-sell]").click()
    page.wait_for_url("**/counter/sale/*")
    return token_on(page)


def counted(page: Page) -> str:
    """What the meter's page says was bought this month."""
    fact = page.locator("dl.facts div", has=page.get_by_text("Bought this month", exact=True))
    return " ".join(fact.locator("dd").inner_text().split())


def test_a_meter_is_registered_bound_sold_to_swapped_and_sold_to_again(product, watched) -> None:
    page = watched.page
    sign_in(page, product)
    register(page, product, SECOND)
    register(page, product, FIRST)
    at = page.url

    page.get_by_role("link", name="Bind", exact=True).click()
    page.get_by_role("searchbox", name="Find a consumer").fill("C000001")
    page.keyboard.press("Enter")
    page.locator(".row-link").first.click()
    page.locator("main form .btn-primary").click()
    page.wait_for_url(at)
    expect(page.locator("main")).to_contain_text("C000001")
    expect(page.locator("main")).to_contain_text("bound now")

    digits = sell(page, "30")
    assert units_in(product, digits, FIRST) == Decimal(30)
    page.goto(at)
    assert counted(page) == "30.0 kWh"

    page.get_by_role("link", name="Swap", exact=True).click()
    page.get_by_role("searchbox", name="Find an unbound meter").fill(SECOND)
    page.keyboard.press("Enter")
    page.locator(".row-link").first.click()
    page.get_by_label("Credit left on the old meter").fill("4.2")
    page.locator("main form .btn-primary").click()
    page.wait_for_url(re.compile(r".*/meters/show/\d+$"))
    assert page.url != at
    assert counted(page) == "30.0 kWh"

    digits = sell(page, "20")
    assert units_in(product, digits, SECOND) == Decimal(20)
    page.go_back()
    page.goto(at)
    expect(page.locator("main")).to_contain_text("4.2 kWh")
    page.goto(f"{product.address}/meters/list/?q={SECOND}")
    page.locator(".row-link").first.click()
    assert counted(page) == "50.0 kWh"
