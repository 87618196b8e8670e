"""What screens share that do or ask for a deed of the second person's machinery."""

import secrets
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final

from flask import current_app, flash, redirect, url_for
from flask_babel import gettext
from markupsafe import Markup
from werkzeug.wrappers import Response
from wtforms import HiddenField
from wtforms.validators import DataRequired, Length

from vmsapp.clock import now_utc
from vmsapp.errors import VmsError
from vmsapp.i18n import _, money_text, readable
from vmsapp.models import ApprovalRequest, ApprovalRule, ApprovalState
from vmsapp.security import APPROVALS, SHIFTS
from vmsapp.services.approvals import asking
from vmsapp.services.approvals.deed import Deed, DeedName, Drawer, Line, SaleNumber, Sentence
from vmsapp.services.approvals.deeds import DEEDS
from vmsapp.services.approvals.errors import AlreadyAsked
from vmsapp.services.approvals.rules import alone, rule_of
from vmsapp.views.base import actor, session, utility
from vmsapp.views.forms import OfficeForm, put_error

Told = Sequence[tuple[str, object, object | None]]
"""Lines of what a deed will do: name, value, present value where they are compared."""

MAX_KEY: Final = 60


class DeedForm(OfficeForm):
    """A form whose deed is done or asked for once, however often it is sent."""

    key = HiddenField(validators=[DataRequired(), Length(max=MAX_KEY)])


def a_key() -> str:
    """Make the key of a new form."""
    return secrets.token_hex(16)


def submit(deed: Deed[Any], params: Any, key: str, done: str) -> ApprovalRequest | None:  # noqa: ANN401
    """Do a deed or ask for it, and tell which of the two."""
    request = asking.submit(session(), actor(), deed, params, key)
    tell(request, done)
    return request


def tell(request: ApprovalRequest | None, done: str) -> None:
    """Say that a deed was done, or that it waits for a second person."""
    if request is None:
        flash(done, "success")
    elif request.state_at(now_utc()) == ApprovalState.PENDING:
        flash(_("A second person must approve this: it is request %(id)s.", id=request.id), "info")
    else:
        flash(_("This form was sent before: it made request %(id)s.", id=request.id), "info")


def after(asked: ApprovalRequest | None, done: str) -> Response:
    """Lead on to the request that waits, where the asker may see it, else to what was done."""
    return redirect((request_url(asked.id) if asked else None) or done)


def request_url(request_id: object) -> str | None:
    """Where a request is read; nothing for those who may read none."""
    if not current_app.extensions["appbuilder"].sm.has_access("can_show", APPROVALS):
        return None
    return url_for("Approvals.show", pk=request_id)


def put_refusal(form: DeedForm, error: VmsError, field: str | None = None) -> None:
    """Show a refusal as every form does; one that names a request leads to it."""
    put_error(form, error, field)
    url = request_url(error.params["request_id"]) if isinstance(error, AlreadyAsked) else None
    if url:
        link = Markup('{} <a href="{}">{}</a>')
        form.form_errors[-1] = link.format(form.form_errors[-1], url, _("Open the request"))


def deed_name(action: str) -> str:
    """What an action is called."""
    return str(gettext(DEEDS[action].label)) if action in DEEDS else action


def told(lines: Sequence[Line], *, waits: bool) -> Told:
    """Put the lines of a deed into the reader's language; what is now, only while it waits."""
    return [
        (gettext(line.label), _value(line.after), _value(line.before) if waits else None)
        for line in lines
        if waits or not line.passing
    ]


def rule_said(rule: ApprovalRule | None) -> str:
    """Say from when on a rule asks for a second person; nothing where it does not."""
    if rule is None or not rule.active:
        return ""
    if not rule.from_amount_minor or DEEDS[rule.action].amount_minor is None:
        return str(_("A second person must approve this."))
    amount = readable_minor(rule.from_amount_minor)
    return str(_("From %(amount)s on, a second person must approve this.", amount=amount))


def said_beforehand(deed: Deed[Any], params: Any) -> str:  # noqa: ANN401
    """Say from when on a deed asks for a second person, and what of it was done already."""
    rule = rule_of(session(), deed.action)
    said = rule_said(rule)
    if not said or not rule.from_amount_minor:
        return said
    done = alone(session(), actor().user_id, deed, params)
    if not done:
        return said
    also = _(
        "You moved %(amount)s here alone within the last 24 hours; it counts with what you"
        " move now.",
        amount=readable_minor(done),
    )
    return f"{said} {also}"


def readable_minor(minor: int) -> str:
    """Write an amount of the utility's money."""
    return money_text(minor, utility().currency, utility().exponent)


def exact_minor(minor: int) -> Decimal:
    """An amount of the utility's money as a number, for files."""
    return Decimal(minor).scaleb(-utility().exponent)


def _value(value: object) -> object:
    if isinstance(value, DeedName):
        return deed_name(value.action)
    if isinstance(value, Sentence):
        return gettext(value.message)
    if isinstance(value, SaleNumber):
        return _sale_link(value.sale_id)
    if isinstance(value, Drawer):
        return _drawer_link(value)
    if value is None or isinstance(value, bool):
        return value
    return readable(value, utility().exponent, utility().time_zone)


def _drawer_link(drawer: Drawer) -> object:
    """Say whose drawer it is, and lead to its shift, for who may see shifts."""
    said = _(
        "Shift %(id)s of %(operator)s at %(point)s", id=drawer.shift_id,
        operator=drawer.operator, point=drawer.point,
    )  # fmt: skip
    if not current_app.extensions["appbuilder"].sm.has_access("can_show", SHIFTS):
        return said
    return Markup('<a href="{}">{}</a>').format(url_for("Shifts.show", pk=drawer.shift_id), said)


def _sale_link(sale_id: int) -> object:
    """Lead to a sale, for who may see it."""
    if not current_app.extensions["appbuilder"].sm.has_access("can_show", "Sales"):
        return sale_id
    url = url_for("Sales.show", pk=sale_id)
    return Markup('<a href="{}">{}</a>').format(url, sale_id)
