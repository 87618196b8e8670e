"""Every screen in a real browser, and what is noted of each while walking through them.

A walk goes through all scenes one way: in one theme, language and width. What it notes
is judged by the tests; nothing is asserted here.
"""

import json
import re
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from shutil import which
from typing import TYPE_CHECKING, Any, Final
from zlib import crc32

from playwright.sync_api import (
    APIRequestContext,
    APIResponse,
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    Playwright,
    Response,
    ViewportSize,
    sync_playwright,
)

from config import ROOT
from tests.scenarios.campaigns_seen import PAUSED, PLANNED, add_campaigns
from tests.scenarios.imports_seen import APPLIED, EXPORTED, FAILED, FAULTY, add_imports
from tests.scenarios.keys_seen import (
    CHANGED,
    OFFER,
    OFFERED,
    TAKEN_BACK,
    change_looked_at,
    make_tokens,
)
from tests.scenarios.readers import GROUPS, LEFT_TO_RIGHT, RIGHT_TO_LEFT, SAID, Turns, english_of
from tests.scenarios.reports_seen import SENT, TRIED, add_reports
from tests.scenarios.revenue_seen import TAKEN, add_findings
from tests.scenarios.waiting import until
from vmsapp.services.approvals.deed import Deed
from vmsapp.services.delivery.sweep import NoAnswer
from vmsapp.services.floats import PAY_IN, Movement
from vmsapp.services.mail import MailRefused
from vmsapp.services.problems import problem_of
from vmsapp.services.sign_in import NO_PASSWORD
from vmsapp.services.vending.give_back import GIVE_BACK, GiveBack

if TYPE_CHECKING:
    from tests.scenarios.conftest import Product

CHROMIUM: Final = which("chromium-headless-shell") or "/usr/bin/chromium"
"""Of Debian; the first is the same without windows, and takes two thirds of the time."""
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
KIOSK: Final = 7
"""Id of a program's account, which the demonstration has none of."""
BEGINNER: Final = 8
"""Somebody who is given one-time codes, and so has no password for long."""

"""A user whose groups are taken away: may open nothing."""

SENT_BACK: Final = "the server responded with a status of"
"""How the console repeats a refusal: of the page itself, or of a price asked for."""


@dataclass(frozen=True)
class Way:
    """How a person looks at the product."""

    theme: str = "light"
    language: str = "en"
    width: int = 1280
    height: int = 800

    @property
    def widths(self) -> tuple[int, ...]:
        """The widths at which nothing may stand out; the own one last."""
        return (NARROW, PHONE) if self.width == PHONE else (self.width,)


WAYS: Final = {
    "light": Way(),
    "phone": Way(theme="dark", width=PHONE, height=740),
    "dark-arabic": Way(theme="dark", language="ar"),
    "phone-arabic": Way(language="ar", width=PHONE, height=740),
}
"""Of themes, directions and widths every two stand together once."""

CSRF: Final = re.compile('name="csrf_token"[^>]* value="([^"]+)"')
PASSWORDS: dict[str, str] = {}
"""Of who has signed in, for pages that ask once more."""

WALKS: Final = (("light", "phone"), ("dark-arabic", "phone-arabic"))
"""Ways that differ in theme and width alone are looked at on one and the same page."""


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

    def falls_to(self, walk: int, at: int | None = None) -> bool:
        """Tell whether a walk goes by, and whether axe looks in its way ``at``.

        Each scene falls to one walk, and there axe to one way; the name decides, so that another
        scene in the list changes nothing. Those with the shell fall to all.
        """
        turn = crc32(self.name.encode())
        mine = turn % len(WALKS) == walk and (at is None or turn // 2 % 2 == at)
        return self.shell or mine


def pressed(selector: str) -> Callable[[Page], object]:
    """Press something."""
    return lambda page: page.locator(selector).first.click()


def shown(selector: str, then: str) -> Callable[[Page], object]:
    """Press something and wait for what it opens."""

    def act(page: Page) -> None:
        page.locator(selector).first.click()
        page.locator(then).first.wait_for()

    return act


def meters_chosen(deed: str, *, sure: bool = False) -> Callable[[Page], object]:
    """Choose meters in their list and a deed on them; say yes where that is meant."""

    def act(page: Page) -> None:
        for row in range(2):
            page.locator("[name=rowid]").nth(row).check()
        page.locator(f".bulk button[value={deed}]").click()
        page.locator("[name=sure]").wait_for(state="attached")
        if sure:
            page.locator("main form .btn-primary").click()
            page.locator("main .note-warn").wait_for()

    return act


def confirmed(deed: str, then: str) -> Callable[[Page], object]:
    """Press a deed on a record, say yes to the question, and wait for what comes."""

    def act(page: Page) -> None:
        page.locator(f"form[action*='/action/{deed}/'] button").click()
        page.locator("dialog[open] button[value=yes]").click()
        page.locator(then).first.wait_for()

    return act


def typed(text: str, then: str) -> Callable[[Page], object]:
    """Type an amount at the counter and wait for what is said of it."""

    def act(page: Page) -> None:
        page.locator("#value").fill(text)
        page.locator(then).first.wait_for()

    return act


def opened_by(keys: str) -> Callable[[Page], object]:
    """Open a window over the page by a key, outside of fields."""

    def act(page: Page) -> None:
        page.locator("main").focus()
        page.keyboard.press(keys)
        page.locator("dialog[open] :is(a, input)").first.wait_for()

    return act


def scrolled_up(page: Page) -> None:
    """Leave nothing half under the bar."""
    page.evaluate("scrollTo(0, 0)")


def parts_refused(page: Page) -> None:
    """Send the form of the parts as it is; below its errors others stand half under the bar."""
    shown("#form .btn-primary", "#errors")(page)
    scrolled_up(page)


def slip_entered(page: Page, then: str = "#again-error") -> None:
    """Pay the money of a slip in; entered once more it asks for a tick."""
    page.locator("#amount").fill("20")
    page.locator("#reference").fill("SLIP 20")
    page.locator(SAVE).click()
    page.locator(then).first.wait_for()


def token_looked_at(page: Page) -> None:
    """Fill in a token without money, and look at it before anybody is asked."""
    if page.locator("#point option[value='']").count():
        page.locator("#point").select_option(index=1)
    page.locator("#reason").select_option("compensation-outage")
    page.locator("#amount").fill("20")
    page.locator(SAVE).click()
    page.locator("#look").wait_for()


def tried_in_vain(page: Page) -> None:
    """Test the connection to a module where none may be."""
    for field, text in (("host", "127.0.0.1"), ("port", "9"), ("client", "web-1")):
        page.locator(f"#{field}").fill(text)
    page.locator("#secret").fill("of no module at all")
    page.locator(SAVE).click()
    page.locator("#test").wait_for()


def levy_added(page: Page) -> None:
    """Unfold the levies of a plan and add two, of which the second may be of the first."""
    page.locator("[data-plan-parts] > details:nth-of-type(2) summary").click()
    for row in range(2):
        page.locator("#levies-add").click()
        page.locator(f"#levies-{row}-name:focus").wait_for()
    page.evaluate("scrollTo(0, 0)")  # nothing lies half under the bar


def settled_without_words(page: Page) -> None:
    """Send the form of a finding with blanks, which the browser lets pass."""
    page.locator("#note").fill("  ")
    page.locator("main form .btn-primary").click()
    page.locator("[role=alert]").wait_for()


def booked_in_vain(page: Page) -> None:
    """Book tokens of which the module's journal knows nothing."""
    page.locator("#vending_point-ts-control").fill("a")
    page.locator(".ts-dropdown [data-selectable]").first.click()
    page.locator("#note").fill("receipt seen")
    page.locator(SAVE).click()
    page.locator("#errors").wait_for()


def token_looked_up(page: Page, meter: str, then: str) -> None:
    """Look digits up that no key reads."""
    page.locator("#digits").fill("1000 0000 0000 0000 0000")
    page.locator("#number").fill(meter)
    page.locator("main form .btn-primary").click()
    page.locator(then).first.wait_for()


def training_begun(page: Page) -> None:
    """Begin with a training meter, and have it answer; on a later walk it is there already."""
    if page.locator("[name=ea]").count():
        page.locator("main form .btn-primary").click()
    page.locator("form:has([value=key_change]) button").click()
    page.locator("#offered .token-digits").first.wait_for()
    page.locator("#typed").fill("1" * 20)
    page.locator("[data-press=enter]").click()
    page.locator(".lcd-word:not(:empty)").wait_for()
    page.evaluate("scrollTo(0, 0)")  # nothing lies half under the bar


def second_factor_begun(page: Page) -> None:
    """Say the password again and wait for the new key; on a later walk it is there already."""
    if page.locator("#password-begin").count():
        page.locator("#password-begin").fill(PASSWORDS["admin"])
        page.locator("main form button").first.click()
    page.locator(".qr").first.wait_for()


def sign_in_wrongly(page: Page) -> None:
    page.locator("#username").fill("nobody")
    page.locator("#password").fill("wrong")
    page.keyboard.press("Enter")
    page.locator(".note").wait_for()


LISTS: Final = (
    "sales", "consumers", "meters", "regions", "products", "vending-points", "tariffs", "users",
    "roles",
)  # fmt: skip
FORMS: Final = (
    "consumers", "meters", "regions", "products", "vending-points", "tariffs", "users", "roles",
)  # fmt: skip
EDITED: Final = {"roles": 4}
"""Which record of a list is edited, if not the first; the administrators' group stays."""
SAVE: Final = "main form .card-foot .btn-primary"

SCENES: Final = (
    Scene("sign-in", "/login/", who=None),
    Scene("sign-in-refused", "/login/", who=None, act=sign_in_wrongly, status=422),
    Scene("nothing-here-outside", "/login/nothing-here", who=None, status=404),
    Scene("start", "/", who=NEWCOMER, shell=True),
    Scene("palette", "/palette/?q=mwangi"),
    Scene("palette-open", "/palette/", act=opened_by("Control+k"), part="#palette"),
    Scene("keys", "/shortcuts/"),
    Scene("keys-open", "/counter/", act=opened_by("?"), part="#keys"),
    Scene("helps", "/hints/"),
    Scene("not-allowed", "/users/list/", who=NEWCOMER, status=403),
    Scene("not-found", "/nothing-here", status=404),
    Scene("counter", "/counter/", shell=True),
    Scene("counter-found", "/counter/?q=Mwangi"),
    Scene("counter-not-found", "/counter/?q=nobody"),
    Scene("counter-wrong-digit", "/counter/?q=99999999999"),
    Scene("purchase", "/counter/meter/1"),
    Scene("purchase-priced", "/counter/meter/1", act=typed("50", "#quote .total"), part="main"),
    Scene("purchase-refused", "/counter/meter/1", act=typed("abc", "#quote .field-error"),
          part="main"),
    Scene("purchase-change", "/counter/meter/1?key=1-look&mode=quantity&value=50&received=20"),
    Scene("purchase-blocked", "/counter/meter/3"),
    Scene("sold", "/counter/sale/1"),
    Scene("receipt-preview", "/counter/receipts/1/preview"),
    Scene("receipt-arabic", "/counter/receipts/1/preview?language=ar", part=".slip-place"),
    Scene("receipt-printed", "/counter/receipts/1/preview", act=shown("#print-it", "#next")),
    Scene("last-sales", "/counter/receipts/last"),
    Scene("sent", "/counter/sale/1", part="main"),
    Scene("consumer-new-address", "/consumers/show/1"),
    Scene("pending", "/counter/sale/2"),
    Scene("failed", "/counter/sale/3"),
    Scene("given-back", "/counter/sale/4"),
    Scene("taken-back", "/counter/sale/5"),
    Scene("pending-asked", "/counter/sale/6"),
    Scene("why-quote", "/counter/meter/1/why?mode=quantity&value=250&shown=1"),
    Scene("why-sale", "/counter/sale/1/why"),
    Scene("why-failed", "/sales/why/3"),
    Scene("reverse", "/sales/1/reverse"),
    Scene("reverse-errors", "/sales/1/reverse", part="main",
          act=shown("main form .btn-primary", "#errors"), status=422),
    Scene("free-token", "/counter/free/1"),
    Scene("free-token-looked", "/counter/free/1", act=token_looked_at, part="main"),
    Scene("free-token-errors", "/counter/free/1", part="main", act=shown(SAVE, "#errors"),
          status=422),
    Scene("debts-none", "/consumers/1/debts", part="main"),
    Scene("debts", "/consumers/2/debts"),
    Scene("debt-add", "/consumers/1/debts/add"),
    Scene("debt-add-errors", "/consumers/1/debts/add", part="main", act=shown(SAVE, "#errors"),
          status=422),
    Scene("debt-write-off", "/consumers/2/debts/1/write-off"),
    Scene("open", "/counter/open"),
    *(Scene(f"{name}-list", f"/{name}/list/?size=10") for name in LISTS if name != "consumers"),
    Scene("consumers-list", "/consumers/list/?q=C000019"),
    *(Scene(f"{name}-show", f"/{name}/show/1") for name in LISTS),
    *(Scene(f"{name}-add", f"/{name}/add") for name in FORMS),
    *(Scene(f"{name}-edit", f"/{name}/edit/{EDITED.get(name, 1)}") for name in FORMS),
    *(Scene(f"{name}-errors", f"/{name}/add", act=shown(SAVE, "#errors"), part="main",
            status=422) for name in FORMS),
    Scene("meter-unbound", "/meters/show/200"),
    Scene("meter-blocked", "/meters/show/3"),
    Scene("meter-edit-whole", "/meters/edit/200"),
    Scene("meter-block", "/meters/5/block"),
    Scene("meter-block-errors", "/meters/5/block", act=shown(SAVE, "#errors"), part="main",
          status=422),
    Scene("meter-unbind", "/meters/5/unbind"),
    Scene("meter-swap-find", "/meters/5/swap"),
    Scene("meter-swap", "/meters/5/swap?by=200"),
    Scene("meter-bind-find", "/meters/200/bind?q=Mwangi"),
    Scene("meter-bind", "/meters/200/bind?consumer=5"),
    Scene("meters-bind-to", "/meters/bind-to/5", act=pressed("[name=rowid]")),
    Scene("meters-bind-to-none", "/meters/bind-to/5?q=999"),
    Scene("meter-correct", "/meters/1/correct"),
    Scene("engineering-list", "/engineering/list/?size=10"),
    Scene("engineering-find", "/engineering/find?q=mwangi"),
    Scene("engineering-cards", "/engineering/meter/1"),
    Scene("engineering-make", "/engineering/meter/1/power_limit"),
    Scene("engineering-balance", "/engineering/meter/1/clear_credit", part="main"),
    Scene("engineering-errors", "/engineering/meter/1/extended", act=shown(SAVE, "#errors"),
          part="main", status=422),
    Scene("engineering-refusals-list", "/engineering-refusals/list/?size=10"),
    Scene("sales-tokens", "/sales-tokens/list/?size=10"),
    Scene("key-change-tokens", "/key-change-tokens/list/?size=10"),
    Scene("inactive-consumers", "/inactive-consumers/list/?size=10&ever=no"),
    Scene("revenue-rules", "/revenue-protection/"),
    Scene("revenue-rule", "/revenue-protection/rule/dropped", part="main"),
    Scene("revenue-findings", "/revenue-findings/list/?size=10"),
    Scene("revenue-finding", f"/revenue-findings/show/{TAKEN}"),
    Scene("revenue-finding-of-somebody", f"/revenue-findings/show/{TAKEN + 2}", part="main"),
    Scene("revenue-decide-errors", f"/revenue-findings/{TAKEN}/decide",
          act=shown(SAVE, "#errors"), part="main", status=422),
    Scene("plan-simulate", "/tariffs/1/plans/1/simulate"),
    Scene("plan-simulated", f"/tariffs/1/simulations/{TRIED}"),
    Scene("purchase-statistics", "/reports/purchases/?period=this_month"),
    Scene("purchase-statistics-none", "/reports/purchases/?from=2001-01-01&to=2001-01-31",
          part="main"),
    Scene("purchase-records", "/purchase-records/list/?size=10&consumer=1"),
    Scene("purchase-statement", "/purchase-records/statement/1"),
    Scene("campaigns", "/campaigns/list/?size=10"),
    Scene("campaign-plan", "/campaigns/new"),
    Scene("campaign-plan-errors", "/campaigns/new", act=shown(SAVE, "#errors"), part="main",
          status=422),
    Scene("reports", "/reports/"),
    Scene("saved-reports", "/reports/saved/"),
    Scene("report-schedule", f"/reports/schedules/show/{SENT}"),
    Scene("report-schedule-errors", f"/reports/schedules/show/{SENT}", part="main", status=422,
          act=shown("form[action*='/recipients/'] .btn:not(.btn-small)", "#errors")),
    Scene("report-schedule-plan", f"/reports/schedules/plan/{SENT}", part="main"),
    Scene("tax-report", "/reports/taxes/?period=this_year"),
    Scene("step-report", "/reports/steps/?period=this_year", part="main"),
    Scene("cash-report", "/reports/cash/?period=this_year", part="main"),
    Scene("float-report", "/reports/floats/?period=this_year", part="main"),
    Scene("copies-and-reversals", "/reports/copies-and-reversals/?period=this_year", part="main"),
    Scene("free-report", "/reports/free-tokens/?period=this_year", part="main"),
    Scene("key-expiry", "/reports/key-expiry/", part="main"),
    Scene("sales-report", "/reports/sales/?period=this_month"),
    Scene("sales-report-points", "/reports/sales/?period=this_month&by=vending_point", part="main"),
    Scene("sales-report-none", "/reports/sales/?from=2001-01-01&to=2001-01-31", part="main"),
    Scene("sales-report-refused", "/reports/sales/?from=2001-02-01&to=2001-01-31", part="main",
          status=422),
    Scene("campaign-planned", f"/campaigns/show/{PLANNED}"),
    Scene("campaign-plan-again", f"/campaigns/{PLANNED}/plan", part="main"),
    Scene("campaign-paused", f"/campaigns/show/{PAUSED}"),
    Scene("campaign-stop", f"/campaigns/{PAUSED}/stop"),
    Scene("campaign-stop-errors", f"/campaigns/{PAUSED}/stop", part="main", status=422,
          act=shown("main form .btn-danger", "#errors")),
    Scene("campaign-sheets", f"/campaigns/{PAUSED}/sheets"),
    Scene("campaign-sheet-preview", f"/campaigns/{PAUSED}/sheets/preview?size=10"),
    Scene("campaign-meters", f"/campaign-meters/list/?campaign={PAUSED}"),
    Scene("campaign-left-out", f"/campaign-left-out/list/?campaign={PAUSED}"),
    Scene("test-tokens-list", "/test-tokens/list/?size=10"),
    Scene("test-tokens-make", "/test-tokens/make"),
    Scene("engineering-token", "/engineering/show/1"),
    Scene("engineering-slip", "/engineering/1/preview"),
    Scene("engineering-slip-arabic", "/engineering/1/preview?language=ar", part=".slip-place"),
    Scene("engineering-slip-printed", "/engineering/1/preview", act=shown("#confirm", "#next")),
    Scene("test-tokens-card", "/test-tokens/card/1"),
    Scene("meter-key", "/meters/1/key"),
    Scene("meter-key-change", "/meters/1/key/change"),
    Scene("meter-key-change-looked", "/meters/1/key/change", act=change_looked_at, part="main"),
    Scene("meter-key-open", f"/meters/{CHANGED}/key"),
    Scene("meter-key-slip", f"/meters/{CHANGED}/key/1/slip"),
    Scene("meter-key-slip-arabic", f"/meters/{CHANGED}/key/1/slip?language=ar",
          part=".slip-place"),
    Scene("meter-key-slip-printed", f"/meters/{CHANGED}/key/1/slip",
          act=shown("#confirm", "#next")),
    Scene("meter-key-confirm", f"/meters/{CHANGED}/key/confirm"),
    Scene("meter-key-refuse", f"/meters/{CHANGED}/key/refuse"),
    Scene("meter-key-taken-back", f"/meters/{TAKEN_BACK}/key"),
    Scene("meter-key-confirm-back", f"/meters/{TAKEN_BACK}/key/confirm", part="main",
          act=shown(SAVE, "#errors"), status=422),
    Scene("meter-key-offer", f"/meters/{OFFERED}/key"),
    Scene("meter-offer", f"/meters/show/{OFFERED}"),
    Scene("purchase-offer", f"/counter/meter/{OFFERED}", act=scrolled_up),
    Scene("purchase-key-change", f"/counter/meter/{CHANGED}"),
    Scene("meter-key-change-errors", "/meters/1/key/change", act=shown(SAVE, "#errors"),
          part="main", status=422),
    Scene("meters-chosen", "/meters/list/?size=10", part=".bulk", act=pressed("[name=rowid]")),
    Scene("meters-many", "/meters/list/?size=10", act=meters_chosen("block")),
    Scene("meters-many-tariff", "/meters/list/?size=10", act=meters_chosen("tariff"), part="main"),
    Scene("meters-many-kept", "/meters/list/?q=07&size=10&state=active", part="main",
          act=meters_chosen("retire", sure=True)),
    Scene("meters-of-consumer", "/meters/list/?consumer=1", part="main"),
    Scene("consumer-for-meter", "/consumers/add?meter=200"),
    Scene("tariff-retire", "/tariffs/retire/1"),
    Scene("plan", "/tariffs/2/plans/2"),
    Scene("plan-used", "/tariffs/1/plans/1"),
    Scene("plan-new", "/tariffs/2/plans/new"),
    Scene("plan-rows", "/tariffs/2/plans/new", part="main",
          act=shown("#penalties-add", "#penalties-0-high")),
    Scene("plan-levies", "/tariffs/2/plans/new", part="main", act=levy_added),
    Scene("plan-errors", "/tariffs/2/plans/new", act=shown(SAVE, "#errors"), part="main",
          status=422),
    Scene("plan-copy", "/tariffs/2/plans/2/copy"),
    Scene("plan-import", "/tariffs/2/plans/import"),
    Scene("plan-import-errors", "/tariffs/2/plans/import", act=shown(SAVE, "#errors"),
          part="main", status=422),
    Scene("consumers-id-search", "/consumers/list/?q=C000019", part=".finder-more",
          act=shown(".finder-more summary", ".finder-more .pop-menu")),
    Scene("consumers-anonymise", "/consumers/anonymise/1"),
    Scene("consumers-anonymise-errors", "/consumers/anonymise/1", part="main", status=422,
          act=shown("main form .btn-danger", "#errors")),
    Scene("imports", "/imports/list/"),
    Scene("import-new", "/imports/new/consumers"),
    Scene("import-new-errors", "/imports/new/consumers", part="main", status=422,
          act=shown("main form .card-foot .btn-primary", "#errors")),
    Scene("import-new-figures", "/imports/new/opening-figures"),
    Scene("import-faulty", f"/imports/show/{FAULTY}"),
    Scene("import-applied", f"/imports/show/{APPLIED}"),
    Scene("import-stopped", f"/imports/show/{FAILED}"),
    Scene("import-for-consumer", "/imports/new/meters?consumer=1"),
    Scene("jobs", "/jobs/list/"),
    Scene("job-import", f"/jobs/show/{APPLIED}"),
    Scene("job-failed", f"/jobs/show/{FAILED}"),
    Scene("job-export", f"/jobs/show/{EXPORTED}"),
    Scene("regions-tree", "/regions/?at=2"),
    Scene("regions-found", "/regions/?q=north"),
    Scene("regions-move", "/regions/move/3"),
    Scene("regions-merge", "/regions/merge/3?to=2"),
    Scene("vending-point-close", "/vending-points/close/1"),
    Scene("list-nothing-fits", "/meters/list/?q=zzz"),
    Scene("list-narrowed", "/meters/list/?size=10&q=0&type=electricity", part="main"),
    Scene("list-filters", "/meters/list/?size=10", part=".finder",
          act=shown(".finder summary", ".filter-panel")),
    Scene("list-columns", "/consumers/list/?q=C000019", part=".pager",
          act=shown(".pager summary", ".pager .pop-menu")),
    Scene("list-chosen", "/users/list/", part=".bulk", act=pressed("[name=rowid]")),
    Scene("list-confirm", "/products/list/", part="dialog",
          act=shown("[form=delete-row]", "dialog[open]")),
    Scene("help", "/help/"),
    Scene("help-found", "/help/?q=take+back", part="main"),
    Scene("help-not-found", "/help/?q=xyzzy", part="main"),
    Scene("help-chapter", "/help/counter"),
    Scene("help-whole", "/help/whole", part="main"),
    Scene("help-outside", "/help/signing-in", who=None),
    Scene("profile", "/users/userinfo/"),
    Scene("name", "/userinfoeditview/form"),
    Scene("password", "/resetmypassword/form"),
    Scene("password-errors", "/resetmypassword/form", act=shown(SAVE, "#errors"), part="main"),
    Scene("code-given", f"/users/show/{BEGINNER}", act=confirmed("give_code", ".digits")),
    Scene("bearers-none", "/users/6/bearers", part="main"),
    Scene("bearers", f"/users/{KIOSK}/bearers"),
    Scene("bearer-new", f"/users/{KIOSK}/bearers/make"),
    Scene("bearer-errors", f"/users/{KIOSK}/bearers/make", part="main", act=shown(SAVE, "#errors"),
          status=422),
    Scene("second-factor-off", "/second-factor/"),
    Scene("second-factor-new", "/second-factor/", act=second_factor_begun),
    Scene("code-typed", "/login/code", who=None, act=shown("form .btn-primary", "#errors")),
    Scene("sessions", "/sessions/"),
    Scene("sign-out", "/logout/"),
    Scene("try-price", "/try-a-price/"),
    Scene("try-price-beside", "/try-a-price/?plan=1&beside=2&value=250&before=60", part="main"),
    Scene("try-price-errors", "/try-a-price/?value=0&before=-1", part="main", status=422),
    Scene("token-desk", "/token-desk/"),
    Scene("token-desk-answer", "/token-desk/", part="main",
          act=lambda page: token_looked_up(page, "", ".verdict")),
    Scene("token-desk-errors", "/token-desk/", part="main", status=422,
          act=lambda page: token_looked_up(page, "1", "#number-error")),
    Scene("training-begin", "/training/"),
    Scene("training", "/training/", act=training_begun, part="main"),
    Scene("clock", "/clock/"),
    Scene("audit", "/audit/list/"),
    Scene("audit-show", "/audit/show/1"),
    Scene("journal", "/journal/list/"),
    Scene("journal-show", "/journal/show/1"),
    Scene("journal-refused", "/journal/show/1", act=settled_without_words, part="main",
          status=422),
    Scene("restored", "/restored/list/"),
    Scene("restored-book", "/restored/book?rowid=2&rowid=3"),
    Scene("restored-book-errors", "/restored/book?rowid=2", act=shown(SAVE, "#errors"),
          part="main", status=422),
    Scene("restored-book-refused", "/restored/book?rowid=2&rowid=3", act=booked_in_vain,
          part="main", status=409),
    Scene("licence", "/licence/"),
    Scene("licence-errors", "/licence/", act=shown(SAVE, "#errors"), part="main", status=422),
    Scene("licence-give-up", "/licence/give-up"),
    Scene("licence-give-up-errors", "/licence/give-up", part="main", status=422,
          act=shown("main form .btn-danger", "#errors")),
    Scene("modules", "/modules/list/"),
    Scene("module", "/modules/show/1"),
    Scene("module-tested", "/modules/show/1", act=shown("form[action*='/test/'] button", ".toast"),
          part="main"),
    Scene("module-add", "/modules/add"),
    Scene("module-add-errors", "/modules/add", part="main", act=shown(SAVE, "#errors"), status=422),
    Scene("module-add-failed", "/modules/add", part="main", act=tried_in_vain),
    Scene("module-rename", "/modules/rename/1"),
    Scene("module-retire", "/modules/retire/1"),
    Scene("module-assign", "/modules/1/assign/sts6"),
    Scene("module-key-file", "/modules/import/1"),
    Scene("module-key-file-errors", "/modules/import/1", part="main", act=shown(SAVE, "#errors"),
          status=422),
    Scene("module-remove-key", "/modules/1/remove/1"),
    Scene("dashboard", "/dashboard/"),
    Scene("first-steps", "/first-steps/"),
    Scene("setup", "/setup/"),
    *(Scene(f"setup-{name}", f"/setup/change/{name}")
      for name in ("utility", "currency", "shifts", "limits", "putting_right", "free_tokens",
                   "mail")),
    Scene("setup-errors", "/setup/change/utility", act=shown(SAVE, "#errors"), part="main",
          status=422),
    Scene("shifts", "/shifts/list/"),
    Scene("shift-open", "/shifts/open"),
    Scene("shift-open-errors", "/shifts/open", part="main", act=shown(SAVE, "#errors"),
          status=422),
    Scene("proof", "/proof/list/"),
    Scene("floats", "/floats/list/"),
    Scene("float", "/floats/show/1"),
    Scene("float-nothing-moved", "/floats/show/1?day_from=2001-01-01&day_to=2001-01-02"),
    Scene("pay-in", "/floats/1/pay-in"),
    Scene("pay-in-errors", "/floats/1/pay-in", part="main", act=shown(SAVE, "#errors"),
          status=422),
    Scene("pay-in-again", "/floats/1/pay-in", act=slip_entered, part="main", status=409),
    Scene("terms", "/floats/1/terms"),
    Scene("approvals", "/approvals/list/?box=waiting"),
    Scene("request", "/approvals/show/1"),
    Scene("request-confirm", "/approvals/show/1", part="dialog",
          act=shown(".deeds [data-confirm]", "dialog[open]")),
    Scene("second-person", "/second-person/"),
    Scene("second-person-rule", "/second-person/float.pay_in"),
    Scene("menu-languages", "/clock/", part=".top", act=pressed(".pop:nth-child(1) summary")),
    Scene("menu-appearance", "/clock/", part=".top", act=pressed(".pop:nth-child(2) summary")),
    Scene("menu-account", "/clock/", part=".top", act=pressed(".pop:nth-child(3) summary")),
    Scene("parts", "/_parts/"),
    Scene("parts-confirm", "/_parts/", part="dialog",
          act=shown("form[data-confirm] button", "dialog[open]")),
    Scene("parts-errors", "/_parts/", act=parts_refused, part="main", status=422),
)  # fmt: skip

PICTURES: Final = {
    "login": "sign-in", "list": "meters-list", "form-errors": "vending-points-errors",
    "detail": "products-show", "counter": "purchase-priced", "sold": "sold", "error": "not-found",
    "today": "dashboard", "report": "sales-report", "tariff": "plan",
}  # fmt: skip
"""The scenes kept as pictures, under the names they get."""

PICTURED: Final = {
    "light": Way(), "dark": Way(theme="dark"), "arabic": Way(language="ar"),
    "phone": Way(width=PHONE, height=740),
}  # fmt: skip


@dataclass(frozen=True)
class Answer:
    """What the server said."""

    status: int
    html: str
    policy: str


@dataclass(frozen=True)
class Seen:
    """What was noted of a scene, looked at one way."""

    scene: Scene
    reader: str | None
    """Who looked at it; ``None`` is not signed in."""
    language: str
    answer: Answer
    widths: dict[int, int]
    violations: list[str]
    cut_off: list[str]
    cut_off_enlarged: list[str]
    """What does not fit when letters are half as large again."""
    small: list[str]
    english: list[str]
    """Texts that are said in English though there is a translation."""
    console: list[str]
    asked: list[str]


class Watch:
    """What a page says and asks for while a scene is on."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.documents: list[Response] = []
        self.said: list[tuple[str, str]] = []
        self.asked: list[str] = []
        page.on("console", self._said)
        page.on("pageerror", lambda error: self.said.append((f"error: {error}", "")))
        page.on("request", lambda request: self.asked.append(request.url))
        page.on("response", self._answered)

    def forget(self) -> None:
        for notes in (self.documents, self.said, self.asked):
            notes.clear()

    def answer(self) -> Answer:
        """The last page there was."""
        last = self.documents[-1]
        return Answer(last.status, last.text(), last.headers.get("content-security-policy", ""))

    def console(self) -> list[str]:
        """What the console says beyond the refusals the scene is about."""
        own = {document.url for document in self.documents}
        return [
            f"{text} ({url})" for text, url in self.said
            if not (SENT_BACK in text and (url in own or "/quote?" in url))
        ]  # fmt: skip

    def _said(self, message: ConsoleMessage) -> None:
        self.said.append((f"{message.type}: {message.text}", message.location["url"]))

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
"""Whether the parts that are fetched later are there."""

TURN_TO: Final = "(theme) => { document.documentElement.dataset.theme = theme; }"

VIOLATIONS: Final = """async ([part, shell, rules]) => {
  const where = part || (shell ? document : { exclude: ['.side', '.top'] });
  const { violations } = await axe.run(where, {
    runOnly: rules, resultTypes: ['violations'], preload: false,
  });
  return violations.flatMap(({ id, help, nodes }) => nodes.map(
    ({ target, html, failureSummary }) => [
      id, help, target.join(' '), html.slice(0, 200), failureSummary.replace(/\\s+/g, ' '),
    ].join(': ')));
}"""

WIDTH: Final = """async (width) => {
  const drawn = () => new Promise(requestAnimationFrame);
  do { await drawn(); } while (innerWidth !== width);
  await drawn();
  return document.documentElement.scrollWidth;
}"""

CUT_OFF: Final = """() => [...document.querySelectorAll('body *')]
  .filter((e) => e.checkVisibility({ visibilityProperty: true }) && e.textContent.trim())
  .filter((e) => !e.closest('.visually-hidden, .skip-link, select, svg'))
  .filter((e) => { // wide tables scroll; on a phone some are cards
    const table = e.closest('.table-box > table');
    return !table || getComputedStyle(table).display !== 'table';
  })
  .filter((e) => {
    const { overflowX, overflowY, clipPath, position } = getComputedStyle(e);
    if (clipPath !== 'none' || position === 'absolute') return false;
    const scrolls = e.matches('.table-box') ? 'auto' : 'visible';
    const beyond = e.scrollWidth > e.clientWidth + 1 && ![scrolls, 'visible'].includes(overflowX);
    const below = e.scrollHeight > e.clientHeight + 1 && ['hidden', 'clip'].includes(overflowY);
    const { left, right, top } = e.getBoundingClientRect();
    if (top + scrollY < -1) return true;
    const card = e.closest('.pop-menu') ? null : e.closest('.card');
    const room = card?.getBoundingClientRect() ?? { left: 0, right: innerWidth };
    return beyond || below || left < room.left - 1 || right > room.right + 1;
  }).map((e) => e.outerHTML.slice(0, 160))"""

ENLARGED: Final = f"""async () => {{
  const drawn = () => new Promise(requestAnimationFrame);
  const {{ style }} = document.documentElement;
  style.fontSize = '150%';
  await drawn();
  await drawn(); // charts follow their boxes
  const found = ({CUT_OFF})();
  style.fontSize = '';
  await drawn();
  return found;
}}"""

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


def walk(number: int, product: "Product") -> dict[str, list[Seen]]:
    """Go through the scenes of a walk, in a browser of its own, and look at each in its ways."""
    names = WALKS[number]
    of_arabic = WAYS[names[0]].language in RIGHT_TO_LEFT
    with sync_playwright() as playwright, launched(playwright) as browser:
        walker = Walker(
            browser, product, number, Turns(RIGHT_TO_LEFT if of_arabic else LEFT_TO_RIGHT)
        )
        seen = [walker.show(scene) for scene in SCENES if scene.falls_to(number)]
    return dict(zip(names, map(list, zip(*seen, strict=True)), strict=True))


class Walker:
    """Goes a walk: as somebody of each group, in each language of its direction by turns."""

    def __init__(
        self, browser: Browser, product: "Product", number: int, turns: Turns
    ) -> None:  # fmt: skip
        self.product = product
        self.number = number
        self.ways = [WAYS[name] for name in WALKS[number]]
        self.turns = turns
        self._browser = browser
        self._watches: dict[str | None, Watch] = {}
        self._spoken: dict[str | None, str] = {}

    def show(self, scene: Scene) -> list[Seen]:
        """Open a scene and look at it in the ways of the walk."""
        reader, language = self._opened(scene)
        self.turns.taken(str(reader), language)
        searched = [scene.falls_to(self.number, at) for at in range(len(self.ways))]
        return self.look_as(scene, reader, language, searched)

    def look_as(
        self, scene: Scene, reader: str | None, language: str, searched: Sequence[bool]
    ) -> list[Seen]:
        """Do what is done in a scene that somebody has opened, and look in each way of the walk."""
        watch = self._watches[reader]
        until(watch.page, SETTLED)
        if scene.act:
            scene.act(watch.page)
            until(watch.page, SETTLED)
        answer = watch.answer()
        return [
            look(watch, scene, (reader, language), answer, way, searched=by_axe)
            for way, by_axe in zip(self.ways, searched, strict=True)
        ]

    def _opened(self, scene: Scene) -> tuple[str | None, str]:
        """Open a scene as the first reader whose turn it is and who may; say who, and how."""
        alone = scene.who != "admin" or scene.act
        for reader, language in self.turns.of(*((str(scene.who),) if alone else GROUPS)):
            who = None if scene.who is None else reader
            if alone or self.asked(scene, who).status == scene.status:
                self.opens(scene, who, language)
                return who, language
        raise AssertionError(scene.name)

    def opens(self, scene: Scene, reader: str | None, language: str) -> None:
        """Open a scene as somebody in a language, as wide as the first way of the walk."""
        watch = self._watch_of(reader)
        self._speaks(reader, language)
        watch.forget()
        resize(watch.page, self.ways[0])
        watch.page.goto(self.product.address + scene.path)

    def asked(
        self, scene: Scene, reader: str | None, language: str | None = None
    ) -> APIResponse:  # fmt: skip
        """Ask for a scene's page as somebody, without drawing it: a fifth of the time."""
        if language is not None:
            self._speaks(reader, language)
        return self._asking_of(reader).get(self.product.address + scene.path)

    def _speaks(self, reader: str | None, language: str) -> None:
        if self._spoken.get(reader) != language:
            self._asking_of(reader).get(f"{self.product.address}/lang/{language}", max_redirects=0)
            self._spoken[reader] = language

    def _asking_of(self, reader: str | None) -> APIRequestContext:
        return self._watch_of(reader).page.context.request

    def _watch_of(self, reader: str | None) -> Watch:
        """The browser of somebody."""
        if reader not in self._watches:
            page = page_for(self._browser, self.product, self.ways[0], reader, script=AXE)
            self._watches[reader] = Watch(page)
        return self._watches[reader]


def look(
    watch: Watch, scene: Scene, read: tuple[str | None, str], answer: Answer, way: Way, *,
    searched: bool,
) -> Seen:  # fmt: skip
    """Note what there is to note; what axe finds only where it is its turn."""
    page = watch.page
    page.evaluate(TURN_TO, way.theme)
    widths = {width: width_on(page, way, width) for width in way.widths}
    large = way.width != PHONE
    return Seen(
        scene, *read, answer, widths,
        violations=violations(page, scene.part, shell=scene.shell) if searched else [],
        cut_off=page.evaluate(CUT_OFF),
        cut_off_enlarged=page.evaluate(ENLARGED) if large else [],
        small=page.evaluate(SMALL_TARGETS, [24, 44 if way.width == PHONE else 24]),
        english=sorted(english_of(read[1]).intersection(page.evaluate(SAID))) if large else [],
        console=watch.console(), asked=[*watch.asked],
    )  # fmt: skip


def resize(page: Page, way: Way, width: int | None = None) -> None:
    """Give a page the screen of a way, unless it has it."""
    size: ViewportSize = {"width": width or way.width, "height": way.height}
    if page.viewport_size != size:
        page.set_viewport_size(size)


def width_on(page: Page, way: Way, width: int) -> int:
    """How wide a page gets on a screen."""
    resize(page, way, width)
    wide: int = page.evaluate(WIDTH, width)
    return wide


def violations(page: Page, part: str = "", *, shell: bool = True) -> list[str]:
    """What axe finds."""
    found: list[str] = page.evaluate(VIOLATIONS, [part, shell, RULES])
    return found


def take_pictures(browser: Browser, product: "Product", folder: Path) -> None:
    """Keep what the screens look like: what fits on the screen of each way."""
    scenes = {scene.name: scene for scene in SCENES}
    for way_name, way in PICTURED.items():
        pages = {who: page_for(browser, product, way, who) for who in (None, "admin")}
        for name, scene in ((name, scenes[scene]) for name, scene in PICTURES.items()):
            page = pages[scene.who]
            page.goto(product.address + scene.path)
            if scene.act:
                scene.act(page)
            page.screenshot(path=folder / f"{name}-{way_name}.png")
        for page in pages.values():
            page.context.close()


@contextmanager
def launched(playwright: Playwright) -> Iterator[Browser]:
    browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
    yield browser
    browser.close()


def page_for(
    browser: Browser, product: "Product", way: Way, who: str | None = "admin",
    script: Path | None = None,
) -> Page:  # fmt: skip
    """A page of somebody's browser: signed in, in the language and theme of the way; empty yet."""
    page = new_context(browser, product, way).new_page()
    if script:
        page.add_init_script(path=script)
    if who:
        sign_in(page.context.request, product, who)
    page.context.request.get(f"{product.address}/lang/{way.language}", max_redirects=0)
    return page


def new_context(browser: Browser, product: "Product", way: Way, **options: Any) -> BrowserContext:
    context = browser.new_context(
        viewport={"width": way.width, "height": way.height},
        reduced_motion="reduce", **options,
    )  # fmt: skip
    context.add_cookies([{"name": "theme", "value": way.theme, "url": product.address}])
    context.set_default_timeout(60_000)
    context.add_init_script(NOTE_VIOLATIONS_OF_THE_POLICY)
    return context


def sign_in(asking: APIRequestContext, product: "Product", who: str) -> None:
    """Sign somebody in without drawing a page."""
    PASSWORDS[who] = product.passwords()[who]
    login = f"{product.address}/login/"
    token = CSRF.search(asking.get(login).text())
    assert token
    form = {"csrf_token": token[1], "username": who, "password": PASSWORDS[who]}
    answer = asking.post(login, form=form, max_redirects=0)
    assert answer.status == 302, answer.status


def show_all_hints(page: Page, product: "Product") -> None:
    """As on the first day, whoever used this account of the product before."""
    page.goto(f"{product.address}/hints/")
    page.locator("button[name=anew]").click()
    page.locator(".toast-success").wait_for()


def a_sale_of_each_kind(page: Page, product: "Product") -> None:
    """Sell once; the other sales are copies of it in the states a sale can be in.

    Sale 1 is sold, 2 being settled, 3 failed, 4 being settled with the money given back,
    5 taken back, 6 being settled with the money asked for. Meter 3 is blocked, 200 hangs
    nowhere, the newcomer and the beginner are in no group. A slip was paid in. The token journal
    has a token nobody sold, and the sales that a restore lost. Consumer 2 owes. Imports and jobs
    are those of ``imports_seen``, tokens beside those of sales those of ``keys_seen``, campaigns
    those of ``campaigns_seen``, what is sent and was tried that of ``reports_seen``.
    """
    make_tokens(page, product)
    page.goto(f"{product.address}/floats/1/pay-in")
    slip_entered(page, "#statement")
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
        now, received = sold["issued_at"], sold["received_minor"]
        slip = Movement(1, 125_050, "SLIP 7", date.fromisoformat(now[:10]))
        _ask(database, now, PAY_IN, slip, 125_050)
        _ask(database, now, GIVE_BACK, GiveBack(6, received), received, sold["vending_point_id"])
        database.execute(
            "INSERT INTO journal_finding (module_id, kind, request_id, number, made_at, meter_pan,"
            " tid, found_at, note) SELECT id, 'not_sold', 'beside-1', 7, ?, ?, ?, ?, '' FROM"
            " security_module",
            (now, sold["meter_pan"], sold["tid"] + 7, now),
        )
        _restore(database, sold)
        add_imports(database, now)
        add_campaigns(database, now)
        add_findings(database, now)
        add_reports(database, now)
        database.execute(
            "INSERT INTO debt (consumer_id, name, amount_minor, recovered_minor, written_off_minor,"
            " share_percent, reason, entered_at, key) VALUES (2, 'Connection fee', 20000, 0, 2500,"
            " 20, 'Agreed on 3 March', ?, 'look')", (now,),
        )  # fmt: skip
        database.execute(
            "INSERT INTO debt_write_off (debt_id, amount_minor, reason, written_at, key)"
            " VALUES (1, 2500, 'A cable laid twice', ?, 'look')", (now,),
        )  # fmt: skip
        _send(database, now)
        for statement in OFFER.split(";"):
            database.execute(statement)
        database.execute("UPDATE meter SET state = 'blocked', blocked_reason = 'Seal' WHERE id = 3")
        database.execute("UPDATE meter SET state = 'stock' WHERE id = 200")
        database.execute(
            "UPDATE meter_installation SET removed_at = ?, removed_credit = 4200"
            " WHERE meter_id = 200", (now,),
        )  # fmt: skip
        database.execute(
            "DELETE FROM ab_user_role WHERE user_id ="
            " (SELECT id FROM ab_user WHERE username = ?)", (NEWCOMER,),
        )  # fmt: skip
        _add_person(database, BEGINNER, "beginner")
        _add_person(database, KIOSK, "kiosk", password=NO_PASSWORD, first_name="Harbour")


def _add_person(database: sqlite3.Connection, number: int, name: str, **own: str) -> None:
    """Add somebody in no group, with the newcomer's password unless another is given."""
    model = database.execute("SELECT * FROM ab_user WHERE username = ?", (NEWCOMER,)).fetchone()
    row = dict(model) | {"id": number, "username": name, "email": f"{name}@example.org"} | own
    places = ", ".join(f":{name}" for name in row)
    database.execute(f"INSERT INTO ab_user ({', '.join(row)}) VALUES ({places})", row)


def _send(database: sqlite3.Connection, now: str) -> None:
    """Have sale 1 sent in vain and perhaps, and its consumer's telephone entered just now."""
    ways = (("mail", "failed", None, MailRefused(host="mail.example.org", reply=550)),
            ("sms", "unsure", 1, NoAnswer()))  # fmt: skip
    for channel, state, nth, error in ways:
        database.execute(
            "INSERT INTO delivery (sale_id, consumer_id, vending_point_id, channel, language, nth,"
            " reference, to_masked, asked_by_id, asked_at, state, state_at, due_at, attempts,"
            " message_id, problem) SELECT id, consumer_id, vending_point_id, ?, 'en', ?, ?, ?,"
            " operator_id, ?, ?, ?, ?, 1, '', ? FROM sale WHERE id = 1",
            (channel, nth, channel, "a•••@example.org" if channel == "mail" else "•••456", now,
             state, now, now, json.dumps(problem_of(error))),
        )  # fmt: skip
    database.execute(
        "UPDATE consumer SET phone_changed_at = ? WHERE id = (SELECT consumer_id FROM sale"
        " WHERE id = 1)", (now,),
    )  # fmt: skip


def _restore(database: sqlite3.Connection, sold: dict[str, Any]) -> None:
    """Have it restored a moment ago: two sales are lost, and the token nobody sold is no sale."""
    now = sold["issued_at"]
    for turn in (1, 2):
        database.execute(
            "INSERT INTO journal_finding (module_id, kind, request_id, number, made_at, meter_pan,"
            " tid, found_at, note) SELECT id, 'not_sold', ?, ?, ?, ?, ?, ?, '' FROM"
            " security_module",
            (f"S-{turn:024x}-1", 7 + turn, now, sold["meter_pan"], sold["tid"] + 7 + turn, now),
        )
    database.execute("UPDATE installation SET begun_anew_at = ?", (now,))
    told = {"reason": "The disk broke", "epoch": 1, "sales": 0, "engineering": 0,
            "key_changes": 0, "findings": 3}  # fmt: skip
    for action, details in (("restore.noticed", {"why": "database_older"}), ("restore.over", told)):
        database.execute(
            "INSERT INTO audit_event (at, actor_name, action, subject, subject_id, details)"
            " VALUES (?, 'system', ?, 'installation', '1', ?)", (now, action, json.dumps(details)),
        )  # fmt: skip


def _ask(
    database: sqlite3.Connection,
    now: str,
    deed: Deed[Any],
    params: Any,
    amount_minor: int,
    point_id: int = 1,
) -> None:
    """Have the operator ask for money to move: a request that waits."""
    stored, digest = deed.freeze(params)
    row = {
        "action": deed.action, "params": json.dumps(stored), "hash": digest, "key": deed.action,
        "amount_minor": amount_minor, "made_at": now, "expires_at": "2999-01-01 00:00:00.000000",
        "vending_point_id": point_id, "state": "pending", "reason": "", "name": "operator",
    }  # fmt: skip
    columns = ", ".join([*row][:-1])
    values = ", ".join(f":{name}" for name in [*row][:-1])
    database.execute(
        f"INSERT INTO approval_request ({columns}, asked_by_id)"
        f" SELECT {values}, id FROM ab_user WHERE username = :name", row,
    )  # fmt: skip


def _of_its_own(number: int) -> dict[str, Any]:
    return {
        "id": number, "idempotency_key": f"look-{number}", "request_id": f"look-{number}",
        "issued_at": None, "receipt_series": None, "receipt_number": None,
    }  # fmt: skip


OTHER_STATES: Final[tuple[Callable[[str], dict[str, Any]], ...]] = (
    lambda now: {"state": "pending", "doubt_at": now},
    lambda now: {"state": "failed", "failed_at": now, "failure": "unavailable_no_answer"},
    lambda now: {"state": "pending", "doubt_at": now, "sealed_at": now, "sealed_by_id": 1},
    lambda now: {"state": "reversed", "issued_at": now, "receipt_series": 99, "receipt_number": 5},
    lambda now: {"state": "pending", "doubt_at": now},
)


def inline_parts(html: str) -> list[str]:
    """Scripts, styles and handlers that stand in a page's own text."""
    scripts = re.findall(r"<script(?![^>]*\bsrc=)[^>]*>", html)
    styles = re.findall(r"<style[^>]*>|<[^>]+\sstyle=[^>]*>", html)
    handlers = re.findall(r"<[^>]+\son\w+=[^>]*>", html)
    return scripts + styles + handlers + re.findall(r"javascript:", html)
