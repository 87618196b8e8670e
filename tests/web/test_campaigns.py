"""The pages of campaigns: planned, looked at, approved, made, watched, printed, stopped."""

import re

import pytest

from tests.factories import (
    AUDITOR,
    BLOCKED,
    LEGACY_11,
    LEGACY_SGC,
    OPERATOR,
    SUPERVISOR,
)
from tests.keyring import KeyShop, make_ring, ring_module
from tests.web.office import ADMIN, ENGINEER, main_part, said
from tests.web.records import read, rows, sent, the_form
from vmsapp.models import Campaign, KeyChange


@pytest.fixture(scope="session")
def ring(tmp_path_factory):
    store = make_ring(tmp_path_factory.mktemp("ring"))
    yield store
    store.close()


@pytest.fixture
def module(ring, blank_record, tmp_path):
    with ring_module(ring, blank_record, tmp_path) as module:
        yield module


@pytest.fixture
def keys(shop):
    return KeyShop(shop, SUPERVISOR)


@pytest.fixture
def engineer(browse):
    return browse(ENGINEER)


PLAN = {"name": "To revision 2", "reason": "the first revision ends", "due_on": "2026-06-30",
        "sgcs": LEGACY_SGC, "key": "own-2-14", "hand_out": "next_sale"}  # fmt: skip


def plain(page):
    return " ".join(re.sub(r"<[^>]+>", " ", main_part(page)).split())


def planned(browser, **typed):
    """Plan a campaign; the answer."""
    form = sent(the_form(read(browser.get("/campaigns/new").text)))
    return browser.post("/campaigns/new", form | PLAN | typed)


def test_a_plan_is_looked_at_before_anything_is_made(engineer, shop, keys):
    answer = planned(engineer)
    assert answer.status_code == 302, said(answer.text)
    page = engineer.get(answer.location)
    assert page.status_code == 200
    text = plain(page.text)
    print(text)
    assert "Meters that get a new key" in text
    assert shop.count(KeyChange) == 0
