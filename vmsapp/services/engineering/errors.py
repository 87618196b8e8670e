"""What an engineering token is refused for, one error a rule."""

from vmsapp.errors import N_, Conflict, InvalidInput, NotFound, Refused, Unavailable


class NoSuchToken(NotFound):
    """There is none, or it is out of sight."""

    code = "no_such_engineering_token"
    message = N_("There is no such engineering token here.")


class EngineeringUnderway(Conflict):
    """Another one for the meter is being made."""

    code = "engineering_underway"
    message = N_(
        "An engineering token for meter %(drn)s is being made. Wait until it is settled; the"
        " system does that by itself."
    )

    def __init__(self, *, drn: str) -> None:
        super().__init__(drn=drn)


class EngineeringFormUsed(Conflict):
    """The form was used before for something else."""

    code = "engineering_form_used"
    message = N_("This form was already used for another token. Begin anew.")


class EngineeringFormOutdated(Conflict):
    """The form was made before the system was restored from a backup."""

    code = "engineering_form_outdated"
    message = N_(
        "This form was opened before the system was restored. Look up the meter's last tokens,"
        " then begin anew."
    )


class IllegalMove(Conflict):
    """A move that the table of states does not hold."""

    code = "engineering_moved"
    message = N_("This token is %(state)s; that cannot be done with it any more.")

    def __init__(self, *, state: str) -> None:
        super().__init__(state=state)


class MeterAway(Refused):
    """Nothing is done to a retired meter."""

    code = "engineering_meter_retired"
    message = N_("Meter %(drn)s is retired. Take it back first.")

    def __init__(self, *, drn: str) -> None:
        super().__init__(drn=drn)


class FunctionUnknown(InvalidInput):
    """No such function."""

    code = "engineering_function"
    message = N_("Choose what the meter is to do.")
    field = "function"


class NotForThisMeter(Refused):
    """A meter of this kind does not have it."""

    code = "engineering_other_meter"
    message = N_("Meter %(drn)s measures something else: it does not have this function.")

    def __init__(self, *, drn: str) -> None:
        super().__init__(drn=drn)


class ValueOutside(InvalidInput):
    """No token can carry that value."""

    code = "engineering_value"
    message = N_("Enter a whole number from %(least)s to %(most)s.")
    field = "value"

    def __init__(self, *, least: int, most: int) -> None:
        super().__init__(least=least, most=most)


class IndexOutside(ValueOutside):
    """The extended set has no such index."""

    field = "index"


class RegisterUnknown(InvalidInput):
    """The meter has no such balance."""

    code = "engineering_register"
    message = N_("Choose which balance is to be cleared.")
    field = "value"


class ReasonMissing(InvalidInput):
    """Whoever reads the record must be able to tell why."""

    code = "engineering_reason_missing"
    message = N_("Say why.")
    field = "reason"


class OtherMeter(InvalidInput):
    """The last digits are another meter's."""

    code = "engineering_number"
    message = N_(
        "These are not the last four digits of this meter's number. Read them from the meter"
        " itself: it may be another one."
    )
    field = "last_digits"


class EngineeringBusy(Unavailable):
    """The database could not take it in; nothing was written."""

    code = "engineering_busy"
    message = N_("The system is busy. Nothing was done; try again.")
