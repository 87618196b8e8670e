"""Setup: the utility's settings as they are, what is planned, and who changed what."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any, Final
from zoneinfo import ZoneInfo

from flask import Response, abort, flash, g, redirect, request, url_for
from flask_appbuilder import expose, has_access, permission_name
from flask_login import current_user
from limits import RateLimitItemPerMinute
from sqlalchemy import select

from vmsapp.clock import NoSuchLocalTime, moment_of, now_utc
from vmsapp.errors import N_, InvalidInput, NotFound, VmsError
from vmsapp.extensions import atomic, end_reading
from vmsapp.i18n import _, moment_text
from vmsapp.models import AuditEvent, Logo, Setup
from vmsapp.security import SETUP
from vmsapp.services import audit, setup_changes, setup_rules
from vmsapp.services.mail import MailTooOften, send, server_of
from vmsapp.services.pictures import Picture
from vmsapp.services.setup_changes import differences, recorded
from vmsapp.services.setup_rules import SECTIONS
from vmsapp.views.base import OfficeView, actor, session, status_of, utility, zone
from vmsapp.views.forms import put_error, tidy
from vmsapp.views.help.first_steps import address_of
from vmsapp.views.lists.crud import ChangedMeanwhile, digest
from vmsapp.views.lists.pages import Answer
from vmsapp.views.office.setup_forms import (
    COLUMNS,
    FORMS,
    BeginForm,
    MailForm,
    SectionForm,
    TestMailForm,
    kept_mail_key,
    mail_ports,
)
from vmsapp.views.office.setup_words import LABELS, said

HEADINGS: Final = {
    "utility": N_("Utility"),
    "currency": N_("Currency and settlement"),
    "receipts": N_("Receipts"),
    "shifts": N_("Shifts"),
    "limits": N_("Limits of a purchase"),
    "putting_right": N_("Putting right"),
    "free_tokens": N_("Tokens without money"),
    "mail": N_("Mail"),
}
EFFECTS: Final = {
    "shifts": N_("Counts for every sale and every count from the moment it is in force."),
    "putting_right": N_(
        "Counts for every sale from the moment it is in force, however long ago it was sold."
    ),
    "free_tokens": N_(
        "Counts for every token that is approved from the moment it is in force; empty is no limit."
    ),
    "limits": N_("Counts for every purchase from the moment it is in force; empty is no limit."),
}
"""What a section does at the counter, where one would wonder."""

ACTIONS: Final = {
    "setup.begun": N_("set up"),
    "setup.changed": N_("changed"),
    "setup.replanned": N_("planned anew"),
    "setup.withdrawn": N_("change withdrawn"),
    "setup.mail_tested": N_("test mail"),
}
TEST_MAILS: Final = RateLimitItemPerMinute(5)
"""What one person may send: enough to set up mail, too few to search a network with."""

A_YEAR: Final = "private, max-age=31536000, immutable"


class LeftOut(InvalidInput):
    """The clocks are put forward over this time."""

    code = "time_left_out"
    message = N_("The clocks are put forward then, and this time does not exist. Choose another.")
    field = "starts_at"


@dataclass(frozen=True)
class Plan:
    """What is planned, and what it changes."""

    row: Setup
    sections: Sequence[str]
    changes: Sequence[tuple[Any, Any, Any]]


@dataclass(frozen=True)
class Event:
    """A line of the history."""

    at: datetime
    who: str
    action: str
    starts_at: datetime | None
    changes: Sequence[tuple[Any, Any, Any]]


class UtilitySetup(OfficeView):
    """For administrators; auditors look."""

    route_base = "/setup"
    default_view = "show"
    class_permission_name = SETUP

    @expose("/")
    @has_access
    @permission_name("show")
    def show(self) -> Answer:
        """Show what is in force, what is planned, and the history."""
        return self._page(TestMailForm(to=current_user.email))

    @expose("/begin", methods=["GET", "POST"])
    @has_access
    @permission_name("change")
    def begin(self) -> Answer:
        """Enter the first settings."""
        if setup_changes.in_force(session(), now_utc()) is not None:
            return redirect(url_for("UtilitySetup.show"))
        form, status = BeginForm(), 200
        if request.method == "POST":
            tidy(form)
            status = 422
            if form.validate():
                try:
                    with atomic(session()) as current:
                        setup_changes.begin(current, actor(), _stored(form.values()))
                    flash(_("The utility is set up."), "success")
                    return redirect(url_for("Start.index"))
                except VmsError as error:
                    put_error(form, error)
                    status = status_of(error)
        sections = [(_(HEADINGS[name]), COLUMNS[name]) for name in ("utility", "currency")]
        sections[0] = (sections[0][0], [one for one in sections[0][1] if one != "remove_logo"])
        return self.page("setup/begin.html", form=form, sections=sections), status

    @expose("/change/<string:section>", methods=["GET", "POST"])
    @has_access
    @permission_name("change")
    def change(self, section: str) -> Answer:
        """Change a section of what is in force."""
        if section not in SECTIONS:
            abort(404)
        row = setup_changes.in_force(session(), now_utc())
        if row is None:
            return redirect(url_for("UtilitySetup.begin"))
        return self._change(section, row, None)

    @expose("/planned/<int:plan_id>/<string:section>", methods=["GET", "POST"])
    @has_access
    @permission_name("change")
    def change_planned(self, plan_id: int, section: str) -> Answer:
        """Change a section of what is planned, or when it begins."""
        row = session().scalars(select(Setup).where(Setup.id == plan_id)).first()
        if row is None or section not in SECTIONS:
            abort(404)
        return self._change(section, row, plan_id)

    @expose("/planned/<int:plan_id>/withdraw", methods=["POST"])
    @has_access
    @permission_name("change")
    def withdraw(self, plan_id: int) -> Answer:
        """Take back what is planned."""
        with atomic(session()) as current:
            setup_changes.withdraw(current, actor(), plan_id)
        flash(_("The planned change was withdrawn."), "success")
        return redirect(url_for("UtilitySetup.show"))

    @expose("/mail/test", methods=["POST"])
    @has_access
    @permission_name("change")
    def test_mail(self) -> Answer:
        """Send a test mail through the server in force."""
        form = TestMailForm()
        tidy(form)
        if not form.validate():
            return self._page(form, 422)
        to, outcome = str(form.to.data), "sent"
        try:
            if not self.appbuilder.sm.limiter.limiter.hit(
                TEST_MAILS, "test mail", current_user.get_id()
            ):
                raise MailTooOften(count=TEST_MAILS.amount)
            name = utility().utility_name
            server = server_of(utility(), kept_mail_key())
            end_reading(session())  # nobody waits for the database while the mail is handed in
            send(server, [to], _("Test mail from %(name)s", name=name),
                 _("Whoever reads this sees that %(name)s can send mail.", name=name),
                 ports=mail_ports())  # fmt: skip
        except VmsError as error:
            put_error(form, error, "to")
            outcome = error.code
            answer = self._page(form, status_of(error))
        else:
            flash(_("A test mail was sent to %(to)s.", to=to), "success")
            answer = redirect(url_for("UtilitySetup.show", _anchor="mail"))
        with atomic(session()) as current:
            audit.record(current, actor(), "setup.mail_tested", "setup", None, to=to,
                         outcome=outcome)  # fmt: skip
        return answer

    @expose("/logo/<string:digest>")
    def logo(self, digest: str) -> Response:
        """Give a logo to whoever is signed in: receipts show it. It never changes."""
        found = session().get(Logo, digest)
        if found is None:
            abort(404)
        answer = Response(found.content, mimetype=found.media_type)
        answer.headers["Cache-Control"] = A_YEAR
        answer.headers["Content-Security-Policy"] = "default-src 'none'; sandbox"
        return answer

    def _change(self, section: str, row: Setup, pk: int | None) -> Answer:
        form, seen, status = FORMS[section](obj=row), _seen(section, row, pk), 200
        if request.method == "GET":
            form.starts_at.data = _local(row) if pk else None
        else:
            seen, status = request.form.get("seen", ""), 422
            tidy(form)
            if form.validate():
                try:
                    return self._saved(form, section, pk)
                except VmsError as error:
                    session().rollback()
                    put_error(form, error)
                    status = status_of(error)
                    if isinstance(error, ChangedMeanwhile):
                        seen = _seen(section, row, pk)
        page = self.page(
            "setup/change.html", form=form, columns=(*COLUMNS[section], "starts_at"), seen=seen,
            section=section, heading=_(HEADINGS[section]), effect=EFFECTS.get(section),
            planned=row if pk else None, zone=zone(), fixed=section in {"utility", "currency"}
            and setup_rules.is_fixed(session()),
        )  # fmt: skip
        return page, status

    def _saved(self, form: SectionForm, section: str, pk: int | None) -> Answer:
        with atomic(session()) as current:
            rows = setup_changes.rows_of(current, now_utc())
            row = next((row for row in rows if pk in {None, row.id}), None)
            if row is None:
                raise NotFound
            if request.form.get("seen") != _seen(section, row, pk):
                raise ChangedMeanwhile
            moment = self._moment(form, row, pk)
            typed = form.sealed(kept_mail_key()) if isinstance(form, MailForm) else form.values()
            changes = {
                name: value for name, value in _stored(typed).items() if getattr(row, name) != value
            }
            if pk is not None:
                made = setup_changes.replan(
                    current, actor(), pk, changes, moment or row.effective_at
                )
            else:
                made = setup_changes.change(current, actor(), changes, moment)
        g.pop("utility", None)
        when = moment_text(made.effective_at, zone())
        planned = pk is not None or moment is not None
        flash(_("Planned from %(when)s.", when=when) if planned else _("Saved."), "success")
        return redirect(url_for("UtilitySetup.show", _anchor=section))

    def _moment(self, form: SectionForm, row: Setup, pk: int | None) -> datetime | None:
        """Read when it begins, in the utility's zone; a planned row keeps its seconds."""
        local = form.starts_at.data
        if local is None:
            return now_utc() if pk else None
        try:
            moment = moment_of(local, row.time_zone)
        except NoSuchLocalTime:
            raise LeftOut from None
        same = pk is not None and moment == row.effective_at.replace(second=0, microsecond=0)
        return row.effective_at if same else moment

    def _page(self, test: TestMailForm, status: int = 200) -> Answer:
        now = now_utc()
        row = setup_changes.in_force(session(), now)
        may_change = self.appbuilder.sm.has_access("can_change", SETUP)
        if row is None and may_change:
            return redirect(url_for("UtilitySetup.begin"))
        if row is None:
            return self.page("setup/show.html", row=None)
        rows = [row, *setup_changes.planned(session(), now)]
        page = self.page(
            "setup/show.html", row=row, zone=row.time_zone, headings=HEADINGS, effects=EFFECTS,
            sections=[(name, list(_facts(row, name))) for name in SECTIONS],
            plans=list(_plans(rows)), events=list(map(_event, setup_changes.history(session()))),
            may_change=may_change, test=test, licence=address_of(self.appbuilder, "Licence"),
        )  # fmt: skip
        return page, status


def _stored(values: dict[str, Any]) -> dict[str, Any]:
    """Keep a new picture, and name it by its digest."""
    picture = values.get("logo")
    if isinstance(picture, Picture):
        values["logo"] = setup_changes.keep_logo(session(), picture)
    return values


def _seen(section: str, row: Setup, pk: int | None) -> str:
    return digest(row, (*SECTIONS[section], "effective_at") if pk else SECTIONS[section])


def _local(row: Setup) -> datetime:
    """When a row begins, as the utility's clocks show it."""
    here = row.effective_at.astimezone(ZoneInfo(row.time_zone))
    return here.replace(tzinfo=None, second=0, microsecond=0)


def _facts(row: Setup, section: str) -> Iterator[tuple[Any, Any]]:
    for name, value in recorded(row, SECTIONS[section]).items():
        yield LABELS[name], said(name, value)


def _plans(rows: Sequence[Setup]) -> Iterator[Plan]:
    for (former, row), names in zip(pairwise(rows), differences(rows), strict=True):
        sections = [section for section in SECTIONS if set(SECTIONS[section]) & set(names)]
        changes = list(_changes(recorded(former, names), recorded(row, names)))
        yield Plan(row, sections, changes)


def _event(event: AuditEvent) -> Event:
    details = event.details
    starts_at = details.get("starts_at")
    if event.action == "setup.mail_tested":
        changes = [(_("Send a test mail to"), None, details["to"])]
    else:
        changes = list(_changes(details.get("before", {}), details.get("after", {})))
    return Event(
        event.at, event.actor_name, _(ACTIONS.get(event.action, event.action)),
        datetime.fromisoformat(starts_at) if starts_at else None, changes,
    )  # fmt: skip


def _changes(before: dict[str, Any], after: dict[str, Any]) -> Iterator[tuple[Any, Any, Any]]:
    """Name what changed: from what, to what."""
    for name, value in after.items():
        if name in LABELS:
            yield LABELS[name], said(name, before.get(name)), said(name, value)
