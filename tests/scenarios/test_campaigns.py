"""A campaign in a browser: planned for a list, looked at, begun, watched, its sheet printed."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.scenarios.test_first_sale import sign_in
from vmsapp.sts import identifiers

pytestmark = [pytest.mark.browser, pytest.mark.processes]

WAIT_MS = 60_000
"""The worker beside has much to do on a small machine."""

OF_NOBODY_ELSE = 71
"""A meter that no other scenario sells to: its customer gets a new key."""


def test_a_list_of_meters_gets_a_new_tariff_index_on_a_sheet(
    product, watched, tmp_path: Path
) -> None:
    page, meter = watched.page, product.meter(OF_NOBODY_ELSE)
    numbers = tmp_path / "numbers.csv"
    numbers.write_text(f"Meter number\n{meter}\n0700 0000 000\n")
    sign_in(page, product, "admin")
    page.goto(f"{product.address}/campaigns/new")
    page.locator("#name").fill("Tariff index 07")
    page.locator("#reason").fill("the tariff is told by its index")
    page.locator("#due_on").fill("2999-06-30")
    page.locator("#file").set_input_files(numbers)
    page.locator("#key").select_option("keep")
    page.locator("#ti").fill("07")
    page.locator("#hand_out").select_option("sheet")
    page.get_by_role("button", name="Look at what it will do").click()

    page.wait_for_url("**/campaigns/show/*")
    main = page.locator("main")
    expect(main).to_contain_text("Older tokens that customers still have are lost")
    expect(main).to_contain_text("no meter that you see has this number: 1")
    page.get_by_role("button", name="Begin the campaign").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Meters that get a new key: 1.")
    dialog.get_by_role("button", name="Begin the campaign").click()
    expect(main).to_contain_text("tokens made", timeout=WAIT_MS)

    page.get_by_role("link", name="Its meters").click()
    expect(page.locator("tbody tr")).to_have_count(1)
    expect(page.locator("tbody")).to_contain_text(identifiers.drn.format(meter))
    page.get_by_role("link", name="Back to “Tariff index 07”").click()
    page.get_by_role("link", name="Sheets").click()
    page.add_init_script("window.print = () => {}")
    page.get_by_role("link", name="Look at this sheet").click()
    expect(page.locator(".slip-meter")).to_have_count(1)
    expect(page.locator(".slip-token").first).to_have_text(re.compile(r"^•{4}( •{4}){4}$"))
    page.get_by_role("button", name="Confirm printing").click()
    expect(page.locator(".slip-meter")).to_have_count(1)
    expect(page.locator(".slip-token").first).to_have_text(re.compile(r"^\d{4}( \d{4}){4}$"))
    page.get_by_role("link", name="Next sheets").click()
    expect(main).to_contain_text("All sheets are printed")
