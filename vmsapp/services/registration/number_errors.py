"""What a meter's number is refused for, one error a rule."""

from vmsapp.errors import N_, InvalidInput


class NumberMissing(InvalidInput):
    """A meter without its number."""

    code = "meter_number_missing"
    message = N_("Enter the number on the meter.")
    field = "number"


class NumberShortened(InvalidInput):
    """A spreadsheet made a rounded number of it."""

    code = "meter_number_shortened"
    message = N_(
        "“%(number)s” is a number that a spreadsheet shortened. Format the column as text and"
        " enter the whole number."
    )
    field = "number"

    def __init__(self, *, number: str) -> None:
        super().__init__(number=number)


class NumberNotDigits(InvalidInput):
    """Something else than digits in it."""

    code = "meter_number_not_digits"
    message = N_("“%(number)s” is no meter number: it must have digits alone.")
    field = "number"

    def __init__(self, *, number: str) -> None:
        super().__init__(number=number)


class NumberLength(InvalidInput):
    """Neither 11 nor 13 digits."""

    code = "meter_number_length"
    message = N_("A meter number has 11 or 13 digits; %(number)s has %(count)s.")
    field = "number"

    def __init__(self, *, number: str, count: int) -> None:
        super().__init__(number=number, count=count)


class ZeroLost(InvalidInput):
    """With zeros before it it would be a meter number: a spreadsheet took them."""

    code = "meter_number_zero_lost"
    message = N_("%(number)s has lost zeros at its beginning. The number may be %(whole)s.")
    field = "number"

    def __init__(self, *, number: str, whole: str) -> None:
        super().__init__(number=number, whole=whole)


class CheckDigitWrong(InvalidInput):
    """A digit is mistyped, or two changed places."""

    code = "meter_check_digit"
    message = N_(
        "The last digit of %(number)s does not check the others. Compare it with the number on the"
        " meter."
    )
    field = "number"

    def __init__(self, *, number: str) -> None:
        super().__init__(number=number)


class NumberOfTraining(InvalidInput):
    """Kept for training meters, which no real meter may be taken for."""

    code = "meter_number_training"
    message = N_("%(number)s is a training meter: no real meter has such a number.")
    field = "number"

    def __init__(self, *, number: str) -> None:
        super().__init__(number=number)


class NumberTaken(InvalidInput):
    """A meter of that number is there, seen or not: whose it is is not said."""

    code = "meter_number_taken"
    message = N_("A meter with the number %(number)s is registered already.")
    field = "number"

    def __init__(self, *, number: str) -> None:
        super().__init__(number=number)


class NumberTwice(InvalidInput):
    """Two rows of one file are the same meter."""

    code = "meter_number_twice"
    message = N_("An earlier row has the meter number %(number)s already.")
    field = "number"

    def __init__(self, *, number: str) -> None:
        super().__init__(number=number)
