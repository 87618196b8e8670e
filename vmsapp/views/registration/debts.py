"""Debts on a consumer's pages: what is owed, how it is recovered, every movement.

A new one, and one that is given up, wait for a second person.
"""

from collections.abc import Callable, Sequence
from typing import Any

from flask_appbuilder import expose, has_access, permission_name
from flask_wtf import FlaskForm
from wtforms import StringField
from wtforms.validators import DataRequired, InputRequired, Length, NumberRange, Optional

from vmsapp.errors import NotFound, VmsError
from vmsapp.i18n import _, _l, percent_text
from vmsapp.models import Debt
from vmsapp.services import debts
from vmsapp.services.approvals.deed import Deed
from vmsapp.services.debt_write_offs import WRITE_OFF, WriteOff, debt_at
from vmsapp.services.debts import ENTER, LONGEST_NAME, LONGEST_REASON, NewDebt
from vmsapp.views.approvals.deeds import DeedForm, a_key, after, put_refusal, readable_minor, submit
from vmsapp.views.base import session, status_of, utility
from vmsapp.views.forms import MoneyField, WholeField, tidy
from vmsapp.views.lists.pages import Answer, OfficeListView


class DebtForm(DeedForm):
    """What is owed, and how it is recovered."""

    name = StringField(
        _l("Name of the debt"), [DataRequired(), Length(max=LONGEST_NAME)],
        description=_l("It stands on receipts under this name, such as Connection fee."),
    )  # fmt: skip
    amount = MoneyField(_l("Amount"), [InputRequired(_l("Enter an amount above zero."))])
    share = WholeField(
        _l("Share of the tender, in percent"),
        [Optional(), NumberRange(1, 99, _l("Between %(min)s and %(max)s."))],
        description=_l("Taken at each purchase after fees. Give this or the fixed sum."),
    )  # fmt: skip
    fixed = MoneyField(
        _l("Fixed sum a purchase"), [Optional()],
        description=_l("A purchase that does not cover it is refused. Give this or the share."),
    )  # fmt: skip
    reason = StringField(
        _l("Reason"), [DataRequired(), Length(max=LONGEST_REASON)],
        description=_l("Where the debt comes from. The second person and the consumer ask."),
    )  # fmt: skip


COLUMNS = ("name", "amount", "share", "fixed", "reason")


class WriteOffForm(DeedForm):
    """What is given up of a debt, and why."""

    amount = MoneyField(_l("Amount"), [InputRequired(_l("Enter an amount above zero."))])
    reason = StringField(
        _l("Reason"), [DataRequired(), Length(max=LONGEST_REASON)],
        description=_l("Why it is given up. The second person and an auditor ask."),
    )  # fmt: skip


WRITE_OFF_COLUMNS = ("amount", "reason")


class DebtPages(OfficeListView):
    """The pages of a consumer's debts; part of the list of consumers."""

    @expose("/<int:pk>/debts")
    @has_access
    @permission_name("show")
    def debts(self, pk: int) -> str:
        """Show what a consumer owes, and every movement."""
        row = self.row(pk)
        known = debts.debts_of(session(), pk)
        return self._page(
            "consumers/debts.html", title=_("Debts of %(name)s", name=self.name_of(row)), row=row,
            debts=known, statement=debts.statement(session(), known), utility=utility(),
            owed=readable_minor(sum(debt.balance_minor for debt in known)), way=way_said,
        )  # fmt: skip

    @expose("/<int:pk>/debts/add", methods=["GET", "POST"])
    @has_access
    @permission_name("debts")
    def add_debt(self, pk: int) -> Answer:
        """Ask a second person to enter a debt."""
        name = self.name_of(self.row(pk))
        form = DebtForm(data={"key": a_key()})
        title = _("New debt of %(name)s", name=name)
        return self._ask_second(pk, form, COLUMNS, title, ENTER, _typed, _("Entered."))

    @expose("/<int:pk>/debts/<int:debt_id>/write-off", methods=["GET", "POST"])
    @has_access
    @permission_name("debts")
    def write_off(self, pk: int, debt_id: int) -> Answer:
        """Ask a second person to give up a debt, or a part of it."""
        debt, consumer = debt_at(session(), debt_id)
        if consumer.id != pk:
            raise NotFound
        form = WriteOffForm(data={"key": a_key(), "amount": debt.balance_minor})
        title = _("Write off: %(debt)s of %(name)s", debt=debt.name, name=self.name_of(consumer))

        def typed(_pk: int, form: FlaskForm) -> WriteOff:
            reason = (form.reason.data or "").strip()
            return WriteOff(debt_id, int(form.amount.data), reason)

        return self._ask_second(
            pk, form, WRITE_OFF_COLUMNS, title, WRITE_OFF, typed, _("Written off."),
            owed=readable_minor(debt.balance_minor),
        )  # fmt: skip

    def _ask_second(
        self, pk: int, form: DeedForm, columns: Sequence[str], title: str, deed: Deed[Any],
        typed: Callable[[int, FlaskForm], object], done: str, **told: object,
    ) -> Answer:  # fmt: skip
        """Show a form that asks for a deed, and ask."""
        status = 200
        if form.is_submitted():
            tidy(form)
            status = 422
            if form.validate():
                try:
                    asked = submit(deed, typed(pk, form), form.key.data, done)
                    return after(asked, self.url("debts", pk=pk))
                except VmsError as error:
                    session().rollback()
                    put_refusal(form, error)
                    status = status_of(error)
        page = self._page(
            "consumers/debt.html", title=title, form=form, columns=columns,
            back=self.url("debts", pk=pk), **told,
        )  # fmt: skip
        return page, status

    def debt_links(self, pk: int) -> Sequence[tuple[str, str]]:
        """Where a consumer's debts are told."""
        return [(str(_("Debts")), self.url("debts", pk=pk))]


def way_said(debt: Debt) -> str:
    """Say how a debt is recovered."""
    if debt.share_percent is not None:
        return str(_("%(percent)s of the tender", percent=percent_text(debt.share_percent)))
    return str(_("%(amount)s a purchase", amount=readable_minor(debt.sum_minor or 0)))


def _typed(pk: int, form: FlaskForm) -> NewDebt:
    fixed = form.fixed.data
    return NewDebt(
        consumer_id=pk, name=(form.name.data or "").strip(), amount_minor=int(form.amount.data),
        share_percent=form.share.data, sum_minor=None if fixed is None else int(fixed),
        reason=(form.reason.data or "").strip(),
    )  # fmt: skip
