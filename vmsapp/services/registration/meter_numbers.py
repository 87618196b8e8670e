"""Meter numbers as people and spreadsheets write them.

>>> number_of("0700 0000 013")
'07000000013'
>>> print(number_of("7000000013"))
7000000013 has lost zeros at its beginning. The number may be 0700 0000 013.
>>> number_of("0099 0000 010").code
'meter_number_training'
>>> number_of("1.23E+10").code, number_of("0700 0000 014").code
('meter_number_shortened', 'meter_check_digit')
"""

import re
from functools import lru_cache
from typing import Final

from vmsapp.errors import VmsError
from vmsapp.services.registration import number_errors as wrong
from vmsapp.sts.identifiers import drn as drns
from vmsapp.sts.identifiers import luhn

SHOWN: Final = 24
"""Characters of a wrong number that its sentence repeats."""

TRAINING: Final = "0099"
"""How the numbers of training meters begin: manufacturer's code 00, which no maker is given
because it means any maker on test tokens, and serial numbers from 99 million."""

MOST_ZEROS: Final = 3
"""Zeros that are looked for at a number's lost beginning."""

SHORTENED: Final = re.compile(r"[0-9]+(?:[.,][0-9]+)?[eE]\+?[0-9]+")


@lru_cache(maxsize=4_096)
def number_of(text: str) -> str | VmsError:
    """Read a meter number: its bare digits, or what is wrong with it.

    A chunk of rows is asked more than once.
    """
    number = drns.compact(text)
    if not number:
        return wrong.NumberMissing()
    if not (number.isascii() and number.isdigit()):
        shown = text.strip()[:SHOWN]
        shortened = SHORTENED.fullmatch(number) is not None
        return (wrong.NumberShortened if shortened else wrong.NumberNotDigits)(number=shown)
    if len(number) not in drns.LENGTHS:
        return _of_wrong_length(number)
    if not luhn.is_valid(number):
        return wrong.CheckDigitWrong(number=drns.format(number))
    if len(number) == drns.SHORT and number.startswith(TRAINING):
        return wrong.NumberOfTraining(number=drns.format(number))
    return number


def _of_wrong_length(number: str) -> VmsError:
    whole = _with_zeros(number)
    if whole is not None:
        return wrong.ZeroLost(number=number, whole=drns.format(whole))
    return wrong.NumberLength(number=number[:SHOWN], count=len(number))


def _with_zeros(number: str) -> str | None:
    """Put the zeros back that a spreadsheet took, where that makes a meter number.

    Zeros at the beginning change no check digit: of a shorter number too many would fit.
    """
    longer = next(
        (length for length in drns.LENGTHS if 0 < length - len(number) <= MOST_ZEROS), None
    )
    if longer is None or not luhn.is_valid(number):
        return None
    return number.zfill(longer)
