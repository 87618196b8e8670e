"""A morning at the counter, in real browsers: a shift, sales of all kinds, mistakes put right.

Grace sells at Harbour Street, Ruth supervises, Peter looks after meters, and the administrator
is the second person. The demo's domestic tariff has a fee a month, so what is to be paid is read
from the price shown before each sale; the drawer must hold the sum of those at noon.
"""

import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from decimal import Decimal

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.scenarios.look import show_all_hints
from tests.scenarios.test_first_operator import sign_in
from tests.scenarios.test_first_sale import find, units_in
from tests.scenarios.waiting import until

pytestmark = [pytest.mark.browser, pytest.mark.processes]

FLOAT = Decimal(100)
PLAIN, BANKNOTE, ARABIC, LARGE, KEYED, OWING, SCANNED = range(40, 47)
WATER, GAS, TIME, MONEY, WRONG = range(47, 52)
"""Meters of the north, by their place in its list."""

SMALL_SCREEN = {"width": 1366, "height": 768}

OTHER_KINDS = ("water", "gas", "time")

AS_SQL = (
    (
        "INSERT INTO product (model, name, meter_type, manufacturer, manufacturer_code,"
        " can_become_sts6) VALUES ('M-' || :kind, :kind, :kind, 'Meridian Meters', '07', 0)"
    ),
    "INSERT INTO tariff (name, meter_type, retired) VALUES ('Morning ' || :kind, :kind, 0)",
    (
        "INSERT INTO tariff_plan ({plan}, tariff_id) SELECT {plan},"
        " (SELECT id FROM tariff WHERE name = 'Morning ' || :kind) FROM tariff_plan"
        " WHERE tariff_id = 1"
    ),
    (
        "UPDATE meter SET meter_type = :kind,"
        " product_id = (SELECT id FROM product WHERE model = 'M-' || :kind),"
        " tariff_id = (SELECT id FROM tariff WHERE name = 'Morning ' || :kind) WHERE drn = :drn"
    ),
)


@pytest.fixture
def kinds(product) -> None:
    """Make one of the demo's meters of each kind that the demo lacks."""
    with closing(sqlite3.connect(product.instance / "vms.sqlite", timeout=60)) as database:
        plan = [row[1] for row in database.execute("PRAGMA table_info(tariff_plan)")]
        names = ", ".join(name for name in plan if name not in ("id", "tariff_id"))
        for kind, place in zip(OTHER_KINDS, (WATER, GAS, TIME), strict=True):
            for line in AS_SQL:
                database.execute(
                    line.format(plan=names), {"kind": kind, "drn": product.meter(place)}
                )
        database.execute(
            "UPDATE meter SET credit_mode = 'currency' WHERE drn = ?", (product.meter(MONEY),)
        )
        database.commit()


@dataclass
class Morning:
    """The people in the office, and what the drawer should hold."""

    product: object
    pages: dict[str, Page]
    taken: Decimal = FLOAT
    sales: dict[str, int] = field(default_factory=dict)
    most_lines: int = 0

    @property
    def counter(self) -> Page:
        return self.pages["operator"]

    def sell(self, name: str, meter: int, value: str, by: str = "quantity", **cash: str) -> Page:
        """Sell as an operator does: find, look, type, look at the price, Enter."""
        page = self.counter
        find(page, self.product, self.product.meter(meter))
        page.wait_for_url("**/counter/meter/**")
        if page.locator("[name=mode][type=radio]").count():
            page.locator(f"[name=mode][value={by}]").check()
        if cash:
            page.get_by_label("Received").fill(cash["received"])
        page.get_by_label("How much").fill(value)
        expect(page.get_by_role("button", name="Sell", exact=True)).to_be_enabled()
        expect(page.locator("#quote .total").first).to_be_visible()
        paid = money(page.locator("#quote tr.total", has_text="To pay").first.inner_text())
        self.sees_it_all()
        page.get_by_label("How much").press("Enter")
        expect(page.locator(".slip")).to_be_visible()
        assert money(fact(page, "Total")) == paid
        self.taken += paid
        self.sales[name] = int(page.url.rsplit("/", 1)[1])
        return page

    def sees_it_all(self) -> None:
        """The search, whose meter it is, the amount, its price and Sell: without scrolling."""
        page = self.counter
        assert page.viewport_size == SMALL_SCREEN
        assert page.evaluate("scrollY") == 0
        foot = page.locator("form[data-purchase] .card-foot").bounding_box()
        assert foot, "there is a button to sell with"
        assert foot["y"] + foot["height"] <= SMALL_SCREEN["height"]
        lines = page.locator("#quote tr").count()
        for part in ("#top-q", ".who", "#value", "#received", "#quote .lines"):
            box = page.locator(part).bounding_box()
            assert box, part
            assert 0 <= box["y"] <= box["y"] + box["height"] <= foot["y"] + 1, (part, lines)
        self.most_lines = max(self.most_lines, page.locator("#quote tbody tr").count())

    def second_person(self, request: Page) -> None:
        """Have the administrator approve what is asked for on a page."""
        wanted = re.search(r"/approvals/show/(\d+)", request.url)
        assert wanted, request.url
        page = self.pages["admin"]
        page.goto(f"{self.product.address}/approvals/show/{wanted[1]}")
        page.get_by_role("button", name="Approve").click()
        page.locator("dialog[open] button[value=yes]").click()
        expect(page.locator("main")).to_contain_text("approved and done")


def money(text: str) -> Decimal:
    """The last amount in a text."""
    return Decimal(re.findall(r"-?[\d,]+\.\d\d", text)[-1].replace(",", ""))


def fact(page: Page, name: str) -> str:
    """What a receipt says beside a word."""
    return page.locator(".slip tr", has_text=name).last.inner_text()


def tokens(page: Page) -> list[str]:
    return [text.replace(" ", "") for text in page.locator(".slip .slip-token").all_inner_texts()]


@pytest.fixture
def morning(product, kinds, chromium: Browser) -> Iterator[Morning]:
    pages = {}
    for name in ("operator", "supervisor", "engineer", "admin"):
        screen = SMALL_SCREEN if name == "operator" else {"width": 1280, "height": 900}
        page = chromium.new_context(viewport=screen).new_page()
        page.add_init_script("window.print = () => sessionStorage.setItem('printed', 'yes')")
        sign_in(page, product, name, product.passwords()[name])
        pages[name] = page
    yield Morning(product, pages)
    for page in pages.values():
        page.context.close()


Step = Callable[[Morning], None]


def open_the_shift(m: Morning) -> None:
    page = m.counter
    show_all_hints(page, m.product)
    page.goto(f"{m.product.address}/counter/")
    page.get_by_role("button", name="Show no hints").click()  # who works here every day
    expect(page.locator("[data-hint]")).to_have_count(0)
    page.keyboard.press("F8")
    page.get_by_label("Cash in the drawer").fill(str(FLOAT))
    page.get_by_role("button", name="Open the shift").click()
    expect(page.locator(".shift-line")).to_contain_text("open since")


def prepare_key_and_debt(m: Morning) -> None:
    """Before the first customer: a meter gets a new key, a consumer owes."""
    page = m.pages["engineer"]
    page.goto(f"{m.product.address}/meters/list/?q={m.product.meter(KEYED)}")
    page.locator("main .row-link").first.click()
    page.goto(re.sub(r"/show/(\d+).*", r"/\1/key/change", page.url))
    page.locator("#ti").fill("07")
    page.get_by_label("Reason").fill("other tariff")
    page.get_by_role("button", name="Look at what will change").click()
    page.get_by_role("button", name="Make the key change tokens").click()
    expect(page.locator("main")).to_contain_text("07")
    page = m.pages["supervisor"]
    find(page, m.product, m.product.meter(OWING))
    number = page.locator(".facts .digits").nth(1).inner_text().replace(" ", "")
    page.goto(f"{m.product.address}/consumers/list/?q={number}")
    page.locator("main .row-link").first.click()
    page.goto(re.sub(r"/show/(\d+).*", r"/\1/debts/add", page.url))
    for label, text in (("Name of the debt", "Connection fee"), ("Fixed sum a purchase", "5")):
        page.get_by_label(label).fill(text)
    page.locator("#amount").fill("12")
    page.locator("#reason").fill("Agreed")
    page.get_by_role("button", name="Save", exact=True).click()
    page.wait_for_url("**/approvals/show/*")
    m.second_person(page)


def sell_of_every_kind(m: Morning) -> None:
    page = m.sell("plain", PLAIN, "50")
    assert units_in(m.product, tokens(page)[0], m.product.meter(PLAIN)) == 50

    page = m.sell("banknote", BANKNOTE, "20", "amount", received="50")
    assert money(fact(page, "Change")) == 30
    assert money(fact(page, "Received")) == 50

    page = m.sell("arabic", ARABIC, "٢٥٫٥")
    assert units_in(m.product, tokens(page)[0], m.product.meter(ARABIC)) == Decimal("25.5")

    page = m.sell("large", LARGE, "1700.5")
    expect(page.locator(".slip")).to_contain_text("1,700.5 kWh")
    carried = units_in(m.product, tokens(page)[0], m.product.meter(LARGE))
    assert carried > Decimal("1700.5")
    expect(page.locator(".slip")).to_contain_text(f"{carried:,.1f} kWh")

    page = m.sell("keyed", KEYED, "10")
    made = tokens(page)
    assert len(made) == len(set(made)) >= 3  # two or three of the set, then the credit
    expect(page.locator(".slip")).to_contain_text("Then enter the key change tokens")
    expect(page.locator(".tokens li").last).to_contain_text("credit")

    page = m.sell("owing", OWING, "30", "amount")
    assert money(fact(page, "Still owed: Connection fee")) == 7

    for name, meter, unit in (("water", WATER, "m³"), ("gas", GAS, "m³"), ("time", TIME, "min")):
        page = m.sell(name, meter, "12")
        expect(page.locator(".slip")).to_contain_text(f"12.0 {unit}")
        assert len(tokens(page)) == 1

    page = m.sell("money", MONEY, "15")
    expect(page.locator(".slip")).to_contain_text("Credit bought")
    assert len(m.sales) == 10
    assert m.most_lines >= 4


def lose_nothing_typed(m: Morning) -> None:
    """Loading the page anew and another language keep the purchase; the next one begins empty."""
    page = m.counter
    find(page, m.product, m.product.meter(SCANNED))
    page.wait_for_url("**/counter/meter/**")
    page.locator("[name=mode][value=amount]").check()
    page.get_by_label("How much").fill("12.50")
    page.get_by_label("Received").fill("20")
    expect(page.locator("#quote .total").first).to_be_visible()
    page.reload()
    for language in ("ar", "en"):
        page.locator(".top-end summary").first.click()
        page.locator(f"[href='/lang/{language}']").click()
        expect(page.locator("html")).to_have_attribute("lang", language)
        expect(page.locator("[name=mode][value=amount]")).to_be_checked()
        expect(page.locator("#value")).to_have_value("12.50")
        expect(page.locator("#received")).to_have_value("20")
        expect(page.locator("#quote .total").first).to_be_visible()
    page.get_by_role("link", name="Begin a new purchase").click()
    expect(page.locator("#value")).to_have_value("")
    page.reload()
    expect(page.locator("#received")).to_have_value("")


def notice_the_wrong_meter(m: Morning) -> None:
    """A digit is mistyped, then another's meter is opened; what was typed does not follow."""
    page = m.counter
    right, other = m.product.meter(SCANNED), m.product.meter(WRONG)
    find(page, m.product, right[:-1] + str((int(right[-1]) + 1) % 10))
    expect(page.locator("main [role=alert]")).to_be_visible()
    find(page, m.product, other)
    page.get_by_label("How much").fill("40")
    seen = page.locator(".who").inner_text()
    page.keyboard.press("F3")
    page.wait_for_url("**/counter/")
    page = m.sell("right", SCANNED, "40")
    assert page.locator(".who").inner_text() != seen
    assert units_in(m.product, tokens(page)[0], right) == 40


def print_and_reprint(m: Morning) -> None:
    page = m.counter
    page.goto(f"{m.product.address}/counter/")
    page.keyboard.press("F2")
    page.wait_for_url("**/receipts/last")
    digits = None
    for copy in ("", "COPY 1"):
        page.goto(f"{m.product.address}/counter/receipts/last")
        page.locator(".found .btn-primary").first.click()
        page.locator("#print-it").click()
        until(page, "sessionStorage.getItem('printed') === 'yes'")
        now = tokens(page)
        assert digits in (None, now)
        digits = now
        expect(page.locator(".slip-mark")).to_have_count(2 if copy else 1)  # DEMO is the other
        if copy:
            expect(page.locator(".slip")).to_contain_text(copy)


def take_one_back(m: Morning) -> None:
    sale = m.sales["plain"]
    page = m.pages["supervisor"]
    page.goto(f"{m.product.address}/sales/{sale}/reverse")
    paid = money(page.locator(".facts").first.inner_text())
    page.get_by_label("Reason").select_option("wrong_meter")
    page.get_by_role("button", name="Ask for approval").click()
    page.wait_for_url("**/approvals/show/*")
    m.second_person(page)
    m.taken -= paid
    m.counter.goto(f"{m.product.address}/counter/sale/{sale}")
    expect(m.counter.locator("main")).to_contain_text("This sale was taken back.")
    assert m.counter.locator(".slip-token").count() == 0


def close_the_shift(m: Morning) -> None:
    page = m.counter
    page.goto(f"{m.product.address}/counter/")
    page.keyboard.press("F8")
    expect(page.get_by_role("heading", name=re.compile("Close shift"))).to_be_visible()
    assert f"{m.taken:,.2f}" not in page.locator("main").inner_text(), "the count is blind"
    page.locator("#amount").fill(str(m.taken))
    page.get_by_role("button", name="This is what I counted").click()
    slip = page.locator("article.slip")
    expect(slip).to_contain_text(f"{m.taken:,.2f}")
    expect(slip).to_contain_text("it agrees")


def prove_the_books(m: Morning) -> None:
    page = m.pages["admin"]
    page.goto(f"{m.product.address}/proof/list/")
    page.get_by_role("button", name="Run now").click()
    page.goto(f"{m.product.address}/proof/list/")
    page.locator("main .row-link").first.click()
    expect(page.locator("main")).to_contain_text("All that was compared agrees.")


def test_a_morning_at_the_counter(morning: Morning) -> None:
    for step in (
        open_the_shift,
        prepare_key_and_debt,
        sell_of_every_kind,
        lose_nothing_typed,
        notice_the_wrong_meter,
        print_and_reprint,
        take_one_back,
        close_the_shift,
        prove_the_books,
    ):
        step(morning)
