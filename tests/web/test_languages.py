"""Every page in every language: its direction, its receipt's language, its sentences' holes."""

import importlib
import pkgutil
import re
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from flask_babel import force_locale, gettext

import vmsapp
from config import LANGUAGES as CONFIGURED
from tests.factories import BLOCKED, LEGACY_11, NO_CONSUMER
from tests.web.office import ADMIN, LANGUAGES, NOWHERE, PASSWORD, fields, main_part, said
from vmsapp.errors import VmsError
from vmsapp.hsm.errors import ModuleRefused
from vmsapp.models import Consumer, OfficeUser, Sale
from vmsapp.money import Money
from vmsapp.views.base import sentence
from vmsapp.views.words import (
    FAILURES,
    METER_STATES,
    METER_TYPES,
    SALE_STATES,
    UNITS,
    failure_sentence,
)

CATALOGUES = Path(vmsapp.__file__).parents[1] / "translations"


def frame(page: str) -> tuple[str, str]:
    """Language and direction of a page."""
    found = re.search(r'<html lang="([^"]+)" dir="([^"]+)" ', page)
    assert found, page[:300]
    return found[1], found[2]


def test_the_languages_tried_are_those_configured():
    assert set(LANGUAGES) == set(CONFIGURED)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_page_says_its_language_and_its_direction(browse, utility, language):
    operator, admin = browse("operator", language), browse(ADMIN, language)
    sold = operator.buy(utility)
    assert sold.status_code == 302
    meter = f"/counter/meter/{utility.meters[LEGACY_11]}"
    pages = ["/counter/", "/counter/?q=Consumer", "/counter/?q=nothing", "/counter/open",
             f"{meter}?key=1-x", f"{meter}?key=1-x&value=5", f"{meter}?key=1-x&value=x",
             f"/counter/meter/{utility.meters[BLOCKED]}?key=1-x",
             f"/counter/meter/{utility.meters[NO_CONSUMER]}?key=1-x",
             sold.location, f"/counter/sale/{NOWHERE}", "/nowhere", "/clock/"]  # fmt: skip
    for path in pages:
        page = operator.get(path).text
        assert frame(page) == (language, LANGUAGES[language]), path
        assert "%(" not in main_part(page), path
    assert frame(admin.get("/clock/").text) == (language, LANGUAGES[language])
    assert frame(browse(None, language).get("/login/").text)[0] == language
    assert frame(operator.buy(utility).text)[0] == language  # asks about the repeat


@pytest.mark.parametrize(("accepted", "language"), [
    ("fr", "fr"), ("fr-CA,fr;q=0.9,en;q=0.5", "fr"), ("zh-CN,zh;q=0.9", "zh"), ("ar-EG", "ar"),
    ("de,fr;q=0.3", "fr"), ("de", "en"), ("", "en"), ("*", "en"), ("xx;q=nonsense", "en"),
])  # fmt: skip
def test_the_browsers_language_is_taken_if_the_product_speaks_it(browse, accepted, language):
    page = browse().get("/login/", headers={"Accept-Language": accepted})
    assert frame(page.text)[0] == language


def test_the_language_chosen_wins_over_the_browsers(browse):
    operator = browse("operator", "fr")
    assert frame(operator.get("/counter/").text)[0] == "fr"
    assert operator.get("/lang/ar").status_code == 302
    assert frame(operator.get("/counter/").text) == ("ar", "rtl")
    assert operator.get("/lang/xx").status_code == 404
    assert frame(operator.get("/counter/").text) == ("ar", "rtl")


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_language_in_use_is_marked_where_one_is_chosen(browse, language):
    for who, path, place in ((None, "/login/", "door-languages"), ("operator", "/counter/", "top")):
        page = browse(who, language).get(path).text
        links = re.findall(r'<a lang="(\w+)" href="/lang/\1"([^>]*)>', page[page.index(place) :])
        assert {code for code, _ in links} == set(LANGUAGES)
        assert [code for code, marks in links if 'aria-current="true"' in marks] == [language]


def test_each_step_of_a_breadcrumb_runs_in_its_own_direction(browse):
    page = browse("operator", "ar").get("/shifts/open").text
    crumbs = re.search(r'<nav class="crumbs".*?</nav>', page, re.DOTALL)[0]
    steps = re.findall(r"<li[^>]*>(.*?)</li>", crumbs)
    assert len(steps) == 3
    assert all(re.fullmatch(r"(<a [^>]*>)?<bdi>[^<]+</bdi>(</a>)?", step) for step in steps)


def test_a_users_own_language_is_taken_when_signing_in(browse, shop, people):
    shop.change(
        lambda session: setattr(
            session.get_one(OfficeUser, people["operator"].id), "language", "zh"
        )
    )
    browser = browse(None, "fr")
    browser.post("/login/", {"username": "operator", "password": PASSWORD})
    assert frame(browser.get("/counter/").text)[0] == "zh"


@pytest.mark.parametrize(("consumers", "operators"), [("ar", "en"), ("en", "ar"), ("fr", "zh")])
def test_the_receipt_is_in_its_consumers_language_and_the_page_in_the_operators(
    browse, utility, shop, consumers, operators
):
    operator = browse("operator", operators)

    def speak(session):
        session.query(Consumer).where(Consumer.number == "C0001").one().language = consumers

    shop.change(speak)
    page = operator.get(operator.buy(utility).location).text
    assert frame(page) == (operators, LANGUAGES[operators])
    slip = re.search(r'<article class="slip [^"]*" lang="([^"]+)" dir="([^"]+)">', page)
    assert slip
    assert slip.groups() == (consumers, LANGUAGES[consumers])
    assert frame(operator.get("/counter/").text)[0] == operators  # afterwards as before


@pytest.mark.parametrize("language", LANGUAGES)
def test_digits_of_meters_tokens_and_money_are_the_same_in_every_language(
    browse, utility, shop, language
):
    operator = browse("operator", language)
    page = operator.get(operator.buy(utility).location).text
    digits = shop.digits(shop.rows(Sale)[0])
    assert "".join(re.findall(r"<span>(\d{4})</span>", page)) == digits
    assert shop.meter(LEGACY_11).drn in page
    assert re.search(r"\b5[.,]00\b", main_part(page))
    assert not re.search(r"[٠-٩]", main_part(page))


def every_error() -> list[type[VmsError]]:
    """All errors of the product, of whatever room."""
    for module in pkgutil.walk_packages(vmsapp.__path__, "vmsapp."):
        importlib.import_module(module.name)

    def below(family: type[VmsError]) -> list[type[VmsError]]:
        return [family, *(found for kind in family.__subclasses__() for found in below(kind))]

    return [kind for kind in below(VmsError) if kind.__module__.startswith("vmsapp.")]


SAMPLES = [Money(1234, "USD"), Decimal("12.5"), datetime(2026, 3, 17, 9, tzinfo=UTC),
           date(2026, 3, 17), "07000000013", 7]  # fmt: skip


def holes(message: str) -> set[str]:
    return set(re.findall(r"%\((\w+)\)s", message))


def error_with(kind: type[VmsError], sample: object) -> VmsError:
    """An error as it would be raised, each hole of its sentence filled."""
    error = kind.__new__(kind)
    error.params = dict.fromkeys(holes(kind.message), sample)
    return error


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_error_becomes_a_whole_sentence(office, language):
    errors = every_error()
    assert len(errors) > 50
    with office.test_request_context(), force_locale(language):
        for kind in errors:
            for sample in SAMPLES:
                text = sentence(error_with(kind, sample))
                assert text, kind
                assert "%(" not in text, kind


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_word_and_every_reason_of_a_failure_can_be_said(office, language):
    with office.test_request_context(), force_locale(language):
        words = office.jinja_env.globals
        said_words = [
            *(words["meter_state"](state) for state in METER_STATES),
            *(words["meter_type"](kind) for kind in METER_TYPES),
            *(words["unit_name"](kind) for kind in UNITS),
            *(words["sale_state"](state) for state in SALE_STATES),
            *map(failure_sentence, [*FAILURES, *ModuleRefused.REASONS, "of another make"]),
        ]
    assert all(said_words)
    assert not [word for word in said_words if "%(" in word]


def messages(catalogue: str) -> list[tuple[str, str]]:
    """Pairs of message and translation of a catalogue's text."""
    pairs = re.findall(
        r'^msgid ((?:"[^\n]*"\n)+)msgstr ((?:"[^\n]*"\n?)+)', catalogue, re.MULTILINE
    )
    return [tuple("".join(re.findall(r'"(.*)"', part)) for part in pair) for pair in pairs]


@pytest.mark.parametrize("language", [code for code in LANGUAGES if code != "en"])
def test_a_translation_has_the_holes_of_its_message(language):
    catalogue = (CATALOGUES / language / "LC_MESSAGES" / "messages.po").read_text()
    pairs = messages(catalogue)
    assert len(pairs) > 100
    for message, translation in pairs:
        if message and translation:
            assert holes(translation) == holes(message), message
    assert not [message for message, _ in pairs if re.search(r"%[sd]", message)]  # all named


def test_a_refusal_is_said_in_the_readers_language_with_what_was_typed(browse, utility):
    for language in LANGUAGES:
        operator = browse("operator", language)
        meter_id = utility.meters[LEGACY_11]
        form = operator.purchase(meter_id, mode="quantity", value="50") | {"value": "fünfzig"}
        refused = operator.sell(meter_id, form)
        assert "fünfzig" in said(refused.text)
        assert fields(refused.text, "/sell")["value"] == "fünfzig"


def test_a_sentence_of_the_product_keeps_the_groups_of_a_number_in_order(office):
    with office.test_request_context(), force_locale("ar"):
        text = gettext("%(name)s: %(before)s before, %(after)s now", name="x",
                       before="6600 0000 019", after="7")  # fmt: skip
    assert "6600\N{NO-BREAK SPACE}0000\N{NO-BREAK SPACE}019" in text
