"""What is refused around shifts, one error a rule."""

from datetime import datetime

from vmsapp.errors import N_, Conflict, InvalidInput, Refused
from vmsapp.models import ShiftState


class ShiftRefusesSale(Refused):
    """A sale was refused for want of a shift that may take it."""

    code = "shift_refuses_sale"


class ShiftNeeded(ShiftRefusesSale):
    """Sales need an open shift here, and the seller has none."""

    code = "shift_needed"
    message = N_("Sales need an open shift. Open yours, then sell; what you typed stays.")


class ShiftBeingClosed(ShiftRefusesSale):
    """The cash was counted: what is sold now would belong to no drawer."""

    code = "shift_being_closed"
    message = N_(
        "Your shift was counted on %(counted_at)s. Finish closing it and open a new one, then sell."
    )

    def __init__(self, *, shift_id: int, counted_at: datetime) -> None:
        super().__init__(shift_id=shift_id, counted_at=counted_at)


class ShiftTooLong(ShiftRefusesSale):
    """The shift has lasted longer than a shift may."""

    code = "shift_too_long"
    message = N_(
        "Your shift has been open since %(opened_at)s, longer than the %(hours)s hours a shift"
        " may last. Close it and open a new one, then sell."
    )

    def __init__(self, *, shift_id: int, opened_at: datetime, hours: int) -> None:
        super().__init__(shift_id=shift_id, opened_at=opened_at, hours=hours)


class ShiftOpenAlready(Conflict):
    """One open shift for each operator and vending point."""

    code = "shift_open_already"
    message = N_("You have an open shift here already, number %(shift_id)s.")

    def __init__(self, *, shift_id: int) -> None:
        super().__init__(shift_id=shift_id)


class ShiftMoved(Conflict):
    """The shift is not in the state this needs; somebody was faster."""

    code = "shift_moved"
    message = N_("This cannot be done any more: shift %(shift_id)s is %(state)s.")

    def __init__(self, *, shift_id: int, state: ShiftState) -> None:
        super().__init__(shift_id=shift_id, state=state.value)


class ShiftOfAnother(Refused):
    """Whose shift it is closes it, or a supervisor."""

    code = "shift_of_another"
    message = N_("This is the shift of another operator. A supervisor may close it.")


class SaleStillPending(Refused):
    """Nobody knows yet whether the money of a sale stays in the drawer."""

    code = "sale_still_pending"
    message = N_(
        "Sale %(sale_id)s is still being settled, so the shift cannot be closed. Wait until it is"
        " settled, or have its money given back."
    )

    def __init__(self, *, sale_id: int) -> None:
        super().__init__(sale_id=sale_id)


class FormSentOtherwise(Conflict):
    """The same form came again with other values."""

    code = "form_sent_otherwise"
    message = N_("This form was sent before with other values. Look at what it did.")


class CashNegative(InvalidInput):
    """A drawer holds nothing or more."""

    code = "cash_negative"
    message = N_("Cash cannot be below zero.")
    field = "amount"


class CashTooLarge(InvalidInput):
    """More money than any drawer holds."""

    code = "cash_too_large"
    message = N_("This amount is too large.")
    field = "amount"


class CashNothing(InvalidInput):
    """Nothing is moved."""

    code = "cash_nothing"
    message = N_("Enter an amount above zero.")
    field = "amount"


class CashReasonMissing(InvalidInput):
    """Another reason is said in words."""

    code = "cash_reason_missing"
    message = N_("Say in a few words what the cash is for.")
    field = "note"


class BankTakesOnly(InvalidInput):
    """Cash goes to the bank; what comes from it is change."""

    code = "bank_takes_only"
    message = N_("Cash is taken to the bank. For cash brought in, choose another reason.")
    field = "reason"


class PiecesDoNotAdd(InvalidInput):
    """The coins and notes told are not the total told."""

    code = "pieces_do_not_add"
    message = N_("The coins and notes do not add up to the total. Count again.")
    field = "amount"


class ReasonMissing(InvalidInput):
    """A difference this large is explained."""

    code = "reason_missing"
    message = N_("The difference is larger than may pass. Say in a few words where it comes from.")
    field = "note"
