"""What a free token is refused for, one error a rule."""

from decimal import Decimal

from vmsapp.errors import N_, Conflict, InvalidInput, Refused
from vmsapp.money import Money

MAX_NOTE = 255


class FreeReasonMissing(InvalidInput):
    """One of the reasons must be chosen."""

    code = "free_reason_missing"
    message = N_("Choose why this token is given.")
    field = "reason"


class FreeNoteMissing(InvalidInput):
    """Another reason than those listed needs words."""

    code = "free_note_missing"
    message = N_("Say why it is given, so that the second person can decide.")
    field = "note"


class FreeNoteTooLong(InvalidInput):
    """More than is kept."""

    code = "free_note_too_long"
    message = N_("This is too long: at most %(most)s characters are kept.")
    field = "note"

    def __init__(self, *, most: int = MAX_NOTE) -> None:
        super().__init__(most=most)


class FreeAmountMissing(InvalidInput):
    """Nothing was asked for, or the wrong thing: units for a meter that takes money."""

    code = "free_amount_missing"
    message = N_("Say how much is given, above zero.")
    field = "amount"


class ForUnknownSale(InvalidInput):
    """A compensation names no purchase of this consumer or meter."""

    code = "for_unknown_sale"
    message = N_("Sale %(sale_id)s is no purchase of this consumer. Check the number.")
    field = "for_sale"

    def __init__(self, *, sale_id: int) -> None:
        super().__init__(sale_id=sale_id)


class ForSaleOfFree(InvalidInput):
    """Only a compensation makes up for a purchase."""

    code = "for_sale_of_free"
    message = N_("Only a compensation names a sale that it makes up for.")
    field = "for_sale"


class ConsumerChanged(Conflict):
    """Somebody else lives there than when it was asked for."""

    code = "consumer_changed"
    message = N_("The meter belongs to another consumer than when this was asked for. Ask anew.")


class FreeUnitsUsed(Refused):
    """The month's quota of the meter does not hold it."""

    code = "free_units_used"
    message = N_(
        "%(used)s of %(quota)s free units of this meter's month are used: at most %(left)s more"
        " can be given."
    )
    field = "amount"

    def __init__(self, *, used: Decimal, quota: Decimal) -> None:
        super().__init__(used=used, quota=quota, left=max(quota - used, Decimal(0)))


class FreeValueUsed(Refused):
    """The month's quota of the vending point does not hold it."""

    code = "free_value_used"
    message = N_(
        "Tokens worth %(used)s of %(quota)s were given at this vending point this month; this one"
        " is worth %(worth)s."
    )
    field = "amount"

    def __init__(self, *, used: Money, quota: Money, worth: Money) -> None:
        super().__init__(used=used, quota=quota, worth=worth)


class FreeTokensOfTheDay(Refused):
    """The vending point gave as many today as it may."""

    code = "free_tokens_of_the_day"
    message = N_(
        "%(used)s of %(quota)s tokens that this vending point may give in a day were given today."
    )

    def __init__(self, *, used: int, quota: int) -> None:
        super().__init__(used=used, quota=quota)
