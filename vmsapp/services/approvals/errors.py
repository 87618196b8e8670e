"""What the second person's machinery says when it does not do what was asked."""

from datetime import datetime

from vmsapp.errors import N_, Conflict, InvalidInput, NotAllowed, Refused


class OwnRequest(NotAllowed):
    """Nobody approves what they asked for."""

    code = "own_request"
    message = N_("You asked for this yourself. Somebody else must decide on it.")


class OnePerson(NotAllowed):
    """Requester and approver count as one person for some days."""

    def __init__(self, *, asker: str, giver: str, until: datetime) -> None:
        super().__init__(asker=asker, giver=giver, until=until)


class ApproverTied(OnePerson):
    """The approver's account was in the requester's hands within the last days."""

    code = "approver_tied"
    message = N_(
        "%(asker)s made your account, let it in again, gave it rights or set its password. Until"
        " %(until)s you count as one person; somebody else must decide on this."
    )


class AskerTied(OnePerson):
    """The requester's account was in the approver's hands within the last days."""

    code = "asker_tied"
    message = N_(
        "You made the account of %(asker)s, let it in again, gave it rights or set its password."
        " Until %(until)s you count as one person; somebody else must decide on this."
    )


class BothTied(OnePerson):
    """Both accounts were in the hands of a third, who could play the two of them."""

    code = "both_tied"
    message = N_(
        "%(giver)s made both your account and that of %(asker)s, let them in again, gave them"
        " rights or set their passwords. Until %(until)s the two count as one person; somebody"
        " else must decide on this."
    )


class AskerLeft(Refused):
    """Who asked is inactive, or holds the permission no more."""

    code = "asker_left"
    message = N_("Who asked for this may not do it any more. Nothing was done.")


class AlreadyDecided(Conflict):
    """Another decision came first, or time did."""

    code = "already_decided"
    message = N_("This request does not wait any more.")


class AlreadyAsked(Conflict):
    """The very same is waiting already."""

    code = "already_asked"
    message = N_("The same was asked for already, in request %(request_id)s, and still waits.")

    def __init__(self, *, request_id: int) -> None:
        super().__init__(request_id=request_id)


class OtherFormSent(Conflict):
    """A form's key came again with other values in it."""

    code = "other_form_sent"
    message = N_("This form was sent before with other values. Open it again.")


class ShownDiffers(Conflict):
    """What the approver read is not what is stored."""

    code = "shown_differs"
    message = N_("This request is not the one that was shown. Look at it again.")


class ReasonMissing(InvalidInput):
    """Who refuses says why."""

    code = "refusal_without_reason"
    message = N_("Say why you refuse it: the person who asked will read it.")
    field = "reason"


class NobodyToApprove(Refused):
    """A rule was switched on that nobody could satisfy."""

    code = "nobody_to_approve"
    message = N_(
        "Fewer than two active users may approve this. Give another one the rights first, or"
        " nobody could do it any more."
    )


class AllOnePerson(NobodyToApprove):
    """Those who could satisfy it were all in the same hands within the last days."""

    code = "all_one_person"
    message = N_(
        "Those who may approve this count as one person until %(until)s: their accounts were in"
        " the same hands within the last %(days)s days. Switch it on after that; before, nobody"
        " could approve."
    )

    def __init__(self, *, until: datetime, days: int) -> None:
        super().__init__(until=until, days=days)
