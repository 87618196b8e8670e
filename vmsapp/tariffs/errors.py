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
    """More than the plan sells at once."""

    code = "above_largest_purchase"
    message = N_("One purchase is at most %(largest)s units.")


class InvalidPlan(InvalidInput):
    """A tariff plan breaks one of the rules of plans; each rule has its own sentence."""

    code = "invalid_plan"
    message = N_("The tariff plan is not valid.")


class NoSteps(InvalidPlan):
    """Nothing has a price."""

    code = "plan_no_steps"
    message = N_("A plan needs at least one step.")
    field = "steps"


class StepsNotFromZero(InvalidPlan):
    """The first units have no price."""

    code = "plan_steps_not_from_zero"
    message = N_("The first step starts at %(start)s; it must start at 0.")
    field = "steps"


class StepEnd(InvalidPlan):
    """A step covers nothing."""

    code = "plan_step_end"
    message = N_("Step %(row)s ends at %(end)s; it must end above its start, %(start)s.")
    field = "steps"


class StepGap(InvalidPlan):
    """Units between two steps have no price."""

    code = "plan_step_gap"
    message = N_("Step %(row)s starts at %(start)s; the step before it ends lower, at %(end)s.")
    field = "steps"


class StepOverlap(InvalidPlan):
    """Units have two prices."""

    code = "plan_step_overlap"
    message = N_("Step %(row)s starts at %(start)s; the step before it ends higher, at %(end)s.")
    field = "steps"


class StepAfterOpen(InvalidPlan):
    """A step follows one that never ends."""

    code = "plan_step_after_open"
    message = N_("Step %(row)s comes after a step without an end.")
    field = "steps"


class NegativePrice(InvalidPlan):
    """A step pays the consumer."""

    code = "plan_negative_price"
    message = N_("Step %(row)s has a price below 0.")
    field = "steps"


class TaxOutOfRange(InvalidPlan):
    """A tax is no percentage from 0 to 100."""

    code = "plan_tax_out_of_range"
    message = N_("Step %(row)s has a tax of %(tax)s percent; it must be from 0 to 100.")
    field = "steps"


class TooManyDecimals(InvalidPlan):
    """A figure is finer than the plan keeps, too large, or no number."""

    code = "plan_too_many_decimals"
    message = N_("%(value)s is not a number with at most %(decimals)s decimals.")


class TooManyBands(InvalidPlan):
    """More penalty bands than a plan holds."""

    code = "plan_too_many_bands"
    message = N_("A plan has at most %(most)s penalty bands; this one has %(count)s.")
    field = "penalties"


class BandStart(InvalidPlan):
    """A penalty band starts below nothing."""

    code = "plan_band_start"
    message = N_("The first penalty band starts at %(start)s; it may not start below 0.")
    field = "penalties"


class BandEnd(InvalidPlan):
    """A penalty band covers nothing."""

    code = "plan_band_end"
    message = N_("Penalty band %(row)s ends at %(end)s; it must end above its start, %(start)s.")
    field = "penalties"


class BandGap(InvalidPlan):
    """No fine is written between two penalty bands."""

    code = "plan_band_gap"
    message = N_("Penalty band %(row)s starts at %(start)s; the one before ends lower, at %(end)s.")
    field = "penalties"


class BandOverlap(InvalidPlan):
    """A purchase has two fines."""

    code = "plan_band_overlap"
    message = N_("Penalty band %(row)s starts at %(start)s; the one before ends later, at %(end)s.")
    field = "penalties"


class BandAfterOpen(InvalidPlan):
    """A penalty band follows one that never ends."""

    code = "plan_band_after_open"
    message = N_("Penalty band %(row)s comes after a band without an end.")
    field = "penalties"


class NegativeFine(InvalidPlan):
    """A fine pays the consumer."""

    code = "plan_negative_fine"
    message = N_("Penalty band %(row)s has a fine below 0.")
    field = "penalties"


class FallingFine(InvalidPlan):
    """A larger purchase has a smaller fine, so a limit would not take the lower one."""

    code = "plan_falling_fine"
    message = N_("Penalty band %(row)s has a lower fine than the one before it.")
    field = "penalties"


class InvalidFee(InvalidPlan):
    """A fixed fee below nothing, or recovered for no period at all."""

    code = "plan_invalid_fee"
    message = N_("A fixed fee is 0 or more and is recovered for 1 period or more.")
    field = "fixed_fee"


class PurchaseLimits(InvalidPlan):
    """Smallest and largest purchase leave nothing to buy."""

    code = "plan_purchase_limits"
    message = N_("The smallest purchase is more than 0 and the largest is not below it.")
    field = "smallest_units"
