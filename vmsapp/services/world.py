"""What a utility chooses from: the currencies and time zones of the world.

Sources: CLDR, as Babel carries it, for currencies and their decimals; the IANA time zone
database for zones.

>>> decimals_of("USD"), decimals_of("JPY"), decimals_of("KWD")
(2, 0, 3)
"""

import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Final
from zoneinfo import available_timezones

from babel.numbers import get_currency_name, get_currency_precision, list_currencies

from vmsapp.i18n import written_as

COMMON: Final = ("USD", "EUR", "CNY")
"""The currencies that are offered first."""

CODE: Final = re.compile(r"[A-Z]{3}")
"""A code of ISO 4217, or one made up in its manner."""

AREAS: Final = frozenset({
    "Africa", "America", "Antarctica", "Arctic", "Asia", "Atlantic", "Australia", "Europe",
    "Indian", "Pacific",
})  # fmt: skip
UTC: Final = "UTC"


@cache
def zones() -> Mapping[str, str]:
    """Names of time zones that are those of a place, and UTC, by their small letters."""
    names = (name for name in available_timezones() if name.partition("/")[0] in AREAS)
    return {name.lower(): name for name in sorted([*names, UTC])}


def zones_fitting(text: str) -> Sequence[str]:
    """List the time zones somebody may mean: by name, city, or a part of it.

    >>> zones_fitting("nairobi"), zones_fitting("Mars")
    (['Africa/Nairobi'], [])
    """
    wanted = "_".join(text.lower().split())
    if wanted in zones():
        return [zones()[wanted]]
    cities = [name for small, name in zones().items() if small.endswith(f"/{wanted}")]
    if cities or not wanted:
        return cities
    return [
        name
        for small, name in zones().items()
        if wanted in (small if "/" in wanted else small.partition("/")[2])
    ]


@cache
def currencies(language: str) -> Sequence[tuple[str, str]]:
    """Codes and names of the currencies paid with today, the common ones first."""
    locale = written_as(language)
    today = sorted({code for of in _tender().values() for code in of} - set(COMMON))
    return [(code, str(get_currency_name(code, locale=locale))) for code in (*COMMON, *today)]


def decimals_of(code: str) -> int | None:
    """Tell how many decimals a currency has; ``None`` for one the world does not know."""
    return get_currency_precision(code) if code in list_currencies() else None


@cache
def _tender() -> Mapping[str, Sequence[str]]:
    from babel.core import get_global  # noqa: PLC0415 - read when it is first asked for

    return {
        territory: [code for code, _begun, ended, tender in of if ended is None and tender]
        for territory, of in get_global("territory_currencies").items()
    }
