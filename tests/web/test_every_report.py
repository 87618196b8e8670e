"""What holds for every report, its chart and its files: whose rows they have, and no whole token.

A new report is tried here by standing on the shelf of all reports.
"""

import io
import re
from zipfile import ZipFile

import pypdfium2
import pytest
from sqlalchemy import update

from tests.factories import (
    AUDITOR,
    DOMESTIC,
    MARKET,
    OPERATOR,
    SOUTH_OPERATOR,
    SOUTHERN,
    SUPERVISOR,
)
from tests.services.gifts import Gifts
from tests.services.pair import make_pair
from tests.till import Till
from tests.web.office import NORTH_SUPERVISOR, main_part, said
from tests.web.records import read
from tests.web.test_digits_stay import holds
from tests.web.test_token_records import handed_out, masked
from vmsapp.models import Consumer, Meter, ReceiptPrint
from vmsapp.services.vending.reversal import REVERSE, Reversal
from vmsapp.views.reports.index import SHELF
from vmsapp.views.reports.reported import Reported

NAMES = [name for entries in SHELF.values() for name, _answers in entries]
EVERY_REPORT = pytest.mark.parametrize("name", NAMES)
FILED = [name for name in NAMES if name != "Dashboard"]
"""Those that can be taken away; the first page cannot."""

WHOLE_YEAR = {"period": "this_year"}
MARKS = re.compile(r'data-(?:v|series|said)="[^"]*"')
"""What the chart of a page is drawn from."""


@pytest.fixture
def view(office, name):
    """The view of a report."""
    (found,) = [one for one in office.appbuilder.baseviews if type(one).__name__ == name]
    return found


@pytest.fixture
def pair(shop):
    return make_pair(shop)


@pytest.fixture
def north(shop, pair):
    """The north has something to tell in each report; the south will sell at taxed prices, too."""
    taxed = update(Meter).where(Meter.id == shop.utility.meters[SOUTHERN])
    tariff_id = shop.meter(DOMESTIC).tariff_id
    shop.change(lambda session: session.execute(taxed.values(tariff_id=tariff_id)))
    busy(shop, pair, OPERATOR, at=1)


def busy(shop, pair, by, at, meter=DOMESTIC, **place):
    """Do what every report tells of, once, at a vending point; the sale is given back."""
    till = Till(shop)
    till.keys = at * 100
    shift = till.open(2000, by=by, **place)
    sale = shop.sell(meter, units="250", by=by, **place)
    back = shop.sell(meter, units="30", by=by, **place)
    shop.change(lambda session: session.add(ReceiptPrint(
        vending_point_id=sale.vending_point_id, sale_id=sale.id, nth=2, kind="paper",
        language="en", printed_at=shop.clock.now, printed_by_id=sale.operator_id,
    )))  # fmt: skip
    wanted = Reversal(back.id, back.charged_minor, "wrong_meter", "")
    assert pair.approve(pair.ask(REVERSE, f"back-{at}", params=wanted)).state == "approved"
    pair.ask(key=f"slip-{at}", reference=f"SLIP {at}", **place)
    Gifts(shop, pair).give(meter, units="12", **place)
    till.count(shift, 100, by=by)
    till.finish(shift, "lost", by=by)
    return sale


def seen(browser, view, *, filed=True, **asked):
    """All that a report shows: its words, what its chart is drawn from, and its file."""
    address = f"{view.route_base}/{'list/' if view.default_view == 'list' else ''}"
    page = browser.get(address, query_string=asked, follow_redirects=True)
    assert page.status_code == 200, said(page.text)
    main = main_part(page.text)
    found = [read(page.text).text, *MARKS.findall(main)]
    if filed and isinstance(view, Reported):
        found.append(taken(browser, view, "csv", **asked).decode("utf-8-sig"))
    return found


def taken(browser, view, kind, **asked):
    answer = browser.post(f"{view.route_base}/export/{kind}", query_string=asked)
    assert answer.status_code == 200, said(answer.text)
    return answer.data


@EVERY_REPORT
def test_what_happens_in_the_south_changes_nothing_that_the_north_sees(
    browse, shop, utility, north, pair, view
):
    theirs = {
        "region": utility.regions["south"].id, "point": utility.points[MARKET],
        "operator": utility.users[SOUTH_OPERATOR].id,
        "consumer": shop.rows(Consumer, Consumer.number == "C0006")[0].id,
    }  # fmt: skip
    ways = [WHOLE_YEAR, {**WHOLE_YEAR, **theirs, "filed": False}]
    ways += [{**WHOLE_YEAR, "by": by.value, "filed": False} for by in getattr(view, "bys", ())]
    reader, everywhere = browse(NORTH_SUPERVISOR), browse(SUPERVISOR)
    before = [seen(reader, view, **asked) for asked in ways]
    all_before = seen(everywhere, view, **WHOLE_YEAR)
    if isinstance(view, Reported):  # a file would say nothing of what it leaves out
        refused = reader.post(f"{view.route_base}/export/csv", query_string=WHOLE_YEAR | theirs)
        assert refused.status_code == 422
    busy(shop, pair, SOUTH_OPERATOR, at=2, meter=SOUTHERN, point=MARKET)
    assert [seen(reader, view, **asked) for asked in ways] == before
    if view.route_base not in STILL:
        assert seen(everywhere, view, **WHOLE_YEAR) != all_before


STILL = {"/reports/key-expiry", "/inactive-consumers"}
"""Reports in which sales of today change nothing: of keys, and of who has not bought for long."""


@pytest.mark.parametrize("name", FILED)
def test_paper_says_whose_report_it_is_and_which(browse, utility, view):
    address = f"{view.route_base}/{'list/' if view.default_view == 'list' else ''}"
    page = read(browse(AUDITOR).get(address, query_string=WHOLE_YEAR, follow_redirects=True).text)
    (paper,) = page.all("div", "on-paper")
    (title,) = {one.text for one in page.all("h1")} - {one.text for one in paper.all("h1")}
    assert f"Test Utility · {title}" in paper.text


def texts(kind, content):
    """What stands in a file."""
    if kind == "csv":
        return content.decode("utf-8-sig")
    if kind == "xlsx":
        with ZipFile(io.BytesIO(content)) as book:
            return " ".join(book.read(part).decode() for part in book.namelist())
    return "".join(page.get_textpage().get_text_range() for page in pypdfium2.PdfDocument(content))


@pytest.mark.parametrize("name", FILED)
def test_no_file_holds_a_whole_token_for_who_may_not_see_digits(browse, shop, view, name):
    digits = handed_out(shop, shop.sell())
    reader = browse(AUDITOR)
    for kind in ("csv", "xlsx", "pdf"):
        told = texts(kind, taken(reader, view, kind, **WHOLE_YEAR))
        assert told
        assert not holds(told, digits), kind
        if name == "SalesTokens" and kind == "csv":
            assert masked(digits) in told  # it is there, but for its beginning
