"""Schedules of reports: when a saved report is sent, to whom, and what became of it."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Final

from flask import flash, jsonify, redirect, request, url_for
from flask_appbuilder import expose, has_access, permission_name
from limits import RateLimitItemPerMinute
from sqlalchemy import func, or_, select
from sqlalchemy.orm import joinedload, selectinload, undefer
from werkzeug.wrappers import Response

from vmsapp.errors import NotFound, VmsError
from vmsapp.i18n import _
from vmsapp.models import (
    OfficeUser,
    ReportRecipient,
    ReportSchedule,
    ReportSending,
    ScheduleState,
)
from vmsapp.scope import unscoped
from vmsapp.security import SAVED_REPORTS, Permission
from vmsapp.security.held import held_by_each
from vmsapp.services.mail import MailNotSetUp
from vmsapp.services.problems import error_of
from vmsapp.services.reports import due, saving, scheduling
from vmsapp.services.reports.sending import address_of
from vmsapp.services.reports.sendings import RecipientMayNot, RecipientSuspended, SentTooOften
from vmsapp.tasks import background
from vmsapp.views.base import OfficeView, actor, sentence, session, status_of, utility
from vmsapp.views.forms import put_error
from vmsapp.views.lists.exports import kind_words
from vmsapp.views.lists.pages import FOUND, Answer, names
from vmsapp.views.lists.undo import moment_named, offer_undo
from vmsapp.views.reports.reported import Reported, reports
from vmsapp.views.reports.schedule_words import (
    PersonForm,
    ScheduleForm,
    sending_said,
    state_said,
    when_said,
)

SHOWN: Final = 200
"""Schedules listed at most, and sendings of one."""
FIELDS: Final = names("every weekday month_day hour kind")
SENT_AT_ONCE: Final = RateLimitItemPerMinute(5)
"""What one person may have sent by hand: as many as test mails."""


class ReportSchedules(OfficeView):
    """The schedules of the own saved reports; of all, for who sees everything."""

    route_base = "/reports/schedules"
    default_view = "plan"
    class_permission_name = SAVED_REPORTS
    base_permissions: ClassVar[list[str]] = names("can_list can_schedule")

    @expose("/plan/<int:pk>", methods=["GET", "POST"])
    @has_access
    @permission_name("schedule")
    def plan(self, pk: int) -> Answer:
        """Have a saved report sent."""
        saved = saving.saved_report(session(), actor(), pk)
        title = str(_("Send “%(name)s” by e-mail", name=saved.name))
        form = ScheduleForm(hour=6, weekday=0, month_day=1)
        return self._form(
            form, title, url_for("SavedReports.list"),
            lambda: scheduling.make(session(), actor(), pk, form.wish()),
        )  # fmt: skip

    @expose("/show/<int:pk>", methods=["GET"])
    @has_access
    @permission_name("list")
    def show(self, pk: int) -> Answer:
        """Show when it is due, who gets it, and what became of it."""
        return self._shown(pk, PersonForm(formdata=None)), 200

    @expose("/change/<int:pk>", methods=["GET", "POST"])
    @has_access
    @permission_name("schedule")
    def change(self, pk: int) -> Answer:
        """Have it sent at another time."""
        row = _row(pk)
        title = str(_("When “%(name)s” is sent", name=row.saved.name))
        form = ScheduleForm(obj=row)
        return self._form(
            form, title, url_for("ReportSchedules.show", pk=pk),
            lambda: scheduling.change(session(), actor(), pk, form.wish()),
        )  # fmt: skip

    @expose("/pause/<int:pk>", methods=["POST"])
    @has_access
    @permission_name("schedule")
    def pause(self, pk: int) -> Answer:
        """Send nothing until it is resumed."""
        scheduling.pause(session(), actor(), pk)
        return self._done(pk, _("Paused. Nothing is sent until you resume it."))

    @expose("/resume/<int:pk>", methods=["POST"])
    @has_access
    @permission_name("schedule")
    def resume(self, pk: int) -> Answer:
        """Let it go on."""
        scheduling.resume(session(), actor(), pk)
        return self._done(pk, _("It goes on, from the next time it is due."))

    @expose("/send/<int:pk>", methods=["POST"])
    @has_access
    @permission_name("schedule")
    def send(self, pk: int) -> Answer:
        """Send it at once.

        Raises:
            SentTooOften: The same person did so too often in the last minute.
        """
        limiter = self.appbuilder.sm.limiter.limiter
        if not limiter.hit(SENT_AT_ONCE, "report sent now", str(actor().user_id)):
            raise SentTooOften(count=SENT_AT_ONCE.amount)
        for job_id in due.send_now(session(), actor(), pk):
            background.send(job_id)
        return self._done(pk, _("It is being sent."))

    @expose("/end/<int:pk>", methods=["POST"])
    @has_access
    @permission_name("schedule")
    def end(self, pk: int) -> Answer:
        """End it; a press brings it back."""
        name = _row(pk).saved.name
        at = scheduling.end(session(), actor(), pk)
        text = str(_("“%(name)s” is not sent any more.", name=name))
        offer_undo(text, url_for("ReportSchedules.restore", pk=pk), at)
        return redirect(url_for("SavedReports.list"))

    @expose("/restore/<int:pk>", methods=["POST"])
    @has_access
    @permission_name("schedule")
    def restore(self, pk: int) -> Answer:
        """Undo its end."""
        scheduling.bring_back(session(), actor(), pk, moment_named())
        return self._done(pk, _("It is back, and paused. Resume it to have it sent again."))

    @expose("/recipients/<int:pk>", methods=["POST"])
    @has_access
    @permission_name("schedule")
    def add(self, pk: int) -> Answer:
        """Have somebody get it, too."""
        _row(pk)
        form = PersonForm()
        if form.validate():
            try:
                scheduling.add_recipient(session(), actor(), pk, form.person.data)
            except VmsError as error:
                if isinstance(error, NotFound):
                    raise
                session().rollback()
                put_error(form, error)
                return self._shown(pk, form), status_of(error)
            return self._done(pk, _("Added."))
        return self._shown(pk, form), 422

    @expose("/recipients/<int:pk>/remove/<int:row_id>", methods=["POST"])
    @has_access
    @permission_name("schedule")
    def remove(self, pk: int, row_id: int) -> Answer:
        """Have somebody not get it any more."""
        scheduling.remove_recipient(session(), actor(), pk, row_id)
        return self._done(pk, _("Removed."))

    @expose("/people")
    @has_access
    @permission_name("schedule")
    def people(self) -> Response:
        """Answer the field that looks for people: those the author sees."""
        wanted = request.args.get("q", "")[:100]
        name = OfficeUser.first_name + " " + OfficeUser.last_name
        found = select(OfficeUser).where(
            OfficeUser.active.is_(True),
            or_(OfficeUser.username.icontains(wanted, autoescape=True),
                name.icontains(wanted, autoescape=True)),
        )  # fmt: skip
        rows = session().scalars(found.order_by(OfficeUser.username).limit(FOUND))
        return jsonify([{"value": row.id, "text": _called(row)} for row in rows])

    def _form(
        self, form: ScheduleForm, title: str, back: str, deed: Callable[[], ReportSchedule]
    ) -> Answer:
        status = 200
        if request.method == "POST":
            status = 422
            if form.validate():
                try:
                    row = deed()
                except VmsError as error:
                    if isinstance(error, NotFound):
                        raise
                    session().rollback()
                    put_error(form, error)
                    status = status_of(error)
                else:
                    return self._done(row.id, _("Saved."))
        page = self.page(
            "office/form.html", title=title, form=form, columns=FIELDS, row=title, seen="",
            back=back, trail=_trail(),
        )  # fmt: skip
        return page, status

    def _done(self, pk: int, said: str) -> Response:
        flash(said, "success")
        answer: Response = redirect(url_for("ReportSchedules.show", pk=pk))
        return answer

    def _shown(self, pk: int, form: PersonForm) -> str:
        row = _row(pk)
        view = reports().get(row.saved.report)
        sends = self.appbuilder.sm.has_access("can_schedule", SAVED_REPORTS)
        return self.page(
            "reports/schedule.html",
            title=row.saved.name,
            trail=_trail(),
            row=row,
            when=when_said(row),
            zone=row.zone,
            kind=kind_words()[row.kind],
            state=state_said(row),
            problem=sentence(error_of(row.problem)) if row.problem else None,
            report=view.report_title() if view else row.saved.report,
            report_url=view.report_url(row.saved.query) if view and _mine(row) else None,
            recipients=_recipients(row),
            sendings=_sendings(row),
            said=sending_said,
            sends=sends,
            mine=_mine(row),
            active=row.state == ScheduleState.ACTIVE,
            no_mail=None if utility().mail_host else sentence(MailNotSetUp()),
            form=form,
        )


def schedules_listed() -> Sequence[Mapping[str, Any]]:
    """The schedules the reader sees: what, when, when next, what became of the last."""
    rows = session().scalars(
        select(ReportSchedule).where(ReportSchedule.deleted_at.is_(None))
        .options(joinedload(ReportSchedule.saved), joinedload(ReportSchedule.actor))
        .order_by(ReportSchedule.next_at.is_(None), ReportSchedule.next_at, ReportSchedule.id)
        .limit(SHOWN)
    ).all()  # fmt: skip
    known, last = reports(), _last_results([row.id for row in rows])
    return [
        {
            "row": row, "when": when_said(row), "state": state_said(row),
            "report": known[row.saved.report].report_title() if row.saved.report in known else "",
            "author": row.actor.username if row.actor and not _mine(row) else "",
            "last": [(sending_said(code), count) for code, count in last.get(row.id, ())],
        }
        for row in rows
    ]  # fmt: skip


def _last_results(schedule_ids: Sequence[int]) -> Mapping[int, Sequence[tuple[str, int]]]:
    """What became of each schedule's last due time: states, and how many readers had each."""
    newest = (
        select(ReportSending.schedule_id, func.max(ReportSending.for_at).label("at"))
        .where(ReportSending.schedule_id.in_(schedule_ids))
        .group_by(ReportSending.schedule_id).subquery()
    )  # fmt: skip
    rows = session().execute(
        select(ReportSending.schedule_id, ReportSending.state, func.count())
        .join(newest, (newest.c.schedule_id == ReportSending.schedule_id)
              & (newest.c.at == ReportSending.for_at))
        .group_by(ReportSending.schedule_id, ReportSending.state)
        .order_by(ReportSending.state)
    )  # fmt: skip
    found: dict[int, list[tuple[str, int]]] = {}
    for schedule_id, code, count in rows:
        found.setdefault(schedule_id, []).append((code, count))
    return found


def _recipients(row: ReportSchedule) -> Sequence[Mapping[str, Any]]:
    """Who gets it, and why somebody gets nothing now."""
    with unscoped("the author sees who gets the report, whatever became of them"):
        people = session().execute(
            select(ReportRecipient.id, OfficeUser)
            .join(OfficeUser, ReportRecipient.user_id == OfficeUser.id)
            .where(ReportRecipient.schedule_id == row.id).order_by(ReportRecipient.id)
            .options(selectinload(OfficeUser.roles)).execution_options(populate_existing=True)
        ).all()  # fmt: skip
    view = reports().get(row.saved.report)
    held = held_by_each(session(), view.needed()) if view else {}
    return [
        {"id": number, "name": _called(one), "why": _why_not(view, held, one)}
        for number, one in people
    ]


def _why_not(
    view: Reported | None, held: Mapping[int, set[Permission]], person: OfficeUser
) -> str | None:
    """Why somebody would get nothing if it were sent now.

    Args:
        view: The report.
        held: What it needs, as far as each group holds it.
        person: Who.
    """
    theirs = set[Permission]().union(*(held.get(role.id, ()) for role in person.roles))
    try:
        if not person.active:
            raise RecipientSuspended
        if view is None or not theirs.issuperset(view.needed()):
            raise RecipientMayNot
        address_of(person)
    except VmsError as error:
        return sentence(error)
    return None


def _sendings(row: ReportSchedule) -> Sequence[tuple[ReportSending, str | None]]:
    rows = session().scalars(
        select(ReportSending).where(ReportSending.schedule_id == row.id)
        .options(undefer(ReportSending.reader))
        .order_by(ReportSending.for_at.desc(), ReportSending.id).limit(SHOWN)
        .execution_options(populate_existing=True)
    )  # fmt: skip
    return [(one, sentence(error_of(one.problem)) if one.problem else None) for one in rows]


def _row(pk: int) -> ReportSchedule:
    row = session().scalars(
        select(ReportSchedule)
        .where(ReportSchedule.id == pk, ReportSchedule.deleted_at.is_(None))
        .options(joinedload(ReportSchedule.saved), joinedload(ReportSchedule.actor))
        .execution_options(populate_existing=True)
    ).first()  # fmt: skip
    if row is None:
        raise NotFound
    return row


def _mine(row: ReportSchedule) -> bool:
    return row.actor_id == actor().user_id


def _called(person: OfficeUser) -> str:
    name = " ".join(filter(None, (person.first_name, person.last_name)))
    return f"{person.username} · {name}" if name else str(person.username)


def _trail() -> list[tuple[str, str | None]]:
    return [(str(_("Reports")), None), (str(_("Saved reports")), url_for("SavedReports.list"))]
