"""Why a tariff or a plan is not written: each rule with its sentence."""

from datetime import date

from vmsapp.errors import N_, Conflict, InvalidInput, Refused


class TariffIndexWrong(InvalidInput):
    """A tariff index has two digits."""

    code = "tariff_index_wrong"
    message = N_("A tariff index has 2 digits, 00 to 99. Leave it empty if meters may have any.")
    field = "tariff_index"


class TariffNameTaken(InvalidInput):
    """People could not tell the two apart."""

    code = "tariff_name_taken"
    message = N_("There is a tariff of this name already. Choose another name.")
    field = "name"


class TariffInUse(Conflict):
    """Meters or sales hang on it."""

    code = "tariff_in_use"
    message = N_(
        "“%(name)s” was not deleted: meters have it, or tokens were sold by it. Retire it instead,"
        " then no further meter is given it."
    )

    def __init__(self, *, name: str) -> None:
        super().__init__(name=name)


class PlanDayTaken(InvalidInput):
    """One plan is in force at a time."""

    code = "plan_day_taken"
    message = N_("“%(name)s” begins on %(day)s already. Choose another day, or change that plan.")
    field = "effective_on"

    def __init__(self, *, name: str, day: date) -> None:
        super().__init__(name=name, day=day)


class PlanTooEarly(InvalidInput):
    """Sales of that day were priced by another plan."""

    code = "plan_too_early"
    message = N_(
        "Tokens were sold by this tariff's other plan on %(last)s. The earliest day for this one"
        " is %(earliest)s."
    )
    field = "effective_on"

    def __init__(self, *, last: date, earliest: date) -> None:
        super().__init__(last=last, earliest=earliest)


class PlanUsed(Refused):
    """What priced a sale explains it for ever."""

    code = "plan_used"
    message = N_(
        "Tokens were sold under “%(name)s”, so it stays as it is for ever. Copy it to a later day,"
        " and change the copy."
    )

    def __init__(self, *, name: str) -> None:
        super().__init__(name=name)


class PlanNameTaken(InvalidInput):
    """People could not tell the two apart."""

    code = "plan_name_taken"
    message = N_("This tariff has a plan called “%(name)s” already. Choose another name.")
    field = "name"

    def __init__(self, *, name: str, suggested: str) -> None:
        super().__init__(name=name)
        self.suggested = suggested


class PlanNeeded(InvalidInput):
    """Without it no meter of the tariff could be sold to."""

    code = "plan_needed"
    message = N_(
        "If “%(name)s” were not in force today, no plan would be, and nothing could be sold to"
        " the meters of this tariff. Meters: %(meters)s. First add another plan that is in force"
        " today."
    )
    field = "effective_on"

    def __init__(self, *, name: str, meters: int) -> None:
        super().__init__(name=name, meters=meters)


class OtherMeterType(InvalidInput):
    """kWh and m³ have different prices."""

    code = "plan_of_other_meter_type"
    message = N_(
        "This plan is for meters of another type than this tariff's. Choose a tariff for the same"
        " meter type."
    )
    field = "tariff"


class FileOfOtherMeterType(OtherMeterType):
    """The same, of a file."""

    code = "plan_file_of_other_meter_type"
    message = N_(
        "The plan in this file is for meters of another type than this tariff's. Choose another"
        " file, or import it into a tariff for that type."
    )
    field = "file"


class FileOfOtherCurrency(InvalidInput):
    """Its money would be worth something else."""

    code = "plan_file_of_other_currency"
    message = N_(
        "The prices in this file are in %(theirs)s; this utility sells in %(ours)s. Choose another"
        " file."
    )
    field = "file"

    def __init__(self, *, theirs: str, ours: str) -> None:
        super().__init__(theirs=theirs, ours=ours)


class FileOfOtherDecimals(InvalidInput):
    """Its money is counted in other coins, so its sums may not be payable here."""

    code = "plan_file_of_other_decimals"
    message = N_(
        "Decimals of the money in this file: %(theirs)s; of this utility's: %(ours)s. Choose"
        " another file."
    )
    field = "file"

    def __init__(self, *, theirs: int, ours: int) -> None:
        super().__init__(theirs=theirs, ours=ours)


class PlanWithoutDay(InvalidInput):
    """Neither the file nor the person says from when it is in force."""

    code = "plan_without_day"
    message = N_("The file does not say from when the plan is in force. Enter a date.")
    field = "effective_on"


class PlanDayBeyond(InvalidInput):
    """A slip of the finger in the year."""

    code = "plan_day_beyond"
    message = N_("Enter a date between %(first)s and %(last)s.")
    field = "effective_on"

    def __init__(self, *, first: date, last: date) -> None:
        super().__init__(first=first, last=last)
