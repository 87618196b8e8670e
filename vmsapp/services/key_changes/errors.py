"""What a key change is refused for, one error a rule."""

from datetime import datetime

from vmsapp.errors import N_, Conflict, InvalidInput, NotFound, Refused, Unavailable


class NoSuchChange(NotFound):
    """There is none, or the asker may not see its meter."""

    code = "no_such_key_change"
    message = N_("There is no such key change here. Look at the meter's page.")


class KeyChangeUnderway(Conflict):
    """A set is being made, so no other token is."""

    code = "key_change_underway"
    message = N_(
        "Key change tokens for meter %(drn)s are being made. Nothing can be sold to it until they"
        " are made or withdrawn; that takes a moment."
    )

    def __init__(self, *, drn: str, meter_id: int) -> None:
        super().__init__(drn=drn, meter_id=meter_id)


class ChangeOpen(Conflict):
    """At most one change of a meter is open."""

    code = "key_change_open"
    message = N_(
        "Meter %(drn)s has a key change that nobody confirmed yet. Say first what the meter did."
    )

    def __init__(self, *, drn: str) -> None:
        super().__init__(drn=drn)


class IllegalMove(Conflict):
    """A move that the table of states does not hold."""

    code = "key_change_moved"
    message = N_("This key change is %(state)s; that cannot be done with it any more.")

    def __init__(self, *, state: str) -> None:
        super().__init__(state=state)


class FormUsed(Conflict):
    """The form was used before for something else."""

    code = "key_change_form_used"
    message = N_("This form was already used for another key change. Begin anew.")


class MeterAway(Refused):
    """Nothing is done to a retired meter."""

    code = "key_change_meter_retired"
    message = N_("Meter %(drn)s is retired. Take it back first.")

    def __init__(self, *, drn: str) -> None:
        super().__init__(drn=drn)


class ReasonMissing(InvalidInput):
    """Whoever reads the record must be able to tell why."""

    code = "key_change_reason_missing"
    message = N_("Say why.")
    field = "reason"


class TiUnreadable(InvalidInput):
    """A tariff index has two digits."""

    code = "key_change_ti"
    message = N_("A tariff index has 2 digits, 00 to 99.")
    field = "ti"


class NewKeyMissing(InvalidInput):
    """No key was chosen, or it is gone."""

    code = "key_change_no_key"
    message = N_("Choose the vending key that the meter is to have.")
    field = "key"


class NothingChanges(InvalidInput):
    """The meter has it all already."""

    code = "key_change_nothing"
    message = N_("The meter has this key and this tariff index already. Choose another.")
    field = "key"


class TokensOfLongKey(InvalidInput):
    """A 128-bit key always takes four tokens."""

    code = "key_change_long_key"
    message = N_("A meter of EA 11 always gets four tokens, which tell the supply group, too.")
    field = "tokens"


class TypeNotReached(InvalidInput):
    """The standard does not lead from this key type to that one."""

    code = "key_change_type"
    message = N_("A meter with a key of type %(old)s cannot get one of type %(new)s by tokens.")
    field = "key"

    def __init__(self, *, old: int, new: int) -> None:
        super().__init__(old=old, new=new)


class AlgorithmOfHardware(InvalidInput):
    """What a meter computes with does not change by token."""

    code = "key_change_algorithm"
    message = N_(
        "The algorithm is the meter's hardware. Only a Legacy meter of EA 07 can be taken to STS6,"
        " and only if its product says so."
    )
    field = "key"


class BackOverBaseDate(InvalidInput):
    """The meter would forget the tokens it has taken, and take them again."""

    code = "key_change_base_date"
    message = N_(
        "There is no way back from base date %(old)s to %(new)s: the meter would forget which"
        " tokens it has taken."
    )
    field = "key"

    def __init__(self, *, old: int, new: int) -> None:
        super().__init__(old=old, new=new)


class NotByTheList(InvalidInput):
    """The key file of the present key says where its meters may go."""

    code = "key_change_not_allowed"
    message = N_(
        "The key file of the meter's present key does not let its meters change to supply group"
        " %(sgc)s, revision %(krn)s. Ask who made the key file."
    )
    field = "key"

    def __init__(self, *, sgc: str, krn: int) -> None:
        super().__init__(sgc=sgc, krn=krn)


class NewKeyUnusable(InvalidInput):
    """No token could be made under it now."""

    code = "key_change_key_unusable"
    message = N_(
        "No token can be made now under that key: it has expired, or its time is still to come."
    )
    field = "key"


class TwoModules(Refused):
    """A set is made of both keys, so one module must hold both."""

    code = "key_change_two_modules"
    message = N_(
        "The meter's present key and the new one lie in two security modules. Both must lie in the"
        " one that makes the tokens."
    )


class NotServed(Refused):
    """A meter taken to such a key could be sold nothing."""

    code = "key_change_not_served"
    message = N_(
        "No security module serves meters of that key's algorithm: nothing could be sold to the"
        " meter. Assign the algorithm to a module first."
    )


class IndexMoved(Conflict):
    """The tariff, or the meter's key, is another than the offer said."""

    code = "key_change_index_moved"
    message = N_(
        "The tariff or the key of this meter changed meanwhile. Nothing was made; look again."
    )


class SlipsLeft(InvalidInput):
    """A meter shows the old key before both sets as after both."""

    code = "key_change_slips_left"
    message = N_(
        "Confirm the old key only once every slip with the refused tokens was entered or taken"
        " away: a customer who enters one later has the other key again. Tick that it is so."
    )
    field = "cleared"


class NothingToHandOut(Refused):
    """No set of that change may be handed out now."""

    code = "key_change_no_slip"
    message = N_(
        "Key change %(number)s has no tokens to hand out: they were not made, or the meter"
        " took or refused them."
    )

    def __init__(self, *, number: str) -> None:
        super().__init__(number=number)


class ShownUnreadable(InvalidInput):
    """KRN and TI are what the meter shows after the test tokens."""

    code = "key_change_shown"
    message = N_("Enter the KRN (1 to 9) and the TI (2 digits) that the meter shows.")
    field = "shown_krn"


class DisplayTellsNothing(InvalidInput):
    """KRN and TI are the same before and after."""

    code = "key_change_display"
    message = N_(
        "KRN and TI are the same under both keys, so they do not tell which one the meter has."
    )
    field = "proof"


class ShowsOtherKey(InvalidInput):
    """The meter shows what it would show under the other key."""

    code = "key_change_other_key"
    message = N_(
        "A meter that shows KRN %(krn)s and TI %(ti)s has the other key. Say so instead, or look"
        " again."
    )
    field = "shown_krn"

    def __init__(self, *, krn: int, ti: str) -> None:
        super().__init__(krn=krn, ti=ti)


class ShowsNeitherKey(InvalidInput):
    """The meter shows neither the old key's KRN and TI nor the new one's."""

    code = "key_change_neither_key"
    message = N_(
        "KRN %(krn)s and TI %(ti)s belong to neither key. Look again; if the meter really shows"
        " them, its record is wrong."
    )
    field = "shown_krn"

    def __init__(self, *, krn: int, ti: str) -> None:
        super().__init__(krn=krn, ti=ti)


class NoEarlierCredit(InvalidInput):
    """Time alone confirms nothing, and a credit of today may still lie in a pocket."""

    code = "key_change_no_credit"
    message = N_(
        "No credit was sold under the new key on a day before today (%(since)s). Only one of an"
        " earlier day that the meter took tells that it has the new key."
    )
    field = "proof"

    def __init__(self, *, since: datetime) -> None:
        super().__init__(since=since)


class ProofMissing(InvalidInput):
    """Nothing is confirmed by itself."""

    code = "key_change_proof"
    message = N_("Choose what tells it.")
    field = "proof"


class EnterItFirst(InvalidInput):
    """Where no set leads back, the old key counts only if the meter refused the set before eyes."""

    code = "key_change_enter_first"
    message = N_(
        "No tokens can take this meter back. Enter all its key change tokens at the meter first,"
        " and tick this only when you saw them refused."
    )
    field = "entered"


class Busy(Unavailable):
    """The database could not take the change in; nothing was written."""

    code = "key_change_busy"
    message = N_("The system is busy. Nothing was done; try again.")
