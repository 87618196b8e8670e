"""What screens share that do or ask for a deed of the second person's machinery."""

import secrets
from collections.abc import Sequence
from typing import Any, Final

from flask import current_app, flash, redirect, url_for
from flask_babel import gettext
from werkzeug.wrappers import Response
from wtforms import HiddenField
from wtforms.validators import DataRequired, Length

from vmsapp.i18n import _, money_text, readable
from vmsapp.models import ApprovalRequest, ApprovalRule
from vmsapp.security import APPROVALS
from vmsapp.services.approvals import requests
from vmsapp.services.approvals.deed import Deed, DeedName, Line
from vmsapp.services.approvals.deeds import DEEDS
from vmsapp.views.base import actor, session, utility
from vmsapp.views.forms import OfficeForm

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
    request = requests.submit(session(), actor(), deed, params, key)
    tell(request, done)
    return request


def tell(request: ApprovalRequest | None, done: str) -> None:
    """Say that a deed was done, or that it waits for a second person."""
    if request is None:
        flash(done, "success")
    else:
        flash(_("A second person must approve this: it is request %(id)s.", id=request.id), "info")


def after(asked: ApprovalRequest | None, done: str) -> Response:
    """Lead on to the request that waits, where the asker may see it, else to what was done."""
    allowed = current_app.extensions["appbuilder"].sm.has_access("can_show", APPROVALS)
    if asked is None or not allowed:
        return redirect(done)
    return redirect(url_for("Approvals.show", pk=asked.id))


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
    if not rule.from_amount_minor:
        return str(_("A second person must approve this."))
    amount = readable_minor(rule.from_amount_minor)
    return str(_("From %(amount)s on, a second person must approve this.", amount=amount))


def readable_minor(minor: int) -> str:
    """Write an amount of the utility's money."""
    return money_text(minor, utility().currency, utility().exponent)


def _value(value: object) -> object:
    if isinstance(value, DeedName):
        return deed_name(value.action)
    if value is None or isinstance(value, bool):
        return value
    return readable(value, utility().exponent)
