"""A consumer registered with the keyboard alone, after a refusal; retired and taken back."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.scenarios.test_first_sale import sign_in

pytestmark = [pytest.mark.browser, pytest.mark.processes]


def focused(page: Page) -> str:
    """Name of the field that has the focus."""
    return str(page.evaluate("document.activeElement.name || document.activeElement.id"))


def tab_to(page: Page, name: str) -> None:
    """Press the tabulator until a field has the focus."""
    for _ in range(60):
        if focused(page).startswith(name):
            return
        page.keyboard.press("Tab")
    pytest.fail(f"the keyboard does not lead to {name}, but to {focused(page)}")


def test_a_consumer_is_registered_with_the_keyboard_and_retired_with_undo(product, watched) -> None:
    page = watched.page
    sign_in(page, product, "admin")
    page.goto(f"{product.address}/consumers/list/")
    page.get_by_role("link", name="Add consumer").focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/consumers/add")
    expect(page.get_by_label("Name")).to_be_focused()

    tab_to(page, "name")
    page.keyboard.type("Zola Mbeki")
    tab_to(page, "number")
    page.keyboard.type("A B")
    tab_to(page, "region")
    page.keyboard.type("Northern")
    page.get_by_role("option", name="Northern Region").first.wait_for()
    page.keyboard.press("Enter")
    tab_to(page, "id_number")
    page.keyboard.type("29384756")
    tab_to(page, "phone")
    page.keyboard.type("+254 20 123456")
    page.keyboard.press("Enter")

    refused = page.locator("#number-error")
    expect(refused).to_contain_text("1 to 20 of the letters A to Z, digits, - and /")
    expect(page.get_by_label("Name")).to_have_value("Zola Mbeki")
    expect(page.get_by_label("ID number")).to_have_value("29384756")
    expect(page.locator("#region")).to_have_value(re.compile(r"\d+"))
    page.locator("#number").focus()
    page.keyboard.press("Control+A")
    page.keyboard.press("Delete")
    page.keyboard.press("Enter")

    page.wait_for_url("**/consumers/show/*")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Zola Mbeki · 0000000")
    expect(page.locator("main")).to_contain_text("•••••756")
    expect(page.locator("main")).not_to_contain_text("29384756")
    page.get_by_role("button", name="Show it whole").click()
    expect(page.locator("main")).to_contain_text("29384756")

    page.goto(f"{product.address}/consumers/list/?q=Zola")
    page.locator("[name=rowid]").check()
    page.locator(".bulk [value=retire]").click()
    page.locator("dialog[open] .btn-primary, dialog[open] .btn-danger").first.click()
    toast = page.locator(".toast").filter(has_text="1 consumer was retired.")
    expect(toast).to_be_visible()
    beside = page.context.new_page()
    beside.goto(f"{product.address}/consumers/list/?q=Zola&retired=yes")
    expect(beside.locator("tbody tr")).to_have_count(1)
    toast.get_by_role("button", name="Undo").click()
    expect(page.locator(".toast").filter(has_text="1 consumer was taken back.")).to_be_visible()
    beside.reload()
    expect(beside.locator("tbody tr")).to_have_count(0)
    refusal = "422"  # which the browser notes as an error
    said = [text for text in watched.console if text.startswith("error")]
    assert [text for text in said if refusal not in text] == []
    assert not any("29384756" in url for url in watched.requests)
