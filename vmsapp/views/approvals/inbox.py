"""The inbox of the second person: what waits, what it will do, and deciding on it."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from flask import current_app, flash, redirect, request
from flask_appbuilder import expose, has_access, permission_name
from flask_babel import gettext
from sqlalchemy import ColumnElement
from sqlalchemy.orm import joinedload, undefer

from vmsapp.clock import now_utc
from vmsapp.errors import N_, InvalidInput, VmsError
from vmsapp.i18n import _, _l
from vmsapp.models import ApprovalRequest, ApprovalState
from vmsapp.security import APPROVALS
from vmsapp.services.approvals import deciding, inbox
from vmsapp.services.approvals.deed import Means
from vmsapp.services.approvals.deeds import DEEDS
from vmsapp.services.approvals.outcomes import said_again
from vmsapp.views.approvals.approved import (
    next_after,
    said_of,
    set_to_work,
    token_url,
    url_of_campaign,
)
from vmsapp.views.approvals.approvers import why_nobody
from vmsapp.views.approvals.deeds import deed_name, exact_minor, readable_minor, told
from vmsapp.views.approvals.subjects import about, about_plainly, read_subjects
from vmsapp.views.base import actor, modules, sentence, session, status_of
from vmsapp.views.lists.exports import Exported
from vmsapp.views.lists.filters import Choice
from vmsapp.views.lists.pages import Answer, OfficeInterface, names
from vmsapp.views.look import state

STATES: Final = {
    "pending": N_("waiting"),
    "approved": N_("approved and done"),
    "refused": N_("refused"),
    "withdrawn": N_("withdrawn"),
    "expired": N_("expired"),
    "failed": N_("approved, but could not be done"),
}
TONES: Final = {"pending": "warn", "approved": "good", "refused": "bad", "failed": "bad"}
BOXES: Final = {
    "waiting": N_("Waiting for me"),
    "mine": N_("Asked by me"),
    "decided": N_("Decided"),
}

EMPTY: Final = {
    "waiting": N_("Nothing waits for you. Only requests that you may decide stand here."),
    "mine": N_("You asked for nothing that needs a second person."),
    "decided": N_("No request was decided yet."),
}


@dataclass(frozen=True, kw_only=True)
class Box(Choice):
    """One of the three boxes; what waits is for who may decide on it."""

    def rows(self, value: str) -> ColumnElement[bool]:
        """Requests in this box."""
        if value == "mine":
            return ApprovalRequest.asked_by_id == actor().user_id
        if value == "decided":
            return ~inbox.waits()
        return inbox.waits_for(session(), actor())


def _means() -> Means:
    return Means(modules(), current_app.extensions["vms_settings"].licence_grace_days)


def _place(row: ApprovalRequest) -> str:
    place = row.vending_point or row.region
    return place.name if place else str(_("The whole utility"))


def _state(row: ApprovalRequest) -> Any:  # noqa: ANN401 - a piece of HTML
    now = row.state_at(now_utc())
    return state(gettext(STATES[now]), TONES.get(now))


def _amount(minor: int | None) -> str | None:
    return None if minor is None else readable_minor(minor)


def _exact(minor: int | None) -> Decimal | None:
    return None if minor is None else exact_minor(minor)


class Approvals(Exported):
    """Requests about what the asker sees."""

    datamodel = OfficeInterface(ApprovalRequest)
    route_base = "/approvals"
    class_permission_name = APPROVALS
    base_permissions = names("can_list can_show can_decide can_withdraw can_export")
    list_template = "approvals/list.html"
    show_template = "approvals/show.html"

    list_title = _l("Approvals")
    list_columns = names("action about amount_minor place asked_by made_at state")
    show_columns = names("asked_by made_at expires_at place state decided_by decided_at reason")
    order_columns = names("made_at amount_minor")
    base_order = ("id", "desc")
    label_columns = {
        "id": _l("Number"), "action": _l("What is asked for"), "about": _l("About"),
        "amount": _l("Amount"), "amount_minor": _l("Amount"), "place": _l("Where"),
        "asked_by": _l("Asked by"), "made_at": _l("Asked at"), "expires_at": _l("Waits until"),
        "state": _l("State"), "decided_by": _l("Decided by"), "decided_at": _l("Decided at"),
        "reason": _l("Reason"),
    }  # fmt: skip
    numbers = frozenset({"amount_minor"})
    filters = (Box(name="box", label=_l("Show"), column=ApprovalRequest.state, words=BOXES),)
    loads = (
        undefer(ApprovalRequest.asked_by), undefer(ApprovalRequest.decided_by),
        joinedload(ApprovalRequest.vending_point), joinedload(ApprovalRequest.region),
    )  # fmt: skip
    export_columns = names(
        "id action about amount place asked_by made_at expires_at"
        " state decided_by decided_at reason"
    )
    export_cells = {"about": about_plainly, "amount": lambda row: _exact(row.amount_minor)}
    cells = {
        "action": lambda row: deed_name(row.action),
        "about": about,
        "amount_minor": lambda row: _amount(row.amount_minor),
        "place": _place,
        "state": _state,
    }
    empty = _l("What needs a second person stands here. An administrator says what does.")

    @property
    def boxes(self) -> Sequence[tuple[str, str]]:
        """The boxes and their names."""
        return [(box, gettext(word)) for box, word in BOXES.items()]

    def empty_box(self, box: str) -> str:
        """What an empty box says."""
        return str(gettext(EMPTY[box]))

    def make_ready(self, rows: Sequence[ApprovalRequest]) -> None:
        """Read the names of what the requests are about."""
        read_subjects(rows)

    def name_of(self, row: ApprovalRequest) -> str:
        """What is asked for, and its number."""
        return str(_("%(deed)s: request %(id)s", deed=deed_name(row.action), id=row.id))

    @expose("/show/<int:pk>", methods=["GET"])
    @has_access
    def show(self, pk: int) -> Answer:
        """Show what a request will do, beside how things are now."""
        return self._shown(pk)

    @expose("/<int:pk>/approve", methods=["POST"])
    @has_access
    @permission_name("decide")
    def approve(self, pk: int) -> Answer:
        """Approve a request: what it asks for is done at once."""
        try:
            done, made = deciding.carry_out(
                session(), _means(), actor(), pk, request.form.get("hash", "")
            )
        except VmsError as error:
            return self._refused(pk, error)
        if done.state == ApprovalState.APPROVED:
            set_to_work(done)
            flash(*said_of(made))
        return self._decided(pk)

    @expose("/<int:pk>/refuse", methods=["POST"])
    @has_access
    @permission_name("decide")
    def refuse(self, pk: int) -> Answer:
        """Refuse a request, saying why."""
        reason = request.form.get("reason", "")
        try:
            deciding.refuse(session(), actor(), pk, reason)
        except VmsError as error:
            return self._refused(pk, error, reason)
        flash(_("Refused."), "success")
        return self._decided(pk)

    @expose("/<int:pk>/withdraw", methods=["POST"])
    @has_access
    @permission_name("withdraw")
    def withdraw(self, pk: int) -> Answer:
        """Take an own request back."""
        try:
            deciding.withdraw(session(), actor(), pk)
        except VmsError as error:
            return self._refused(pk, error)
        flash(_("Withdrawn."), "success")
        return redirect(self.url("show", pk=pk))

    def _decided(self, pk: int) -> Answer:
        """Show what came of it; the focus is on what waits next, so that Enter goes on."""
        return redirect(self.url("show", pk=pk) + "#next")

    def _refused(self, pk: int, error: VmsError, reason: str = "") -> Answer:
        """Show the request again with what was said against the decision."""
        session().rollback()
        return self._shown(pk, error, reason), status_of(error)

    def _shown(self, pk: int, error: VmsError | None = None, reason: str = "") -> str:
        row = self.row(pk)
        waits = row.state_at(now_utc()) == ApprovalState.PENDING
        mine = row.asked_by_id == actor().user_id
        lines, hindrance = self._lines(row, waits=waits), None
        decides = waits and not mine and row.action in inbox.may_decide(actor())
        if decides:
            hindrance = _hindrance(row)
        elif waits and mine:
            hindrance = why_nobody(inbox.people_at_hand(session()), row.action, asks=True)
        return self._page(
            self.show_template,
            title=self.name_of(row),
            row=row,
            lines=lines,
            waits=waits,
            may_decide=decides and hindrance is None,
            following=None if waits else next_after(row),
            decided=row.decided_by_id == actor().user_id,
            token_url=token_url(row),
            campaign_url=url_of_campaign(row),
            may_withdraw=waits and mine and self.may("withdraw"),
            hindrance=hindrance,
            outcome=sentence(said_again(row.outcome)) if row.outcome else None,
            refusal=sentence(error) if error else None,
            beside_field=isinstance(error, InvalidInput),
            reason=reason,
        )

    def _lines(self, row: ApprovalRequest, *, waits: bool) -> Any:  # noqa: ANN401 - lines, or why there are none
        """Tell what it will do; of what was altered there is nothing to tell."""
        deed = DEEDS.get(row.action)
        if deed is None:  # of a former version
            return []
        try:
            lines = deed.describe(session(), deed.thaw(row.params, row.hash))
            return told(lines, waits=waits)
        except VmsError:
            return []


def _hindrance(row: ApprovalRequest) -> str | None:
    """Say beforehand why the asker cannot be the second person."""
    try:
        deciding.check_decider(session(), actor(), row)
    except VmsError as error:
        return sentence(error)
    return None
