"""Which deeds ask for a second person: one line a deed, changed one at a time."""

from typing import Any, Final

from flask import abort, url_for
from flask_appbuilder import expose, has_access, permission_name
from flask_babel import gettext
from wtforms import BooleanField, HiddenField
from wtforms.validators import DataRequired, Optional

from vmsapp.errors import N_, VmsError
from vmsapp.i18n import _, _l
from vmsapp.models import ApprovalRule
from vmsapp.security import SECOND_PERSON
from vmsapp.services.approvals import asking, inbox
from vmsapp.services.approvals.deeds import RULED
from vmsapp.services.approvals.rules import RuleChange, rule_of, rules, written
from vmsapp.services.approvals.ties import COUNTS_FOR
from vmsapp.views.approvals.approvers import whole_said, why_nobody
from vmsapp.views.approvals.deeds import (
    DeedForm,
    a_key,
    after,
    deed_name,
    put_refusal,
    rule_said,
    tell,
)
from vmsapp.views.base import OfficeView, actor, session, status_of
from vmsapp.views.forms import MoneyField
from vmsapp.views.lists.pages import Answer

GIVEN: Final = {
    "user.added": N_("made the account"),
    "user.activated": N_("let it in again"),
    "user.password_reset": N_("set its password"),
    "user.code_given": N_("handed out a one-time code"),
    "user.second_factor_reset": N_("reset its second factor"),
}
RIGHTS: Final = N_("gave it rights")
"""What somebody did who had an account in hand; all else gave it rights."""


class RuleForm(DeedForm):
    """When a deed asks for a second person."""

    was = HiddenField(validators=[DataRequired()])
    active = BooleanField(_l("Ask for a second person"))
    from_amount = MoneyField(
        _l("From amount"), [Optional()],
        description=_l("Smaller amounts need no second person. Leave it empty to ask always."),
    )  # fmt: skip


class SecondPerson(OfficeView):
    """For administrators."""

    route_base = "/second-person"
    default_view = "show"
    class_permission_name = SECOND_PERSON

    @expose("/")
    @has_access
    @permission_name("change")
    def show(self) -> Answer:
        """List the deeds and when they ask for a second person."""
        known, at_hand = rules(session()), inbox.people_at_hand(session())
        on = {action for action, rule in known.items() if rule.active}
        listed = [
            (action, deed_name(action), rule_said(known.get(action)),
             (why_nobody(at_hand, action, asks=action in on),
              whole_said(deed, asks=True) if action in on else None))
            for action, deed in RULED.items()
        ]  # fmt: skip
        return self.page(
            "approvals/rules.html", rules=listed, held=at_hand.held,
            given=lambda action: gettext(GIVEN.get(action, RIGHTS)),
            days=COUNTS_FOR.days,
        )  # fmt: skip

    @expose("/<string:action>", methods=["GET", "POST"])
    @has_access
    @permission_name("change")
    def change(self, action: str) -> Answer:
        """Change when a deed asks; asking less often needs a second person itself."""
        if action not in RULED:
            abort(404)
        rule = rule_of(session(), action)
        form, status = RuleForm(data=self._present(rule)), 200
        if RULED[action].amount_minor is None:
            del form.from_amount
        if form.is_submitted():
            status = 422
            if form.validate():
                try:
                    return self._saved(action, form)
                except VmsError as error:
                    put_refusal(form, error)
                    status = status_of(error)
        if RULED[action].alone is not None and "from_amount" in form:
            form.from_amount.description = _(
                "Smaller amounts need no second person, but what the same person did alone within"
                " 24 hours is added up. Leave it empty to ask always."
            )
        page = self.page(
            "approvals/rule.html", form=form, title=deed_name(action), weaker=rule.active,
            whole=whole_said(RULED[action], asks=rule.active),
        )  # fmt: skip
        return page, status

    def _present(self, rule: ApprovalRule) -> dict[str, Any]:
        return {
            "active": rule.active, "from_amount": rule.from_amount_minor, "key": a_key(),
            "was": written(rule),
        }  # fmt: skip

    def _saved(self, action: str, form: RuleForm) -> Answer:
        amount = form.from_amount.data if "from_amount" in form else None
        change = RuleChange(
            action, bool(form.active.data), None if amount is None else int(amount), form.was.data
        )
        asked = asking.change_rule(session(), actor(), change, form.key.data)
        tell(asked, _("Saved."))
        return after(asked, url_for("SecondPerson.show"))
