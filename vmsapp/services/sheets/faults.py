"""What can be wrong with a cell: codes, and the sentence of each.

A fault is kept as its code and values, and put into words at the door, where the reader's
language is known. Further rules that services check add their own errors' codes.
"""

from typing import Final

from vmsapp.errors import N_, InvalidInput

FAULTS: Final = {
    "required": N_("This cell must not be empty."),
    "cell_error": N_("The cell shows the error %(shown)s. Put a value there."),
    "formula_without_value": N_(
        "The cell holds a formula without its result. Open the file in a spreadsheet program, "
        "save it anew, or put the value itself there."
    ),
    "time_of_day": N_("%(shown)s is a time of day, which is not taken here."),
    "number_for_text": N_(
        "The cell is a number: leading zeros or last digits may be lost. "
        "Format the column as text and enter it again."
    ),
    "scientific": N_(
        "%(shown)s is a number in short form, whose digits are lost. "
        "Format the column as text and enter it again."
    ),
    "date_for_text": N_(
        "The spreadsheet program took this for a date. "
        "Format the column as text and enter it again."
    ),
    "truth_for_text": N_("The cell holds TRUE or FALSE where a text is needed."),
    "odd_characters": N_("The text holds characters that cannot be seen. Enter it again."),
    "too_long": N_("The text has more than %(longest)s characters."),
    "not_digits": N_("Only the digits 0 to 9 are taken here."),
    "wrong_length": N_("%(least)s to %(most)s digits are needed; these are %(count)s."),
    "exact_length": N_("%(least)s digits are needed; these are %(count)s."),
    "wrong_form": N_("%(shown)s is not written as it must be here."),
    "not_a_number": N_("%(shown)s is not a number."),
    "either_sign": N_(
        "%(shown)s can be read in two ways. Write it without a sign between thousands, "
        "or format the column as numbers."
    ),
    "too_many_decimals": N_("At most %(places)s decimals are taken here."),
    "too_small": N_("The smallest value is %(least)s."),
    "too_large": N_("The largest value is %(most)s."),
    "not_a_date": N_("%(shown)s is not a date. Write year, month and day, such as 2026-01-31."),
    "ambiguous_date": N_(
        "%(shown)s can be read in two ways. Write year, month and day, such as 2026-01-31."
    ),
    "no_such_day": N_("There is no day %(shown)s."),
    "unknown_choice": N_("%(shown)s is not known here."),
    "unknown_choice_near": N_("%(shown)s is not known here. Is %(near)s meant?"),
    "ambiguous_choice": N_("%(shown)s is the name of several. Give its number or code."),
    "ambiguous_region": N_(
        "%(shown)s is the name of several regions. Write where it lies, such as "
        "Country / Province / City."
    ),
}
"""The sentences by code."""

_SHOWN: Final = 60
"""Characters of a cell that its sentence repeats."""


class CellFault(InvalidInput):
    """A cell breaks a rule of its column."""

    def __init__(self, code: str, **params: object) -> None:
        super().__init__(**params)
        self.code = code  # type: ignore[misc]  # one class, one code each
        self.message = FAULTS[code]  # type: ignore[misc]


def shown(value: object) -> str:
    """A cell's value as a sentence repeats it."""
    if isinstance(value, float):
        return f"{value:.15g}"
    text = " ".join(str(value).split())
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
