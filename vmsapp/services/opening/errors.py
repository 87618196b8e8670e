"""What may be wrong with what a former system tells of a meter."""

from datetime import datetime

from vmsapp.errors import N_, Conflict, InvalidInput, Refused


class SoldHereAlready(Refused):
    """A sale counts there: the figure may hold it, too, and its fee is paid."""

    code = "opening_sold_here"
    message = N_(
        "Tokens were sold here already, so the former system's units and fees stay as they are."
    )


class LastTokenAhead(InvalidInput):
    """No system gave an identifier that lies so far ahead."""

    code = "opening_token_ahead"
    message = N_(
        "The last token would be of %(last)s: that is more than two days ahead. Check TID, time and"
        " base date."
    )

    def __init__(self, *, last: datetime) -> None:
        super().__init__(last=last)


class LastTokenOutside(InvalidInput):
    """The time has no identifier under the base date."""

    code = "opening_token_outside"
    message = N_("Under the base date %(year)s there is no token of that time.")

    def __init__(self, *, year: int) -> None:
        super().__init__(year=year)


class FloorStays(Conflict):
    """An undo puts units and fees back, and no floor."""

    code = "opening_floor_stays"
    message = N_(
        "Units and fees are as they were before. The lowest TID stays, for it is never lowered."
    )
