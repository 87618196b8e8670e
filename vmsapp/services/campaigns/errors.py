"""What a campaign, or a meter of one, is refused for."""

from vmsapp.errors import N_, Conflict, InvalidInput, NotFound, Refused


class NoSuchCampaign(NotFound):
    """There is none, or the asker may not see it."""

    code = "no_such_campaign"
    message = N_("There is no such campaign here.")


class CampaignMoved(Conflict):
    """A move that the table of states does not hold."""

    code = "campaign_moved"
    message = N_("This campaign is %(state)s; that cannot be done with it now.")

    def __init__(self, *, state: str) -> None:
        super().__init__(state=state)


class CampaignChanged(Conflict):
    """The draft is not what was looked at, or what a second person was shown."""

    code = "campaign_changed"
    message = N_("The campaign was changed after this was shown. Look at it again.")


class CampaignBusy(Conflict):
    """Its job is still at it."""

    code = "campaign_busy"
    message = N_("A job is still at work for this campaign. Wait until it has ended.")


class CampaignNameMissing(InvalidInput):
    """Lists are read by names."""

    code = "campaign_name"
    message = N_("Give the campaign a name of at most 120 characters.")
    field = "name"


class CampaignReasonMissing(InvalidInput):
    """Whoever reads the record must be able to tell why."""

    code = "campaign_reason"
    message = N_("Say why, in at most 255 characters.")
    field = "reason"


class CampaignDayPast(InvalidInput):
    """All are to be confirmed until a day that is still to come."""

    code = "campaign_due"
    message = N_("The day until which all are to be confirmed must be today or later.")
    field = "due_on"


class CampaignPace(InvalidInput):
    """Nothing, or less."""

    code = "campaign_pace"
    message = N_("Enter at least one meter a second, or nothing for as many as possible.")
    field = "per_second"


class CampaignHandOut(InvalidInput):
    """One of the three ways."""

    code = "campaign_hand_out"
    message = N_("Choose how the tokens reach the consumers.")
    field = "hand_out"


class CampaignTarget(InvalidInput):
    """Nothing would be new, or what is to be new is no such thing."""

    code = "campaign_target"
    message = N_("Say what is to be new: supply group, revision, base date, tariff index or STS6.")
    field = "target"


class CampaignListEmpty(InvalidInput):
    """Not one of the numbers is a meter that the asker sees."""

    code = "campaign_list"
    message = N_("Not one number of the list is a meter here.")
    field = "numbers"


class CampaignListLong(InvalidInput):
    """More than a campaign takes."""

    code = "campaign_list_long"
    message = N_("A list has at most %(most)s numbers.")
    field = "numbers"

    def __init__(self, *, most: int) -> None:
        super().__init__(most=most)


class CampaignNotBySms(Refused):
    """Its sets are handed out in another way."""

    code = "campaign_not_by_sms"
    message = N_("The tokens of this campaign are not handed out by text message.")


class SheetsMoved(Conflict):
    """What was looked at is not what comes next any more."""

    code = "campaign_sheets_moved"
    message = N_(
        "Sheets were printed meanwhile, or meters were confirmed. Look at what comes next, then"
        " print."
    )


class NothingToChange(Refused):
    """Every meter is left out."""

    code = "campaign_nothing"
    message = N_("There is no meter that this campaign could change.")


# Why one meter is left out, beside the errors of ``key_changes``.


class MeterRetired(Refused):
    """Nothing is done to a retired meter."""

    code = "campaign_meter_retired"
    message = N_("The meter is retired.")


class MeterBlocked(Refused):
    """Nobody would enter its tokens."""

    code = "campaign_meter_blocked"
    message = N_("The meter is blocked.")


class MeterBusy(Refused):
    """A token of it is being made."""

    code = "campaign_meter_busy"
    message = N_("A sale or an engineering token of the meter is being settled.")


class MeterInChange(Refused):
    """At most one change of a meter is open."""

    code = "campaign_meter_in_change"
    message = N_("The meter has a key change that nobody confirmed yet.")


class NewKeyOpen(Refused):
    """Several keys would do."""

    code = "campaign_key_open"
    message = N_(
        "Several keys of supply group %(sgc)s have this base date. Say which revision is meant."
    )

    def __init__(self, *, sgc: str) -> None:
        super().__init__(sgc=sgc)


class NewKeyNotThere(Refused):
    """The module holds none like it."""

    code = "campaign_key_missing"
    message = N_("The security module holds no such key of supply group %(sgc)s.")

    def __init__(self, *, sgc: str) -> None:
        super().__init__(sgc=sgc)
