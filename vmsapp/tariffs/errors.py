"""What pricing may answer instead of a quote or a plan.

All of them can be put right by the person who typed: another amount, another quantity,
another row of the plan. Quantities are in units, on the grid; amounts are ``Money``.
"""

from decimal import Decimal

from vmsapp.errors import N_, InvalidInput
from vmsapp.money import Money


class InvalidQuantity(InvalidInput):
    """Zero, negative, off the grid, or no number."""

    code = "invalid_quantity"
    message = N_("%(units)s cannot be bought: a quantity is more than 0, in steps of 0.1.")
    field = "units"

    def __init__(self, *, units: Decimal) -> None:
        super().__init__(units=units)


class InvalidTender(InvalidInput):
    """No money, or less than none."""

    code = "invalid_tender"
    message = N_("The amount must be more than 0.")
    field = "tender"


class AmountTooSmall(InvalidInput):
    """The tender does not cover what is due and the smallest quantity after it."""

    code = "amount_too_small"
    message = N_("The amount is too small: at least %(minimum)s is needed, what is due included.")
    field = "tender"

    def __init__(self, *, minimum: Money) -> None:
        super().__init__(minimum=minimum)
        self.minimum = minimum


class BelowSmallestPurchase(InvalidInput):
    """Less than the plan sells at once."""

    code = "below_smallest_purchase"
    message = N_("One purchase is at least %(smallest)s units.")
    field = "units"

    def __init__(self, *, smallest: Decimal) -> None:
        super().__init__(smallest=smallest)
        self.smallest = smallest


class AboveLimit(InvalidInput):
    """More than can be sold now; ``largest`` is what still can, 0 when nothing can."""

    code = "above_limit"
    message = N_("At most %(largest)s units can be bought now.")
    field = "units"

    def __init__(self, *, largest: Decimal) -> None:
        super().__init__(largest=largest)
        self.largest = largest


class AboveLastStep(AboveLimit):
    """The plan's last step has an end and the purchase goes past it."""

    code = "above_last_step"
    message = N_("The last step ends here: at most %(largest)s units can still be bought.")


class AboveTokenLimit(AboveLimit):
    """More than one token may carry."""

    code = "above_token_limit"
    message = N_("One token carries at most %(largest)s units.")


class AboveLargestPurchase(AboveLimit):
    """More than is sold at once."""

    code = "above_largest_purchase"
    message = N_("One purchase is at most %(largest)s units.")


class AboveDaysUnits(AboveLimit):
    """More than is sold in a day."""

    code = "above_days_units"
    message = N_("The limit of a day is reached: at most %(largest)s units can be bought today.")


class AboveMonthsUnits(AboveLimit):
    """More than is sold in a month."""

    code = "above_months_units"
    message = N_(
        "The limit of a month is reached: at most %(largest)s units can be bought this month."
    )


class BelowSmallestAmount(InvalidInput):
    """Less money than is taken at once."""

    code = "below_smallest_amount"
    message = N_("One purchase is at least %(smallest)s.")
    field = "tender"

    def __init__(self, *, smallest: Money) -> None:
        super().__init__(smallest=smallest)
        self.smallest = smallest


class AboveMoneyLimit(InvalidInput):
    """More money than may be spent now; ``largest`` is what still may, 0 when none."""

    code = "above_money_limit"
    message = N_("At most %(largest)s can be spent now.")
    field = "tender"

    def __init__(self, *, largest: Money) -> None:
        super().__init__(largest=largest)
        self.largest = largest


class AboveLargestAmount(AboveMoneyLimit):
    """More money than is taken at once."""

    code = "above_largest_amount"
    message = N_("One purchase is at most %(largest)s.")


class AboveDaysMoney(AboveMoneyLimit):
    """More money than is taken in a day."""

    code = "above_days_money"
    message = N_("The limit of a day is reached: at most %(largest)s can be spent today.")


class AboveMonthsMoney(AboveMoneyLimit):
    """More money than is taken in a month."""

    code = "above_months_money"
    message = N_("The limit of a month is reached: at most %(largest)s can be spent this month.")
