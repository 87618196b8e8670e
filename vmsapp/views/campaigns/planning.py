"""Planning a campaign: its form, what it would do, beginning it and its further rounds."""

from collections.abc import Sequence
from typing import Any, Final

from flask import abort, flash, redirect, request
from flask_appbuilder import expose, has_access, permission_name
from flask_babel import get_locale, gettext
from sqlalchemy import select

from vmsapp.clock import now_utc
from vmsapp.errors import N_, Conflict, NotFound, VmsError
from vmsapp.extensions import atomic
from vmsapp.i18n import _
from vmsapp.models import ApprovalRequest, ApprovalState, Campaign, CampaignState
from vmsapp.services.campaigns.beginning import START, Begin, begin_of
from vmsapp.services.campaigns.behind import faults_of, faulty_numbers
from vmsapp.services.campaigns.drafting import change_draft, discard, draft
from vmsapp.services.campaigns.errors import CampaignChanged
from vmsapp.services.campaigns.expiring import ending_soon
from vmsapp.services.campaigns.preview import preview
from vmsapp.services.campaigns.rows import note
from vmsapp.services.campaigns.terms import Preview
from vmsapp.tasks import background
from vmsapp.views.approvals.approvers import approvers_said
from vmsapp.views.approvals.deeds import a_key, after, request_url, said_beforehand, submit
from vmsapp.views.base import actor, session, status_of
from vmsapp.views.campaigns.forms import SECTIONS, CampaignForm
from vmsapp.views.campaigns.left_out import left_out_url
from vmsapp.views.campaigns.words import FAULTS, STEPS, conflict_said, ending_said, warnings_said
from vmsapp.views.forms import put_error, tidy
from vmsapp.views.lists.exports import SHEETS, handed_over, write_table
from vmsapp.views.lists.pages import Answer, OfficeListView

SHOWN: Final = 50
"""Numbers of a list that the page shows which name no meter."""


class CampaignPlanning(OfficeListView):
    """The pages of a plan; part of the list of campaigns."""

    @expose("/new", methods=["GET", "POST"])
    @has_access
    @permission_name("make")
    def new(self) -> Answer:
        """Plan a campaign."""
        return self._plan(CampaignForm(), None)

    @expose("/<int:pk>/plan", methods=["GET", "POST"])
    @has_access
    @permission_name("make")
    def plan(self, pk: int) -> Answer:
        """Plan it differently, as long as nothing was made."""
        row, form = self.row(pk), CampaignForm()
        if row.state != CampaignState.DRAFT:
            raise AlreadyBegun
        if request.method == "GET":
            form.fill(row)
        return self._plan(form, row)

    def _plan(self, form: CampaignForm, row: Campaign | None) -> Answer:
        status = 200
        if request.method == "POST":
            tidy(form)
            status = 422
            if form.validate():
                try:
                    return self._planned(form, row)
                except VmsError as error:
                    if isinstance(error, NotFound) and row is not None:
                        raise
                    session().rollback()
                    put_error(form, error)
                    status = status_of(error)
            form.ask_for_file_again()
        page = self._page(
            "campaigns/plan.html", form=form, row=row,
            title=_("Plan a campaign") if row is None else row.name,
            sections=[(gettext(heading), columns) for heading, columns in SECTIONS],
            columns=[name for _heading, columns in SECTIONS for name in columns],
            steps_said=[gettext(word) for word in STEPS],
            back=self.url("list") if row is None else self.url("show", pk=row.id),
        )  # fmt: skip
        return page, status

    def _planned(self, form: CampaignForm, row: Campaign | None) -> Answer:
        wish = form.wish()
        if row is None:
            made = draft(session(), actor(), wish)
        else:
            made = change_draft(session(), actor(), row.id, wish)
        return redirect(self.url("show", pk=made.id))

    # before it is begun

    def planned(self, row: Campaign, shown: Preview | None = None) -> dict[str, Any]:
        """What a campaign would do, for its page; counted here unless it was just now."""
        shown = shown or preview(session(), row.id)
        return {
            "shown": shown,
            "warnings": [
                *warnings_said(code for one in shown.routes for code in one.warned),
                *map(ending_said, ending_soon(session(), shown.routes)),
            ],
            "conflicts": [
                (conflict_said(one), one.meters, one.examples, left_out_url(row, one.code))
                for one in shown.conflicts
            ],
            "faults": [
                (gettext(FAULTS[code]), count) for code, count in faults_of(session(), row).items()
            ],
            "faulty": [
                (place, number, gettext(FAULTS[code]))
                for place, number, code in faulty_numbers(session(), row, SHOWN)
            ],
            "faulty_shown": SHOWN,
            "faulty_files": [
                (str(word), self.url("faulty", pk=row.id, kind=kind))
                for kind, word in (("xlsx", _("Excel")), ("csv", _("CSV")))
            ] if self.may("export") else (),
        }  # fmt: skip

    @expose("/<int:pk>/faulty/<string:kind>", methods=["POST"])
    @has_access
    @permission_name("export")
    def faulty(self, pk: int, kind: str) -> Answer:
        """Hand over all numbers of a list that name no meter, with what is wrong with each."""
        row = self.row(pk)
        if kind not in SHEETS:
            abort(404)
        with atomic(session()) as current:
            faults = faults_of(current, row)
            note(current, actor(), "faults_exported", pk, kind=kind, rows=sum(faults.values()))
        header = [_("Place in the list"), _("Number"), _("What is wrong")]
        said = {code: str(gettext(word)) for code, word in FAULTS.items()}
        lines = (
            (place, number, said[code]) for place, number, code in faulty_numbers(session(), row)
        )
        return handed_over(
            lambda file: write_table(file, kind, row.name, list(map(str, header)), lines),
            kind, f"campaign-{pk}-faulty-numbers.{kind}",
        )  # fmt: skip

    def approval(self, row: Campaign) -> dict[str, Any]:
        """What the second person has to do with beginning a campaign, or its next round."""
        asked, second = _asked_for(row), said_beforehand(START, Begin(row.id, "", 0))
        asker_id = asked.asked_by_id if asked else actor().user_id
        return {
            "asked": asked,
            "approvers": approvers_said(START, row.region, asker_id) if second else (),
            "asked_url": request_url(asked.id) if asked else None,
            "second": second,
            "begin_key": a_key(),
        }

    @expose("/<int:pk>/begin", methods=["POST"])
    @has_access
    @permission_name("make")
    def begin(self, pk: int) -> Answer:
        """Begin it as it was looked at, or ask the second person."""
        return self._submitted(pk, _("Begun. The tokens are being made."))

    @expose("/<int:pk>/again", methods=["POST"])
    @has_access
    @permission_name("make")
    def again(self, pk: int) -> Answer:
        """Try those once more that were left out or failed, or ask the second person."""
        return self._submitted(pk, _("The meters left out are tried once more."), again=True)

    def _submitted(self, pk: int, done: str, *, again: bool = False) -> Answer:
        """Begin a campaign or its next round, as it was looked at."""
        self.row(pk)
        shown = preview(session(), pk)
        try:
            begin = begin_of(
                session(), pk, seen=shown, locale=str(get_locale() or "en"), again=again
            )
            if not again and request.form.get("digest") != begin.digest:
                raise CampaignChanged
            asked = submit(START, begin, request.form.get("key", "")[:60] or a_key(), done)
        except VmsError as error:
            if isinstance(error, NotFound):
                raise
            session().rollback()
            return self.campaign_page(pk, error, shown)
        if asked is None:
            self.send_job(pk)
        return after(asked, self.url("show", pk=pk))

    @expose("/<int:pk>/discard", methods=["POST"])
    @has_access
    @permission_name("make")
    def discard(self, pk: int) -> Answer:
        """Leave a plan; nothing was made of it."""
        self.row(pk)
        discard(session(), actor(), pk)
        flash(_("The plan was discarded; nothing was made."), "success")
        return redirect(self.url("list"))

    def send_job(self, pk: int) -> None:
        """Tell the workers of the job that makes the tokens."""
        row = session().get(Campaign, pk, populate_existing=True)
        if row is not None and row.job_id is not None:
            background.send(row.job_id)

    def campaign_page(
        self, pk: int, error: VmsError | None = None, shown: Preview | None = None
    ) -> Answer:
        """Draw the page of a campaign, with a refusal where there was one."""
        raise NotImplementedError


class AlreadyBegun(Conflict):
    """A plan is changed before anything is made of it."""

    code = "campaign_already_begun"
    message = N_("This campaign is no plan any more, so it cannot be changed.")


def _asked_for(row: Campaign) -> ApprovalRequest | None:
    """Find the request to begin a campaign that waits for a second person."""
    waiting: Sequence[ApprovalRequest] = session().scalars(
        select(ApprovalRequest)
        .where(
            ApprovalRequest.action == START.action, ApprovalRequest.state == ApprovalState.PENDING
        )
        .order_by(ApprovalRequest.id.desc())
    ).all()  # fmt: skip
    now = now_utc()
    return next(
        (
            one
            for one in waiting
            if one.params.get("campaign_id") == row.id
            and one.state_at(now) == ApprovalState.PENDING
        ),
        None,
    )
