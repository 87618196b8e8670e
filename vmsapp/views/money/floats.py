"""Floats: what vending points sell from, money paid in and taken out, statements."""

from collections.abc import Callable, Iterator, Sequence
from datetime import date
from typing import Final

from flask import abort, request
from flask_appbuilder import expose, has_access, permission_name
from sqlalchemy.orm import joinedload

from vmsapp.clock import business_day, now_utc
from vmsapp.errors import InvalidInput, VmsError
from vmsapp.extensions import atomic
from vmsapp.i18n import _, _l
from vmsapp.models import ApprovalRequest, Region, VendingPoint
from vmsapp.security import FLOATS
from vmsapp.services import audit, float_statements, floats
from vmsapp.services.float_statements import Row, Statement
from vmsapp.services.float_terms import CHANGE_TERMS, Terms, written
from vmsapp.services.floats import (
    PAY_IN,
    TAKE_OUT,
    FloatTooSmall,
    Movement,
    SlipEntered,
    account_of,
)
from vmsapp.services.sheets import Cell
from vmsapp.views.approvals.deeds import (
    DeedForm,
    a_key,
    after,
    exact_minor,
    put_refusal,
    readable_minor,
    said_beforehand,
    submit,
)
from vmsapp.views.base import actor, session, status_of, utility, zone
from vmsapp.views.forms import tidy
from vmsapp.views.lists.exports import LIMIT, SHEETS, Exported, handed_over, way_of, write_table
from vmsapp.views.lists.filters import Days, Searched
from vmsapp.views.lists.pages import Answer, OfficeInterface, names
from vmsapp.views.money.float_forms import MoveForm, TermsForm

MOVES: Final = {"pay-in": PAY_IN, "take-out": TAKE_OUT}
BESIDE: Final = {FloatTooSmall: "amount", SlipEntered: "again"}
"""The fields at which refusals stand that name none themselves."""


def _available(point: VendingPoint) -> str:
    account = account_of(point)
    return readable_minor(account.available_minor) if account.limited else str(_("without limit"))


def movement_said(line: Row) -> str:
    """What moved a float."""
    if line.sale_id:
        return str(
            _("Sale %(id)s", id=line.sale_id) if line.kind == "sale"
            else _("Sale %(id)s taken back", id=line.sale_id)
        )  # fmt: skip
    return str(_("Paid in") if line.amount_minor > 0 else _("Taken out"))


def _headings() -> list[str]:
    return [str(one) for one in (
        _("Business date"), _("Movement"), _("Reference"), _("Date on the slip"),
        _("Entered by"), _("Amount"), _("Balance"), _("Currency"),
    )]  # fmt: skip


def _lines(statement: Statement) -> Iterator[list[Cell]]:
    """The statement as rows: the balance before, what moved, and what is not in the file."""
    currency = utility().currency
    opening = exact_minor(statement.opening_minor)
    yield [statement.first, str(_("Balance before")), None, None, None, None, opening, currency]
    for line in statement.rows:
        yield [
            line.business_date, movement_said(line), line.reference, line.paid_on, line.entered_by,
            exact_minor(line.amount_minor), exact_minor(line.balance_minor), currency,
        ]  # fmt: skip
    if statement.more:
        yield [str(_("There are more rows; a file holds %(count)s.", count=LIMIT))]


class Floats(Exported):
    """The floats of the vending points the asker sees; an operator's own one alone."""

    datamodel = OfficeInterface(VendingPoint)
    route_base = "/floats"
    export_subject = "float"
    class_permission_name = FLOATS
    base_permissions = names("can_list can_show can_move can_terms can_export")
    show_template = "floats/show.html"

    list_title = _l("Floats")
    list_columns = names("name region limited balance available")
    show_columns = names("region limited balance pending credit_limit available")
    order_columns = names("name")
    base_order = ("name", "asc")
    label_columns = {
        "name": _l("Vending point"), "region": _l("Region"), "limited": _l("Sells from a float"),
        "balance": _l("Balance of the float"), "pending": _l("Being sold"),
        "credit_limit": _l("Credit limit"), "available": _l("Left to sell"),
    }  # fmt: skip
    numbers = frozenset({"balance", "available"})
    searched = (VendingPoint.name,)
    filters = (
        Searched(name="region", label=_l("Region"), column=VendingPoint.region_id, model=Region,
                 endpoint="Regions.lookup"),
    )  # fmt: skip
    loads = (joinedload(VendingPoint.region), joinedload(VendingPoint.account))
    cells = {
        "limited": lambda point: account_of(point).limited,
        "balance": lambda point: readable_minor(account_of(point).balance_minor),
        "pending": lambda point: readable_minor(account_of(point).pending_minor),
        "credit_limit": lambda point: readable_minor(account_of(point).credit_limit_minor),
        "available": _available,
    }
    export_columns = names("name region limited balance pending credit_limit available")
    export_cells = {
        "region": lambda point: way_of(point.region_id),
        "balance": lambda point: exact_minor(account_of(point).balance_minor),
        "pending": lambda point: exact_minor(account_of(point).pending_minor),
        "credit_limit": lambda point: exact_minor(account_of(point).credit_limit_minor),
        "available": lambda point: (
            exact_minor(account_of(point).available_minor) if account_of(point).limited else None
        ),
    }
    empty = _l("A vending point has a float as soon as it is added.")

    @expose("/show/<int:pk>", methods=["GET"])
    @has_access
    def show(self, pk: int) -> Answer:
        """Show a float with its statement: this month, unless the address names days."""
        point = self.row(pk)
        first, last = _days()
        statement = float_statements.statement(session(), pk, first, last)
        return self._page(
            self.show_template, title=point.name, row=point, statement=statement,
            utility=utility(), limited=account_of(point).limited, movement=movement_said,
        )  # fmt: skip

    @expose("/<int:pk>/statement/<string:kind>", methods=["POST"])
    @has_access
    @permission_name("export")
    def statement_file(self, pk: int, kind: str) -> Answer:
        """Hand over a float's statement of some days."""
        point = self.row(pk)
        if kind not in SHEETS:
            abort(404)
        first, last = _days()
        statement = float_statements.statement(session(), pk, first, last, LIMIT)
        with atomic(session()) as current:
            audit.record(current, actor(), "float.statement_exported", "float", pk, kind=kind,
                         first=first.isoformat(), last=last.isoformat(),
                         rows=len(statement.rows), cut_off=statement.more)  # fmt: skip
        return handed_over(
            lambda file: write_table(file, kind, point.name, _headings(), _lines(statement)),
            kind, f"float-{pk}-{first}-{last}.{kind}",
        )  # fmt: skip

    def statement_files(self, row: VendingPoint) -> Sequence[tuple[str, str]]:
        """Kinds of file in which the statement can be had, as it is shown."""
        if not self.may("export"):
            return ()
        first, last = _days()
        return [
            (word, self.url("statement_file", pk=row.id, kind=kind, day_from=first, day_to=last))
            for kind, word in (("xlsx", _("Excel")), ("csv", _("CSV")))
        ]

    @expose("/<int:pk>/<any('pay-in', 'take-out'):way>", methods=["GET", "POST"])
    @has_access
    @permission_name("move")
    def move(self, pk: int, way: str) -> Answer:
        """Pay money in, or take it out."""
        point, deed = self.row(pk), MOVES[way]
        form = MoveForm(data={"key": a_key(), "paid_on": _today()})
        account, out = account_of(point), deed is TAKE_OUT
        done = _("Taken out.") if out else _("Paid in.")

        def typed() -> Movement:
            return Movement(
                pk,
                int(form.amount.data or 0),
                form.reference.data or "",
                form.paid_on.data or _today(),
                bool(form.again.data),
            )

        def save() -> ApprovalRequest | None:
            return submit(deed, typed(), form.key.data, done)

        def faults() -> Iterator[VmsError]:
            return floats.faults(session(), account, typed(), out=out)

        name = point.name
        if out:
            title = _("Take out of the float of %(name)s", name=name)
            most = readable_minor(max(account.available_minor, 0))
            form.amount.description = _("At most %(available)s can be taken out.", available=most)
        else:
            title = _("Pay into the float of %(name)s", name=name)
        return self._form(point, form, title, said_beforehand(deed, typed()), save, faults)

    @expose("/<int:pk>/terms", methods=["GET", "POST"])
    @has_access
    @permission_name("terms")
    def terms(self, pk: int) -> Answer:
        """Say whether a vending point sells from its float, and how far below zero."""
        point = self.row(pk)
        account = account_of(point)
        form = TermsForm(
            data={
                "key": a_key(),
                "was": written(account),
                "limited": account.limited,
                "credit_limit": account.credit_limit_minor,
            }
        )

        def save() -> ApprovalRequest | None:
            limit = int(form.credit_limit.data or 0)
            params = Terms(pk, bool(form.limited.data), limit, form.was.data)
            return submit(CHANGE_TERMS, params, form.key.data, _("Saved."))

        present = Terms(pk, account.limited, account.credit_limit_minor)
        title = _("Terms of the float of %(name)s", name=point.name)
        return self._form(point, form, title, said_beforehand(CHANGE_TERMS, present), save)

    def tools(self, row: VendingPoint) -> Sequence[tuple[str, str]]:
        """What the asker may do with a float: words and addresses."""
        tools = []
        if self.may("terms"):
            tools.append((_("Terms"), self.url("terms", pk=row.id)))
        if self.may("move"):
            tools.append((_("Take out"), self.url("move", pk=row.id, way="take-out")))
            tools.append((_("Pay in"), self.url("move", pk=row.id, way="pay-in")))
        return tools

    def _form(
        self,
        point: VendingPoint,
        form: DeedForm,
        title: str,
        rule: str,
        save: Callable[[], ApprovalRequest | None],
        faults: Callable[[], Iterator[VmsError]] = lambda: iter(()),
    ) -> Answer:
        status = 200
        if form.is_submitted():
            status = 422
            tidy(form)
            if form.validate():
                try:
                    return after(save(), self.url("show", pk=point.id))
                except VmsError as error:
                    status = _put_all(form, error, faults())
            else:
                _put_all(form, None, faults())
        hidden = {"key"} if "again" in form and _asked_again(form) else {"key", "again"}
        page = self._page(
            "floats/form.html", title=title, form=form, row=point, rule=rule,
            columns=[name for name in form.data if name not in hidden],
            back=self.url("show", pk=point.id),
        )  # fmt: skip
        return page, status


def _put_all(form: DeedForm, refusal: VmsError | None, faults: Iterator[VmsError]) -> int:
    """Show what was refused with all else that is wrong, each at its field that says nothing yet.

    Returns:
        The status of what was refused; of a mistake beside it, if there is one.
    """
    found = list(faults)
    if refusal is not None and type(refusal) not in map(type, found):
        found = [refusal]
    for error in found:
        field = BESIDE.get(type(error)) or (error.field if isinstance(error, InvalidInput) else "")
        if field not in form or not form[field].errors:
            put_refusal(form, error, field or None)
    wrong = next((error for error in found if isinstance(error, InvalidInput)), refusal)
    return 422 if wrong is None else status_of(wrong)


def _asked_again(form: DeedForm) -> bool:
    return bool(form.again.errors or form.again.data)


STATEMENT_DAYS: Final = Days(name="day", label=_l("Days"), column=VendingPoint.id)


def _days() -> tuple[date, date]:
    """The days the address asks for; this month so far, where it names none."""
    today = _today()
    first, last = STATEMENT_DAYS.read(request.args) or (None, None)
    last = last or max(today, first or today)
    return first or last.replace(day=1), last


def _today() -> date:
    return business_day(now_utc(), zone())
