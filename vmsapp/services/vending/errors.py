"""What a sale is refused for, one error a rule."""

from datetime import datetime

from vmsapp.errors import N_, Conflict, InvalidInput, NotFound, Refused, Unavailable, Uncertain
from vmsapp.money import Money
from vmsapp.tariffs.credit import CreditQuote
from vmsapp.tariffs.engine import Quote


class UnknownMeter(NotFound):
    """No meter of that number, or not in the asker's region: the same answer."""

    code = "unknown_meter"
    message = N_("There is no meter %(number)s here. Check the number on the meter.")

    def __init__(self, *, number: str) -> None:
        super().__init__(number=number)


class NoSuchMeter(NotFound):
    """No meter of that id, or not in the asker's region: the same answer."""

    code = "no_such_meter"
    message = N_("There is no such meter here. Look it up by the number on it.")


class MeterWithoutConsumer(Refused):
    """Tokens are sold to consumers, not to bare meters."""

    code = "meter_without_consumer"
    message = N_("Meter %(drn)s is not bound to a consumer yet. Bind it to one before selling.")

    def __init__(self, *, drn: str) -> None:
        super().__init__(drn=drn)


class MeterWithoutTariff(Refused):
    """Nothing says what a unit costs."""

    code = "meter_without_tariff"
    message = N_("Meter %(drn)s has no tariff yet. Give it one before selling.")

    def __init__(self, *, drn: str) -> None:
        super().__init__(drn=drn)


class TariffOfAnotherType(Refused):
    """The meter's tariff prices something else than the meter measures."""

    code = "tariff_of_another_type"
    message = N_(
        "Meter %(drn)s measures %(meter_type)s, but its tariff %(tariff)s is for %(tariff_type)s."
        " Give it another tariff before selling."
    )

    def __init__(self, *, drn: str, meter_type: str, tariff: str, tariff_type: str) -> None:
        super().__init__(drn=drn, meter_type=meter_type, tariff=tariff, tariff_type=tariff_type)


class MeterBlocked(Refused):
    """Somebody blocked the meter and said why."""

    code = "meter_blocked"
    message = N_("Meter %(drn)s is blocked: %(reason)s")

    def __init__(self, *, drn: str, reason: str) -> None:
        super().__init__(drn=drn, reason=reason)


class MeterNotInUse(Refused):
    """The meter is in stock or retired."""

    code = "meter_not_in_use"
    message = N_("Meter %(drn)s is not in use (%(state)s).")

    def __init__(self, *, drn: str, state: str) -> None:
        super().__init__(drn=drn, state=state)


class SoldByAmount(Refused):
    """The meter is credited with money and rates itself: nobody here knows its units."""

    code = "sold_by_amount"
    message = N_("Meter %(drn)s is credited with money, not with units. Sell to it by amount.")

    def __init__(self, *, drn: str) -> None:
        super().__init__(drn=drn)


class KeyExpired(Refused):
    """The token's identifier lies beyond what the key's expiry number allows."""

    code = "key_expired"
    message = N_(
        "The vending key of supply group %(sgc)s has expired on %(expired_at)s."
        " An administrator must load a new one."
    )

    def __init__(self, *, sgc: str, expired_at: datetime) -> None:
        super().__init__(sgc=sgc, expired_at=expired_at)


class BaseDateEnded(Refused):
    """No token identifier is left under the meter's base date."""

    code = "base_date_ended"
    message = N_(
        "Meter %(drn)s counts time from %(year)s, and that count has ended."
        " It needs a key change to a later base date."
    )

    def __init__(self, *, drn: str, year: int) -> None:
        super().__init__(drn=drn, year=year)


class NoVendingPoint(Refused):
    """Every sale has a vending point; this user has none."""

    code = "no_vending_point"
    message = N_("You have no vending point. Ask an administrator to give you one.")


class VendingPointClosed(Refused):
    """Nothing is sold at a vending point that was closed."""

    code = "vending_point_closed"
    message = N_("Vending point “%(name)s” is closed. Ask an administrator to open it again.")

    def __init__(self, *, name: str) -> None:
        super().__init__(name=name)


class VendingPointNotChosen(InvalidInput):
    """Who may sell at several vending points says at which."""

    code = "vending_point_not_chosen"
    message = N_("Choose the vending point that sells.")
    field = "vending_point"


class ReceivedTooLittle(InvalidInput):
    """What was handed over does not pay what was chosen."""

    code = "received_too_little"
    message = N_("%(received)s was received, but %(charged)s is to pay: %(missing)s is missing.")
    field = "received"

    def __init__(self, *, received: Money, charged: Money) -> None:
        super().__init__(received=received, charged=charged, missing=charged - received)


class InsufficientFunds(Refused):
    """The vending point's float cannot cover this sale."""

    code = "insufficient_funds"
    message = N_("The vending point has %(available)s left, which does not cover %(needed)s.")

    def __init__(self, *, available: Money, needed: Money) -> None:
        super().__init__(available=available, needed=needed)


class NumberUnreadable(InvalidInput):
    """The amount or quantity is not a number the product understands."""

    code = "number_unreadable"
    message = N_(
        "“%(text)s” is not a number. Type it like %(example)s, without signs between thousands."
    )

    def __init__(self, *, text: str, example: str) -> None:
        super().__init__(text=text, example=example)


class LooksLikeMeterNumber(InvalidInput):
    """A meter number was scanned into the field for amounts."""

    code = "looks_like_meter_number"
    message = N_("%(number)s is a meter number, not an amount. To find that meter, use the search.")

    def __init__(self, *, number: str) -> None:
        super().__init__(number=number)


class NothingToPay(InvalidInput):
    """The price of so little rounds to nothing; a sale takes money."""

    code = "nothing_to_pay"
    message = N_("So little costs nothing at this tariff. Ask for more.")
    field = "units"


class TokensOfTheDay(Refused):
    """The meter has got as many tokens today as the utility allows."""

    code = "tokens_of_the_day"
    message = N_(
        "Meter %(drn)s has got all tokens of today: the limit is %(most)s a day."
        " Sell to it again tomorrow, or ask an administrator about the limit."
    )

    def __init__(self, *, drn: str, most: int) -> None:
        super().__init__(drn=drn, most=most)


class QuoteChanged(Conflict):
    """The price is no longer what the screen showed; nothing was written."""

    code = "quote_changed"
    message = N_("The price has changed since it was shown. Check the new figures and sell again.")

    def __init__(self, quote: Quote | CreditQuote) -> None:
        super().__init__()
        self.quote = quote


class LooksRepeated(Conflict):
    """The same operator sold the same to the same meter a moment ago."""

    code = "looks_repeated"
    message = N_(
        "Sale %(sale_id)s sold the same to this meter less than two minutes ago (%(state)s)."
        " Sell once more only if the customer wants a second token."
    )

    def __init__(self, *, sale_id: int, state: str) -> None:
        super().__init__(sale_id=sale_id, state=state)


class SaleUnderway(Conflict):
    """The meter's last sale is still being settled."""

    code = "sale_underway"
    message = N_(
        "Sale %(sale_id)s to this meter is being settled."
        " Do not give the money back and do not sell again."
    )

    def __init__(self, *, sale_id: int) -> None:
        super().__init__(sale_id=sale_id)


class IdempotencyConflict(Conflict):
    """The form was used before for something else."""

    code = "idempotency_conflict"
    message = N_("This form was already used for sale %(sale_id)s. Begin a new purchase.")

    def __init__(self, *, sale_id: int) -> None:
        super().__init__(sale_id=sale_id)


class FormOutdated(Conflict):
    """The form was made before the system was restored from a backup."""

    code = "form_outdated"
    message = N_(
        "This form was opened before the system was restored. Look up the meter's last sales,"
        " then begin a new purchase."
    )


class IllegalTransition(Conflict):
    """A move that the table of states does not hold."""

    code = "illegal_transition"
    message = N_("Sale %(sale_id)s is %(state)s; that cannot be done with it any more.")

    def __init__(self, *, sale_id: int, state: str) -> None:
        super().__init__(sale_id=sale_id, state=state)


class ClockBehind(Refused):
    """The clock shows a time before the newest sale."""

    code = "clock_behind"
    message = N_(
        "The server's clock shows %(now)s, but the newest sale was made at %(newest)s."
        " Nothing can be sold until the clock is right or an administrator accepts it."
    )

    def __init__(self, *, now: datetime, newest: datetime) -> None:
        super().__init__(now=now, newest=newest)


class ModuleClockDiffers(Refused):
    """The security module's clock and ours lie more than two minutes apart."""

    code = "module_clock_differs"
    message = N_(
        "The server's clock shows %(ours)s, the security module's %(theirs)s."
        " Nothing can be sold until both are right."
    )

    def __init__(self, *, ours: datetime, theirs: datetime) -> None:
        super().__init__(ours=ours, theirs=theirs)


class TidAhead(Refused):
    """The meter's token identifiers run far ahead of the clock."""

    code = "tid_ahead"
    message = N_(
        "The last token for meter %(drn)s was made under a clock that was ahead (%(reached)s)."
        " Nothing can be sold to it until an administrator accepts that."
    )

    def __init__(self, *, drn: str, reached: datetime) -> None:
        super().__init__(drn=drn, reached=reached)


class Busy(Unavailable):
    """The database could not take the sale in; nothing was written."""

    code = "busy"
    message = N_("The system is busy. Nothing was sold; try again.")


class OutcomeUnknown(Uncertain):
    """The database did not say whether it took the sale in."""

    code = "outcome_unknown"
    message = N_(
        "The sale is being settled. Do not give the money back and do not sell again:"
        " load this page again in a moment."
    )
