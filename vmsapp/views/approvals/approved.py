"""What came of a decided request: what is said of it, where it leads, and what waits next."""

from dataclasses import dataclass

from flask import current_app, url_for

from vmsapp.i18n import _
from vmsapp.models import ApprovalRequest, ApprovalState, Campaign, Sale, SaleState
from vmsapp.security import CAMPAIGNS, COUNTER
from vmsapp.services.approvals import inbox
from vmsapp.services.campaigns.beginning import START
from vmsapp.services.free_tokens.deed import GIVE
from vmsapp.services.free_tokens.making import sale_of
from vmsapp.tasks import background
from vmsapp.views.approvals.deeds import deed_name
from vmsapp.views.base import actor, session
from vmsapp.views.campaigns.words import campaign_url
from vmsapp.views.lists.listing import row_of
from vmsapp.views.words import failure_sentence


@dataclass(frozen=True, slots=True)
class Next:
    """A request that waits, and what it asks for."""

    id: int
    deed: str


def said_of(made: object) -> tuple[str, str]:
    """Say what became of an approved deed: of a free token, whether it is there."""
    if not isinstance(made, Sale):
        return _("Approved and done."), "success"
    if made.state == SaleState.FAILED:
        why = failure_sentence(made.failure or "")
        return _("Approved, but no token was made. %(why)s Ask anew.", why=why), "danger"
    if made.state == SaleState.PENDING:
        return _("Approved. The token is being made; look again in a moment."), "info"
    return _("Approved, and the token is made."), "success"


def token_url(row: ApprovalRequest) -> str | None:
    """Where the token is that an approved request gave, for who may see it."""
    builder = current_app.extensions["appbuilder"]
    if row.action != GIVE.action or row.state != ApprovalState.APPROVED:
        return None
    if not builder.sm.has_access("can_receipt", COUNTER):
        return None
    made = sale_of(session(), row.vending_point_id, row.key)
    return None if made is None else url_for("Counter.sale", sale_id=made.id)


def _campaign_of(row: ApprovalRequest) -> Campaign | None:
    """The campaign that a request begins, as far as its reader sees it."""
    number = row.params.get("campaign_id") if row.action == START.action else None
    found: Campaign | None = None if number is None else row_of(session(), Campaign, number)
    return found


def url_of_campaign(row: ApprovalRequest) -> str | None:
    """Where the campaign is looked at that a request begins, for who may see it."""
    builder = current_app.extensions["appbuilder"]
    campaign = _campaign_of(row)
    if campaign is None or not builder.sm.has_access("can_show", CAMPAIGNS):
        return None
    return campaign_url(campaign)


def set_to_work(row: ApprovalRequest) -> None:
    """Tell the workers of a campaign that was just approved; the sweep tells them else."""
    campaign = _campaign_of(row)
    if campaign is not None and campaign.job_id is not None:
        background.send(campaign.job_id)


def next_after(row: ApprovalRequest) -> Next | None:
    """What waits for the reader after a request that needs nobody any more."""
    found = inbox.next_for(session(), actor(), row.id)
    return None if found is None else Next(found.id, deed_name(found.action))
