"""The token journal: what security modules issued against what was sold here."""

from collections.abc import Sequence
from typing import Any, Final

from flask import current_app, flash, redirect, request
from flask_appbuilder import expose, has_access, permission_name
from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import joinedload

from vmsapp.errors import N_, VmsError
from vmsapp.i18n import _, _l
from vmsapp.models import FindingKind, JournalCheck, JournalFinding, SecurityModule
from vmsapp.security import TOKEN_JOURNAL
from vmsapp.services.security_modules import journal_check
from vmsapp.sts import identifiers
from vmsapp.views.base import actor, sentence, session, status_of
from vmsapp.views.lists.exports import Exported
from vmsapp.views.lists.filters import Choice, Days
from vmsapp.views.lists.pages import Answer, OfficeInterface, names, view_named
from vmsapp.views.look import digits

KINDS: Final[dict[str, str]] = {
    FindingKind.NOT_SOLD: N_("Made, and not sold here"),
    FindingKind.OPEN: N_("Made, and its sale is still being settled"),
    FindingKind.NOT_MADE: N_("Sold here, and not made"),
    FindingKind.OTHER_DIGITS: N_("Sold with other digits"),
    FindingKind.CUT_SHORT: N_("The journal is shorter than it was"),
}
MEANINGS: Final[dict[str, str]] = {
    FindingKind.NOT_SOLD: N_(
        "The module made this token and no sale here has it. Somebody asked the module beside"
        " this system, or an older database was restored. Find out who could reach the module,"
        " and whether the meter took the token."
    ),
    FindingKind.OPEN: N_(
        "The sale was still being settled at the last comparison. Nothing is to be done: the"
        " next comparison looks again."
    ),
    FindingKind.NOT_MADE: N_(
        "This token is on a sale here, and the module has no record of it. Its record was"
        " replaced by an older one, or the sale was written beside this system."
    ),
    FindingKind.OTHER_DIGITS: N_(
        "The sale and the module name the same request with different digits. One of the two"
        " was altered."
    ),
    FindingKind.CUT_SHORT: N_(
        "The module's record was replaced by an older one: it may give token identifiers out"
        " again. Let another module take over, or stop it until its newer record is back."
    ),
}
"""What a finding means and what to do."""
STATES: Final = {"open": N_("Not settled"), "settled": N_("Settled")}
NOTE_MAX: Final = 255
JOURNAL_DEEDS: Final = ["can_list", "can_show", "can_export", "can_compare", "can_settle"]
"""Of the journal's screen, and of what a restore left, which is a part of it."""


def _drn(meter_pan: str | None) -> str:
    return identifiers.meter_pan.drn_of(meter_pan) if meter_pan else ""


def _by_itself(finding: JournalFinding) -> str:
    return _("The sale was settled, and agrees.") if finding.settled_at else ""


def _state_of(finding: JournalFinding) -> str:
    return "settled" if finding.settled_at else "open"


class Settled(Choice):
    """Findings that somebody, or the next comparison, settled; or those that wait."""

    def rows(self, value: str) -> ColumnElement[bool]:
        """Rows of that state."""
        column = JournalFinding.settled_at
        return column.is_(None) if value == "open" else column.is_not(None)


class TokenJournal(Exported):
    """For administrators and auditors; settling is a deed of its own."""

    datamodel = OfficeInterface(JournalFinding)
    route_base = "/journal"
    class_permission_name = TOKEN_JOURNAL
    base_permissions = JOURNAL_DEEDS
    list_template = "journal/list.html"
    show_template = "journal/show.html"

    list_title = _l("Token journal")
    empty = _l("No findings: whatever was compared, below, agrees.")
    list_columns = names("found_at kind module meter tid state")
    show_columns = names(
        "kind module request_id number made_at meter tid sale_id found_at state settled_at note"
    )
    export_columns = names(
        "id found_at kind module request_id number made_at meter_pan tid sale_id settled_at note"
    )
    order_columns = names("found_at made_at")
    base_order = ("found_at", "desc")
    label_columns = {
        "id": _l("Number"), "found_at": _l("Found"), "kind": _l("What disagrees"),
        "module": _l("Security module"),
        "request_id": _l("Request"), "number": _l("Line of the journal"), "made_at": _l("Made"),
        "meter": _l("Meter number"), "meter_pan": _l("MeterPAN"),
        "tid": _l("Token identifier"), "sale_id": _l("Sale"),
        "state": _l("State"), "settled_at": _l("Settled"), "note": _l("What became of it"),
    }  # fmt: skip
    searched = (JournalFinding.request_id, JournalFinding.meter_pan)
    filters = (
        Settled(name="state", label=_l("State"), column=JournalFinding.settled_at, words=STATES),
        Choice(name="kind", label=_l("What disagrees"), column=JournalFinding.kind, words=KINDS),
        Days(name="found", label=_l("Days"), column=JournalFinding.found_at),
    )
    cells = {
        "kind": lambda finding: _(KINDS[finding.kind]),
        "module": lambda finding: finding.module.name,
        "meter": lambda finding: digits(_drn(finding.meter_pan)),
        "note": lambda finding: finding.note or _by_itself(finding),
        "state": lambda finding: _(STATES[_state_of(finding)]),
    }
    loads = (joinedload(JournalFinding.module),)

    def name_of(self, row: JournalFinding) -> str:
        """What disagrees."""
        return str(_(KINDS[row.kind]))

    def links(self, row: JournalFinding) -> Sequence[tuple[str, str]]:
        """The sale it is about; or where it is booked, if a restore lost it."""
        sales = view_named(self.appbuilder, "Sales")
        if row.sale_id is not None and sales.may("show"):
            return [(str(_("Sale %(id)s", id=row.sale_id)), sales.url("show", pk=row.sale_id))]
        restored = view_named(self.appbuilder, "AfterRestore")
        return [(str(_("Book its sale")), url) for url in restored.ways_to_book(row)]

    def to_settle(self, row: JournalFinding) -> bool:
        """Whether it waits for a person's word; what is being settled waits for the sale."""
        return row.settled_at is None and row.kind != FindingKind.OPEN and self.may("settle")

    def meaning(self, row: JournalFinding) -> str:
        """What it means, and what to do."""
        return str(_(MEANINGS[row.kind]))

    def checks(self) -> Sequence[tuple[str, JournalCheck | None]]:
        """The last comparison of each module, by its name."""
        newest = (
            select(func.max(JournalCheck.id))
            .where(JournalCheck.module_id == SecurityModule.id)
            .correlate(SecurityModule)
            .scalar_subquery()
        )
        rows = session().execute(
            select(SecurityModule.name, JournalCheck)
            .outerjoin(JournalCheck, JournalCheck.id == newest)
            .order_by(SecurityModule.name)
        )
        return [(name, check) for name, check in rows]

    @expose("/compare", methods=["POST"])
    @has_access
    @permission_name("compare")
    def compare(self) -> Answer:
        """Compare the journals of all modules now."""
        counts = journal_check.compare_all(
            session(), current_app.extensions["vms_modules"], actor()
        )
        for name, count in counts.items():
            if count < 0:
                flash(_("“%(name)s” did not answer, so its journal was not compared.", name=name),
                      "warning")  # fmt: skip
            elif count:
                flash(_("“%(name)s”: new findings: %(count)s.", name=name, count=count), "danger")
            else:
                flash(_("“%(name)s”: nothing new disagrees.", name=name), "success")
        return redirect(self.url("list"))

    @expose("/settle/<int:pk>", methods=["POST"])
    @has_access
    @permission_name("settle")
    def settle(self, pk: int) -> Answer:
        """Write down what became of a finding."""
        row, note = self.row(pk), request.form.get("note", "").strip()
        if not note or len(note) > NOTE_MAX:
            refusal = _("Say in a few words what became of it.")
            return self._shown(row, note, refusal), 422
        try:
            journal_check.settle(session(), actor(), pk, note)
        except VmsError as error:
            return self._shown(self.row(pk), note, sentence(error)), status_of(error)
        flash(_("Settled."), "success")
        return redirect(self.url("show", pk=pk))

    def _shown(self, row: JournalFinding, note: str, refusal: Any) -> str:  # noqa: ANN401
        return self._page(
            self.show_template, title=self.name_of(row), row=row, related=(), note=note,
            refusal=refusal,
        )  # fmt: skip
