"""The reader's language: which it is, and that figures stay figures in all of them."""

import re
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import flask_babel
import pytest
from flask import Flask, session
from flask_babel import Babel
from markupsafe import Markup

from config import LANGUAGES
from vmsapp import i18n
from vmsapp.i18n import (
    choose_locale,
    day_text,
    moment_text,
    money_text,
    price_text,
    readable,
    units_text,
)
from vmsapp.money import Money

MOMENT = datetime(2026, 3, 17, 21, 30, tzinfo=UTC)


@pytest.fixture
def app():
    """An application of nothing but languages."""
    app = Flask("languages")
    app.config.update(
        LANGUAGES=LANGUAGES,
        SECRET_KEY="test",
        BABEL_TRANSLATION_DIRECTORIES=str(Path(__file__).parents[2] / "translations"),
    )
    Babel(app)
    i18n.init_app(app)
    return app


def asking(app, language):
    return app.test_request_context("/", headers={"Accept-Language": language})


CHOSEN = [
    ("fr", "fr"), ("fr-CA,fr;q=0.9", "fr"), ("zh-CN,zh;q=0.9,en;q=0.8", "zh"), ("ar", "ar"),
    ("sw,de;q=0.5", "en"), ("", "en"), ("de,en;q=0.3,fr;q=0.9", "fr"),
]  # fmt: skip


@pytest.mark.parametrize(("asked", "given"), CHOSEN)
def test_the_browsers_language_is_taken_if_there_is_one_of_ours(app, asked, given):
    with asking(app, asked):
        assert choose_locale() == given


def test_a_language_chosen_by_hand_goes_before_the_browsers(app):
    with asking(app, "fr"):
        session["locale"] = "ar"
        assert choose_locale() == "ar"
    with app.test_request_context("/?_l_=zh", headers={"Accept-Language": "fr"}):
        assert choose_locale() == "zh"


@pytest.mark.parametrize("odd", ["xx", "../etc", "EN"])
def test_a_language_that_is_none_of_ours_is_not_taken(app, odd):
    with app.test_request_context("/", query_string={"_l_": odd}):
        assert choose_locale() == "en"


def test_outside_a_request_it_is_english(app):
    with app.app_context():
        assert choose_locale() == "en"


MONEY = [  # grouping and decimal signs as CLDR has them
    ("en", 123_456, 2, "1,234.56 USD"),
    ("en", 5, 2, "0.05 USD"),
    ("en", -5, 2, "-0.05 USD"),
    ("en", 1_500, 3, "1.500 USD"),
    ("en", 1_234, 0, "1,234 USD"),
    ("fr", 123_456, 2, "1\u202f234,56 USD"),
    ("zh", 123_456, 2, "1,234.56 USD"),
]


@pytest.mark.parametrize(("language", "minor", "exponent", "text"), MONEY)
def test_money_is_written_the_readers_way_with_every_decimal(app, language, minor, exponent, text):
    with asking(app, language):
        assert money_text(minor, "USD", exponent) == text
        assert money_text(minor, "USD", exponent, symbol=False) == text.removesuffix(" USD")


# where the sign stands: CLDR, the standard currency pattern of each language
@pytest.mark.parametrize(("language", "sign", "text"), [
    ("en", "$", "-$1,234.50"), ("en", "KSh", "-KSh\xa01,234.50"),
    ("en", "Rp.", "-Rp.\xa01,234.50"),
    ("zh", "元", "-元\xa01,234.50"), ("fr", "$", "-1\u202f234,50\xa0$"),
    ("ar", "د.ك", "-1,234.50\xa0د.ك"),
])  # fmt: skip
def test_a_sign_stands_where_readers_expect_it(app, language, sign, text):
    app.extensions["currency_sign"] = {"USD": sign, "EUR": "EUR"}.__getitem__
    with asking(app, language):
        written = money_text(-123450, "USD", 2)
        assert written.replace("\N{MINUS SIGN}", "-").replace("\N{LEFT-TO-RIGHT MARK}", "") == text
        assert sign not in money_text(-123450, "USD", 2, symbol=False)
        assert money_text(500, "EUR", 2).endswith(" EUR")


@pytest.mark.parametrize("minor", [10**15 - 1, 999_999_999_999_99])
def test_large_amounts_are_written_to_the_last_unit(app, minor):
    with asking(app, "en"):
        assert re.sub(r"\D", "", money_text(minor, "USD", 2)) == str(minor)


UNITS = [("50", "50.0"), ("0.1", "0.1"), ("1638.4", "1,638.4"), ("0.125", "0.125")]


@pytest.mark.parametrize(("units", "text"), UNITS)
def test_units_have_one_decimal_and_no_more_than_they_need(app, units, text):
    with asking(app, "en"):
        assert units_text(Decimal(units)) == text


PRICES = [("0.1", "0.10"), ("0.185", "0.185"), ("0.123456", "0.123456"), ("16", "16.00")]


@pytest.mark.parametrize(("price", "text"), PRICES)
def test_prices_keep_every_decimal_that_counts(app, price, text):
    with asking(app, "en"):
        assert price_text(Decimal(price)) == text


@pytest.mark.parametrize("language", LANGUAGES)
def test_figures_are_written_in_the_same_digits_in_every_language(app, language):
    with asking(app, language):
        texts = (
            money_text(123_456, "USD", 2), units_text(Decimal("1638.4")),
            moment_text(MOMENT), day_text("2026-03-17"),
        )  # fmt: skip
    for text in texts:
        digits = [character for character in text if character.isdigit()]
        assert digits
        assert all(digit.isascii() for digit in digits)


def test_a_moment_is_written_in_the_utilitys_zone(app):
    with asking(app, "fr"):
        assert "18 mars 2026" in moment_text(MOMENT, "Africa/Nairobi")
        assert "17 mars 2026" in moment_text(MOMENT)


READABLE = [
    (Money(4350, "USD"), "43.50 USD"),
    (Decimal("1638.3"), "1,638.3"),
    (date(2026, 3, 17), "Mar 17, 2026"),
    ("seal broken", "seal broken"),
    (7, 7),
]


@pytest.mark.parametrize(("value", "text"), READABLE)
def test_what_an_error_carries_is_made_readable(app, value, text):
    with asking(app, "en"):
        assert readable(value, 2) == text


def test_a_moment_in_an_error_says_that_it_is_utc(app):
    with asking(app, "en"):
        text = readable(MOMENT, 2)
    assert text.startswith("Mar 17, 2026")
    assert text.endswith("UTC")


def test_a_text_is_given_in_every_language(app):
    with app.app_context():
        words = i18n.in_every_language(["Meter", "no such text"])
    assert words["Meter"] == {"en": "Meter", "fr": "Compteur", "zh": "表计", "ar": "العداد"}
    assert words["no such text"] == dict.fromkeys(LANGUAGES, "no such text")


NUMBER = "6600 0000 019"
TOGETHER = "6600\u00a00000\u00a0019"
"""By UAX 9, rule W4, one number: a space that does not break is a common separator, a plain one
white space, about which the groups turn round among words that run from right to left."""


@pytest.mark.parametrize(("language", "shown"), [
    ("en", NUMBER), ("fr", NUMBER), ("zh", NUMBER), ("ar", TOGETHER),
])  # fmt: skip
def test_the_groups_of_a_number_stay_in_their_order_among_words(app, language, shown):
    sentence = "A meter with the number %(number)s is registered already."
    with asking(app, language):
        assert shown in i18n._(sentence, number=NUMBER)
        assert shown in str(i18n._l(sentence, number=NUMBER))
        page = app.jinja_env.from_string("{{ _(text, number=number) }}|{{ number }}")
        assert shown in page.render(text=sentence, number=NUMBER).partition("|")[0]
        many = app.jinja_env.from_string("{{ ngettext('%(a)s', '%(a)s', 2, a=number) }}")
        assert many.render(number=NUMBER) == shown
        assert flask_babel.ngettext("%(a)s", "%(a)s", 2, a=NUMBER) == shown


def test_what_is_no_text_of_groups_stays_as_it_is(app):
    with asking(app, "ar"):
        assert i18n.groups_in_order("Plot 7, Moi Avenue 12") == "Plot 7, Moi Avenue 12"
        page = app.jinja_env.from_string("{{ _('%(a)s %(b)s', a=number, b=3) }}")
        assert page.render(number=Markup("<bdi>1 2</bdi>")) == "<bdi>1 2</bdi> 3"
