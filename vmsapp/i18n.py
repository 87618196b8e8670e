"""The reader's language: which it is, and how numbers, money and times are written.

Digits of meters, tokens and amounts are left as they are in every language; words
around them are translated.
"""

import re
from collections.abc import Iterable
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from typing import Any, Final
from zoneinfo import ZoneInfo

from babel import Locale
from babel.dates import format_date, format_datetime
from babel.numbers import (
    format_decimal,
    format_percent,
    get_decimal_symbol,
    get_group_symbol,
)
from babel.support import NullTranslations, Translations
from flask import Flask, current_app, has_request_context, request, session
from flask_babel import Domain, force_locale, get_locale, gettext, lazy_gettext
from jinja2 import pass_context
from jinja2.runtime import Context
from markupsafe import Markup

from vmsapp.errors import N_
from vmsapp.money import Money

_ = gettext
_l = lazy_gettext

_WRITTEN_AS: Final = {"pt": Locale("pt", "PT")}
"""Our Portuguese is that of Africa and Europe; without a country it is taken for Brazil's.

Source: docs/glossary/pt.md, "contador" and "utilizador".
"""

_SIGN: Final = "\N{CURRENCY SIGN}"
_MARKS: Final = " \N{NO-BREAK SPACE}\N{RIGHT-TO-LEFT MARK}\N{LEFT-TO-RIGHT MARK}"
"""What stands around a sign in the patterns of languages."""
_HOLE: Final = "\ue000"
"""Of private use: stands for a sign while a number is written."""

LONGEST: Final = 20
"""Figures in front of the point that are written out; no price or quantity has more."""

LABELLED: Final = N_("%(label)s: %(value)s")
"""A label and what it labels, with the colon of the language and the spaces around it."""

_ISOLATE, _ENDED = "\N{FIRST STRONG ISOLATE}", "\N{POP DIRECTIONAL ISOLATE}"
_SIGNED: Final = "\N{RIGHT-TO-LEFT MARK}\N{LEFT-TO-RIGHT MARK}"
_DIGIT: Final = re.compile(r"[0-9]")
_BESIDE_DIGITS: Final = re.compile(r"[-+−±%/:–×#]|[^\W\d_\u0600-\u06ff]")
"""Signs that are torn off the digits beside them, and letters that take other digits along."""

_BETWEEN_GROUPS: Final = re.compile(r"(?<=[0-9]) (?=[0-9])")
_HALF_OF_DAY: Final = re.compile(r" (?=[صم]$)")
"""Before the one letter that says before or after noon in Arabic."""
_HYPHENED: Final = re.compile(r"(?<![\w\u200e\u2066\u2068-])(?=[0-9]+-[0-9])")
"""Where a number begins whose groups are joined by hyphens."""


class _Sentences(Domain):  # type: ignore[misc]
    """Sentences in which the groups of a number stay in their order.

    The library makes a domain for each request, and with it reads all sentences of a language
    anew. This one is made once.
    """

    def __init__(self, domain: str) -> None:
        super().__init__(domain=domain)
        self._known: dict[tuple[str | None, ...], Translations] = {}

    def get_translations(self) -> NullTranslations:
        locale = get_locale()
        if locale is None:
            return NullTranslations()
        name = (locale.language, locale.script, locale.territory)
        if name not in self._known:
            self._known[name] = super().get_translations()
        return self._known[name]

    def gettext(self, string: str, **variables: object) -> str:
        return str(super().gettext(string, **_grouped(variables)))

    def ngettext(self, singular: str, plural: str, num: int, **variables: object) -> str:
        return str(super().ngettext(singular, plural, num, **_grouped(variables)))


def init_app(app: Flask) -> None:
    """Choose the language of each request, and give templates what they write with."""
    app.extensions.setdefault("currency_sign", str)  # the code itself, where nobody knows better
    babel = app.extensions["babel"]
    babel.locale_selector = choose_locale
    # the framework made it, and may have asked it for its domain, which it keeps
    babel.instance.domain_instance = _Sentences(babel.default_domain)
    words = app.jinja_env.globals
    words.update({name: _grouping(words[name]) for name in ("gettext", "ngettext")})
    app.jinja_env.globals.update(
        get_locale=get_locale,
        money=money_text,
        units=units_text,
        price=price_text,
        moment=moment_text,
        day=day_text,
        labelled=labelled,
        groups_in_order=groups_in_order,
        languages=app.config["LANGUAGES"],
    )


def choose_locale() -> str:
    """Take the language chosen in this session, else the browser's, else English."""
    languages = current_app.config["LANGUAGES"]
    if has_request_context():
        chosen = request.args.get("_l_") or session.get("locale")
        if chosen in languages:
            return str(chosen)
        for tag, quality in request.accept_languages:  # the best first
            language = tag.partition("-")[0].lower()
            if quality and language in languages:
                return str(language)
    return "en"


def groups_in_order(text: str) -> str:
    """Keep the groups of a number in their order where words run from right to left.

    ``6600 0000 019`` among Arabic words is shown as 019 0000 6600 otherwise: each group is a
    number of its own there, and the first of them stands rightmost. A space that does not
    break makes one number of them. Before groups with hyphens, such as ``1-1-000042``, a mark
    stands: they are of a script that runs from left to right then.

    Source: Unicode Standard Annex 9, rules W4 (a common separator between two numbers), W2 and
    W7 (numbers are as the letter before them).
    """
    return _HYPHENED.sub("\N{LEFT-TO-RIGHT MARK}", _unbroken(text)) if _from_the_right() else text


def _unbroken(text: str) -> str:
    return _BETWEEN_GROUPS.sub("\N{NO-BREAK SPACE}", text) if _from_the_right() else text


def isolated(text: str) -> str:
    """Keep a text apart from what stands around it, where words run from right to left.

    ``-5.00 USD`` beside ``20.00 USD`` is shown with its sign behind it and with the currency of
    one before the digits of the other otherwise. The marks are not seen, and hold in pages, in
    files and in mails alike.

    Source: Unicode Standard Annex 9, 2.4 "Explicit Directional Isolates".
    """
    if not _from_the_right() or text.startswith(_ISOLATE):
        return text
    return f"{_ISOLATE}{text}{_ENDED}"


def _from_the_right() -> bool:
    locale = get_locale()
    return locale is not None and locale.text_direction == "rtl"


def _in_a_sentence(text: str) -> str:
    """Keep the figures that a sentence is given in their order, and apart from its words."""
    whole = _unbroken(text)
    mixed = _DIGIT.search(whole) and _BESIDE_DIGITS.search(whole)
    return isolated(whole) if mixed else whole


def _grouped(variables: dict[str, object]) -> dict[str, object]:
    if not _from_the_right():
        return variables
    return {
        name: _in_a_sentence(value) if type(value) is str else value
        for name, value in variables.items()
    }


def _grouping(translate: Any) -> Any:  # noqa: ANN401 - as the template language gives it
    @pass_context
    def translated(context: Context, *texts: Any, **variables: Any) -> Any:  # noqa: ANN401
        return translate(context, *texts, **_grouped(variables))

    return translated


@cache
def _labelled_in(locale: Locale) -> tuple[str, bool]:
    """The reader's pattern, and whether it runs from the right; asked a thousand times a report."""
    return str(gettext(LABELLED)), locale.text_direction == "rtl"


def labelled(label: object, value: object) -> str:
    """Say what something is, and then it: French and Chinese have other colons than English.

    Where one of the two is HTML, the other is made safe beside it. Outside of an application the
    sentence is English.
    """
    locale = get_locale()
    pattern, from_the_right = _labelled_in(locale) if locale else (LABELLED, False)
    if isinstance(label, Markup) or isinstance(value, Markup):
        pattern = Markup(pattern)  # noqa: S704 - our own text
    words = {"label": label, "value": value}
    said: str = pattern % (_grouped(words) if from_the_right else words)
    return said


def written_as(language: str = "") -> Locale:
    """Tell by which locale numbers, days and currencies are written.

    Args:
        language: Whose; the reader's, where none is named.
    """
    locale = Locale.parse(language) if language else get_locale() or Locale("en")
    return locale if locale.territory else _WRITTEN_AS.get(locale.language, locale)


def in_every_language(texts: Iterable[str]) -> dict[str, dict[str, str]]:
    """Texts in each of the product's languages: by text, then by language."""
    words: dict[str, dict[str, str]] = {text: {} for text in texts}
    for language in current_app.config["LANGUAGES"]:
        with force_locale(language):
            for text, spoken in words.items():
                spoken[language] = gettext(text)
    return words


def money_text(minor: int, currency: str, exponent: int, *, symbol: bool = True) -> str:
    """Write minor units the reader's way, with the utility's sign for the currency or its code.

    A sign stands where readers of the language expect one; a code stands behind.
    """
    amount = Decimal(minor).scaleb(-exponent)
    sign = current_app.extensions["currency_sign"](currency) if symbol else ""
    if sign and sign != currency:
        pattern = "#,##0." + "0" * exponent if exponent else "#,##0"
        return isolated(_with_sign(amount, pattern, sign))
    text = _in_groups(f"{amount:,.{exponent}f}")
    if symbol:
        return isolated(f"{text} {currency}")
    return isolated(text) if minor < 0 else text


def _with_sign(amount: Decimal, pattern: str, sign: str) -> str:
    """Put a sign before or behind, as the language has it; a letter keeps off the digits."""
    leads = written_as().currency_formats["standard"].prefix[0].strip(_MARKS) == _SIGN
    gap = "\N{NO-BREAK SPACE}" if not leads or sign[-1].isalpha() or sign[-1] == "." else ""
    whole = f"'{_HOLE}'{gap}{pattern}" if leads else f"{pattern}{gap}'{_HOLE}'"
    written = str(format_decimal(amount, format=whole, locale=written_as())).replace(_HOLE, sign)
    # a minus stands before its digits; the marks are those of CLDR's pattern for Arabic
    return f"{_SIGNED}{written}" if _from_the_right() and written.startswith("-") else written


def units_text(units: Decimal) -> str:
    """Write units the reader's way, with at least one decimal and no more than needed."""
    text = f"{units:,.3f}"
    written = _in_groups(text[:-2] + text[-2:].rstrip("0"))
    return isolated(written) if units < 0 else written


def _in_groups(text: str) -> str:
    """Give a number in groups of three the reader's signs: ten times as fast as a pattern.

    Tables of reports have ten thousand of them.
    """
    return text.translate(_number_signs(written_as()))


@cache
def _number_signs(locale: Locale) -> dict[int, str]:
    return str.maketrans({",": get_group_symbol(locale), ".": get_decimal_symbol(locale)})


def whole_text(number: int) -> str:
    """Write a whole number with its thousands apart."""
    locale = written_as()
    if not _by_threes(locale):
        return format_decimal(number, locale=locale)
    return _in_groups(f"{number:,}")


@cache
def _by_threes(locale: Locale) -> bool:
    """Tell whether thousands stand apart and nothing else; lakhs do in some languages."""
    grouping: tuple[int, int] = locale.decimal_formats[None].grouping
    return grouping == (3, 3)


def price_text(price: Decimal) -> str:
    """Write a price the reader's way: at least cents, without idle zeros."""
    return format_decimal(price, format="#,##0.00####", locale=written_as())


def rate_text(rate: Decimal) -> str:
    """Write a percentage the reader's way, without its sign and without idle zeros."""
    return format_decimal(rate, format="#,##0.######", locale=written_as())


def percent_text(percent: Decimal | int, decimals: str = "######", *, signed: bool = False) -> str:
    """Write a percentage the reader's way with its sign: ``5%``, in French ``5 %``.

    Args:
        percent: In hundredths: 5 is 5%.
        decimals: The pattern of what stands behind the point; as many as are needed, otherwise.
        signed: More has a plus.
    """
    locale = written_as()
    pattern = _percent_pattern(locale, decimals)
    if signed:
        pattern = f"+{pattern};-{pattern}"
    text: str = format_percent(Decimal(percent) / 100, format=pattern, locale=locale)
    return isolated(text) if signed or percent < 0 else text


@cache
def _percent_pattern(locale: Locale, decimals: str) -> str:
    whole: str = locale.percent_formats[None].pattern
    return whole.replace("#,##0", f"#,##0.{decimals}" if decimals else "#,##0")


def figure_text(figure: Decimal) -> str:
    """Write a figure the reader's way, without idle zeros; one nobody could read, as 1E+400."""
    if figure.adjusted() > LONGEST:
        return f"{figure:.0E}"
    return format_decimal(figure, format="#,##0.######", locale=written_as())


def moment_text(moment: datetime, zone: str = "UTC") -> str:
    """Write a moment the reader's way, in a time zone; its half of the day stays beside it."""
    text: str = format_datetime(
        moment.astimezone(ZoneInfo(zone)),
        format="medium",
        tzinfo=ZoneInfo(zone),
        locale=written_as(),
    )
    return _HALF_OF_DAY.sub("\N{NO-BREAK SPACE}", text)


def day_text(day: str) -> str:
    """Write a stored date, ``YYYY-MM-DD``, the reader's way."""
    return date_text(date.fromisoformat(day))


def date_text(day: date, style: str = "medium") -> str:
    """Write a date the reader's way, ``medium`` or ``long``."""
    return format_date(day, style, locale=written_as())


def readable(value: object, exponent: int, zone: str = "UTC") -> object:
    """Make a value of an error's sentence readable: money, numbers and times.

    Args:
        value: What the error carries.
        exponent: Decimals of the utility's currency.
        zone: The utility's time zone.
    """
    match value:
        case Money():
            return money_text(value.minor, value.currency, exponent)
        case Decimal():
            return units_text(value)
        case datetime():
            text = moment_text(value, zone)
            return f"{text} UTC" if zone == "UTC" else text
        case date():
            return date_text(value)
        case _:
            return value
