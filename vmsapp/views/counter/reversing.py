"""A sale taken back, on the pages of sales: asked for, confirmed, printed, told."""

from collections.abc import Sequence
from typing import Final

from flask import current_app
from flask_appbuilder import expose, has_access, permission_name
from flask_babel import force_locale, gettext, ngettext
from sqlalchemy.orm import joinedload
from wtforms import SelectField, StringField
from wtforms.validators import DataRequired, Length

from vmsapp.clock import now_utc
from vmsapp.errors import NotFound, VmsError
from vmsapp.i18n import _, _l, labelled, moment_text
from vmsapp.models import Sale, SaleState
from vmsapp.scope import unscoped
from vmsapp.services import receipts
from vmsapp.services.vending import reversal
from vmsapp.services.vending.reversal import MAX_NOTE, REASONS, RECALLED, REVERSE, reversal_for
from vmsapp.views.approvals.deeds import DeedForm, a_key, after, put_refusal, request_url, submit
from vmsapp.views.base import session, status_of, utility, zone
from vmsapp.views.forms import tidy
from vmsapp.views.lists.filters import YesNo
from vmsapp.views.lists.pages import Answer, OfficeListView, view_named

REVERSAL_FILTER: Final = YesNo(
    name="after_reversal",
    label=_l("Bought after a reversal"),
    column=reversal.follows_reversal(),
)
"""For revenue protection: a meter whose token was taken back, and that buys again."""


class ReverseForm(DeedForm):
    """Why a sale is taken back."""

    reason = SelectField(
        _l("Reason"), [DataRequired(_l("Choose why this sale is taken back."))], choices=list
    )
    note = StringField(
        _l("Remark"), [Length(max=MAX_NOTE)],
        description=_l(
            "For the second person, and for whoever asks later. “Other reason” needs one."
        ),
    )  # fmt: skip


class ReversalPages(OfficeListView):
    """The pages of a sale's reversal; part of the list of sales."""

    @expose("/<int:pk>/reverse", methods=["GET", "POST"])
    @has_access
    @permission_name("reverse")
    def reverse(self, pk: int) -> Answer:
        """Ask a second person to take a sale back."""
        sale = self.row(pk)
        now, status = now_utc(), 200
        form = ReverseForm(data={"key": a_key()})
        form.reason.choices = [("", _("Choose"))] + [
            (code, gettext(word))
            for code, word in REASONS.items()
            if code != "not_handed_out" or sale.shown_at is None
        ]
        if form.is_submitted():
            tidy(form)
            status = 422
            if form.validate():
                try:
                    return self._ask_for_reversal(pk, form)
                except VmsError as error:
                    put_refusal(form, error)
                    status = status_of(error)
                    session().rollback()
                    sale = self.row(pk)  # as it stands, whatever was read while it was refused
        waits = reversal.waiting_for(session(), sale)
        page = self._page(
            "sales/reverse.html", title=_("Take sale %(id)s back", id=pk), form=form, sale=sale,
            possible=reversal.possible(sale, now, utility().reversal_hours),
            until=moment_text(reversal.until_when(session(), sale, now), zone()),
            recalled=gettext(RECALLED[sale.shown_at is not None]),
            waits=waits, waits_url=request_url(waits.id) if waits else None,
            back=self.url("show", pk=pk), columns=("reason", "note"), utility=utility(),
        )  # fmt: skip
        return page, status

    def _ask_for_reversal(self, pk: int, form: ReverseForm) -> Answer:
        params = reversal_for(session(), pk, form.reason.data, form.note.data or "")
        asked = submit(REVERSE, params, form.key.data, _("The sale was taken back."))
        return after(asked, self.url("show", pk=pk))

    @expose("/<int:pk>/reversal")
    @has_access
    @permission_name("show")
    def reversal(self, pk: int) -> Answer:
        """Show the slip of a reversal, to be printed; it has no digits."""
        self.row(pk)
        found = reversal.reversal_of(session(), pk)
        if found is None:
            raise NotFound
        with unscoped(receipts.ITS_OWN):
            sale = session().get_one(
                Sale, pk, populate_existing=True,
                options=[joinedload(Sale.vending_point), joinedload(Sale.consumer),
                         joinedload(Sale.meter)],
            )  # fmt: skip
        approved = reversal.approved_for(session(), sale)
        language = sale.consumer.language
        with force_locale(language if language in current_app.config["LANGUAGES"] else "en"):
            slip = current_app.jinja_env.get_template("sales/_reversal_slip.html").render(
                sale=sale, found=found, utility=utility(), reason=gettext(REASONS[found.reason]),
                recalled=gettext(RECALLED[found.may_be_used]), approved=approved,
            )  # fmt: skip
        return self._page(
            "sales/reversal.html", title=_("Reversal of sale %(id)s", id=pk), slip=slip,
            back=self.url("show", pk=pk),
        )  # fmt: skip

    def reversal_links(self, sale: Sale) -> Sequence[tuple[str, str]]:
        """Where a sale is taken back, or how that was done, for who may."""
        if sale.state == SaleState.REVERSED and reversal.reversal_of(session(), sale.id):
            return [(_("Reversal slip"), self.url("reversal", pk=sale.id))]
        if self.may("reverse") and reversal.possible(sale, now_utc(), utility().reversal_hours):
            return [(_("Reverse…"), self.url("reverse", pk=sale.id))]
        return []


def reverse_url(sale: Sale) -> str | None:
    """Where the counter leads from a sale: to take it back, or to the slip of that."""
    builder = current_app.extensions["appbuilder"]
    links = view_named(builder, "Sales").reversal_links(sale) if sale.token else ()
    return links[0][1] if links else None


def whom_to_ask(sale: Sale) -> str | None:
    """Say who takes back a sale that can be, to whoever may not."""
    if view_named(current_app.extensions["appbuilder"], "Sales").may("reverse"):
        return None
    settings = utility()
    if not (sale.token and reversal.possible(sale, now_utc(), settings.reversal_hours)):
        return None
    return str(
        ngettext(
            "Wrong meter or wrong amount? Ask a supervisor to take the sale back; it is possible"
            " for %(num)s hour after it was sold.",
            "Wrong meter or wrong amount? Ask a supervisor to take the sale back; it is possible"
            " for %(num)s hours after it was sold.",
            settings.reversal_hours,
        )
    )


def reversal_said(sale: Sale) -> str | None:
    """Say how a sale was taken back, or that it follows one that was."""
    if sale.state == SaleState.REVERSED:
        return _taken_back(sale)
    before = reversal.followed_reversals(session(), sale)
    if not before:
        return None
    return str(
        _("Follows sale %(id)s of this meter, which was taken back: that token may have been"
          " used.", id=before[0])
    )  # fmt: skip


def _taken_back(sale: Sale) -> str | None:
    found = reversal.reversal_of(session(), sale.id)
    if found is None:
        return None
    said = labelled(moment_text(found.reversed_at, zone()), gettext(REASONS[found.reason]))
    used = _("The token may have been used.") if found.may_be_used else ""
    return "\n".join(part for part in (said, found.note, str(used)) if part)
