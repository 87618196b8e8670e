"""Receipts in a real browser: as they stand on the page and leave for the printer."""

import io
import sqlite3
from contextlib import closing

import pypdfium2
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from tests.receipts import LANGUAGES, PAPERS, codes_in, drawn
from tests.scenarios.test_first_sale import find, sign_in, token_on
from tests.scenarios.waiting import until

pytestmark = [pytest.mark.browser, pytest.mark.processes]

FACTS = """() => {
  const slip = document.querySelector('.slip');
  const token = slip.querySelector('.slip-token');
  const size = (e) => parseFloat(getComputedStyle(e).fontSize);
  const box = (e) => e.getBoundingClientRect();
  const inner = box(slip).width - 2 * parseFloat(getComputedStyle(slip).paddingLeft);
  const others = [...slip.querySelectorAll('*')].filter((e) => !token.contains(e));
  const groups = [...token.children];
  return {
    groups: groups.map((g) => g.textContent),
    lines: new Set(groups.map((g) => Math.round(box(g).top))).size,
    room: inner - (Math.max(...groups.map((g) => box(g).right))
      - Math.min(...groups.map((g) => box(g).left))),
    from_left: groups.every((g, i) => !i || box(g).left > box(groups[i - 1]).right),
    larger: size(token) - Math.max(...others.map(size)),
    width: box(slip).width / 96 * 25.4,
    direction: getComputedStyle(slip).direction,
    stands_out: [...slip.querySelectorAll('*')].some(
      (e) => box(e).right > box(slip).right + 1 || box(e).left < box(slip).left - 1),
  };
}"""
WIDTHS = {"58mm": 58, "80mm": 80, "a4": 210}
NO_DIALOG = """window.print = () => {
  window.printed = (window.printed || 0) + 1;
  window.dispatchEvent(new Event('afterprint'));
};"""


@pytest.fixture
def paper(product):
    """Give the first vending point another paper; afterwards it has its own again."""

    def change(size: str) -> None:
        with closing(sqlite3.connect(product.instance / "vms.sqlite", timeout=30)) as database:
            database.execute("UPDATE vending_point SET paper_size = ? WHERE id = 1", (size,))
            database.commit()

    yield change
    change("80mm")


def sell(page: Page, product, meter: int) -> str:
    """Sell twenty units to a meter, and give the address of the receipt's preview."""
    find(page, product, product.meter(meter))
    page.get_by_label("How much").fill("20")
    expect(page.locator("#quote")).to_contain_text("To pay")
    page.keyboard.press("Enter")
    page.wait_for_url("**/counter/sale/*")
    return page.url.replace("/counter/sale/", "/counter/receipts/") + "/preview"


def test_from_the_sale_to_the_next_customer_by_the_enter_key(product, watched) -> None:
    page = watched.page
    page.add_init_script(NO_DIALOG)
    sign_in(page, product)
    preview = sell(page, product, 8)
    digits = token_on(page)
    expect(page.locator("#print")).to_be_focused()
    page.keyboard.press("Enter")
    page.wait_for_url(preview)
    assert page.evaluate("window.printed") is None, "the dialog comes after the confirmation"
    assert token_on(page) == digits
    expect(page.get_by_role("button", name="Confirm printing")).to_be_focused()
    page.keyboard.press("Enter")
    page.wait_for_url("**/preview?printed=1")
    until(page, "window.printed === 1")
    expect(page.locator("#next")).to_be_focused()
    expect(page.locator(".slip")).not_to_contain_text("COPY")

    page.reload()
    page.wait_for_load_state("load")
    page.wait_for_timeout(200)
    assert page.evaluate("window.printed") is None, "loaded again, it prints nothing by itself"

    page.locator("#next").click()
    page.wait_for_url("**/counter/")
    page.keyboard.press("F2")
    page.wait_for_url("**/receipts/last")
    expect(page.get_by_role("link", name="Print a copy").first).to_be_focused()
    page.keyboard.press("Enter")
    page.wait_for_url(preview)
    expect(page.locator(".slip")).to_contain_text("COPY 1 · operator")
    assert token_on(page) == digits
    assert [x for x in watched.console if not x.startswith(("debug", "verbose"))] == []


def test_the_slip_is_as_wide_as_the_paper_and_its_token_whole_in_every_language(
    product, watched, paper
) -> None:
    page = watched.page
    sign_in(page, product)
    preview = sell(page, product, 9)
    digits = token_on(page)
    for size in PAPERS:
        paper(size)
        for language in LANGUAGES:
            page.goto(f"{preview}?language={language}")
            facts, where = page.evaluate(FACTS), f"{size} {language}"
            assert "".join(facts["groups"]) == digits, where
            assert [len(group) for group in facts["groups"]] == [4] * 5, where
            assert (facts["lines"], facts["from_left"]) == (1, True), where
            assert facts["room"] >= 0, where
            assert facts["larger"] > 0, where
            assert not facts["stands_out"], where
            assert abs(facts["width"] - WIDTHS[size]) < 0.5, where
            assert facts["direction"] == ("rtl" if language == "ar" else "ltr"), where
        picture = Image.open(io.BytesIO(page.locator(".slip-code").screenshot()))
        framed = Image.new("L", (picture.width + 40, picture.height + 40), 255)
        framed.paste(picture.convert("L"), (20, 20))
        assert codes_in(framed) == [digits], size


def test_what_goes_to_the_printer_is_one_page_of_the_papers_width(product, watched, paper) -> None:
    page = watched.page
    page.add_init_script(NO_DIALOG)
    sign_in(page, product)
    preview = sell(page, product, 10)
    digits = token_on(page)
    for nth, size in enumerate(PAPERS, 1):
        paper(size)
        page.goto(preview)
        page.get_by_role("button", name="Confirm printing").click()
        page.wait_for_url(f"**/preview?printed={nth}")
        file = page.pdf(prefer_css_page_size=True)
        document = pypdfium2.PdfDocument(file)
        sheets, (wide, high) = len(document), document.get_page_size(0)
        document.close()
        assert sheets == 1, size
        assert wide / 72 * 25.4 == pytest.approx(WIDTHS[size], abs=0.6), size
        assert (high > wide) or size != "a4"
        assert codes_in(drawn(file)) == [digits], size


def test_a_page_that_was_not_confirmed_prints_no_token(product, watched) -> None:
    page = watched.page
    sign_in(page, product)
    preview = sell(page, product, 11)
    for address in (page.url, preview):
        page.goto(address)
        page.emulate_media(media="print")
        expect(page.locator(".slip-token")).to_be_hidden()
        expect(page.locator(".token-digits")).to_have_count(0 if "preview" in address else 1)
        expect(page.locator(".on-paper").first).to_be_visible()
        page.emulate_media(media="screen")
