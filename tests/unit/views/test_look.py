"""How values stand in a cell, where links lead, and other small drawings."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from flask import g
from markupsafe import Markup

from config import ROOT
from vmsapp.views import look
from vmsapp.views.look import cell, digits, href, initials, number_text, qr, state, theme, time_left

NOTHING = '<span class="none">–<span class="visually-hidden"> empty</span></span>'


@pytest.mark.parametrize(("value", "written"), [
    (None, NOTHING), ("", NOTHING),
    (True, '<span class="mark-yes">Yes</span>'), (False, '<span class="mark-no">No</span>'),
    (0, "0"), (1234, "1234"), (Decimal("1.50"), "1.50"),
    (Markup("<b>x</b>"), "<b>x</b>"), ("<b>", "<bdi>&lt;b&gt;</bdi>"),
    (date(2026, 3, 17), '<time datetime="2026-03-17">Mar 17, 2026</time>'),
])  # fmt: skip
def test_a_cell_writes_each_kind_of_value(page, value, written):
    assert str(cell(value)) == written


def test_a_moment_is_written_in_the_utilitys_zone(page):
    shown = cell(datetime(2026, 3, 17, 21, 30, tzinfo=UTC))
    assert shown.startswith('<time datetime="2026-03-17T21:30:00+00:00">Mar 18, 2026, 12:30:00')


def test_a_link_changes_what_it_names_and_keeps_the_rest(page):
    assert href() == "/things/list/?a=1&a=2&q=x+y"
    assert href(q=None) == "/things/list/?a=1&a=2"
    assert href(a=3) == "/things/list/?q=x+y&a=3"
    assert href(a=None, q=None) == "/things/list/"
    assert href(a=None, q="ä&b") == "/things/list/?q=%C3%A4%26b"


@pytest.mark.parametrize("query", ["endpoint=x", "_external=1", "_scheme=x", "_anchor=x", "self=1",
                                   "pk=1", "_method=POST", "values=1", "=1"])  # fmt: skip
def test_a_link_stays_on_its_page_whatever_the_address_says(bare, query):
    with bare.test_request_context(f"/things/list/?{query}&q=1"):
        assert href(q=None) == f"/things/list/?{query}"


def test_a_link_says_where_the_product_is_mounted(bare):
    with bare.test_request_context("/list/?q=1", base_url="http://localhost/office/"):
        assert href(q=2) == "/office/list/?q=2"


@pytest.mark.parametrize(("cookie", "chosen"), [("dark", "dark"), ("light", "light"),
                                                ("auto", "auto"), ("x", "auto"), ("", "auto"),
                                                (None, "auto")])  # fmt: skip
def test_the_appearance_is_one_of_those_there_are(bare, cookie, chosen):
    headers = {"Cookie": f"theme={cookie}"} if cookie is not None else {}
    with bare.test_request_context("/", headers=headers):
        assert theme() == chosen


def test_what_others_wrote_is_never_taken_for_a_page():
    assert "<b>" not in digits("<b>") + state("<b>", None) + state("<b>", "good")
    assert state("Active", "good") == '<span class="state tone-good">Active</span>'
    assert state("Active", None) == '<span class="state">Active</span>'


def test_a_code_to_scan_is_drawn_of_squares_and_carries_no_text():
    drawing = qr("<script>1234</script>")
    assert drawing.startswith("<svg")
    assert "script" not in drawing
    assert "1234" not in drawing


@pytest.mark.parametrize(("name", "letters"), [("Ada Lovelace", "AL"), ("ada", "A"), ("", ""),
                                               ("a b c", "AB"), ("étienne 電", "É電")])  # fmt: skip
def test_initials_are_those_of_two_words(name, letters):
    assert initials(name) == letters


def test_numbers_and_times_are_written_the_readers_way(page):
    assert number_text(1234567) == "1,234,567"
    assert time_left(90) == "2 minutes"
    assert time_left(0) == "1 second"


@pytest.mark.parametrize(("language", "number"), [("fr", "10\u202f000"), ("zh", "10,000")])
def test_numbers_follow_the_language(bare, language, number):
    with bare.test_request_context("/"):
        g.language = language
        assert number_text(10_000) == number


def test_a_template_writes_each_reader_an_empty_cell_anew(bare):
    """What is the same each time, a template works out once, in its first reader's language."""
    empty = {"en": "empty", "fr": "vide"}
    look.init_app(bare)
    bare.config["BABEL_TRANSLATION_DIRECTORIES"] = str(ROOT / "translations")
    template = bare.jinja_env.from_string("{{ none | cell }}")
    for language, word in empty.items():
        with bare.test_request_context("/"):
            g.language = language
            assert f"> {word}<" in template.render()
