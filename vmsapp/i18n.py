"""The reader's language: which it is, and how numbers, money and times are written.

Digits of meters, tokens and amounts are left as they are in every language; words
around them are translated.
"""

import re
from collections.abc import Iterable
from datetime import date, datetime
from decimal import Decimal
from functools import cached_property
from typing import Any, Final
from zoneinfo import ZoneInfo

from babel import Locale
from babel.dates import format_date, format_datetime
from babel.numbers import format_decimal
from babel.support import NullTranslations, Translations
from flask import Flask, current_app, has_request_context, request, session
from flask_babel import Babel, Domain, force_locale, get_locale, gettext, lazy_gettext
from jinja2 import pass_context
from jinja2.runtime import Context

from vmsapp.money import Money

_ = gettext
_l = lazy_gettext

_SIGN: Final = "\N{CURRENCY SIGN}"
_MARKS: Final = " \N{NO-BREAK SPACE}\N{RIGHT-TO-LEFT MARK}\N{LEFT-TO-RIGHT MARK}"
"""What stands around a sign in the patterns of languages."""
_HOLE: Final = "\ue000"
"""Of private use: stands for a sign while a number is written."""

_BETWEEN_GROUPS: Final = re.compile(r"(?<=[0-9]) (?=[0-9])")


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


class _Babel(Babel):  # type: ignore[misc]
    @cached_property
    def domain_instance(self) -> Domain:
        return _Sentences(self.domain)


def init_app(app: Flask) -> None:
    """Choose the language of each request, and give templates what they write with."""
    app.extensions.setdefault("currency_sign", str)  # the code itself, where nobody knows better
    babel = app.extensions["babel"]
    babel.locale_selector = choose_locale
    babel.instance.__class__ = _Babel  # the framework made it, and asks it for its domain
    words = app.jinja_env.globals
    words.update({name: _grouping(words[name]) for name in ("gettext", "ngettext")})
    app.jinja_env.globals.update(
        get_locale=get_locale,
        money=money_text,
        units=units_text,
        price=price_text,
        rate=rate_text,
        moment=moment_text,
        day=day_text,
        languages=app.config["LANGUAGES"],
    )


def choose_locale() -> str:
    """Take the language chosen in this session, else the browser's, else English."""
    languages = current_app.config["LANGUAGES"]
    if has_request_context():
        chosen = request.args.get("_l_") or session.get("locale")
        if chosen in languages:
            return str(chosen)
        return request.accept_languages.best_match(list(languages), "en") or "en"
    return "en"


def groups_in_order(text: str) -> str:
    """Keep the groups of a number in their order where words run from right to left.

    ``6600 0000 019`` among Arabic words is shown as 019 0000 6600 otherwise: each group is a
    number of its own there, and the first of them stands rightmost. A space that does not
    break makes one number of them.

    Source: Unicode Standard Annex 9, rule W4 (a common separator between two numbers).
    """
    locale = get_locale()
    if locale is None or locale.text_direction != "rtl":
        return text
    return _BETWEEN_GROUPS.sub("\N{NO-BREAK SPACE}", text)


def _grouped(variables: dict[str, object]) -> dict[str, object]:
    return {
        name: groups_in_order(value) if type(value) is str else value
        for name, value in variables.items()
    }


def _grouping(translate: Any) -> Any:  # noqa: ANN401 - as the template language gives it
    @pass_context
    def translated(context: Context, *texts: Any, **variables: Any) -> Any:  # noqa: ANN401
        return translate(context, *texts, **_grouped(variables))

    return translated


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
    pattern = "#,##0." + "0" * exponent if exponent else "#,##0"
    sign = current_app.extensions["currency_sign"](currency) if symbol else ""
    if sign and sign != currency:
        return _with_sign(amount, pattern, sign)
    text = format_decimal(amount, format=pattern, locale=_locale())
    return f"{text} {currency}" if symbol else text


def _with_sign(amount: Decimal, pattern: str, sign: str) -> str:
    """Put a sign before or behind, as the language has it; a letter keeps off the digits."""
    leads = _locale().currency_formats["standard"].prefix[0].strip(_MARKS) == _SIGN
    gap = "\N{NO-BREAK SPACE}" if not leads or sign[-1].isalpha() or sign[-1] == "." else ""
    whole = f"'{_HOLE}'{gap}{pattern}" if leads else f"{pattern}{gap}'{_HOLE}'"
    written = format_decimal(amount, format=whole, locale=_locale())
    return str(written).replace(_HOLE, sign)


def units_text(units: Decimal) -> str:
    """Write units the reader's way, with at least one decimal and no more than needed."""
    return format_decimal(units, format="#,##0.0##", locale=_locale())


def price_text(price: Decimal) -> str:
    """Write a price the reader's way: at least cents, without idle zeros."""
    return format_decimal(price, format="#,##0.00####", locale=_locale())


def rate_text(rate: Decimal) -> str:
    """Write a percentage the reader's way, without its sign and without idle zeros."""
    return format_decimal(rate, format="#,##0.######", locale=_locale())


def figure_text(figure: Decimal) -> str:
    """Write a mark of an axis the reader's way, without idle zeros."""
    return format_decimal(figure, format="#,##0.######", locale=_locale())


def moment_text(moment: datetime, zone: str = "UTC") -> str:
    """Write a moment the reader's way, in a time zone."""
    return format_datetime(
        moment.astimezone(ZoneInfo(zone)), format="medium", tzinfo=ZoneInfo(zone), locale=_locale()
    )


def day_text(day: str) -> str:
    """Write a stored date, ``YYYY-MM-DD``, the reader's way."""
    return format_date(date.fromisoformat(day), locale=_locale())


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
            return format_date(value, locale=_locale())
        case _:
            return value


def _locale() -> Locale:
    return get_locale() or Locale("en")
