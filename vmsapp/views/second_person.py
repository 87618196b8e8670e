"""Which deeds ask for a second person: one line a deed, changed one at a time."""

from typing import Any

from flask import abort, url_for
from flask_appbuilder import expose, has_access, permission_name
from wtforms import BooleanField
from wtforms.validators import Optional

from vmsapp.errors import VmsError
from vmsapp.i18n import _, _l
from vmsapp.models import ApprovalRule
from vmsapp.security import SECOND_PERSON
from vmsapp.services.approvals import requests
from vmsapp.services.approvals.deeds import RULED
from vmsapp.services.approvals.rules import RuleChange, rule_of, rules
from vmsapp.views.base import OfficeView, actor, session, status_of
from vmsapp.views.deeds import DeedForm, a_key, after, deed_name, rule_said, tell
from vmsapp.views.forms import MoneyField, put_error
from vmsapp.views.lists import Answer


class RuleForm(DeedForm):
    """When a deed asks for a second person."""

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
        known = rules(session())
        listed = [(action, deed_name(action), rule_said(known.get(action))) for action in RULED]
        return self.page("approvals/rules.html", rules=listed)

    @expose("/<string:action>", methods=["GET", "POST"])
    @has_access
    @permission_name("change")
    def change(self, action: str) -> Answer:
        """Change when a deed asks; asking less often needs a second person itself."""
        if action not in RULED:
            abort(404)
        rule = rule_of(session(), action)
        form, status = RuleForm(data=self._present(rule)), 200
        if form.is_submitted():
            status = 422
            if form.validate():
                try:
                    return self._saved(action, form)
                except VmsError as error:
                    put_error(form, error)
                    status = status_of(error)
        page = self.page(
            "approvals/rule.html", form=form, title=deed_name(action), weaker=rule.active
        )
        return page, status

    def _present(self, rule: ApprovalRule) -> dict[str, Any]:
        return {"active": rule.active, "from_amount": rule.from_amount_minor, "key": a_key()}

    def _saved(self, action: str, form: RuleForm) -> Answer:
        amount = form.from_amount.data
        change = RuleChange(action, bool(form.active.data), None if amount is None else int(amount))
        asked = requests.change_rule(session(), actor(), change, form.key.data)
        tell(asked, _("Saved."))
        return after(asked, url_for("SecondPerson.show"))
