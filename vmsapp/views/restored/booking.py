"""Booking again what was sold in an interval that a restore lost: one token, or many together.

What is the same for all of them, such as where they were sold, is typed once. Each is booked
by itself: what is refused stays on the form with its sentence and all that was typed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from flask import flash, redirect, request
from flask_appbuilder import expose, has_access, permission_name
from flask_babel import ngettext
from werkzeug.wrappers import Response
from wtforms import BooleanField, Form, StringField
from wtforms.validators import InputRequired, Optional

from vmsapp.errors import Unavailable, Uncertain, VmsError
from vmsapp.i18n import _, _l, figure_text, moment_text, units_text
from vmsapp.models import JournalFinding, VendingPoint
from vmsapp.services.restore import booking, overview
from vmsapp.services.restore.booking import Booking
from vmsapp.services.restore.standstill import Standstill
from vmsapp.services.vending.amounts import SUBCLASS
from vmsapp.sts import identifiers
from vmsapp.sts.credit import CURRENCY
from vmsapp.views.base import actor, modules, session, status_of, utility, zone
from vmsapp.views.forms import LookupField, OfficeForm, of_length, put_error, tidy
from vmsapp.views.lists.listing import holds
from vmsapp.views.lists.pages import Answer, OfficeListView, view_named
from vmsapp.views.modules.journal import NOTE_MAX
from vmsapp.views.office.setup_forms import Amount
from vmsapp.views.words import UNITS

MOST: Final = 100
"""Tokens on one form: as many as a page of the list has, and the module is asked for each."""
SERVICES: Final[Mapping[int, str]] = {code: kind for kind, code in SUBCLASS.items()}


class SoldForm(OfficeForm):
    """What is said of all tokens that are booked together."""

    vending_point = LookupField(
        _l("Vending point"), [InputRequired(_l("Choose where it was sold."))], model=VendingPoint,
        endpoint="AfterRestore.points",
    )  # fmt: skip
    note = StringField(
        _l("What is known of it"),
        [InputRequired(_l("Say in a few words what is known.")), of_length(1, NOTE_MAX)],
        description=_l("Such as: receipt seen. It stands in the audit trail with your name."),
    )


class TokenForm(Form):
    """What is said of one token."""

    paid = Amount(_l("Paid"), [Optional()])
    taken_back = BooleanField(_l("Taken back before the restore"))


@dataclass(frozen=True, slots=True)
class Line:
    """A token on the form.

    Attributes:
        id: Of its finding.
        drn: Its meter's number, in groups.
        made: When it was made, written the reader's way.
        tid: Its token identifier.
        carries: What it carries, in words; empty where the module does not tell.
        form: What is typed; its ``form_errors`` say why it cannot be booked.
    """

    id: int
    drn: str
    made: str
    tid: int | None
    carries: str
    form: TokenForm


class BookingPages(OfficeListView):
    """The form that books; part of the list of what a restore lost."""

    @expose("/points")
    @has_access
    @permission_name("settle")
    def points(self) -> Response:
        """Find vending points for the form, also for who does not see their screen."""
        return view_named(self.appbuilder, "VendingPoints")._found()  # noqa: SLF001

    @expose("/book", methods=["GET", "POST"])
    @has_access
    @permission_name("settle")
    def book(self) -> Answer:
        """Ask what was received for the tokens chosen, and book them."""
        chosen = self.chosen(_numbers())
        rows = [row for row in chosen if row.settled_at is None]
        kept = overview.obstacles(session(), rows)
        rows = [row for row in rows if row.id not in kept]
        if not rows:
            flash(_("Nothing was chosen that can be booked."), "warning")
            return redirect(self.url("list"))
        if len(rows) < len(chosen):
            flash(
                _("Left out is what was settled, or cannot be booked; the list says why."), "info"
            )
        sent = request.form if request.form.get("sure") == "yes" else None
        sold, status = SoldForm(), 200
        tokens = {row.id: TokenForm(sent, prefix=f"token-{row.id}-") for row in rows}
        if sent is not None:
            tidy(sold)
            fits = [sold.validate(), *(form.validate() for form in tokens.values())]
            status = _book_all(sold, tokens) if all(fits) else 422
            if not tokens:
                return redirect(self.url("list"))
        lines = [_line(row, tokens[row.id]) for row in self.chosen(list(tokens))]
        title = ngettext("Book %(num)s lost sale", "Book %(num)s lost sales", len(lines))
        page = self._page("restored/book.html", title=title, form=sold, lines=lines)
        return page, status

    def chosen(self, numbers: Sequence[int]) -> list[JournalFinding]:
        """Fetch the tokens of the lost interval among some findings, in the list's order."""
        wanted = [number for number in numbers[:MOST] if holds(JournalFinding.id, number)]
        statement = self.statement().where(JournalFinding.id.in_(wanted))
        in_order = statement.order_by(JournalFinding.made_at, JournalFinding.id)
        return list(session().scalars(in_order).unique())


def drn_of(row: JournalFinding) -> str:
    """The meter's number, in groups; empty where a finding has none."""
    if not row.meter_pan:
        return ""
    return identifiers.drn.format(identifiers.meter_pan.drn_of(row.meter_pan))


def _numbers() -> list[int]:
    return request.values.getlist("rowid", type=int)


def _line(row: JournalFinding, form: TokenForm) -> Line:
    made = moment_text(row.made_at, zone()) if row.made_at else ""
    return Line(row.id, drn_of(row), made, row.tid, _carries(row), form)


def _carries(row: JournalFinding) -> str:
    """Put what a token carries into words; nothing where its module does not tell."""
    try:
        asked = booking.asked_for(session(), modules(), row)
    except VmsError:
        return ""
    amount = booking.carried_by(asked)
    if asked.subclass >= CURRENCY:
        return f"{figure_text(amount)} {utility().currency}"
    return f"{units_text(amount)} {_(UNITS[SERVICES[asked.subclass]])}"


def _book_all(sold: SoldForm, tokens: dict[int, TokenForm]) -> int:
    """Book each token; what was booked is taken off the form.

    Returns:
        The status of the answer: of the last refusal, if there was one.
    """
    point: Any = sold.vending_point.data  # a form that fits has one
    count, status = len(tokens), 200
    for number, said in list(tokens.items()):
        paid = None if said.paid.data is None else int(said.paid.data)
        wish = Booking(number, point.name, paid, said.taken_back.data, sold.note.data or "")
        try:
            booking.book(session(), modules(), actor(), wish)
        except VmsError as error:
            session().rollback()
            status = status_of(error)
            if isinstance(error, Standstill | Unavailable | Uncertain):
                put_error(sold, error)  # the other tokens would meet it, too
                break
            put_error(said, error)
        else:
            del tokens[number]
    done = count - len(tokens)
    if done:
        flash(ngettext("%(num)s sale was booked.", "%(num)s sales were booked.", done), "success")
    return status
