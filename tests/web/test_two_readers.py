"""Two people at one list at the same time: neither sees the other's search, filters or rows.

The framework keeps one object a view for all people and threads. What a request asks
for must therefore never be kept on it; the last test shows what would be seen if it were.
"""

import re
import sys
import threading
import time
from collections.abc import Iterator
from functools import partial

import pytest

from tests.factories import NOW, OPERATOR, SOUTH_OPERATOR
from tests.shop import in_threads
from tests.web.office import Browser
from tests.web.records import views_of
from vmsapp.models import Consumer
from vmsapp.views.registration.consumers import Consumers

TURNS = 150
"""Pages each of the two asks for."""

ASKED = {
    OPERATOR: [("Northern", "yes"), ("Consumer", "no"), ("nobody up there", "yes")],
    SOUTH_OPERATOR: [("Southern", "no"), ("Consumer 6", "no"), ("nobody down here", "no")],
}
"""What each searches for in turn, and whether among retired consumers."""


@pytest.fixture
def crowd(shop, utility) -> None:
    """Five people more in each region, those in the north retired."""

    def add(session):
        for number in range(5):
            for region in ("north", "south"):
                name, place = f"{region.title()}ern {number}", utility.regions[region].id
                session.add(
                    Consumer(
                        number=f"{region[0].upper()}{number}", name=name, region_id=place,
                        retired_at=NOW if region == "north" else None,
                    )
                )  # fmt: skip

    shop.change(add)


@pytest.fixture
def hasty() -> Iterator[None]:
    """Threads take turns every few microseconds instead of every few milliseconds."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(5e-6)
    yield
    sys.setswitchinterval(usual)


def names_on(page: str) -> set[str]:
    """Whom a list shows."""
    return set(re.findall(r"<bdi>((?:North|South)ern \d|Consumer \d+)</bdi>", page))


def wrong_with(page: str, asked: tuple[str, str], expected: set[str]) -> list[str]:
    """What on a page belongs to another reader."""
    searched = re.findall(r'<input id="q"[^>]* value="([^"]*)"', page)
    retired = re.findall(r'<option value="(yes|no)" selected>', page)
    wrong = [] if searched == [asked[0]] else [f"searched {searched}"]
    wrong += [] if retired == [asked[1]] else [f"filtered {retired}"]
    wrong += [] if names_on(page) == expected else [f"rows {sorted(names_on(page))}"]
    return wrong


def read_together(browse, shop, turns: int = TURNS) -> list[str]:
    """Have the two read, page by page at the same moment; tell what was seen amiss."""
    regions = {who: shop.actor(who).sight.region_path for who in ASKED}
    assert len(set(regions.values())) == 2
    together = threading.Barrier(2, timeout=60)
    consumers = shop.rows(Consumer)
    places = {OPERATOR: "north", SOUTH_OPERATOR: "south"}

    def expected(who: str, text: str, retired: str) -> set[str]:
        place = shop.utility.regions[places[who]].id
        return {
            row.name for row in consumers
            if row.region_id == place and text in row.name and row.retired == (retired == "yes")
        }  # fmt: skip

    def reads(who: str, browser: Browser) -> list[str]:
        wrong = []
        for turn in range(turns):
            text, retired = ASKED[who][turn % len(ASKED[who])]
            together.wait()
            page = browser.get(
                "/consumers/list/", query_string={"q": text, "retired": retired, "size": 100}
            )
            assert page.status_code == 200
            wrong += wrong_with(page.text, (text, retired), expected(who, text, retired))
        return wrong

    outcomes = in_threads(*(partial(reads, who, browse(who)) for who in ASKED))
    assert all(isinstance(outcome, list) for outcome in outcomes), outcomes
    return [fault for outcome in outcomes for fault in outcome]


def test_readers_at_the_same_list_never_see_each_others_search_or_rows(browse, shop, crowd, hasty):
    assert read_together(browse, shop) == []


def test_what_a_view_kept_for_one_reader_would_be_seen_by_the_other(
    office, browse, shop, crowd, hasty, monkeypatch
):
    (view,) = (view for view in views_of(office) if isinstance(view, Consumers))
    filtered = view.filtered

    def filtered_and_kept(statement):
        view.kept = filtered(statement)  # as the framework keeps its filters
        time.sleep(0.02)  # whoever asks the database lets others go first
        return view.kept

    monkeypatch.setattr(view, "filtered", filtered_and_kept)
    wrong = read_together(browse, shop, turns=30)
    assert any(fault.startswith("searched") for fault in wrong)
    assert any(fault.startswith("rows") for fault in wrong)
