"""Why nothing is looked up; none of them repeats what was typed."""

from vmsapp.errors import N_, InvalidInput, Refused


class TokenMissing(InvalidInput):
    """Nothing was typed."""

    code = "token_missing"
    message = N_("Enter the 20 digits of the token.")
    field = "digits"


class TokenNotDigits(InvalidInput):
    """Something else than digits, spaces and hyphens."""

    code = "token_not_digits"
    message = N_("A token has digits alone. Remove everything else.")
    field = "digits"


class TokenLength(InvalidInput):
    """More or fewer than twenty."""

    code = "token_length"
    message = N_("A token has 20 digits; %(count)s were entered.")
    field = "digits"

    def __init__(self, *, count: int) -> None:
        super().__init__(count=count)


class TokenTooLarge(InvalidInput):
    """Above what 66 bits hold: no module makes such digits and no meter takes them."""

    code = "token_too_large"
    message = N_(
        "No token begins like this: one of its first digits is wrong. Compare them with the slip."
    )
    field = "digits"


class MeterUnknown(InvalidInput):
    """Not registered, or outside the asker's scope: one answer."""

    code = "token_meter_unknown"
    message = N_("No meter with this number is registered where you may look.")
    field = "number"


class TooManyLookUps(Refused):
    """One person looks up more than a day's work at a desk asks for."""

    code = "too_many_look_ups"
    message = N_("You looked up %(count)s tokens within %(minutes)s minutes. Wait a few minutes.")

    def __init__(self, *, count: int, minutes: int) -> None:
        super().__init__(count=count, minutes=minutes)
