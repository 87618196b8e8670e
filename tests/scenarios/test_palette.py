"""The palette and the keys in a browser: opened, left, and out of the way of scanners."""

import pytest
from playwright.sync_api import expect

from tests.scenarios import look
from tests.scenarios.look import Way

SCAN = """text => {
  const box = document.querySelector('#q');
  const press = (init) =>
    box.dispatchEvent(new KeyboardEvent('keydown', { bubbles: true, ...init }));
  box.focus();
  [...text].forEach((key) => press({ key }));
  press({ key: 'k', code: 'KeyK', ctrlKey: true });
}"""
"""What a scanner sends that ends its lines by a vertical tab: signs at once, then Ctrl-K."""


@pytest.fixture
def counter(chromium, product):
    """The counter of the demonstration utility, before an operator."""
    context = look.new_context(chromium, product, Way())
    page = context.new_page()
    page.goto(product.address)
    page.locator("#username").fill("operator")
    page.locator("#password").fill(product.passwords()["operator"])
    page.keyboard.press("Enter")
    page.wait_for_url("**/counter/")
    yield page
    context.close()


def test_a_page_is_found_by_keys_and_a_scan_opens_its_meter(counter, product):
    counter.keyboard.press("Control+k")
    box = counter.locator("#palette input")
    chosen = counter.locator("#palette [aria-selected=true]")
    expect(box).to_be_focused()
    box.press_sequentially("cons")
    expect(chosen).to_contain_text("Consumers")
    assert box.get_attribute("aria-activedescendant") == chosen.get_attribute("id")
    counter.evaluate(look.AXE.read_text())
    assert look.violations(counter, "#palette") == []
    counter.keyboard.press("Escape")
    expect(counter.locator("#palette")).to_be_hidden()
    expect(counter.locator("#q")).to_be_focused()

    counter.keyboard.press("Control+k")
    counter.keyboard.type(product.meter(31))
    counter.keyboard.press("Enter")  # long before an answer is there
    counter.wait_for_url("**/meters/show/*")

    counter.keyboard.press("Control+k")
    expect(chosen).to_contain_text("Counter")  # the page before, kept by the browser
    counter.keyboard.press("Enter")
    counter.wait_for_url("**/counter/")

    counter.goto(counter.url.replace("/counter/", "/lang/fr"))
    expect(counter.locator("html")).to_have_attribute("lang", "fr")
    counter.keyboard.press("Control+k")
    expect(box).to_be_focused()
    expect(counter.locator("#palette [role=option]")).to_have_count(0)  # their titles were English


def test_fields_keep_what_is_typed_and_scanned_into_them(counter):
    counter.evaluate(SCAN, "0123456789")
    expect(counter.locator("#palette")).to_be_hidden()
    counter.locator("#q").press_sequentially("/?")
    expect(counter.locator("#q")).to_have_value("/?")
    expect(counter.locator("dialog[open]")).to_have_count(0)
    counter.locator("main").focus()
    counter.keyboard.press("?")
    here = counter.locator("#keys .keys-here")
    expect(here).to_contain_text("Last sales")
    expect(here).not_to_contain_text("What was received")  # no such field on this page
    counter.keyboard.press("Escape")
    expect(counter.locator("#keys")).to_be_hidden()


def test_a_hint_leaves_without_a_new_page_and_covers_nothing(counter, product):
    look.show_all_hints(counter, product)
    counter.goto(counter.url.replace("/hints/", "/counter/"))
    hint = counter.locator("[data-hint]")
    expect(counter.locator("#q")).to_be_focused()
    above, below = hint.bounding_box(), counter.locator("#main").bounding_box()
    assert above["y"] + above["height"] <= below["y"] + 1
    counter.locator("#q").fill("typed")
    with counter.expect_response("**/hints/read"):
        hint.locator("[name=read]").click()
    expect(hint).to_have_count(0)
    expect(counter.locator("#q")).to_have_value("typed")
    counter.reload()
    expect(hint).to_have_count(0)
