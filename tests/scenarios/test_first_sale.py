"""From signing in to the printed invoice, in a real browser, on the product as started."""

import re
import shutil
import sqlite3
from contextlib import closing
from decimal import Decimal

import pytest
from playwright.sync_api import Page, expect

from tests.scenarios.waiting import until
from vmsapp.hsm.keystore import Keystore
from vmsapp.hsm.requests import KeyRef
from vmsapp.sts.codec import decode
from vmsapp.sts.dkga import derive
from vmsapp.sts.keys import KeyParameters, VendingKey
from vmsapp.sts.secret import SecretBytes

pytestmark = [pytest.mark.browser, pytest.mark.processes]


def sign_in(page: Page, product, username: str = "operator") -> None:
    page.goto(product.address)
    page.get_by_label("Username").fill(username)
    page.get_by_label("Password").fill(product.passwords()[username])
    page.keyboard.press("Enter")
    page.wait_for_url(lambda url: "/login" not in url)


def token_on(page: Page) -> str:
    return page.locator(".slip-token").inner_text().replace(" ", "")


def units_in(product, digits: str, drn: str) -> Decimal:
    """Read a token as the meter would: with the key derived for it alone."""
    with closing(sqlite3.connect(product.instance / "vms.sqlite")) as database:
        database.row_factory = sqlite3.Row
        meter = database.execute("SELECT * FROM meter WHERE drn = ?", (drn,)).fetchone()
    module = product.instance / "module"
    passphrase = SecretBytes((module / "passphrase").read_bytes().strip())
    keystore = Keystore.open(module / "keystore.json", passphrase)
    dkga = {"legacy": "02", "sts6": "04"}[meter["algorithm"]]
    _, vending_key = keystore.vending_key(KeyRef(meter["sgc"], meter["krn"], meter["kt"], dkga))
    parameters = KeyParameters(
        meter_pan=meter["meter_pan"], sgc=meter["sgc"], krn=meter["krn"], kt=meter["kt"],
        ti=meter["ti"], base_date=meter["base_date"], dkga=dkga, ea=meter["ea"],
    )  # fmt: skip
    decoder_key = derive(VendingKey(dkga, vending_key.reveal()), parameters)
    return decode(digits, decoder_key).amount


def find(page: Page, product, text: str) -> None:
    page.goto(f"{product.address}/counter/")
    page.get_by_label("Meter number, consumer, or phone").fill(text)
    page.keyboard.press("Enter")


def test_an_operator_sells_fifty_kwh_and_the_digits_say_so(product, watched) -> None:
    page = watched.page
    sign_in(page, product)
    page.get_by_label("Meter number, consumer, or phone").fill("Mwangi")
    page.keyboard.press("Enter")
    expect(page.locator(".found li").first).to_be_visible()
    drn = page.locator(".found .digits").first.inner_text().replace(" ", "")
    page.get_by_role("link", name="Sell").first.click()
    expect(page).to_have_title(re.compile("Mwangi · Sell to a meter"))
    whose = re.compile(f"Mwangi.*{drn[-3:]}")
    expect(page.get_by_label("How much")).to_have_accessible_description(whose)
    page.get_by_label("How much").fill("50")
    expect(page.locator("#quote")).to_contain_text("To pay")
    page.get_by_role("button", name="Sell", exact=True).click()
    expect(page.locator(".slip")).to_contain_text("DEMO")
    digits = token_on(page)
    assert len(digits) == 20
    assert digits.isdigit()
    assert units_in(product, digits, drn) == Decimal(50)
    for said in ("50.0 kWh", drn, "Received", "Change", "SGC", "KRN", "TI", "Harbour Street"):
        expect(page.locator(".slip")).to_contain_text(said)

    page.reload()
    assert token_on(page) == digits, "reloading shows the same sale"
    asked = [url for url in watched.requests if not url.startswith((product.address, "data:"))]
    assert asked == [], "nothing is asked of another host"
    assert [x for x in watched.console if not x.startswith(("debug", "verbose"))] == []


def test_by_amount_from_the_keyboard_alone(product, watched) -> None:
    page = watched.page
    sign_in(page, product)
    drn = product.meter(4)
    expect(page.locator("main [name=q]")).to_be_focused()
    page.keyboard.type(drn)
    page.keyboard.press("Enter")
    page.wait_for_url("**/counter/meter/**")
    page.get_by_label("By amount").check()
    page.get_by_label("How much").fill("10")
    expect(page.locator("#quote")).to_contain_text("Units")
    page.keyboard.press("Enter")
    expect(page.locator(".slip")).to_contain_text("10.00 USD")
    assert units_in(product, token_on(page), drn) > 0


def test_from_search_to_search_in_under_ten_keystrokes(product, watched) -> None:
    page = watched.page
    page.add_init_script("window.print = () => sessionStorage.setItem('printed', 'yes')")
    sign_in(page, product)
    drn = product.meter(7)
    page.goto(f"{product.address}/counter/")
    pressed = []

    def press(key: str) -> None:
        pressed.append(key)
        page.keyboard.press(key)

    page.keyboard.type(drn)  # as a scanner types it, with its Enter
    press("Enter")
    page.wait_for_url("**/counter/meter/**")
    expect(page.locator("#value")).to_be_focused()
    press("2")
    press("0")
    expect(page.locator("#quote")).to_contain_text("To pay")
    expect(page.get_by_role("button", name="Sell", exact=True)).to_be_enabled()
    press("Enter")
    expect(page.locator(".slip")).to_be_visible()
    expect(page.locator("#print")).to_be_focused()
    press("Enter")
    page.wait_for_url("**/preview**")
    assert units_in(product, token_on(page), drn) == Decimal(20)
    press("Enter")
    until(page, "sessionStorage.getItem('printed') === 'yes'")
    press("F3")
    page.wait_for_url("**/counter/")
    expect(page.locator("#q")).to_be_focused()
    assert len(pressed) < 10


def test_several_hits_are_chosen_with_the_arrows_and_a_scan_into_the_amount_finds_the_meter(
    product, watched
) -> None:
    page = watched.page
    sign_in(page, product)
    expect(page.locator("main [name=q]")).to_be_focused()
    page.keyboard.type("Mwangi")
    page.keyboard.press("Enter")
    page.wait_for_url("**q=Mwangi**")
    second = page.locator(".found a").nth(1).get_attribute("href")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**{second}**")
    expect(page.locator("#value")).to_be_focused()
    page.keyboard.type(product.meter(6))
    page.keyboard.press("Enter")  # the scanner's own: it sells nothing
    expect(page.locator("#quote .field-error")).to_contain_text("is a meter number, not an amount")
    assert page.locator("#value").get_attribute("aria-invalid") == "true"
    page.get_by_role("link", name="Find that meter").click()
    drn = page.locator(".facts .digits").first
    expect(drn).to_have_text(re.compile(r"[\d ]+"))
    assert drn.inner_text().replace(" ", "") == product.meter(6)


def test_going_back_and_selling_again_with_the_same_form_gives_the_same_sale(
    product, watched
) -> None:
    page = watched.page
    sign_in(page, product)
    find(page, product, product.meter(6))
    page.get_by_label("How much").fill("20")
    expect(page.locator("#quote")).to_contain_text("To pay")
    page.get_by_role("button", name="Sell", exact=True).click()
    expect(page.locator(".slip")).to_be_visible()
    first = token_on(page)
    page.go_back()
    page.get_by_label("How much").fill("20")
    expect(page.locator("#quote")).to_contain_text("To pay")
    page.get_by_role("button", name="Sell", exact=True).click()
    expect(page.locator(".note, .field-error, .slip").first).to_be_visible()
    with closing(sqlite3.connect(product.instance / "vms.sqlite")) as database:
        made = database.execute("SELECT count(*) FROM token WHERE digits = ?", (first,)).fetchone()
        sales = database.execute(
            "SELECT count(*) FROM sale s JOIN meter m ON m.id = s.meter_id WHERE m.drn = ?",
            (product.meter(6),),
        ).fetchone()
    assert (made[0], sales[0]) == (1, 1)


def test_two_windows_at_once_sell_once(product, browser) -> None:
    one = browser.new_page()
    sign_in(one, product)
    find(one, product, product.meter(8))
    one.get_by_label("How much").fill("15")
    expect(one.locator("#quote")).to_contain_text("To pay")
    two = browser.new_page()
    two.goto(one.url)
    two.get_by_label("How much").fill("15")
    expect(two.locator("#quote")).to_contain_text("To pay")
    for page in (one, two):
        page.evaluate("document.querySelector('[data-purchase]').requestSubmit()")
    for page in (one, two):
        expect(page.locator(".slip")).to_be_visible()
    assert token_on(one) == token_on(two)
    assert one.url == two.url


def test_a_wrong_number_gets_a_sentence_and_stays_typed(product, watched) -> None:
    page = watched.page
    sign_in(page, product)
    find(page, product, product.meter(10))
    page.get_by_label("How much").fill("abc")
    expect(page.locator("#quote")).to_contain_text("is not a number")
    page.get_by_role("button", name="Sell", exact=True).click()
    expect(page.locator("#quote")).to_contain_text("is not a number")
    expect(page.get_by_label("How much")).to_have_value("abc")
    find(page, product, "99999999999")
    expect(page.get_by_role("alert")).to_contain_text("its check digit is wrong")
    find(page, product, "99999999990")
    expect(page.get_by_role("status").first).to_contain_text("No meter or consumer here matches")


def test_administrators_see_the_clock(product, watched) -> None:
    page = watched.page
    sign_in(page, product, "admin")
    page.goto(f"{product.address}/clock/")
    expect(page.locator("main")).to_contain_text("The clock is in order.")


def test_a_sale_whose_module_is_silent_is_being_settled_and_the_page_follows_it(
    product, watched
) -> None:
    page = watched.page
    sign_in(page, product)
    drn = product.meter(14)
    find(page, product, drn)
    page.get_by_label("How much").fill("30")
    expect(page.locator("#quote")).to_contain_text("To pay")
    records = sqlite3.connect(product.instance / "module" / "results.sqlite", isolation_level=None)
    records.execute("BEGIN EXCLUSIVE")  # the module can write nothing down: it makes no token
    page.get_by_role("button", name="Sell", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("being settled: do not")
    assert page.locator(".slip-token").count() == 0
    open_page = page.context.new_page()
    open_page.goto(f"{product.address}/counter/open")
    expect(open_page.get_by_role("table")).to_contain_text(drn[:4])
    records.execute("ROLLBACK")
    records.close()
    expect(page.locator(".slip")).to_be_visible(timeout=30_000)
    assert units_in(product, token_on(page), drn) == Decimal(30)
    open_page.reload()
    expect(open_page.locator("main")).to_contain_text("Settled in the last 24 hours")


def test_a_sale_whose_module_is_down_fails_and_says_what_to_do(
    product, start_product, watched, tmp_path
) -> None:
    instance = tmp_path / "copy"
    shutil.copytree(product.instance, instance, ignore=shutil.ignore_patterns("vms.sqlite*"))
    with (
        closing(sqlite3.connect(product.instance / "vms.sqlite")) as living,
        closing(sqlite3.connect(instance / "vms.sqlite")) as copy,
    ):
        living.backup(copy)
        (sales,) = copy.execute("SELECT count(*) FROM sale").fetchone()
    down = start_product(instance, VMS_KEYSTORE=str(tmp_path / "nowhere" / "keystore.json"))
    page = watched.page
    sign_in(page, down)
    find(page, down, down.meter(16))
    page.get_by_label("How much").fill("30")
    expect(page.locator("#quote")).to_contain_text("To pay")
    page.get_by_role("button", name="Sell", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("No token was made; take no money.")
    expect(page.get_by_role("alert")).to_contain_text("security module")
    expect(page.get_by_label("How much")).to_have_value("30")
    with closing(sqlite3.connect(instance / "vms.sqlite")) as database:
        assert database.execute("SELECT count(*) FROM sale").fetchone() == (sales,)
    down.stop()
