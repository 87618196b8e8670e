"""Every screen in a real browser, and what is noted of each while walking through them.

A walk goes through all scenes one way: in one theme, language and width. What it notes
is judged by the tests; nothing is asserted here.
"""

import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    Playwright,
    Response,
    sync_playwright,
)

from config import ROOT

if TYPE_CHECKING:
    from tests.scenarios.conftest import Product

FLAGS: Final = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip

AXE: Final = ROOT / "assets" / "node_modules" / "axe-core" / "axe.min.js"
RULES: Final = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]

NARROW: Final = 320
"""Pixels; what WCAG 2.2, 1.4.10 "Reflow" asks to do without scrolling sideways."""
PHONE: Final = 360

NEWCOMER: Final = "operator2"
"""A user whose groups are taken away: may open nothing."""

SENT_BACK: Final = "the server responded with a status of"
"""How the browser's console repeats a status that the page itself is about."""


@dataclass(frozen=True)
class Way:
    """How a person looks at the product."""

    theme: str = "light"
    language: str = "en"
    width: int = 1280
    height: int = 800
    device: str = "light"


WAYS: Final = {
    "light": Way(),
    "dark-arabic": Way(theme="dark", language="ar"),
    "phone": Way(theme="auto", width=PHONE, height=740, device="dark"),
}


@dataclass(frozen=True)
class Scene:
    """A page in a state.

    Attributes:
        path: Where it is.
        who: Who looks at it; ``None`` is not signed in.
        act: What is done there before looking.
        part: The part of the page that is new; the rest was seen in another scene.
        status: What the server says of the page.
        shell: Whether axe looks at the side menu and the top bar, too; they are the same
            on every page.
    """

    name: str
    path: str
    who: str | None = "admin"
    act: Callable[[Page], object] | None = None
    part: str = ""
    status: int = 200
    shell: bool = False


def pressed(selector: str) -> Callable[[Page], object]:
    """Press something."""
    return lambda page: page.locator(selector).first.click()


def shown(selector: str, then: str) -> Callable[[Page], object]:
    """Press something and wait for what it opens."""

    def act(page: Page) -> None:
        page.locator(selector).first.click()
        page.locator(then).first.wait_for()

    return act


def typed(text: str, then: str) -> Callable[[Page], object]:
    """Type an amount at the counter and wait for what is said of it."""

    def act(page: Page) -> None:
        page.locator("#value").fill(text)
        page.locator(then).first.wait_for()

    return act


def sign_in_wrongly(page: Page) -> None:
    page.locator("#username").fill("nobody")
    page.locator("#password").fill("wrong")
    page.keyboard.press("Enter")
    page.locator(".toast").wait_for()


LISTS: Final = (
    "sales", "consumers", "meters", "regions", "products", "vending-points", "users", "roles",
)  # fmt: skip
FORMS: Final = ("products", "vending-points", "users")
SAVE: Final = "main form .card-foot .btn-primary"

SCENES: Final = (
    Scene("sign-in", "/login/", who=None),
    Scene("sign-in-refused", "/login/", who=None, act=sign_in_wrongly),
    Scene("nothing-here-outside", "/login/nothing-here", who=None, status=404),
    Scene("start", "/", who=NEWCOMER, shell=True),
    Scene("not-allowed", "/users/list/", who=NEWCOMER, status=403),
    Scene("not-found", "/nothing-here", status=404),
    Scene("counter", "/counter/", shell=True),
    Scene("counter-found", "/counter/?q=Mwangi"),
    Scene("counter-not-found", "/counter/?q=99999999999"),
    Scene("purchase", "/counter/meter/1"),
    Scene("purchase-priced", "/counter/meter/1", act=typed("50", "#quote .total"), part="main"),
    Scene("purchase-refused", "/counter/meter/1", act=typed("abc", "#quote [role=alert]"),
          part="main"),
    Scene("purchase-blocked", "/counter/meter/3"),
    Scene("sold", "/counter/sale/1"),
    Scene("pending", "/counter/sale/2"),
    Scene("failed", "/counter/sale/3"),
    Scene("given-back", "/counter/sale/4"),
    Scene("taken-back", "/counter/sale/5"),
    Scene("open", "/counter/open"),
    *(Scene(f"{name}-list", f"/{name}/list/?size=10") for name in LISTS),
    *(Scene(f"{name}-show", f"/{name}/show/1") for name in LISTS),
    *(Scene(f"{name}-add", f"/{name}/add") for name in FORMS),
    *(Scene(f"{name}-edit", f"/{name}/edit/1") for name in FORMS),
    *(Scene(f"{name}-errors", f"/{name}/add", act=shown(SAVE, "#errors"), part="main",
            status=422) for name in FORMS),
    Scene("list-nothing-fits", "/meters/list/?q=zzz"),
    Scene("list-narrowed", "/meters/list/?size=10&q=0&type=electricity", part="main"),
    Scene("list-filters", "/meters/list/?size=10", part=".finder",
          act=shown(".finder summary", ".filter-panel")),
    Scene("list-columns", "/meters/list/?size=10", part=".pager",
          act=shown(".pager summary", ".pager .pop-menu")),
    Scene("list-chosen", "/users/list/", part=".bulk", act=pressed("[name=rowid]")),
    Scene("list-confirm", "/products/list/", part="dialog",
          act=shown("[form=delete-row]", "dialog[open]")),
    Scene("profile", "/users/userinfo/"),
    Scene("name", "/userinfoeditview/form"),
    Scene("password", "/resetmypassword/form"),
    Scene("password-errors", "/resetmypassword/form", act=shown(SAVE, "#errors"), part="main",
          status=422),
    Scene("password-of-another", "/resetpassword/form?pk=2"),
    Scene("sessions", "/sessions/"),
    Scene("sign-out", "/logout/"),
    Scene("clock", "/clock/"),
    Scene("menu-languages", "/clock/", part=".top", act=pressed(".pop:nth-child(1) summary")),
    Scene("menu-appearance", "/clock/", part=".top", act=pressed(".pop:nth-child(2) summary")),
    Scene("menu-account", "/clock/", part=".top", act=pressed(".pop:nth-child(3) summary")),
    Scene("parts", "/_parts/"),
    Scene("parts-confirm", "/_parts/", part="dialog",
          act=shown("form[data-confirm] button", "dialog[open]")),
    Scene("parts-errors", "/_parts/", act=shown("#form .btn-primary", "#errors"), part="main",
          status=422),
)  # fmt: skip

DRAWER: Final = Scene("drawer", "/clock/", part=".side", act=shown(".top-burger", ".side"))
"""The side menu where there is no room for it."""

PICTURES: Final = {
    "login": "sign-in", "list": "meters-list", "form-errors": "vending-points-errors",
    "detail": "products-show", "counter": "purchase-priced", "sold": "sold", "error": "not-found",
}  # fmt: skip
"""The scenes kept as pictures, under the names they get."""

PICTURED: Final = {
    "light": Way(), "dark": Way(theme="dark"), "arabic": Way(language="ar"),
    "phone": Way(width=PHONE, height=740),
}  # fmt: skip


@dataclass
class Seen:
    """What was noted of a scene."""

    scene: Scene
    status: int
    html: str
    policy: str
    violations: list[str]
    widths: dict[int, int]
    small: list[str]
    console: list[str]
    asked: list[str]


@dataclass
class Watch:
    """What a page says and asks for, from one look to the next."""

    documents: list[Response] = field(default_factory=list)
    console: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def on(self, page: Page) -> None:
        page.on("console", self._said)
        page.on("pageerror", lambda error: self.console.append(f"error: {error}"))
        page.on("request", lambda request: self.asked.append(request.url))
        page.on("response", self._answered)

    def _said(self, message: ConsoleMessage) -> None:
        self.console.append(f"{message.type}: {message.text} ({message.location['url']})")

    def _answered(self, response: Response) -> None:
        if response.request.resource_type == "document":
            self.documents.append(response)


NOTE_VIOLATIONS_OF_THE_POLICY: Final = """
addEventListener('securitypolicyviolation', (event) => {
  console.error(`policy: ${event.violatedDirective} ${event.blockedURI} ${event.sample}`);
});
"""

SETTLED: Final = """() => [...document.querySelectorAll('select[data-lookup]')]
  .every((select) => select.tomselect)
  && [...document.querySelectorAll('[data-chart]')].every((chart) => chart.firstChild)"""

VIOLATIONS: Final = """async ([part, shell, rules]) => {
  const where = part || (shell ? document : { exclude: ['.side', '.top'] });
  const { violations } = await axe.run(where, {
    runOnly: rules, resultTypes: ['violations'], preload: false,
  });
  return violations.flatMap(({ id, help, nodes }) => nodes.map(
    ({ target, html }) => `${id}: ${help}: ${target.join(' ')}: ${html.slice(0, 200)}`));
}"""

WIDTH: Final = """() => new Promise((resolve) => {
  requestAnimationFrame(() => requestAnimationFrame(
    () => resolve(document.documentElement.scrollWidth)));
})"""

SMALL_TARGETS: Final = """([least, leastOfButtons]) => {
  const found = 'a[href], button, summary, select, input:not([type=hidden]), textarea';
  const inText = (e) => e.matches('a:not(.btn)') && getComputedStyle(e).display === 'inline';
  return [...document.querySelectorAll(found)]
    .filter((e) => e.checkVisibility({ visibilityProperty: true }) && !inText(e))
    .filter((e) => !e.matches('.skip-link, .ts-hidden-accessible'))
    .flatMap((e) => {
      const box = (e.closest('label, .ts-control') ?? e).getBoundingClientRect();
      const high = e.matches('.btn, button') ? leastOfButtons : least;
      const fits = box.width >= least - .1 && box.height >= high - .1;
      return fits ? [] : [`${e.outerHTML.slice(0, 120)} is ${box.width} x ${box.height}`];
    });
}"""


def walk(way: Way, product: "Product") -> list[Seen]:
    """Go through all scenes, in a browser of its own."""
    scenes = (*SCENES, DRAWER) if way.width == PHONE else SCENES
    with sync_playwright() as playwright, launched(playwright) as browser:
        pages = {who: page_for(browser, product, way, who) for who in (None, "admin", NEWCOMER)}
        watches = {who: Watch() for who in pages}
        for who, page in pages.items():
            watches[who].on(page)
        return [
            look(pages[scene.who], watches[scene.who], product.address, scene, way)
            for scene in scenes
        ]


def take_pictures(product: "Product", folder: Path) -> None:
    """Keep what the screens look like: what fits on the screen of each way."""
    scenes = {scene.name: scene for scene in SCENES}
    with sync_playwright() as playwright, launched(playwright) as browser:
        for way_name, way in PICTURED.items():
            for name, scene in ((name, scenes[scene]) for name, scene in PICTURES.items()):
                page = page_for(browser, product, way, scene.who)
                page.goto(product.address + scene.path)
                if scene.act:
                    scene.act(page)
                page.screenshot(path=folder / f"{name}-{way_name}.png")
                page.context.close()


@contextmanager
def launched(playwright: Playwright) -> Iterator[Browser]:
    browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
    yield browser
    browser.close()


def page_for(browser: Browser, product: "Product", way: Way, who: str | None = "admin") -> Page:
    """A page of somebody's browser: signed in, in the language and theme of the way."""
    page = new_context(browser, product, way).new_page()
    page.add_init_script(path=AXE)
    page.goto(f"{product.address}/lang/{way.language}")
    if who:
        sign_in(page, product, who)
    return page


def new_context(browser: Browser, product: "Product", way: Way, **options: Any) -> BrowserContext:
    context = browser.new_context(
        viewport={"width": way.width, "height": way.height},
        color_scheme=way.device, reduced_motion="reduce", **options,
    )  # fmt: skip
    context.add_cookies([{"name": "theme", "value": way.theme, "url": product.address}])
    context.set_default_timeout(10_000)
    context.add_init_script(NOTE_VIOLATIONS_OF_THE_POLICY)
    return context


def sign_in(page: Page, product: "Product", who: str) -> None:
    page.goto(f"{product.address}/login/")
    page.locator("#username").fill(who)
    page.locator("#password").fill(product.passwords()[who])
    page.keyboard.press("Enter")
    page.wait_for_url(lambda url: "/login" not in url)


def look(page: Page, watch: Watch, address: str, scene: Scene, way: Way) -> Seen:
    """Open a scene and note what there is to note."""
    for notes in (watch.documents, watch.console, watch.asked):
        notes.clear()
    page.goto(address + scene.path)
    page.wait_for_function(SETTLED)
    if scene.act:
        scene.act(page)
        page.wait_for_function(SETTLED)
    document = watch.documents[-1]
    seen = Seen(
        scene, document.status, document.text(),
        document.headers.get("content-security-policy", ""),
        violations=violations(page, scene.part, shell=scene.shell),
        widths={way.width: page.evaluate(WIDTH)},
        small=page.evaluate(SMALL_TARGETS, [24, 44 if way.width == PHONE else 24]),
        console=[said for said in watch.console if SENT_BACK not in said], asked=[*watch.asked],
    )  # fmt: skip
    if way.width == PHONE:
        page.set_viewport_size({"width": NARROW, "height": way.height})
        seen.widths[NARROW] = page.evaluate(WIDTH)
        page.set_viewport_size({"width": way.width, "height": way.height})
    return seen


def violations(page: Page, part: str = "", *, shell: bool = True) -> list[str]:
    """What axe finds."""
    found: list[str] = page.evaluate(VIOLATIONS, [part, shell, RULES])
    return found


def a_sale_of_each_kind(page: Page, product: "Product") -> None:
    """Sell once; the other sales are copies of it in the states a sale can be in.

    Sale 1 is sold, 2 being settled, 3 failed, 4 being settled with the money given back,
    5 taken back. Meter 3 is blocked, and the newcomer is in no group.
    """
    page.goto(f"{product.address}/counter/meter/1")
    if page.locator("#vending_point").count():
        page.locator("#vending_point").select_option(index=1)
    page.locator("#value").fill("50")
    page.locator("#quote .total").first.wait_for()
    page.locator("[data-sell]").click()
    page.wait_for_url("**/counter/sale/1")
    with closing(sqlite3.connect(product.instance / "vms.sqlite")) as database, database:
        database.row_factory = sqlite3.Row
        sold = dict(database.execute("SELECT * FROM sale").fetchone())
        for number, changes in enumerate(OTHER_STATES, start=2):
            row = sold | _of_its_own(number) | changes(sold["issued_at"])
            places = ", ".join(f":{name}" for name in row)
            database.execute(f"INSERT INTO sale ({', '.join(row)}) VALUES ({places})", row)
        database.execute("UPDATE meter SET state = 'blocked', blocked_reason = 'Seal' WHERE id = 3")
        database.execute(
            "DELETE FROM ab_user_role WHERE user_id ="
            " (SELECT id FROM ab_user WHERE username = ?)", (NEWCOMER,),
        )  # fmt: skip


def _of_its_own(number: int) -> dict[str, Any]:
    return {
        "id": number, "idempotency_key": f"look-{number}", "request_id": f"look-{number}",
        "issued_at": None, "receipt_series": None, "receipt_number": None,
    }  # fmt: skip


OTHER_STATES: Final[tuple[Callable[[str], dict[str, Any]], ...]] = (
    lambda now: {"state": "pending", "doubt_at": now},
    lambda now: {"state": "failed", "failed_at": now, "failure": "module_unavailable"},
    lambda now: {"state": "pending", "doubt_at": now, "sealed_at": now, "sealed_by_id": 1},
    lambda now: {"state": "reversed", "issued_at": now, "receipt_series": 99, "receipt_number": 5},
)


def inline_parts(html: str) -> list[str]:
    """Scripts, styles and handlers that stand in a page's own text."""
    scripts = re.findall(r"<script(?![^>]*\bsrc=)[^>]*>", html)
    styles = re.findall(r"<style[^>]*>|<[^>]+\sstyle=[^>]*>", html)
    handlers = re.findall(r"<[^>]+\son\w+=[^>]*>", html)
    return scripts + styles + handlers + re.findall(r"javascript:", html)
