"""The look in a real browser: open to everybody, self-contained, small, and of one piece."""

import os
import re
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import date
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Dialog, Locator, Page, Request, expect

from config import LANGUAGES
from tests.licences import PUBLIC, licence_file
from tests.scenarios import look
from tests.scenarios.look import PHONE, SCENES, WALKS, WAYS, Seen, Way
from tests.scenarios.readers import GROUPS
from tests.scenarios.waiting import until

pytestmark = [pytest.mark.browser, pytest.mark.processes]

EACH_WAY = pytest.mark.parametrize("way", WAYS)
LIST, FORM, COUNTER = "/meters/list/?size=10", "/vending-points/add", "/counter/meter/1"
PLAN = "/tariffs/2/plans/new"
KILOBYTE = 1024

FORMER = re.compile(r"bootstrap|jquery|select2|font-?awesome|appbuilder", re.IGNORECASE)
"""What the framework's own pages load; the name of its folder of static files, too."""


@pytest.fixture(scope="module")
def product(
    start_product: Callable[..., Any],
    chromium: Browser,
    tmp_path_factory: pytest.TempPathFactory,
):
    """A product with a sale in each state; nothing settles them while they are looked at."""
    licence = tmp_path_factory.mktemp("licence") / "licence.json"
    licence.write_bytes(licence_file(valid_until=date(2999, 12, 31), meter_limit=1000))
    product = start_product(
        VMS_RECONCILE_SECONDS="300", VMS_PENDING_SECONDS="600",
        VMS_LICENCE=str(licence), VMS_LICENCE_KEY=PUBLIC,
    )  # fmt: skip
    page = look.page_for(chromium, product, Way())
    look.a_sale_of_each_kind(page, product)
    page.context.close()
    return product


@pytest.fixture(scope="module", autouse=True)
def walking(request, product, chromium) -> Iterator[list[Future[dict[str, list[Seen]]]]]:
    """Begin the walks, to go on beside the other tests; keep pictures where they are asked for."""
    if folder := os.environ.get("VMS_SCREENS"):
        look.take_pictures(chromium, product, Path(folder))
    wanted = any("walks" in item.fixturenames for item in request.session.items)
    with ThreadPoolExecutor(len(WALKS)) as pool:
        yield [pool.submit(look.walk, number, product) for number in range(len(WALKS)) if wanted]


@pytest.fixture(scope="module")
def walks(walking) -> dict[str, list[Seen]]:
    """What was seen on all walks."""
    return {name: seen for walk in walking for name, seen in walk.result().items()}


@pytest.fixture(scope="module")
def signed_in(chromium: Browser, product) -> Any:
    """The cookies of an administrator."""
    page = look.page_for(chromium, product, Way())
    state = page.context.storage_state()
    page.context.close()
    return state


Opens = Callable[..., Page]


@pytest.fixture
def opened(chromium: Browser, product, signed_in: Any) -> Iterator[Opens]:
    """Open a path, or nothing yet, as an administrator in a browser that looks a given way."""
    contexts = []

    def open_page(path: str = "", way: Way = WAYS["light"], **options: Any) -> Page:
        options = {"storage_state": signed_in} | options
        context = look.new_context(chromium, product, way, **options)
        contexts.append(context)
        page = context.new_page()
        if way.language != "en":
            page.goto(f"{product.address}/lang/{way.language}")
        if path:
            page.goto(product.address + path)
        return page

    yield open_page
    for context in contexts:
        context.close()


def told(walks: dict[str, list[Seen]], way: str, wrong: Callable[[Seen], list[str]]) -> str:
    """Line by line, what is wrong in which scene."""
    return "\n".join(
        f"{seen.scene.name} ({seen.reader}, {seen.language}): {said}"
        for seen in walks[way] for said in wrong(seen)
    )  # fmt: skip


def every(walks: dict[str, list[Seen]]) -> Iterator[Seen]:
    """Give all that was seen."""
    return chain.from_iterable(walks.values())


# the keyboard

TABBABLE = """() => {
  const seen = (e) => e.checkVisibility({ visibilityProperty: true }) && e.tabIndex >= 0;
  const radios = new Set();
  window.expected = [...document.querySelectorAll(
    'a[href], button:enabled, input:enabled, select:enabled, textarea:enabled, summary, [tabindex]',
  )].filter(seen).filter((e) => { // of the radios of a name, one is in the order
    if (e.type !== 'radio') return true;
    const first = !radios.has(e.name);
    radios.add(e.name);
    return first;
  });
  window.reached = new Map();
  const holder = (e) => e.closest('.ts-control')
    ?? (e.closest('.choice') ? e.nextElementSibling : e);
  addEventListener('focusin', ({ target }) => {
    const shown = holder(target);
    document.getAnimations().forEach((animation) => animation.finish());
    const { outlineStyle, outlineWidth } = getComputedStyle(shown);
    const box = shown.getBoundingClientRect();
    const top = document.elementFromPoint(
      Math.min(box.left + box.width / 2, innerWidth - 1), box.top + Math.min(box.height, 24) / 2);
    const bare = outlineStyle === 'none' || parseFloat(outlineWidth) < 2;
    const hidden = !top || !(shown.contains(top) || top.contains(shown)
      || top.closest('label')?.contains(shown));
    window.reached.set(target.type === 'radio' ? target.name : target, { bare, hidden });
  });
  return window.expected.length;
}"""

WALKED = """() => {
  const name = (e) => e.outerHTML.slice(0, 160);
  const of = (e) => window.reached.get(e.type === 'radio' ? e.name : e);
  return {
    missed: window.expected.filter((e) => !of(e)).map(name),
    bare: window.expected.filter((e) => of(e)?.bare).map(name),
    hidden: window.expected.filter((e) => of(e)?.hidden).map(name),
  };
}"""


@pytest.mark.parametrize(
    "path",
    [
        "/login/",
        LIST,
        "/users/list/",
        FORM,
        "/users/edit/2",
        PLAN,
        "/logout/",
        COUNTER,
        "/counter/sale/1",
    ],
)
@pytest.mark.parametrize("key", ["Tab", "Shift+Tab"])
def test_tab_reaches_everything_and_shows_where_it_is(opened, path, key) -> None:
    page = opened(path, storage_state=None) if path == "/login/" else opened(path)
    until(page, look.SETTLED)
    page.evaluate("document.activeElement.blur()")
    for _ in range(page.evaluate(TABBABLE) + 3):
        page.keyboard.press(key)
    assert page.evaluate(WALKED) == {"missed": [], "bare": [], "hidden": []}


def focused(page: Page) -> Locator:
    return page.locator(":focus")


def press_until(page: Page, selector: str, key: str = "Tab") -> None:
    """Go on with a key until the focus is on what is wanted."""
    for _ in range(60):
        page.keyboard.press(key)
        if focused(page).count() and focused(page).evaluate("(e, s) => e.matches(s)", selector):
            return
    pytest.fail(f"{key} never comes to {selector}")


def test_from_signing_in_to_the_token_without_a_mouse(chromium, product) -> None:
    page = look.new_context(chromium, product, Way()).new_page()
    page.goto(product.address)
    expect(page.locator("#username")).to_be_focused()
    page.keyboard.type("operator")
    page.keyboard.press("Enter")  # to what is still empty
    page.keyboard.type(product.passwords()["operator"])
    page.keyboard.press("Enter")
    page.wait_for_url("**/counter/")
    expect(page.locator("#q")).to_be_focused()
    page.keyboard.type(product.meter(30))
    page.keyboard.press("Enter")
    page.wait_for_url("**/counter/meter/**")
    expect(page.locator("#value")).to_be_focused()
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Tab")
    page.keyboard.type("10")
    expect(page.locator("#quote .total").last).to_contain_text("10.00")
    press_until(page, "[data-sell]")
    page.keyboard.press("Enter")
    page.wait_for_url("**/counter/sale/**")
    expect(page.locator(".token-digits")).to_have_text(re.compile(r"^\d{4}( \d{4}){4}$"))
    expect(page.locator("#print")).to_be_focused()
    press_until(page, "a[href='/counter/']")
    page.keyboard.press("Enter")
    page.wait_for_url("**/counter/")
    expect(page.locator("#q")).to_be_focused()
    page.context.close()


@pytest.mark.parametrize("phone", [True, False])
def test_keys_are_told_to_who_has_some(opened, phone) -> None:
    page = opened(COUNTER, Way(), is_mobile=phone, has_touch=phone)
    expect(page.locator("#value")).to_be_visible()
    told = page.locator("kbd").evaluate_all("keys => keys.filter((key) => key.checkVisibility())")
    assert bool(told) is not phone
    expect(page.locator(".keys")).to_be_visible(visible=not phone)


def test_the_first_tab_offers_the_way_past_the_menu(opened) -> None:
    page = opened(LIST)
    page.keyboard.press("Tab")
    expect(page.locator(".skip-link")).to_be_focused()
    expect(page.locator(".skip-link")).to_be_in_viewport()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
    page.keyboard.press("Tab")
    assert focused(page).evaluate("e => document.querySelector('main').contains(e)")


@pytest.mark.parametrize(
    ("path", "opener", "opened_part"),
    [
        (LIST, ".top-end .pop:nth-child(1) summary", ".top-end .pop:nth-child(1) .pop-menu"),
        (LIST, ".top-end .pop:nth-child(3) summary", ".top-end .pop:nth-child(3) .pop-menu"),
        (LIST, ".finder summary", ".filter-panel"),
        (LIST, ".pager summary", ".pager .pop-menu"),
        ("/products/list/", "[form=delete-row]", "#confirm"),
    ],
)
def test_escape_closes_what_is_open_and_gives_the_focus_back(
    opened, path, opener, opened_part
) -> None:
    page = opened(path)
    page.locator(opener).first.focus()
    page.keyboard.press("Enter")
    expect(page.locator(opened_part)).to_be_visible()
    page.keyboard.press("Tab")
    assert focused(page).evaluate("(e, s) => !!e.closest(s)", opened_part)
    page.keyboard.press("Escape")
    expect(page.locator(opened_part)).to_be_hidden()
    expect(page.locator(opener).first).to_be_focused()


def test_escape_closes_the_drawer_on_a_phone_and_gives_the_focus_back(opened) -> None:
    page = opened(LIST, WAYS["phone"])
    expect(page.locator(".side")).to_be_hidden()
    page.locator(".top-burger").focus()
    page.keyboard.press("Enter")
    expect(page.locator(".side")).to_be_visible()
    page.evaluate(look.AXE.read_text())
    assert look.violations(page, ".side") == []
    page.keyboard.press("Tab")
    assert focused(page).evaluate("e => !!e.closest('.side')")
    page.keyboard.press("Escape")
    expect(page.locator(".side")).to_be_hidden()
    expect(page.locator(".top-burger")).to_be_focused()


def test_errors_take_the_focus_and_lead_to_their_fields(opened) -> None:
    page = opened(FORM)
    page.locator(look.SAVE).click()
    expect(page.locator("#errors")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#name")).to_be_focused()
    said = page.locator("#name").get_attribute("aria-describedby") or ""
    assert page.locator(f"#{said.split()[-1]}").inner_text() == "This field is required."


# how much comes over the wire


class Wire:
    """What a page fetches: how many requests, and bytes that were not in the cache."""

    def __init__(self, page: Page) -> None:
        self.asked: dict[str, str] = {}
        self.bytes: dict[str, int] = {}
        cdp = page.context.new_cdp_session(page)
        cdp.send("Network.enable")
        cdp.on("Network.requestWillBeSent", self._asked)
        cdp.on("Network.loadingFinished", self._finished)

    def _asked(self, event: dict[str, Any]) -> None:
        if not event["request"]["url"].startswith("data:"):
            self.asked[event["requestId"]] = event["request"]["url"]

    def _finished(self, event: dict[str, Any]) -> None:
        if event["requestId"] in self.asked:
            self.bytes[self.asked[event["requestId"]]] = event["encodedDataLength"]

    @property
    def kilobytes(self) -> float:
        return sum(self.bytes.values()) / KILOBYTE

    def forget(self) -> None:
        self.asked.clear()
        self.bytes.clear()


def visited(page: Page, wire: Wire, url: str) -> Wire:
    wire.forget()
    page.goto(url)
    until(page, look.SETTLED)
    page.wait_for_timeout(150)  # what a script asks for afterwards
    return wire


def test_pages_are_small_and_their_files_come_once(opened, product) -> None:
    page = opened()
    wire = Wire(page)
    first = visited(page, wire, product.address + "/meters/list/")
    assert first.kilobytes <= 150
    assert len(first.asked) <= 8, [*first.asked.values()]
    for path in ("/meters/list/", "/consumers/list/?size=100", FORM, COUNTER, "/counter/sale/1"):
        later = visited(page, wire, product.address + path)
        assert later.kilobytes <= 30, later.bytes
        fetched = {url for url, size in later.bytes.items() if size and "/static/" in url}
        assert fetched == set()
        assert len(later.asked) <= 8, [*later.asked.values()]


def test_charts_come_after_the_page_and_are_kept(opened, product) -> None:
    page = opened()
    wire = Wire(page)
    charts = [
        size
        for url, size in visited(page, wire, f"{product.address}/_parts/").bytes.items()
        if "charts" in url
    ]
    assert len(charts) == 1
    assert 100 * KILOBYTE < charts[0] <= 200 * KILOBYTE
    asked_at, loaded_at = page.evaluate("""() => [
      performance.getEntriesByType('resource').find(({ name }) => /charts/.test(name)).startTime,
      performance.getEntriesByType('navigation')[0].loadEventStart,
    ]""")
    assert asked_at >= loaded_at > 0
    assert visited(page, wire, f"{product.address}/_parts/").kilobytes <= 30


# large text


@pytest.mark.parametrize("path", [LIST, FORM, PLAN, COUNTER, "/counter/sale/1"])
def test_nothing_is_cut_off_when_letters_are_twice_as_large(opened, path) -> None:
    page = opened(path)
    page.evaluate("document.documentElement.style.fontSize = '200%'")
    assert page.evaluate(look.WIDTH, 1280) <= 1280
    assert page.evaluate(look.CUT_OFF) == []
    page.context.new_cdp_session(page).send(
        "Page.setFontSizes", {"fontSizes": {"standard": 32, "fixed": 26}}
    )
    page.evaluate("document.documentElement.style.fontSize = ''")
    assert page.evaluate("getComputedStyle(document.documentElement).fontSize") == "32px"
    assert page.evaluate(look.WIDTH, 1280) <= 1280
    assert page.evaluate(look.CUT_OFF) == []


# how parts behave


def test_a_question_names_what_will_happen_and_cancel_leaves_it(opened) -> None:
    page = opened("/products/list/")
    sent: list[Request] = []
    page.on("request", lambda request: sent.append(request) if request.method == "POST" else None)
    page.locator("[form=delete-row]").first.click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Delete “SP-100”? This cannot be undone.")
    expect(dialog.get_by_role("button", name="Cancel")).to_be_focused()
    dialog.get_by_role("button", name="Cancel").click()
    expect(dialog).to_be_hidden()
    assert sent == []
    page.locator("[form=delete-row]").first.click()
    dialog.get_by_role("button", name="Delete", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("still use “SP-100”")
    assert [request.url.rpartition("/")[0].endswith("/delete") for request in sent] == [True]


def questions(page: Page) -> list[str]:
    """Stay wherever the browser asks whether to leave, and note that it asked."""
    asked: list[str] = []

    def stay(dialog: Dialog) -> None:
        asked.append(dialog.type)
        dialog.dismiss()

    page.on("dialog", stay)
    return asked


def test_leaving_a_touched_form_is_asked_about(opened) -> None:
    page = opened("/products/edit/1")
    asked = questions(page)
    page.locator("#name").press_sequentially("x")
    page.locator(".side-brand").click()
    assert asked == ["beforeunload"]
    assert page.url.endswith("/products/edit/1")
    expect(page.locator("#name")).to_have_value(re.compile("x"))


def test_leaving_an_untouched_form_is_not(opened) -> None:
    page = opened("/products/edit/1")
    asked = questions(page)
    page.locator("#name").click()
    page.locator(".side-brand").click()
    page.wait_for_url("**/dashboard/")
    assert asked == []


def test_saving_a_form_is_not(opened) -> None:
    page = opened("/products/edit/1")
    asked = questions(page)
    page.locator("#name").press_sequentially("x")
    page.locator("#name").press("Backspace")
    page.locator(look.SAVE).click()
    page.wait_for_url("**/products/show/1")
    assert asked == []


def test_leaving_a_form_that_came_back_with_errors_is_asked_about(opened) -> None:
    page = opened("/products/add")
    asked = questions(page)
    page.locator("#name").press_sequentially("x")
    page.locator(look.SAVE).click()
    page.locator("#errors").click()
    page.locator(".side-brand").click()
    assert asked == ["beforeunload"]
    expect(page.locator("#name")).to_have_value("x")


def test_toasts_fade_unless_they_warn_and_can_be_closed(opened) -> None:
    page = opened("/clock/")
    page.clock.install()
    page.goto(page.url.replace("/clock/", "/_parts/"))
    for _ in range(2):
        page.locator("[data-toast]").click()
    toasts = page.locator(".toast")
    expect(toasts).to_have_count(2)
    expect(page.locator("#toasts")).to_have_attribute("role", "status")
    toasts.first.locator("[data-dismiss]").click()
    expect(toasts).to_have_count(1)
    expect(toasts.locator("[data-dismiss]")).to_be_focused()
    page.clock.fast_forward(9000)
    expect(toasts).to_have_count(1)
    page.locator("[data-toast]").focus()
    page.mouse.move(0, 0)
    page.clock.fast_forward(2000)
    expect(toasts).to_have_count(0)


def test_a_saved_form_says_so_in_a_toast(opened) -> None:
    page = opened("/products/edit/1")
    page.locator(look.SAVE).click()
    expect(page.get_by_text("Saved.", exact=True)).to_be_visible()
    expect(page.locator(".toast-success")).to_have_count(1)


def test_the_chosen_theme_is_there_before_any_script_runs(opened, chromium, product) -> None:
    page = opened(LIST)
    white = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.locator(".top-end .pop:nth-child(2) summary").click()
    page.locator("[data-theme-set=dark]").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    expect(page.locator("[data-theme-set=dark]")).to_have_attribute("aria-pressed", "true")
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert dark != white
    scriptless = chromium.new_context(
        storage_state=page.context.storage_state(), java_script_enabled=False, color_scheme="light"
    )
    again = scriptless.new_page()
    again.goto(page.url)
    expect(again.locator("html")).to_have_attribute("data-theme", "dark")
    expect(again.locator("body")).to_have_css("background-color", dark)
    scriptless.close()


def test_rows_are_chosen_one_by_one_between_and_all_at_once(opened) -> None:
    page = opened("/users/list/")
    boxes, every = page.locator("[name=rowid]"), page.locator("[data-check-all]")
    bulk = page.locator("#bulk")
    expect(bulk).to_be_hidden()
    boxes.nth(1).check()
    expect(bulk).to_contain_text("Chosen: 1")
    assert every.evaluate("box => box.indeterminate")
    boxes.nth(3).click(modifiers=["Shift"])
    expect(bulk).to_contain_text("Chosen: 3")
    every.check()
    expect(bulk).to_contain_text(f"Chosen: {boxes.count()}")
    every.uncheck()
    expect(bulk).to_be_hidden()
    page.keyboard.press("Control+Enter")  # nothing is chosen, so nothing is done
    boxes.nth(2).press("Enter")  # the browser would do the first deed
    expect(boxes.nth(2)).to_be_checked()
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.keyboard.press("Control+Enter")
    expect(bulk.locator("[aria-live]")).to_be_focused()
    bulk.get_by_role("button", name="Suspend").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Suspend and sign out everywhere?")
    dialog.get_by_role("button", name="Cancel").click()
    expect(boxes.nth(2)).to_be_checked()


def test_chosen_columns_stay_chosen(opened) -> None:
    page = opened(LIST)
    heads = page.locator("thead th")
    before = heads.all_inner_texts()
    page.locator(".pager summary").click()
    page.get_by_role("checkbox", name="Meter type").uncheck()
    page.locator(".pager .pop-body .btn").click()
    expect(heads).to_have_count(len(before) - 1)
    page.goto(page.url)
    assert heads.all_inner_texts() == [head for head in before if head != "Meter type"]


def test_a_lookup_searches_and_keeps_its_choice_after_an_error(opened) -> None:
    page = opened(FORM)
    until(page, look.SETTLED)
    field = page.locator("#region-ts-control")
    field.focus()
    expect(page.locator(".ts-dropdown .option").first).to_be_visible()
    field.press("Enter")  # marks nothing, so takes nothing
    expect(page.locator(".ts-control .item")).to_have_count(0)
    field.press("ArrowDown")
    expect(page.locator(".ts-dropdown .active")).to_have_count(1)
    field.press("Escape")
    expect(field).not_to_have_attribute("aria-activedescendant", re.compile("."))
    field.press_sequentially("North")
    expect(page.locator(".ts-dropdown .option")).to_have_text(["Northern Region, Meridia"])
    field.press("Enter")
    chosen = page.locator(".ts-control .item")
    expect(chosen).to_have_text("Northern Region, Meridia")
    told = re.compile("^Northern Region, Meridia")
    expect(field).to_have_accessible_description(told)
    page.locator(look.SAVE).click()
    page.locator("#errors").wait_for()
    until(page, look.SETTLED)
    expect(chosen).to_have_text("Northern Region")
    expect(page.locator("#errors li")).to_have_count(1)


def test_the_token_is_copied_whole_and_the_button_says_so(opened) -> None:
    page = opened("/counter/sale/1", permissions=["clipboard-read", "clipboard-write"])
    digits = page.locator(".token-digits").inner_text().replace(" ", "")
    page.locator("#copy").click()
    expect(page.locator("#copy")).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == digits


def test_where_the_browser_keeps_the_clipboard_shut_what_is_selected_is_copied(opened) -> None:
    page = opened("/counter/sale/1")
    page.evaluate("() => { navigator.clipboard.writeText = () => Promise.reject(new Error()); }")
    page.locator("#copy").click()
    expect(page.locator("#copy")).to_have_text("Copied")
    selected = page.evaluate("getSelection().toString()").replace(" ", "")
    assert selected == page.locator(".token-digits").inner_text().replace(" ", "")


def test_the_code_to_scan_is_a_drawing_with_a_name(opened) -> None:
    page = opened("/_parts/")
    code = page.get_by_role("img", name="Token as a code to scan")
    expect(code.locator("svg path")).not_to_have_count(0)
    box = code.locator("svg").bounding_box()
    assert box
    assert box["width"] == pytest.approx(box["height"])


def test_progress_follows_the_work_and_loads_the_result(opened) -> None:
    page = opened("/clock/")
    answers = [
        {"done": 8000, "total": 16000, "text": "half", "finished": False},
        {"done": 16000, "total": 16000, "text": "all", "finished": True},
    ]
    page.route("**/_parts/progress", lambda route: route.fulfill(json=answers[0]))
    page.goto(page.url.replace("/clock/", "/_parts/"))
    page.evaluate("window.firstTime = true")
    expect(page.locator("[data-progress-text]")).to_have_text("half")
    assert page.locator("[data-progress] progress").evaluate("bar => bar.value / bar.max") == 0.5
    answers.pop(0)
    until(page, "() => !window.firstTime")


# Arabic

GROUPS_OF_DIGITS = """(selector) => {
  const text = document.querySelector(selector);
  const walker = document.createTreeWalker(text, NodeFilter.SHOW_TEXT);
  const found = [];
  while (walker.nextNode()) {
    for (const { index } of walker.currentNode.data.matchAll(/\\d{4}/g)) {
      const range = document.createRange();
      range.setStart(walker.currentNode, index);
      range.setEnd(walker.currentNode, index + 4);
      found.push(range.getBoundingClientRect().x);
    }
  }
  return found;
}"""


@pytest.mark.parametrize("selector", [".token-digits", ".slip-token"])
def test_in_arabic_the_groups_of_a_token_run_from_left_to_right(opened, selector) -> None:
    places = opened("/counter/sale/1", WAYS["dark-arabic"]).evaluate(GROUPS_OF_DIGITS, selector)
    assert len(places) == 5
    assert places == sorted(places)


def test_in_arabic_the_menu_stands_on_the_right(opened) -> None:
    page = opened(LIST, WAYS["dark-arabic"])
    expect(page.locator("html")).to_have_attribute("dir", "rtl")
    menu, main = page.locator(".side").bounding_box(), page.locator("main").bounding_box()
    assert menu
    assert main
    assert menu["x"] >= main["x"] + main["width"]
    assert menu["x"] + menu["width"] == 1280


@pytest.mark.parametrize("language", ["en", "ar"])
def test_on_a_phone_the_price_and_the_button_stand_where_the_amount_is_typed(
    opened, language
) -> None:
    page = opened(COUNTER, Way(language=language, width=PHONE, height=740), is_mobile=True)
    page.locator("#received").fill("90")
    page.locator("#value").fill("250")  # two steps, a fee and a tax: four lines, and the change
    expect(page.locator("#quote .total")).to_have_count(3)
    bar = page.locator(".top").bounding_box()
    assert bar
    for part in (".who-again", "#value", "#received", "#quote .lines", "[data-sell]"):
        box = page.locator(part).bounding_box()
        assert box, part
        assert bar["height"] <= box["y"], part
        assert box["y"] + box["height"] <= 740, part


def test_a_phone_shows_all_of_a_long_meter_number_that_is_typed(opened) -> None:
    page = opened("/counter/", Way(width=PHONE), is_mobile=True)
    page.locator("#q").fill("0107100158925")
    assert page.locator("#q").evaluate("field => field.scrollWidth <= field.clientWidth")


@pytest.mark.parametrize(
    "path", ["/counter/?q=Mwangi", COUNTER, "/counter/sale/1", "/counter/open", LIST, FORM]
)
def test_arabic_holds_on_a_phone(opened, path) -> None:
    page = opened(path, Way(language="ar", width=PHONE))
    assert page.evaluate(look.WIDTH, PHONE) <= PHONE


# every page, each way


def test_each_scene_falls_to_one_walk_and_axe_looks_in_every_way(walks) -> None:
    for scene in SCENES:
        goes = [(n, at) for n, names in enumerate(WALKS) for at in range(len(names))
                if scene.falls_to(n, at)]  # fmt: skip
        assert len(goes) == (4 if scene.shell else 1), scene.name
    assert min(map(len, walks.values())) > len(SCENES) / 3
    assert {seen.scene.name for seen in every(walks)} == {scene.name for scene in SCENES}


@EACH_WAY
def test_every_page_answers_as_it_should(walks, way) -> None:
    assert told(walks, way, lambda seen: [
        f"{seen.answer.status}" for status in [seen.scene.status] if seen.answer.status != status
    ]) == ""  # fmt: skip


@EACH_WAY
def test_axe_finds_nothing_wrong_on_any_page(walks, way) -> None:
    assert told(walks, way, lambda seen: seen.violations) == ""


@EACH_WAY
def test_no_page_scrolls_sideways(walks, way) -> None:
    assert told(walks, way, lambda seen: [
        f"{wide} px wide on {screen}" for screen, wide in seen.widths.items() if wide > screen
    ]) == ""  # fmt: skip


@EACH_WAY
def test_nothing_is_cut_off_or_stands_out_of_its_card(walks, way) -> None:
    assert told(walks, way, lambda seen: seen.cut_off) == ""


@EACH_WAY
def test_nothing_is_cut_off_where_letters_are_half_as_large_again(walks, way) -> None:
    assert told(walks, way, lambda seen: seen.cut_off_enlarged) == ""


@EACH_WAY
def test_nothing_is_said_in_english_that_has_a_translation(walks, way) -> None:
    assert told(walks, way, lambda seen: seen.english) == ""


def test_every_group_meets_every_language_every_theme_and_every_width(walks) -> None:
    met = {(seen.reader, seen.language, way) for way in WAYS for seen in walks[way]}
    for reader in GROUPS:
        assert {language for who, language, _ in met if who == reader} == {*LANGUAGES}
        assert {way for who, _, way in met if who == reader} == {*WAYS}
    for language in LANGUAGES:
        ways = {way for _, spoken, way in met if spoken == language}
        assert {WAYS[way].theme for way in ways} == {"light", "dark"}
        assert {WAYS[way].width for way in ways} == {PHONE, 1280}


@EACH_WAY
def test_what_is_pressed_is_large_enough_for_a_finger(walks, way) -> None:
    assert told(walks, way, lambda seen: seen.small) == ""


@EACH_WAY
def test_the_console_stays_empty(walks, way) -> None:
    assert told(walks, way, lambda seen: seen.console) == ""


@EACH_WAY
def test_nothing_is_asked_of_another_host_nor_of_the_former_look(walks, way, product) -> None:
    def strange(url: str) -> bool:
        return not url.startswith((f"{product.address}/", "data:")) or bool(FORMER.search(url))

    assert told(walks, way, lambda seen: [*filter(strange, seen.asked)]) == ""


def test_the_policy_allows_no_script_or_style_in_a_page_and_none_stands_there(walks) -> None:
    for way in ("light", "dark-arabic"):
        assert told(walks, way, lambda seen: look.inline_parts(seen.answer.html)) == ""
    policies = {seen.answer.policy for seen in every(walks)}
    assert len(policies) == 1
    (policy,) = policies
    parts = dict(part.split(maxsplit=1) for part in policy.split("; "))
    assert parts["default-src"] == "'none'"
    assert parts["script-src"] == parts["style-src"] == parts["connect-src"] == "'self'"
    assert "unsafe" not in policy
    assert "nonce" not in policy


def test_the_walk_leaves_out_no_page_of_the_menu(walks) -> None:
    counter = next(seen for seen in every(walks) if seen.scene.name == "counter")
    menu = re.findall(r'<a class="side-link side-below" href="([^"?]+)', counter.answer.html)
    assert len(menu) > 10
    assert {*menu} - {scene.path.partition("?")[0] for scene in SCENES} == set()


# the matrix of permissions


def box_of(page: Page, cell: str) -> Locator:
    return page.locator(f'.matrix input[value="{cell}"]')


def test_boxes_of_the_matrix_bring_along_what_they_need_and_go_with_it(opened) -> None:
    page = opened("/roles/add")
    box_of(page, "Products.edit").press("Enter")  # the browser would save the form
    expect(box_of(page, "Products.see")).to_be_checked()
    expect(page.locator("[data-brought]")).to_contain_text("Products: See")
    expect(box_of(page, "Products.add")).not_to_be_checked()
    row = page.get_by_role("checkbox", name="Products: everything")
    assert row.evaluate("(head) => head.indeterminate")
    box_of(page, "Products.see").uncheck()
    expect(box_of(page, "Products.edit")).not_to_be_checked()
    row.check()
    for deed in ("see", "add", "edit", "delete"):
        expect(box_of(page, f"Products.{deed}")).to_be_checked()


def test_a_toggle_of_the_matrix_takes_a_menu_or_a_column(opened) -> None:
    page = opened("/roles/add")
    system = page.get_by_role("checkbox", name="System: everything")
    system.check()
    of_system = f'.matrix input[data-in~="{system.get_attribute("data-all")}"]'
    assert page.locator(of_system).count() > 40
    assert page.locator(f"{of_system}:not(:checked)").count() == 0
    expect(box_of(page, "Sales.see")).not_to_be_checked()
    system.uncheck()
    assert page.locator(".matrix input[name=permissions]:checked").count() == 0
    page.get_by_role("checkbox", name="Delete: on all screens").check()
    expect(box_of(page, "VendingPoints.delete")).to_be_checked()
    expect(box_of(page, "VendingPoints.see")).to_be_checked()
    expect(box_of(page, "VendingPoints.add")).not_to_be_checked()


@pytest.mark.parametrize("way", ["light", "phone"])
def test_the_matrix_without_scripts_is_plain_boxes(opened, way) -> None:
    page = opened("/roles/edit/4", WAYS[way], java_script_enabled=False)
    expect(box_of(page, "Sales.see")).to_be_checked()
    assert page.locator(".matrix .needs-script:visible").count() == 0
