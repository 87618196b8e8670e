"""Revenue protection: the rules with what came of them, what is set of each, and asking them."""

from collections.abc import Sequence
from typing import Any, Final

from flask import flash, redirect, url_for
from flask_appbuilder import expose, has_access, permission_name
from flask_babel import get_locale

from vmsapp.errors import N_, VmsError
from vmsapp.extensions import atomic
from vmsapp.i18n import _, _l
from vmsapp.security import JOBS, REVENUE
from vmsapp.services import audit, job_runs
from vmsapp.services.revenue_protection.counting import Counts, counts
from vmsapp.services.revenue_protection.errors import NumberOutOfRange
from vmsapp.services.revenue_protection.running import RUN
from vmsapp.services.revenue_protection.setting import Setting, change, setting_of, settings
from vmsapp.tasks import background
from vmsapp.views.base import OfficeView, actor, session, status_of, zone
from vmsapp.views.forms import put_error
from vmsapp.views.jobs.watching import watch
from vmsapp.views.lists.pages import Answer
from vmsapp.views.look import number_text
from vmsapp.views.revenue.forms import ACTIVE, NUMBER, numbers_typed, rule_form
from vmsapp.views.revenue.words import PERMISSIONS, rule_sentence, rule_word

COLUMNS: Final = (
    ("open", N_("To look at")),
    ("taken", N_("Under work")),
    ("right", N_("Found right")),
    ("explained", N_("Explained")),
    ("false_alarm", N_("False alarm")),
    ("ceased", N_("No longer true")),
)
"""What is counted, and the standing of the worklist that lists it."""


class RevenueRules(OfficeView):
    """The rules, each with its sentence and its counts in the reader's scope."""

    route_base = "/revenue-protection"
    default_view = "show"
    class_permission_name = REVENUE
    base_permissions = PERMISSIONS
    title = _l("Revenue protection")

    @expose("/")
    @has_access
    @permission_name("show")
    def show(self) -> str:
        """Show the rules."""
        asked, found = settings(session()), counts(session())
        return self.page(
            "revenue/rules.html",
            title=str(self.title),
            lines=[(one, found[code]) for code, one in asked.items()],
            total=sum(found.values(), Counts()),
            ran_at=min((one.ran_at for one in asked.values() if one.ran_at), default=None)
            if all(one.ran_at for one in asked.values()) else None,
            columns=COLUMNS, word=rule_word, sentence=rule_sentence, number=number_text,
            zone=zone(), url=_listed, may=self._may, rest=_rests(list(asked.values())),
        )  # fmt: skip

    @expose("/run", methods=["POST"])
    @has_access
    @permission_name("run")
    def run(self) -> Answer:
        """Have the rules asked in the background."""
        with atomic(session()) as current:
            job = job_runs.ask(current, actor(), RUN, {}, locale=str(get_locale() or "en"))
            audit.record(current, actor(), "revenue.asked", "job", job.id)
        background.send(job.id)
        watch(job.id)
        flash(_("The rules are being asked. What they find stands here as they go."), "info")
        may_watch = self.appbuilder.sm.has_access("can_show", JOBS)
        return redirect(url_for("Jobs.show", pk=job.id) if may_watch else self._home())

    @expose("/rule/<string:code>", methods=["GET", "POST"])
    @has_access
    @permission_name("rules")
    def rule(self, code: str) -> Answer:
        """Set a rule's thresholds, and whether it is asked."""
        setting = setting_of(session(), code)
        form, status = rule_form(setting), 200
        if form.is_submitted():
            status = 422
            if form.validate():
                try:
                    numbers = numbers_typed(form)
                    change(session(), actor(), code, active=form[ACTIVE].data, numbers=numbers)
                    flash(_("Saved. It counts from the next run on."), "success")
                    return redirect(self._home())
                except VmsError as error:
                    session().rollback()
                    put_error(form, error, _field_of(error))
                    status = status_of(error)
        page = self.page(
            "revenue/rule.html", title=rule_word(code), form=form, back=self._home(),
            columns=[name for name in form.data if name != "csrf_token"],
            sentence=rule_sentence(code, setting.numbers),
        )  # fmt: skip
        return page, status

    def _home(self) -> str:
        return url_for("RevenueRules.show")

    def _may(self, deed: str) -> bool:
        return bool(self.appbuilder.sm.has_access(f"can_{deed}", REVENUE))


def _field_of(error: Any) -> str | None:  # noqa: ANN401 - any refusal
    if isinstance(error, NumberOutOfRange):
        return NUMBER + error.name
    return NUMBER + error.field if getattr(error, "field", None) else None


def _listed(standing: str, rule: str | None = None) -> str:
    """The worklist of some findings."""
    return url_for("RevenueFindings.list", state=standing, rule=rule)


def _rests(asked: Sequence[Setting]) -> tuple[int, int]:
    """The shortest and the longest rest of decided findings."""
    days = [one.numbers["rest"] for one in asked]
    return min(days), max(days)
