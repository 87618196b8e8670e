"""From an empty installation to its first token, led by the first steps, in a real browser."""

import re
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from config import ROOT
from tests.factories import drn_of
from tests.scenarios.test_first_operator import look_up, sign_in
from tests.scenarios.test_first_sale import token_on, units_in

pytestmark = [pytest.mark.browser, pytest.mark.processes]

PASSWORD = "a kettle of seven lamps"
PASSPHRASE = "sent by another way"
STEPS = ["Region", "Product", "Vending point", "Tariff", "Security module", "Setup", "Consumer",
         "Meter"]  # fmt: skip
METER = drn_of("66", 1)


def save(page: Page) -> None:
    """Save a form, and wait for what comes after."""
    page.get_by_role("button", name="Save", exact=True).click()
    page.wait_for_load_state()


def step(page: Page, name: str, word: str = "Do it") -> None:
    """Go from wherever one is to the first steps and on to one of them."""
    if "/first-steps/" not in page.url:
        page.get_by_role("link", name="Back to the first steps").click()
    page.get_by_role("link", name=f"{word} {name}", exact=True).click()


def left(page: Page) -> int:
    """How many steps the list says are left."""
    if "/first-steps/" not in page.url:
        page.get_by_role("link", name="Back to the first steps").click()
    said = re.search(r"(\d+) steps? (is|are) left", page.locator("main").inner_text())
    return int(said[1]) if said else 0


def key_file(folder: Path, module: str) -> Path:
    """Make a key to try with, by the command of docs/setup.md."""
    passphrase, file = folder / "passphrase", folder / "try.vkf"
    passphrase.write_text(PASSPHRASE + "\n")
    with passphrase.open() as typed:
        fd = typed.fileno()
        subprocess.run(
            [sys.executable, "-m", "flask", "keyfile", "new", str(file), "--target", module,
             "--demo", "600000/1/2/04", "--passphrase-fd", str(fd)],
            cwd=ROOT, check=True, pass_fds=[fd], capture_output=True, timeout=120,
        )  # fmt: skip
    return file


@pytest.fixture
def empty(start_product):
    """An installation with an administrator and nothing else."""
    return start_product(DEMO="0")


def first_sign_in(page: Page, product) -> None:
    given = product.passwords()["admin"]
    sign_in(page, product, "admin", given)
    page.get_by_label("Old password").fill(given)
    page.get_by_label("New password", exact=True).fill(PASSWORD)
    page.get_by_label("New password, once more").fill(PASSWORD)
    save(page)
    page.wait_for_url("**/first-steps/")
    assert left(page) == len(STEPS)


def regions(page: Page) -> None:
    """Country, province and city, each below the one that was chosen."""
    step(page, "Region")
    for level, name in (("Country", "Meridia"), ("Province or state", "Lakes"),
                        ("City or town", "Port Amber")):  # fmt: skip
        page.get_by_label(f"Add: {level}").fill(name)
        page.keyboard.press("Enter")
        added = page.locator("main").get_by_role("link", name=name, exact=True)
        expect(added).to_be_visible()
        added.click()


def product_and_point(page: Page) -> None:
    step(page, "Product")
    for label, text in (("Model", "SP-1"), ("Name", "Single phase"), ("Manufacturer", "Amberley"),
                        ("Manufacturer code", "66")):  # fmt: skip
        page.get_by_label(label, exact=True).fill(text)
    save(page)
    step(page, "Vending point")
    page.get_by_label("Name", exact=True).fill("Quay counter")
    look_up(page, "region", "Port Amber")
    save(page)
    expect(page.get_by_role("heading", name="Quay counter")).to_be_visible()


def setup_and_tariff(page: Page) -> None:
    assert left(page) == 5
    expect(page.locator("main")).to_contain_text("Do step 6 first: Setup.")
    step(page, "Setup")
    page.get_by_label("Name", exact=True).fill("Amber Power")
    page.get_by_label("Time zone").fill("Nairobi")
    page.get_by_label("Currency", exact=True).select_option("KES")
    save(page)
    step(page, "Tariff")
    page.get_by_role("link", name="Add tariff").first.click()
    page.get_by_label("Name", exact=True).fill("Homes")
    save(page)
    page.get_by_label("Name", exact=True).fill("This year")
    page.locator("#steps-0-price").fill("10")
    page.locator("#steps-0-tax").fill("16")
    save(page)
    expect(page.locator("main")).to_contain_text("in force")


def key(page: Page, folder: Path) -> None:
    step(page, "Security module")
    page.locator("main .row-link").first.click()
    expect(page.locator("main")).to_contain_text("It holds no keys yet")
    module = re.search(r"VSM-[0-9A-F]{6}", page.locator("main").inner_text())
    assert module
    page.get_by_role("link", name="Load a key file").click()
    page.locator("#file").set_input_files(key_file(folder, module[0]))
    page.get_by_role("button", name="Look at it").click()
    page.get_by_label("Passphrase of the key file").fill(PASSPHRASE)
    page.get_by_role("button", name="Load", exact=True).click()
    expect(page.locator("main")).to_contain_text("600000/1/2/04")


def consumer_and_meter(page: Page) -> None:
    step(page, "Consumer")
    page.get_by_label("Full name", exact=True).fill("Amina Diallo")
    look_up(page, "region", "Port Amber")
    save(page)
    step(page, "Meter")
    page.get_by_label("Meter number").fill(METER)
    page.get_by_label("Product").select_option(index=1)
    look_up(page, "region", "Port Amber")
    page.get_by_label("Tariff", exact=True).select_option(label="Homes")
    save(page)
    expect(page.locator("main")).to_contain_text("In stock")
    assert left(page) == 1, "a meter that hangs nowhere is not sold to"
    step(page, "Meter")
    page.locator("main .row-link").first.click()
    page.get_by_role("link", name="Bind", exact=True).click()
    page.get_by_role("link", name="Amina Diallo").click()
    page.get_by_role("button", name="Bind", exact=True).click()
    expect(page.locator("main")).to_contain_text("bound now")
    assert left(page) == 0
    expect(page.locator("main")).to_contain_text("Everything is there: tokens can be sold.")


def test_an_empty_installation_is_led_to_its_first_token(empty, watched, tmp_path) -> None:
    page = watched.page
    first_sign_in(page, empty)
    regions(page)
    product_and_point(page)
    setup_and_tariff(page)
    key(page, tmp_path)
    consumer_and_meter(page)

    page.goto(empty.address)
    page.wait_for_url("**/dashboard/")
    page.get_by_role("main").get_by_role("link", name="Counter").click()
    page.wait_for_url("**/counter/")
    page.get_by_label("Meter number, consumer, or phone").fill(METER)
    page.keyboard.press("Enter")
    page.locator("#value").fill("20")
    page.locator("#quote .total").first.wait_for()
    expect(page.locator("#quote")).to_contain_text("232.00 KES")  # 20 at 10.00, and 16 % of it
    page.get_by_role("button", name="Sell", exact=True).click()
    page.wait_for_url("**/counter/sale/*")
    assert units_in(empty, token_on(page), METER) == Decimal(20)
    assert [said for said in watched.console if said.startswith("error")] == []
