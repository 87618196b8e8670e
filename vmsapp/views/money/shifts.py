"""Shifts: open with the cash in the drawer, move cash, count blindly, the slip at the end."""

from collections.abc import Callable, Sequence
from typing import Any, Final

from flask import flash, redirect, request, url_for
from flask_appbuilder import expose, has_access, permission_name
from markupsafe import Markup
from sqlalchemy import ColumnElement
from sqlalchemy.orm import joinedload, undefer

from vmsapp.errors import N_, InvalidInput, VmsError
from vmsapp.i18n import _, _l, money_text
from vmsapp.models import (
    AccountKind,
    CashReason,
    OfficeUser,
    Setup,
    Shift,
    ShiftState,
    VendingPoint,
)
from vmsapp.security import SHIFTS
from vmsapp.services.setup import setup_at
from vmsapp.services.shifts import closing, opening
from vmsapp.services.shifts.closing import Count
from vmsapp.services.shifts.errors import (
    FormSentOtherwise,
    SaleStillPending,
    ShiftMoved,
    ShiftOfAnother,
    ShiftOpenAlready,
)
from vmsapp.services.shifts.figures import Figures, figures, settled_later
from vmsapp.services.shifts.opening import CashMove
from vmsapp.services.shifts.state import may_change, may_see_figures
from vmsapp.services.vending_points import open_points
from vmsapp.views.approvals.deeds import DeedForm, a_key
from vmsapp.views.base import actor, session, status_of, utility
from vmsapp.views.counter.sale_filters import PEOPLE, SoldBy
from vmsapp.views.counter.typed import MAX_KEY
from vmsapp.views.forms import put_error, tidy
from vmsapp.views.lists.exports import Exported
from vmsapp.views.lists.filters import Among, Choice, Days, names_of
from vmsapp.views.lists.pages import Answer, OfficeInterface, names
from vmsapp.views.look import state
from vmsapp.views.money.shift_forms import REASONS, CashForm, CountForm, OpenForm, ReasonForm
from vmsapp.views.numbers import row_number
from vmsapp.views.words import SHIFT_STATES

NOT_CLOSED: Final = "not_closed"
"""In an address: open shifts, and those that are counted."""

TONES: Final = {ShiftState.OPEN: "good", ShiftState.COUNTED: "warn"}
ACCOUNTS: Final = {
    AccountKind.ENERGY: N_("Energy"),
    AccountKind.TAX: N_("Taxes and levies"),
    AccountKind.FEE: N_("Fixed fees"),
    AccountKind.FEE_ARREARS: N_("Fees of earlier periods"),
    AccountKind.DEBT: N_("Debts"),
    AccountKind.PENALTY: N_("Penalties"),
    AccountKind.ROUNDING: N_("Rounding"),
}
"""What customers pay for."""
TYPED: Final = ("mode", "value", "key", "vending_point", "received")
"""What the counter's form holds, in the address of the form that opens a shift."""


def _money(shift: Shift, minor: int | None) -> str | None:
    return None if minor is None else money_text(minor, shift.currency, shift.exponent)


def _told(shift: Shift, minor: int | None) -> str | None:
    """An amount of the count, for whoever may see it."""
    return _money(shift, minor) if may_see_figures(actor(), shift) else None


def difference_text(shift: Shift, minor: int | None) -> str | None:
    """Say how much is over or short; the word says which, the sign is left out."""
    if minor is None:
        return None
    if not minor:
        return str(_("it agrees"))
    amount = money_text(abs(minor), shift.currency, shift.exponent)
    return str(_("%(amount)s over", amount=amount) if minor > 0 else
               _("%(amount)s short", amount=amount))  # fmt: skip


def _difference(shift: Shift) -> Any:  # noqa: ANN401 - text or a state
    if not may_see_figures(actor(), shift) or shift.over_short_minor is None:
        return None
    tone = "bad" if shift.over_short_minor < 0 else "warn" if shift.over_short_minor else "good"
    return state(difference_text(shift, shift.over_short_minor) or "", tone)


class StateOf(Choice):
    """How far a shift is."""

    def rows(self, value: str) -> ColumnElement[bool]:
        """Shifts of that state."""
        if value == ShiftState.CLOSED:
            return Shift.closed_at.is_not(None)
        if value == NOT_CLOSED:
            return Shift.closed_at.is_(None)
        counted = Shift.counted_at.is_not(None)
        return Shift.closed_at.is_(None) & (counted if value == ShiftState.COUNTED else ~counted)


class ShiftOf(SoldBy):
    """Shifts of one operator: somebody the reader sees, or who sold what the reader sees."""


class Shifts(Exported):
    """The shifts of the asker's vending point, or of those in the asker's region."""

    datamodel = OfficeInterface(Shift)
    route_base = "/shifts"
    class_permission_name = SHIFTS
    base_permissions = names(
        "can_list can_show can_work can_cash can_close_others can_figures can_export"
    )
    list_template = "shifts/list.html"
    show_template = "shifts/show.html"

    list_title = _l("Shifts")
    list_columns = names("id state operator_name vending_point opened_at closed_at difference")
    show_columns = names(
        "state operator_name vending_point opened_at opening closed_at closed_by expected counted"
        " difference note"
    )
    order_columns = names("id opened_at")
    base_order = ("id", "desc")
    label_columns = {
        "id": _l("Shift"), "state": _l("State"), "operator_name": _l("Operator"),
        "vending_point": _l("Vending point"), "opened_at": _l("Opened"),
        "closed_at": _l("Closed at"),
        "opening": _l("Cash at the beginning"), "closed_by": _l("Closed by"),
        "expected": _l("Expected"), "counted": _l("Counted"), "difference": _l("Over or short"),
        "note": _l("Where the difference comes from"),
    }  # fmt: skip
    filters = (
        Days(name="opened", label=_l("Opened"), column=Shift.opened_at),
        StateOf(name="state", label=_l("State"), column=Shift.closed_at,
                words=SHIFT_STATES | {NOT_CLOSED: N_("Not closed")}),
        Among(name="point", label=_l("Vending point"), column=Shift.vending_point_id,
              model=VendingPoint, text=names_of(VendingPoint, VendingPoint.name)),
        ShiftOf(name="operator", label=_l("Operator"), column=Shift.operator_id, model=OfficeUser,
                text=PEOPLE),
    )  # fmt: skip
    loads = (
        joinedload(Shift.vending_point), undefer(Shift.operator_name), undefer(Shift.closed_by),
    )  # fmt: skip
    cells = {
        "state": lambda shift: state(_(SHIFT_STATES[shift.state]), TONES.get(shift.state)),
        "vending_point": lambda shift: shift.vending_point or _("Outside your region"),
        "opening": lambda shift: _money(shift, shift.opening_minor),
        "expected": lambda shift: _told(shift, shift.expected_minor),
        "counted": lambda shift: _told(shift, shift.counted_minor),
        "difference": _difference,
        "note": lambda shift: shift.note if may_see_figures(actor(), shift) else None,
    }
    empty = _l("A shift stands here as soon as an operator opens one at the counter.")

    def name_of(self, row: Shift) -> str:
        """Its number."""
        return str(_("Shift %(id)s", id=row.id))

    def tools(self, row: Shift) -> Sequence[tuple[str, str]]:
        """What the asker may do with a shift now: words and addresses, the next one last."""
        if row.state == ShiftState.CLOSED or not may_change(actor(), row.operator_id):
            return ()
        tools = []
        if row.state == ShiftState.OPEN and self.may("cash"):
            tools.append((_("Put cash in or take it out"), self.url("cash", pk=row.id)))
        if self.may("work") or self.may("close_others"):
            word = _("Finish closing") if row.state == ShiftState.COUNTED else _("Close the shift")
            tools.append((word, self.url("close", pk=row.id)))
        return tools

    @expose("/show/<int:pk>", methods=["GET"])
    @has_access
    def show(self, pk: int) -> Answer:
        """Show a shift: its cash movements, and once it is closed its slip."""
        row = self.row(pk)
        told = may_see_figures(actor(), row) and row.state == ShiftState.CLOSED
        did = figures(session(), row) if told or may_change(actor(), row.operator_id) else None
        return self._page(
            self.show_template, title=self.name_of(row), row=row, did=did, told=told,
            reason=_reason, slip=self._slip(row, did) if did and told else None,
        )  # fmt: skip

    @expose("/open", methods=["GET", "POST"])
    @has_access
    @permission_name("work")
    def open(self) -> Answer:
        """Open a shift of one's own; what was typed at the counter goes along."""
        form, points = OpenForm(data={"key": a_key()}), open_points(session())
        form.vending_point.choices = [(point.id, point.name) for point in points]
        wanted = request.args.get("vending_point", type=row_number)
        if not form.is_submitted() and wanted in dict(form.vending_point.choices):
            form.vending_point.data = wanted
        alone = len(points) == 1
        if alone:
            form.vending_point.data = points[0].id
            form.vending_point.raw_data = [str(points[0].id)]

        def save() -> Answer:
            shift = opening.open_shift(
                session(), actor(), form.vending_point.data or 0, int(form.amount.data or 0),
                form.key.data,
            )  # fmt: skip
            flash(_("Shift %(id)s is open.", id=shift.id), "success")
            return redirect(_purchase() or url_for("Counter.find"))

        return self._asked(
            form, save, title=_("Open a shift"), word=_("Open the shift"),
            columns=["amount"] if alone else ["vending_point", "amount"],
            back=_purchase() or url_for("Counter.find"),
            point=points[0].name if alone else None, purchase=_purchase(), points=points,
        )  # fmt: skip

    @expose("/<int:pk>/cash", methods=["GET", "POST"])
    @has_access
    @permission_name("cash")
    def cash(self, pk: int) -> Answer:
        """Put cash into the drawer, or take it out."""
        row = self._own(pk)
        form = CashForm(data={"key": a_key(), "way": "out", "reason": CashReason.BANK.value})

        def save() -> Answer:
            move = CashMove(
                pk, int(form.amount.data or 0), form.way.data == "out",
                CashReason(form.reason.data), form.note.data or "",
            )  # fmt: skip
            opening.move_cash(session(), actor(), move, form.key.data)
            flash(_("Taken out.") if move.out else _("Put in."), "success")
            return redirect(self.url("show", pk=pk))

        title = _("Cash of shift %(id)s", id=row.id)
        columns = ["way", "amount", "reason", "note"]
        return self._asked(
            form, save, title=title, word=_("Save"), columns=columns,
            back=self.url("show", pk=pk), row=row,
        )  # fmt: skip

    @expose("/<int:pk>/close", methods=["GET", "POST"])
    @has_access
    @permission_name("work")
    def close(self, pk: int) -> Answer:
        """Count the drawer, then see what was expected; a reason where they differ too much."""
        row = self._own(pk)
        if row.state == ShiftState.CLOSED:
            return redirect(self.url("show", pk=pk))
        later = settled_later(session(), pk)
        if row.state == ShiftState.COUNTED:
            return self._finish(row, later)
        counts = utility().cash_counted
        form = CountForm(data={"key": a_key()}) if counts else DeedForm(data={"key": a_key()})

        def save() -> Answer:
            counted = Count(int(form.amount.data or 0), form.counted) if counts else None
            closing.count(session(), actor(), pk, counted)
            return redirect(self.url("close", pk=pk))  # what stands then: closed, or counted

        does = (
            _("Count all cash in the drawer. Your count is kept as it is; what was expected is"
              " shown afterwards.")
            if counts
            else _("Nothing is sold in a closed shift any more.")
        )  # fmt: skip
        return self._asked(
            form, save, title=_("Close shift %(id)s", id=row.id),
            word=_("This is what I counted") if counts else _("Close the shift"),
            columns=["pieces", "amount"] if counts else [], back=self.url("show", pk=pk),
            row=row, later=later, does=does,
        )  # fmt: skip

    def _finish(self, row: Shift, later: Sequence[Any]) -> Answer:
        form, compared = ReasonForm(data={"key": a_key()}), closing.compare(session(), row)

        def save() -> Answer:
            closing.finish(session(), actor(), row.id, form.note.data or "")
            flash(_("Shift %(id)s is closed.", id=row.id), "success")
            return redirect(self.url("show", pk=row.id))

        return self._asked(
            form, save, title=_("Close shift %(id)s", id=row.id), word=_("Close the shift"),
            columns=["note"], back=self.url("show", pk=row.id), row=row, later=later,
            compared=compared,
        )  # fmt: skip

    def _own(self, pk: int) -> Shift:
        """Fetch a shift the asker may change.

        Raises:
            ShiftOfAnother: It is somebody else's.
        """
        row: Shift = self.row(pk)
        if not may_change(actor(), row.operator_id):
            raise ShiftOfAnother
        return row

    def _asked(
        self, form: DeedForm, save: Callable[[], Answer], *, title: str, word: str,
        columns: Sequence[str], back: str, **more: Any,  # noqa: ANN401 - the template's
    ) -> Answer:  # fmt: skip
        """Show a form, or do what it asks; a refusal shows it again as it was typed."""
        status, row = 200, more.get("row")
        pk = row.id if row else None
        if form.is_submitted():
            status = 422
            tidy(form)
            if form.validate():
                try:
                    return save()
                except VmsError as error:
                    status = status_of(error)
                    self._put(form, error)
                    if pk is not None:  # what was read before went with the transaction
                        more["row"] = self.row(pk)
        page = self._page(
            "shifts/form.html", title=title, form=form, word=word, columns=columns, back=back,
            money=_money, difference=difference_text, **more,
        )  # fmt: skip
        return page, status

    def _put(self, form: DeedForm, error: VmsError) -> None:
        """Show a refusal, with the way to what it is about."""
        put_error(form, error)
        link = self._leads_to(error)
        if link and not isinstance(error, InvalidInput):
            word, url = link
            said = Markup('{} <a href="{}">{}</a>')
            form.form_errors[-1] = said.format(form.form_errors[-1], url, word)

    def _leads_to(self, error: VmsError) -> tuple[str, str] | None:
        match error:
            case SaleStillPending():
                url = url_for("Counter.sale", sale_id=error.params["sale_id"])
                return str(_("Open that sale")), url
            case ShiftOpenAlready() | ShiftMoved():
                url = self.url("show", pk=error.params["shift_id"])
                return str(_("Open that shift")), url
            case FormSentOtherwise():
                return str(_("See the shifts")), self.url("list")
        return None

    def _slip(self, row: Shift, did: Figures) -> str:
        closed = row.closed_at
        assert closed is not None, "a slip is of a closed shift"
        settings: Setup = setup_at(session(), closed)
        return str(
            self.render_template(
                "shifts/_slip.html", row=row, did=did, utility=settings, money=_money,
                difference=difference_text, reason=_reason, account_word=_account,
            )
        )  # fmt: skip


def _account(kind: AccountKind) -> str:
    return str(_(ACCOUNTS[kind]))


def _reason(code: str) -> str:
    return str(_(REASONS[code]))


def _purchase() -> str | None:
    """Where the counter goes on with what was typed before the shift was opened."""
    meter_id = request.args.get("meter", type=row_number)
    if not meter_id:
        return None
    typed: dict[str, Any] = {
        name: request.args[name][:MAX_KEY] for name in TYPED if request.args.get(name)
    }
    return url_for("Counter.purchase", meter_id=meter_id, **typed)
