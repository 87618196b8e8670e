"""What is refused in the work on findings and in what is set of rules, and why."""

from vmsapp.errors import N_, Conflict, InvalidInput, Refused


class FindingOver(Conflict):
    """It was decided, or is no longer true."""

    code = "finding_over"
    message = N_("Nothing more can be done to this finding: it was decided, or is over.")


class NotTaken(Conflict):
    """Nobody works on it."""

    code = "finding_not_taken"
    message = N_("Nobody works on this finding.")


class NotDecided(Conflict):
    """Nobody decided it."""

    code = "finding_not_decided"
    message = N_("This finding is not decided.")


class FoundAgain(Refused):
    """There is a newer finding of the same rule about the same subject."""

    code = "finding_found_again"
    message = N_("The same was found again since: finding %(id)s. Work on that one.")

    def __init__(self, *, id: int) -> None:  # noqa: A002 - the sentence's own word
        super().__init__(id=id)


class OutcomeUnfit(InvalidInput):
    """The outcome is none of such a finding."""

    code = "outcome_unfit"
    message = N_("Choose what was behind it.")
    field = "outcome"


class NoteMissing(InvalidInput):
    """Nothing was written."""

    code = "note_missing"
    message = N_("Say in a few words what you saw or did.")
    field = "text"


class AboutYourself(Refused):
    """A finding about somebody is for others to look at."""

    code = "finding_about_yourself"
    message = N_("This finding is about you. Somebody else has to look at it.")


class NumberOutOfRange(InvalidInput):
    """A threshold is less or more than makes sense."""

    code = "threshold_out_of_range"
    message = N_("%(number)s cannot be: it lies between %(least)s and %(most)s.")

    def __init__(self, name: str, *, number: int, least: int, most: int) -> None:
        super().__init__(number=number, least=least, most=most)
        self.name = name


class MoreThanThereAre(InvalidInput):
    """More months with a purchase are wanted than are looked at."""

    code = "more_months_than_there_are"
    message = N_("These are more months than are looked at.")
    field = "least"


class NeverClosed(InvalidInput):
    """The hours begin when they end."""

    code = "hours_never_end"
    message = N_("The hours cannot end when they begin.")
    field = "closes"
