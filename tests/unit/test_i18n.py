"""The reader's language: which it is, and that figures stay figures in all of them."""

import re
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import flask_babel
import pytest
from babel.numbers import format_decimal
from flask import Flask, session
from flask_babel import Babel
from fpdf.bidi import BidiParagraph
from fpdf.enums import TextDirection
from markupsafe import Markup

from config import LANGUAGES
from vmsapp import i18n
from vmsapp.i18n import (
    choose_locale,
    date_text,
    day_text,
    labelled,
    moment_text,
    money_text,
    percent_text,
    price_text,
    readable,
    units_text,
    whole_text,
    written_as,
)
from vmsapp.money import Money
from vmsapp.services.world import currencies

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
    ("sw-KE,en;q=0.8", "sw"), ("pt-BR", "pt"), ("es-MX,es;q=0.9", "es"), ("ru", "ru"),
    ("xh,de;q=0.5", "en"), ("", "en"), ("de,en;q=0.3,fr;q=0.9", "fr"),
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


UNSEEN = re.compile("[\u200e\u200f\u2066-\u2069]")
"""Marks of directions."""

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
        assert UNSEEN.sub("", written.replace("\N{MINUS SIGN}", "-")) == text
        assert sign not in money_text(-123450, "USD", 2, symbol=False)
        assert UNSEEN.sub("", money_text(500, "EUR", 2)) in {"5.00 EUR", "5,00 EUR"}


@pytest.mark.parametrize("minor", [10**15 - 1, 999_999_999_999_99])
def test_large_amounts_are_written_to_the_last_unit(app, minor):
    with asking(app, "en"):
        assert re.sub(r"\D", "", money_text(minor, "USD", 2)) == str(minor)


# the sign and the space before it: CLDR, the standard percent pattern of each language
PERCENTS = [
    ("en", "5%", "12.5%", "+33.3%", "0.0%"), ("zh", "5%", "12.5%", "+33.3%", "0.0%"),
    ("fr", "5 %", "12,5 %", "+33,3 %", "0,0 %"), ("es", "5 %", "12,5 %", "+33,3 %", "0,0 %"),
    ("ru", "5 %", "12,5 %", "+33,3 %", "0,0 %"), ("pt", "5%", "12,5%", "+33,3%", "0,0%"),
    ("sw", "5%", "12.5%", "+33.3%", "0.0%"), ("ar", "5%", "12.5%", "+33.3%", "0.0%"),
]  # fmt: skip


@pytest.mark.parametrize(("language", "whole", "half", "more", "none"), PERCENTS)
def test_percentages_have_the_sign_of_the_language(app, language, whole, half, more, none):
    with asking(app, language):
        third = Decimal(100) / 3
        written = [
            percent_text(5), percent_text(Decimal("12.500")),
            percent_text(third, "0", signed=True), percent_text(0, "0"),
        ]  # fmt: skip
        less = percent_text(-third, "0", signed=True)
    assert [UNSEEN.sub("", one).replace("\u00a0", " ") for one in written] == [
        whole, half, more, none
    ]  # fmt: skip
    assert UNSEEN.sub("", less).replace("\u00a0", " ") == more.replace("+", "-")


def test_every_language_has_its_percentages():
    assert {language for language, *_ in PERCENTS} == set(LANGUAGES)


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
    assert words["Meter"] == {
        "en": "Meter", "fr": "Compteur", "zh": "表计", "ar": "العداد", "pt": "Contador",
        "es": "Medidor", "sw": "Mita", "ru": "Счётчик",
    }  # fmt: skip
    assert words["no such text"] == dict.fromkeys(LANGUAGES, "no such text")


# French: Lexique des règles typographiques en usage à l'Imprimerie nationale; Chinese: GB/T 15834
LABELLED = [
    ("en", "Shop: A"), ("fr", "Shop\u00a0: A"), ("zh", "Shop\uff1aA"), ("ar", "Shop: A"),
    ("pt", "Shop: A"), ("es", "Shop: A"), ("sw", "Shop: A"), ("ru", "Shop: A"),
]  # fmt: skip


@pytest.mark.parametrize(("language", "said"), LABELLED)
def test_a_label_has_the_colon_of_its_language(app, language, said):
    with asking(app, language):
        assert labelled("Shop", "A") == said
        assert app.jinja_env.from_string("{{ labelled('Shop', 'A') }}").render() == said


def test_every_language_has_its_colon():
    assert {language for language, _ in LABELLED} == set(LANGUAGES)


def test_a_label_beside_html_is_made_safe(app):
    with asking(app, "fr"):
        assert labelled("<i>", Markup("<b>1</b>")) == "&lt;i&gt;\u00a0: <b>1</b>"
        assert labelled(Markup("<b>1</b>"), "<i>") == "<b>1</b>\u00a0: &lt;i&gt;"
        assert type(labelled("<i>", "<i>")) is str  # for a template to make safe


def test_outside_of_an_application_the_colon_is_english():
    assert labelled("Shop", "A") == "Shop: A"


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


def shown(text):
    """A line as it is seen from left to right among words that run from right to left.

    Source: Unicode Standard Annex 9, as the library that writes our PDF files carries it out.
    """
    return UNSEEN.sub("", BidiParagraph(text, TextDirection.RTL).get_reordered_string())


def test_what_is_not_kept_apart_is_torn_to_pieces_in_arabic():
    assert shown("من -5.00 USD / 20.00 USD") == "USD / 20.00 USD 5.00- نم"
    assert shown("يوم 2026-03-17") == "17-03-2026 موي"


@pytest.mark.parametrize(("title", "seen"), [
    ("إيصال 1-1-000001", "1-1-000001 لاصيإ"),
    ("من 1-1-000001 إلى 2-10-000020", "2-10-000020 ىلإ 1-1-000001 نم"),
])  # fmt: skip
def test_groups_joined_by_hyphens_stay_in_their_order_in_a_title(app, title, seen):
    assert shown(title) != seen
    with asking(app, "ar"):
        assert shown(i18n.groups_in_order(title)) == seen
        assert shown(i18n.groups_in_order(i18n.groups_in_order(title))) == seen
    with asking(app, "fr"):
        assert i18n.groups_in_order(title) == title


BETWEEN = "من %(a)s / %(b)s"
"""As a catalogue has it; what is no text of a catalogue is said as it stands."""


@pytest.mark.parametrize(("a", "b", "seen"), [
    (Money(-500, "USD"), Money(2000, "USD"), "20.00 USD / -5.00 USD نم"),
    ("2026-03-17", "2026-03-18", "2026-03-18 / 2026-03-17 نم"),
    ("+12%", "-3%", "-3% / +12% نم"), ("C0001", "KRN 2", "KRN 2 / C0001 نم"),
    ("6600 0000 019", "7.5", "7.5 / 6600\u00a00000\u00a0019 نم"),
    (Decimal("-7.5"), 3, "3 / -7.5 نم"),
])  # fmt: skip
def test_figures_of_an_arabic_sentence_stay_whole(app, a, b, seen):
    with asking(app, "ar"):
        a, b = readable(a, 2), readable(b, 2)
        assert shown(i18n._(BETWEEN, a=a, b=b)) == seen
        assert shown(str(i18n._l(BETWEEN, a=a, b=b))) == seen
        page = app.jinja_env.from_string("{{ _(text, a=a, b=b) }}")
        assert shown(page.render(text=BETWEEN, a=a, b=b)) == seen


@pytest.mark.parametrize(("minor", "sign", "seen"), [
    (500, "USD", "5.00 USD"), (-500, "USD", "-5.00 USD"), (500, "د.ك", "ك.د\u00a05.00"),
    (-500, "د.ك", "ك.د\u00a0-5.00"), (-500, "KSh", "-5.00\u00a0KSh"),
])  # fmt: skip
def test_an_amount_is_whole_in_arabic_wherever_it_stands(app, minor, sign, seen):
    app.extensions["currency_sign"] = {"USD": sign}.__getitem__
    with asking(app, "ar"):
        amount = money_text(minor, "USD", 2)
        assert shown(amount) == seen
        assert shown(f"{amount} {amount}") == f"{seen} {seen}"  # a total beside its part
        assert shown(money_text(minor, "USD", 2, symbol=False)) == f"{minor / 100:.2f}"


@pytest.mark.parametrize("language", sorted(set(LANGUAGES) - {"ar"}))
def test_languages_that_run_to_the_right_have_no_marks(app, language):
    with asking(app, language):
        texts = (money_text(-500, "USD", 2), i18n._(BETWEEN, a="+12%", b="2026-03-17"))
        assert not any(map(UNSEEN.search, texts))


def test_portuguese_is_written_as_in_africa_and_europe(app):
    # CLDR: pt_PT, from which pt_AO and pt_MZ take all of this; plain pt is Brazil's
    with asking(app, "pt"):
        assert money_text(123_456_789, "MZN", 2) == "1\u00a0234\u00a0567,89 MZN"
        assert moment_text(MOMENT, "Africa/Maputo") == "17/03/2026, 23:30:00"
        assert date_text(date(2026, 3, 17)) == day_text("2026-03-17") == "17/03/2026"
        assert date_text(date(2026, 3, 17), "long") == "17 de março de 2026"
        assert readable(date(2026, 3, 17), 2) == "17/03/2026"
        assert written_as() == written_as("pt")
    assert dict(currencies("pt"))["USD"] == "dólar dos Estados Unidos"
    assert dict(currencies("pt"))["MZN"] == "metical moçambicano"


@pytest.mark.parametrize("language", sorted(set(LANGUAGES) - {"pt"}))
def test_other_languages_are_written_as_they_are(app, language):
    with asking(app, language):
        assert str(written_as()) == str(written_as(language)) == language


def test_a_country_that_was_asked_for_is_kept(app):
    with app.test_request_context("/"), flask_babel.force_locale("pt_BR"):
        assert str(written_as()) == "pt_BR"


NUMBERS = [0, 7, -7, 999, 1000, -123456, 1234567, -987654321012]


@pytest.mark.parametrize("language", [*LANGUAGES, "de_CH", "hi", "sv"])
def test_numbers_of_tables_are_written_as_the_language_writes_them(app, language):
    locale = {"pt": "pt_PT"}.get(language, language)  # docs/glossary/pt.md: not that of Brazil
    with app.test_request_context("/"), flask_babel.force_locale(language):
        for number in NUMBERS:
            amount = Decimal(number).scaleb(-2)
            assert whole_text(number) == format_decimal(number, locale=locale)
            written = format_decimal(amount, format="#,##0.00", locale=locale)
            assert UNSEEN.sub("", money_text(number, "USD", 2, symbol=False)) == written
            for units in (amount, Decimal(number).scaleb(-5), Decimal(number).scaleb(-1)):
                written = format_decimal(units, format="#,##0.0##", locale=locale)
                assert UNSEEN.sub("", units_text(units)) == written
