"""Campaigns: many meters taken to another key; their list, and the page of each."""

from collections.abc import Iterator, Mapping
from typing import Any

from flask import g
from flask_appbuilder import expose, has_access, permission_name
from flask_babel import gettext
from sqlalchemy import select
from sqlalchemy.orm import joinedload
from werkzeug.wrappers import Response

from vmsapp.clock import business_day, now_utc
from vmsapp.errors import NotFound, VmsError
from vmsapp.i18n import _, _l
from vmsapp.models import Campaign, CampaignState, HandOut, Job, Product, Region
from vmsapp.security import CAMPAIGNS
from vmsapp.services.campaigns.places import places
from vmsapp.services.campaigns.progress import left_out, progress
from vmsapp.services.campaigns.rows import job_of
from vmsapp.services.campaigns.terms import Preview
from vmsapp.services.campaigns.walk import count, still
from vmsapp.views.base import sentence, session, status_of, zone
from vmsapp.views.campaigns.deeds import CampaignDeeds
from vmsapp.views.campaigns.left_out import left_out_url
from vmsapp.views.campaigns.planning import CampaignPlanning
from vmsapp.views.campaigns.sheets import CampaignSheets
from vmsapp.views.campaigns.words import (
    AT,
    CAMPAIGN_DEEDS,
    ENDINGS,
    HAND_OUTS,
    STATES,
    STEPS,
    TONES,
    conflict_said,
    selection_said,
    target_said,
)
from vmsapp.views.jobs.words import error_said, progress_answer
from vmsapp.views.jobs.words import said as progress_said
from vmsapp.views.lists.exports import Exported
from vmsapp.views.lists.filters import Choice, Days, Searched
from vmsapp.views.lists.mine import Mine
from vmsapp.views.lists.pages import Answer, OfficeInterface, names, view_named
from vmsapp.views.look import number_text, state


def _products() -> Mapping[int, str]:
    """Models of the products, by their ids, read once a request."""
    if "campaign_products" not in g:
        rows = session().execute(select(Product.id, Product.model))
        g.campaign_products = dict(rows.all())
    found: Mapping[int, str] = g.campaign_products
    return found


class Campaigns(CampaignPlanning, CampaignDeeds, CampaignSheets, Exported):
    """The campaigns of the asker's regions."""

    datamodel = OfficeInterface(Campaign)
    route_base = "/campaigns"
    class_permission_name = CAMPAIGNS
    base_permissions = CAMPAIGN_DEEDS
    list_template = "campaigns/list.html"
    show_template = "campaigns/show.html"

    list_title = _l("Campaigns")
    list_columns = names("name state target region meters due_on made_by made_at")
    show_columns = names(
        "state target region selection hand_out per_second due_on reason made_by made_at begun_at"
        " ended_at"
    )
    order_columns = names("made_at due_on name")
    base_order = ("made_at", "desc")
    label_columns = {
        "id": _l("Number"), "name": _l("Name"), "state": _l("State"), "target": _l("What is new"),
        "region": _l("Region"), "selection": _l("Which meters"), "meters": _l("Meters"),
        "hand_out": _l("How the tokens go out"), "per_second": _l("Meters per second at most"),
        "due_on": _l("To be done by"), "reason": _l("Reason"), "made_by": _l("Planned by"),
        "made_at": _l("Planned at"), "begun_at": _l("Begun at"),
        "ended_at": _l("All tokens made at, or stopped at"),
    }  # fmt: skip
    numbers = frozenset({"meters"})
    searched = (Campaign.name,)
    filters = (
        Choice(name="state", label=_l("State"), column=Campaign.state, words=STATES),
        Searched(name="region", label=_l("Region"), column=Campaign.region_id, model=Region,
                 endpoint="Regions.lookup"),
        Days(name="due", label=_l("To be done by"), column=Campaign.due_on),
        Days(name="made", label=_l("Planned at"), column=Campaign.made_at),
        Mine(name="by", label=_l("Planned by"), column=Campaign.made_by_id),
    )  # fmt: skip
    loads = (joinedload(Campaign.region), joinedload(Campaign.made_by))
    cells = {
        "state": lambda row: state(gettext(STATES[row.state]), TONES.get(row.state)),
        "target": target_said,
        "region": lambda row: row.region.name if row.region else str(_("The whole utility")),
        "selection": lambda row: selection_said(row, _products()),
        "meters": lambda row: number_text(row.meters) if row.begun_at else None,
        "hand_out": lambda row: gettext(HAND_OUTS[row.hand_out]),
        "made_by": lambda row: row.made_by.username if row.made_by else None,
    }
    export_columns = names(
        "id name state target region selection meters hand_out due_on reason made_by made_at"
        " begun_at ended_at"
    )
    export_cells = {
        "meters": lambda row: row.meters if row.begun_at else None,
        "state": lambda row: gettext(STATES[row.state]),
    }
    empty = _l("Plan one: many meters get another key, each by tokens its customer enters.")

    def facts_of(self, row: Campaign) -> Iterator[tuple[str, Any]]:
        """What its page tells of it: names and values."""
        for name in self.show_columns:
            if name != "ended_at":
                yield self.label(name), self.value(row, name)
            elif row.state in ENDINGS:
                yield gettext(ENDINGS[row.state]), self.value(row, name)

    def name_of(self, row: Campaign) -> str:
        """What its planner called it."""
        return row.name

    @expose("/show/<int:pk>", methods=["GET"])
    @has_access
    def show(self, pk: int) -> Answer:
        """Show what a campaign would do, or how far it is."""
        return self.campaign_page(pk)

    def campaign_page(
        self, pk: int, error: VmsError | None = None, shown: Preview | None = None
    ) -> Answer:
        """Draw the page of a campaign, with a refusal where there was one."""
        row = self.row(pk)
        step = AT[row.state]
        planned = row.state in {CampaignState.DRAFT, CampaignState.DISCARDED}
        more = self.planned(row, shown) if row.state == CampaignState.DRAFT else {}
        if not planned:
            more = self._running(row)
            if row.state == CampaignState.MADE and more["far"].made and not more["far"].open:
                step = len(STEPS)  # all that were made have had their word
        if row.state in {CampaignState.DRAFT, CampaignState.MADE}:
            more |= self.approval(self.row(pk))
        row = self.row(pk)  # again: what was counted read it without who planned it
        page = self._page(
            self.show_template, title=row.name, row=row, step=step,
            steps_said=[gettext(word) for word in STEPS], planned=planned,
            refusal=sentence(error) if error else None,
            meters_view=view_named(self.appbuilder, "CampaignMeters"), **more,
        )  # fmt: skip
        return page, 200 if error is None else status_of(error)

    def _running(self, row: Campaign) -> dict[str, Any]:
        """How far it is, where, and what was left out and why."""
        far, job = progress(session(), row.id), self._job(row)
        by_sms = row.hand_out == HandOut.SMS
        return {
            "far": far,
            "job": job,
            "places": places(session(), row, business_day(now_utc(), zone())),
            "left_out": [
                (conflict_said(one), one.meters, one.examples, left_out_url(row, one.code))
                for one in left_out(session(), row.id)
            ],
            "job_said": progress_said(job) if job is not None and job.open else "",
            "job_open": job is not None and job.open,
            "job_error": error_said(job) if job is not None and not job.open else None,
            "prints": row.hand_out == HandOut.SHEET and self.may("make"),
            "sends": by_sms and self.may("make"),
            "not_sent": count(session(), still(row)) if by_sms else 0,
        }  # fmt: skip

    @expose("/progress/<int:pk>")
    @has_access
    @permission_name("show")
    def progress(self, pk: int) -> Response:
        """Tell how far the job is that makes the tokens."""
        job = self._job(self.row(pk))
        if job is None:
            raise NotFound
        return progress_answer(job)

    def _job(self, row: Campaign) -> Job | None:
        """The job that makes the tokens, or did last."""
        return job_of(session(), row)
