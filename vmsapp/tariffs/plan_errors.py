"""What is wrong with a tariff plan: one sentence a rule, with the place it belongs to.

``field`` names the part of the plan; ``row`` counts in it from 1 and ``column`` names the
figure, so that a form can put the sentence beside what was typed.
"""

from decimal import Decimal
from typing import ClassVar

from vmsapp.errors import N_, InvalidInput


class InvalidPlan(InvalidInput):
    """A tariff plan breaks one of the rules of plans; each rule has its own sentence."""

    code = "invalid_plan"
    message = N_("The tariff plan is not valid.")
    column: ClassVar[str | None] = None

    @property
    def row(self) -> int | None:
        """Row of the part it belongs to, from 1."""
        row = self.params.get("row")
        return row if isinstance(row, int) else None


class NoName(InvalidPlan):
    """People could not speak of it."""

    code = "plan_no_name"
    message = N_("A plan needs a name of at most %(most)s characters.")
    field = "name"


class NoSteps(InvalidPlan):
    """Nothing has a price."""

    code = "plan_no_steps"
    message = N_("A plan needs at least one step.")
    field = "steps"


class TooManySteps(InvalidPlan):
    """More steps than a plan holds."""

    code = "plan_too_many_steps"
    message = N_("A plan has at most %(most)s steps; this one has %(count)s.")
    field = "steps"


class StepsNotFromZero(InvalidPlan):
    """The first units have no price."""

    code = "plan_steps_not_from_zero"
    message = N_("The first step starts at %(start)s; it must start at 0.")
    field = "steps"
    column = "start"


class StepEnd(InvalidPlan):
    """A step covers nothing."""

    code = "plan_step_end"
    message = N_("Step %(row)s ends at %(end)s; it must end above its start, %(start)s.")
    field = "steps"
    column = "end"


class StepGap(InvalidPlan):
    """Units between two steps have no price."""

    code = "plan_step_gap"
    message = N_("Step %(row)s starts at %(start)s; the step before it ends lower, at %(end)s.")
    field = "steps"
    column = "start"


class StepOverlap(InvalidPlan):
    """Units have two prices."""

    code = "plan_step_overlap"
    message = N_("Step %(row)s starts at %(start)s; the step before it ends higher, at %(end)s.")
    field = "steps"
    column = "start"


class StepAfterOpen(InvalidPlan):
    """A step follows one that never ends."""

    code = "plan_step_after_open"
    message = N_("Step %(row)s comes after a step without an end.")
    field = "steps"
    column = "start"


class NegativePrice(InvalidPlan):
    """A step pays the consumer."""

    code = "plan_negative_price"
    message = N_("Step %(row)s has a price below 0.")
    field = "steps"
    column = "price"


class TaxOutOfRange(InvalidPlan):
    """A tax is no percentage from 0 to 100."""

    code = "plan_tax_out_of_range"
    message = N_("Step %(row)s has a tax of %(tax)s percent; it must be from 0 to 100.")
    field = "steps"
    column = "tax_percent"


class InclusiveTooLow(InvalidPlan):
    """A price that should hold the levies per unit is lower than they are."""

    code = "plan_inclusive_too_low"
    message = N_("The price of step %(row)s is lower than the levies per unit that it includes.")
    field = "steps"
    column = "price"


class TooManyDecimals(InvalidPlan):
    """A figure is finer than the plan keeps, too large, or no number.

    ``part`` and ``name`` say whose figure it is.
    """

    code = "plan_too_many_decimals"
    message = N_("%(value)s is not a number with at most %(decimals)s decimals.")

    def __init__(
        self,
        *,
        value: Decimal,
        decimals: int,
        part: str | None = None,
        row: int | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(value=value, decimals=decimals, row=row)
        self.field = part  # type: ignore[misc]
        self.column = name  # type: ignore[misc]


class AmountOutOfRange(InvalidPlan):
    """A sum of money below nothing or beyond all sense."""

    code = "plan_amount_out_of_range"
    message = N_("The amount must be from 0 to %(most)s.")

    def __init__(
        self, *, most: int, part: str, row: int | None = None, name: str | None = None
    ) -> None:
        super().__init__(most=most, row=row)
        self.field = part  # type: ignore[misc]
        self.column = name  # type: ignore[misc]


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
    column = "low"


class BandEnd(InvalidPlan):
    """A penalty band covers nothing."""

    code = "plan_band_end"
    message = N_("Penalty band %(row)s ends at %(end)s; it must end above its start, %(start)s.")
    field = "penalties"
    column = "high"


class BandGap(InvalidPlan):
    """No fine is written between two penalty bands."""

    code = "plan_band_gap"
    message = N_("Penalty band %(row)s starts at %(start)s; the one before ends lower, at %(end)s.")
    field = "penalties"
    column = "low"


class BandOverlap(InvalidPlan):
    """A purchase has two fines."""

    code = "plan_band_overlap"
    message = N_("Penalty band %(row)s starts at %(start)s; the one before ends later, at %(end)s.")
    field = "penalties"
    column = "low"


class BandAfterOpen(InvalidPlan):
    """A penalty band follows one that never ends."""

    code = "plan_band_after_open"
    message = N_("Penalty band %(row)s comes after a band without an end.")
    field = "penalties"
    column = "low"


class BandNeverReached(InvalidPlan):
    """A penalty band of purchases that no step sells: odd, and no fault."""

    code = "plan_band_never_reached"
    message = N_("Penalty band %(row)s is never reached: the last step ends at %(end)s.")
    field = "penalties"
    column = "low"


class NegativeFine(InvalidPlan):
    """A fine pays the consumer."""

    code = "plan_negative_fine"
    message = N_("Penalty band %(row)s has a fine below 0.")
    field = "penalties"
    column = "fine"


class FallingFine(InvalidPlan):
    """A larger purchase has a smaller fine, so a limit would not take the lower one."""

    code = "plan_falling_fine"
    message = N_("Penalty band %(row)s has a lower fine than the one before it.")
    field = "penalties"
    column = "fine"


class NegativeFee(InvalidPlan):
    """A fixed fee pays the consumer."""

    code = "plan_negative_fee"
    message = N_("A fixed fee is 0 or more.")
    field = "fixed_fee"
    column = "amount"


class FeePeriods(InvalidPlan):
    """A fixed fee recovered for no period at all."""

    code = "plan_fee_periods"
    message = N_("A fixed fee is recovered for 1 period or more.")
    field = "fixed_fee"
    column = "max_periods"


class ArrearsShare(InvalidPlan):
    """No share of the tender goes to arrears, or more than all of it."""

    code = "plan_arrears_share"
    message = N_("The share for missed fees is %(share)s percent; it must be above 0, up to 100.")
    field = "fixed_fee"
    column = "arrears_share"


class TooManyLevies(InvalidPlan):
    """More taxes and levies than a plan holds."""

    code = "plan_too_many_levies"
    message = N_("A plan has at most %(most)s taxes and levies; this one has %(count)s.")
    field = "levies"


class LevyName(InvalidPlan):
    """Without a name of its own nobody can tell what is paid."""

    code = "plan_levy_name"
    message = N_("Tax or levy %(row)s needs a name that no other one has.")
    field = "levies"
    column = "name"


class LevyRate(InvalidPlan):
    """A percent that is none, or an amount below nothing."""

    code = "plan_levy_rate"
    message = N_("%(name)s: a percent is from 0 to 100, an amount 0 or more.")
    field = "levies"
    column = "rate"


class LevyWithoutBase(InvalidPlan):
    """A percent of nothing."""

    code = "plan_levy_without_base"
    message = N_("%(name)s: say what the percent is of.")
    field = "levies"
    column = "base"


class LevyOfTender(InvalidPlan):
    """A percent of all and of a part of it, or of some steps only."""

    code = "plan_levy_of_tender"
    message = N_(
        "%(name)s: a percent of the whole tender is of nothing else and applies to every step."
    )
    field = "levies"
    column = "base"


class LevyOfUnknown(InvalidPlan):
    """A percent of a levy that is not listed before it."""

    code = "plan_levy_of_unknown"
    message = N_("%(name)s: %(other)s is no tax or levy listed before it.")
    field = "levies"
    column = "of_levies"


class LevyOfTenderLevy(InvalidPlan):
    """A percent of a percent of all, which is known last."""

    code = "plan_levy_of_tender_levy"
    message = N_("%(name)s: %(other)s is a percent of the whole tender; no other one can be of it.")
    field = "levies"
    column = "of_levies"


class LevySteps(InvalidPlan):
    """A levy on a step the plan does not have."""

    code = "plan_levy_steps"
    message = N_("%(name)s: the plan has no step %(step)s.")
    field = "levies"
    column = "steps"


class LeviesTakeAll(InvalidPlan):
    """Percents of the whole tender that leave nothing to buy with."""

    code = "plan_levies_take_all"
    message = N_("The percents of the whole tender come to %(percent)s; they must stay below 100.")
    field = "levies"


class PurchaseLimits(InvalidPlan):
    """Smallest and largest purchase leave nothing to buy."""

    code = "plan_purchase_limits"
    message = N_("The smallest purchase is more than 0 and the largest is not below it.")
    field = "limits"
