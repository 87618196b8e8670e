"""A shift in the browser: opened with F8, sold in, counted blindly with a difference, its slip."""

import re

import pytest
from playwright.sync_api import Browser, expect

from tests.scenarios.test_first_operator import sign_in
from tests.scenarios.test_first_sale import find

pytestmark = [pytest.mark.browser, pytest.mark.processes]


def test_a_shift_from_its_float_to_its_slip(product, chromium: Browser) -> None:
    context = chromium.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    sign_in(page, product, "operator", product.passwords()["operator"])
    find(page, product, product.meter(21))
    page.get_by_label("How much").fill("25")
    expect(page.locator("#quote")).to_contain_text("To pay")
    page.keyboard.press("F8")
    page.get_by_label("Cash in the drawer").fill("100")
    page.get_by_role("button", name="Open the shift").click()

    expect(page.get_by_label("How much")).to_have_value("25")  # the purchase goes on
    expect(page.locator("#quote .total").last).to_contain_text("To pay")
    paid = page.locator("#quote .total").last.locator("td").inner_text()
    page.get_by_role("button", name="Sell", exact=True).click()
    expect(page.locator(".slip")).to_be_visible()

    page.goto(f"{product.address}/counter/")
    expect(page.locator(".shift-line")).to_contain_text("open since")
    page.keyboard.press("F8")
    expect(page.get_by_role("heading", name=re.compile("Close shift"))).to_be_visible()
    assert paid not in page.locator("main").inner_text()
    expect(page.get_by_label("Total counted")).to_be_focused()
    page.get_by_label("Coins and notes").fill("50 x 2")  # the sale's money is missing
    page.get_by_role("button", name="This is what I counted").click()
    expect(page.locator("main")).to_contain_text(f"{paid} short")
    why = page.get_by_label("Where the difference comes from")
    expect(why).to_have_accessible_description(re.compile(re.escape(f"{paid} short")))
    page.get_by_role("button", name="Close the shift").click()
    expect(page.locator("#errors")).to_be_visible()
    page.get_by_label("Where the difference comes from").fill("left on the counter")
    page.get_by_role("button", name="Close the shift").click()

    slip = page.locator("article.slip")
    expect(slip).to_contain_text(f"{paid} short")
    expect(slip).to_contain_text("left on the counter")
    page.emulate_media(media="print")
    expect(slip).to_be_visible()
    expect(page.locator(".page-head")).to_be_hidden()
    context.close()
