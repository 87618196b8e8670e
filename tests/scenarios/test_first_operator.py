"""From an administrator's first sign-in to a new operator who sells, and sees nothing else."""

import re

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.scenarios.test_first_sale import find, token_on

pytestmark = [pytest.mark.browser, pytest.mark.processes]

PASSWORD = "kettle drum seven lamps"

FOR_OTHERS = ["/users/list/", "/roles/list/", "/vending-points/list/", "/products/add", "/clock/"]
"""Pages of the system: not for operators."""


def sign_in(page: Page, product, username: str, password: str) -> None:
    page.goto(f"{product.address}/login/")
    page.get_by_label("Username").fill(username)
    page.get_by_label("Password").fill(password)
    page.keyboard.press("Enter")
    page.wait_for_url(lambda url: "/login" not in url)


def look_up(page: Page, label: str, text: str) -> None:
    """Choose a row of a large table by typing a part of its name."""
    field = page.locator(f"#{label}-ts-control")
    field.click()
    field.press_sequentially(text, delay=20)
    page.locator(".ts-dropdown .option", has_text=text).first.click()


def test_an_administrator_adds_an_operator_who_sells_and_sees_nothing_else(
    product, chromium: Browser
) -> None:
    admin = chromium.new_context().new_page()
    sign_in(admin, product, "admin", product.passwords()["admin"])

    admin.goto(f"{product.address}/vending-points/add")
    admin.get_by_label("Name").fill("Pier Kiosk")
    look_up(admin, "region", "Northern Region")
    admin.get_by_role("button", name="Save", exact=True).click()
    expect(admin.get_by_role("heading", name="Pier Kiosk")).to_be_visible()

    admin.goto(f"{product.address}/users/add")
    for label, text in (("Username", "ana"), ("First name", "Ana"), ("Last name", "Silva"),
                        ("E-mail", "ana@example.org")):  # fmt: skip
        admin.get_by_label(label).fill(text)
    admin.get_by_label("User group").select_option("Operator")
    look_up(admin, "region", "Northern Region")
    look_up(admin, "vending_point", "Pier Kiosk")
    admin.get_by_role("button", name="Save", exact=True).click()
    expect(admin.get_by_role("heading", name="One-time code")).to_be_visible()
    code = admin.locator("main .digits").inner_text()
    assert re.fullmatch(r"[a-z0-9]{5}-[a-z0-9]{5}", code)

    ana = chromium.new_context().new_page()
    ana.goto(product.address)
    ana.get_by_role("link", name="I have a one-time code").click()
    ana.get_by_label("Username").fill("ana")
    ana.get_by_label("One-time code").fill(code)
    ana.get_by_label("New password", exact=True).fill(PASSWORD)
    ana.get_by_label("New password, once more").fill(PASSWORD)
    ana.get_by_role("button", name="Continue").click()
    ana.wait_for_url("**/counter/**")

    find(ana, product, product.meter(20))
    ana.get_by_label("How much").fill("25")
    expect(ana.locator("#quote")).to_contain_text("To pay")
    ana.get_by_role("button", name="Sell", exact=True).click()
    expect(ana.locator(".slip")).to_contain_text("Pier Kiosk")
    assert re.fullmatch(r"\d{20}", token_on(ana))

    menu = ana.locator("#side .side-below").all_inner_texts()
    assert "Counter" in " ".join(menu)
    assert not {"Users", "User groups", "Clock", "Regions"} & {text.strip() for text in menu}
    for path in FOR_OTHERS:
        answer = ana.goto(f"{product.address}{path}")
        assert answer
        assert answer.status == 403, path
    ana.goto(f"{product.address}/sales/list/")
    assert set(ana.locator("td[data-label='Vending point']").all_inner_texts()) == {"Pier Kiosk"}

    again = chromium.new_context().new_page()
    sign_in(again, product, "ana", PASSWORD)
    again.wait_for_url("**/counter/**")
