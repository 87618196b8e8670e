"""The meters of a campaign: what became of each, narrowed by state, taken away as a report."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from flask import g, request, url_for
from flask_babel import gettext
from sqlalchemy import ColumnElement, Select, and_, case, exists, select
from sqlalchemy.orm import Session

from vmsapp.clock import business_day, now_utc
from vmsapp.errors import NotFound
from vmsapp.i18n import _, _l
from vmsapp.models import (
    Campaign,
    CampaignNotice,
    ChangeState,
    KeyChange,
    Meter,
    NoticeState,
    Region,
)
from vmsapp.security import CAMPAIGNS
from vmsapp.services.campaigns.places import handed_out
from vmsapp.services.problems import error_of
from vmsapp.services.rows import among
from vmsapp.sts import identifiers
from vmsapp.views.base import sentence, session, zone
from vmsapp.views.campaigns.words import CAMPAIGN_DEEDS, NOTICE_TONES, NOTICES, campaign_url
from vmsapp.views.engineering.meter_key_forms import TONES
from vmsapp.views.lists.exports import Exported
from vmsapp.views.lists.filters import Choice, Days, Searched, YesNo
from vmsapp.views.lists.listing import holds, row_of
from vmsapp.views.lists.pages import OfficeInterface, names
from vmsapp.views.lists.region_filters import InRegion
from vmsapp.views.look import digits, state
from vmsapp.views.words import CHANGE_STATES, change_failure


class _About(NamedTuple):
    """What a row says beyond its key change."""

    drn: str
    region: str
    notice: str | None
    problem: Mapping[str, Any] | None
    late: bool


@dataclass(frozen=True, kw_only=True)
class OfCampaign(Searched):
    """The meters of one campaign."""

    def said(self, value: Any) -> str:  # noqa: ANN401
        """What its planner called it."""
        return str(value.name)


@dataclass(frozen=True, kw_only=True)
class Overdue(YesNo):
    """Neither confirmed nor refused after the campaign's day."""

    def rows(self, value: str) -> ColumnElement[bool]:
        """Those it is so of, or is not."""
        late = overdue()
        return late if value == "yes" else ~late


@dataclass(frozen=True, kw_only=True)
class Handed(Choice):
    """What became of a set: it left, with a credit token too, or what holds it up."""

    def rows(self, value: str) -> ColumnElement[bool]:
        """Those of which it is so."""
        if value == NoticeState.SENT:
            return handed_out()
        notices = select(CampaignNotice.key_change_id).where(CampaignNotice.state == value)
        return and_(KeyChange.id.in_(notices), ~handed_out())


def overdue() -> ColumnElement[bool]:
    """State which key changes of campaigns are open after the day they were to be done by."""
    today, campaign = business_day(now_utc(), zone()), Campaign.__table__.c
    ended = exists().where(campaign.id == KeyChange.campaign_id, campaign.due_on < today)
    return and_(KeyChange.state == ChangeState.COMPLETED, ended)


def _about(row: KeyChange) -> _About | None:
    found: _About | None = g.get("campaign_meters", {}).get(row.id)
    return found


def _number(row: KeyChange) -> Any:  # noqa: ANN401 - a piece of HTML
    about = _about(row)
    return digits(identifiers.drn.format(about.drn)) if about else None


def _handed(row: KeyChange) -> Any:  # noqa: ANN401 - a piece of HTML
    about = _about(row)
    code = about.notice if about else None
    return state(gettext(NOTICES[code]), NOTICE_TONES.get(code)) if code else None


def _not_sent(row: KeyChange) -> str | None:
    """Why a set was not sent, or perhaps not."""
    about = _about(row)
    if about is None or about.problem is None or about.notice == NoticeState.SENT:
        return None
    return sentence(error_of(about.problem))


def _overdue(row: KeyChange) -> bool:
    about = _about(row)
    return about is not None and about.late and row.state == ChangeState.COMPLETED


class CampaignMeters(Exported):
    """The key changes of campaigns, of the meters the asker sees."""

    datamodel = OfficeInterface(KeyChange)
    route_base = "/campaign-meters"
    class_permission_name = CAMPAIGNS
    base_permissions = CAMPAIGN_DEEDS
    list_template = "campaigns/members.html"
    export_subject = "campaign_meters"

    list_title = _l("Meters of campaigns")
    list_columns = names(
        "meter region state handed not_sent completed_at closed_at overdue failure"
    )
    show_columns = names(
        "meter region state handed not_sent old new completed_at closed_at overdue failure"
    )
    order_columns = names("completed_at")
    base_order = ("id", "desc")
    label_columns = {
        "meter": _l("Meter number"), "region": _l("Region"), "state": _l("State"),
        "handed": _l("Handed out"), "not_sent": _l("Why not sent"),
        "completed_at": _l("Tokens made at"), "closed_at": _l("Confirmed or refused at"),
        "overdue": _l("Overdue"),
        "failure": _l("Why not made"), "old": _l("Old key (SGC / KRN / TI)"),
        "new": _l("New key (SGC / KRN / TI)"),
    }  # fmt: skip
    folded = frozenset({"closed_at", "failure"})
    filters = (
        OfCampaign(name="campaign", label=_l("Campaign"), column=KeyChange.campaign_id,
                   model=Campaign, endpoint="Campaigns.lookup"),
        Choice(name="state", label=_l("State"), column=KeyChange.state, words=CHANGE_STATES),
        Handed(name="handed", label=_l("Handed out"), column=KeyChange.id, words=NOTICES),
        Overdue(name="overdue", label=_l("Overdue"), column=KeyChange.id),
        InRegion(name="region", label=_l("Region"), column=KeyChange.meter_id, through=Meter),
        Days(name="made", label=_l("Tokens made at"), column=KeyChange.completed_at),
    )  # fmt: skip
    cells = {
        "meter": _number,
        "region": lambda row: about.region if (about := _about(row)) else None,
        "state": lambda row: state(gettext(CHANGE_STATES[row.state]), TONES.get(row.state)),
        "handed": _handed,
        "not_sent": _not_sent,
        "overdue": _overdue,
        "failure": lambda row: change_failure(row.failure) if row.failure else None,
        "old": lambda row: f"{row.old_sgc} / {row.old_krn} / {row.old_ti}",
        "new": lambda row: f"{row.new_sgc} / {row.new_krn} / {row.new_ti}",
    }
    export_columns = names(
        "meter region state handed not_sent old new completed_at closed_at overdue failure"
    )
    export_cells = {
        "meter": lambda row: about.drn if (about := _about(row)) else None,
        "state": lambda row: gettext(CHANGE_STATES[row.state]),
    }
    empty = _l("Meters stand here once a campaign made their tokens.")

    def name_of(self, row: KeyChange) -> str:
        """Which key change it is."""
        return str(_("Key change %(id)s", id=row.id))

    def links(self, row: KeyChange) -> Sequence[tuple[str, str]]:
        """The key of its meter, and the campaign."""
        found = []
        if self.appbuilder.sm.has_access("can_show", "Meters"):
            found.append((str(_("Key of the meter")), url_for("Meters.key", pk=row.meter_id)))
        return [
            *found,
            (str(_("Open the campaign")), url_for("Campaigns.show", pk=row.campaign_id)),
        ]

    def of_campaign(self) -> tuple[str, str] | None:
        """The campaign that the list is narrowed to: its name and page."""
        number = request.args.get("campaign", type=int)
        row = None if number is None else row_of(session(), Campaign, number)
        return None if row is None else (row.name, campaign_url(row))

    def statement(self) -> Select[Any]:
        """Key changes that are part of a campaign; the others stand with their meters."""
        return select(KeyChange).where(KeyChange.campaign_id.is_not(None))

    def row(self, pk: int) -> KeyChange:
        """Fetch one of a campaign."""
        wanted = self.statement().where(KeyChange.id == pk)
        found = session().scalars(wanted).first() if holds(KeyChange.id, pk) else None
        if found is None:
            raise NotFound
        row: KeyChange = found
        return row

    def make_ready(self, rows: Sequence[KeyChange]) -> None:
        """Read whose meters these are, where they hang, and what was handed out."""
        g.campaign_meters = _about_all(session(), [row.id for row in rows])


def _about_all(session: Session, change_ids: Sequence[int]) -> dict[int, _About]:
    rows = session.execute(
        select(
            KeyChange.id,
            Meter.drn,
            Region.name,
            case((handed_out(), NoticeState.SENT.value), else_=CampaignNotice.state),
            CampaignNotice.problem,
            Campaign.due_on,
        )
        .join(Meter, Meter.id == KeyChange.meter_id)
        .join(Region, Region.id == Meter.region_id)
        .join(Campaign, Campaign.id == KeyChange.campaign_id)
        .outerjoin(CampaignNotice, CampaignNotice.key_change_id == KeyChange.id)
        .where(among(session, KeyChange.id, change_ids))
    )
    today = business_day(now_utc(), zone())
    return {
        change_id: _About(drn, region, notice, problem, today > due_on)
        for change_id, drn, region, notice, problem, due_on in rows
    }
