"""The moves of a sending, each a compare-and-set; whoever loses leaves it to who won."""

from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, select, update
from sqlalchemy.orm import Session

from vmsapp.clock import now_utc
from vmsapp.errors import N_, Refused, Unavailable, Uncertain, VmsError
from vmsapp.extensions import atomic
from vmsapp.models import SENDING_MOVES, ReportSending, SendingState
from vmsapp.models.user import username_of
from vmsapp.scope import EVERYTHING, Actor
from vmsapp.services import audit
from vmsapp.services.problems import problem_of
from vmsapp.services.rows import rows_changed

TOLD = {
    SendingState.SENT: "report.sent",
    SendingState.UNSURE: "report.unsure",
    SendingState.FAILED: "report.not_sent",
    SendingState.GIVEN_UP: "report.not_sent",
}
"""What goes on record of an end."""


class RecipientSuspended(Refused):
    """They may not sign in, so they get no report."""

    code = "report_recipient_suspended"
    message = N_("This person is suspended, so nothing was sent.")


class RecipientMayNot(Refused):
    """They could not open it, or not take it away."""

    code = "report_recipient_may_not"
    message = N_(
        "This person's user group may not see this report or not export it, so nothing was sent."
    )


class NarrowedOutOfSight(Refused):
    """The question names a region, a meter or a person of somebody else's."""

    code = "report_narrowed_out_of_sight"
    message = N_(
        "The report is narrowed to something that this person does not see, so nothing was sent."
    )


class RecipientHasNoAddress(Refused):
    """Nowhere to send it to."""

    code = "report_recipient_no_address"
    message = N_("This person has no e-mail address on record.")


class ReportTooLarge(Refused):
    """Mail servers take no such attachment."""

    code = "report_too_large"
    message = N_("The file is larger than %(size)s MB. Narrow the report, or send it as Excel.")


class AuthorMayNot(Refused):
    """Who made the schedule is suspended, or may make none any more."""

    code = "report_author_may_not"
    message = N_(
        "Whoever made this schedule is suspended or may not have reports sent any more."
        " It was stopped."
    )


class SavedReportDeleted(Refused):
    """Its author deleted what the schedule sends."""

    code = "report_deleted"
    message = N_(
        "The saved report was deleted, so it is not sent any more. Save it again, and have that"
        " one sent."
    )


class SentAlready(Refused):
    """What was wanted before is not with everybody yet."""

    code = "report_sent_already"
    message = N_(
        "It is being sent already. Wait until nobody under “What was sent” waits for it any more."
    )


class SentTooOften(Refused):
    """More in a minute than anybody needs: each goes to up to 50 people."""

    code = "report_sent_too_often"
    message = N_("You can send %(count)s reports at once in a minute. Wait a minute and try again.")


class SendingCancelled(Refused):
    """Its job was cancelled."""

    code = "report_sending_cancelled"
    message = N_("Somebody cancelled the job that sends it.")


class SentTooLate(Unavailable):
    """It waited too long, or was tried often enough."""

    code = "report_given_up"
    message = N_("It was tried again and again, and is not tried any more.")


class NobodyKnows(Uncertain):
    """The worker was gone between asking the mail server and writing its answer."""

    code = "report_no_answer"
    message = N_(
        "Nobody knows whether this left: the worker stopped while the mail server was asked."
    )


@dataclass(frozen=True, slots=True)
class Parcel:
    """A sending as it was read: what is compared must not follow the row."""

    id: int
    schedule_id: int
    user_id: int
    actor_id: int
    for_at: datetime
    attempts: int
    author: str


def parcels(session: Session, *where: ColumnElement[bool], limit: int = 1000) -> list[Parcel]:
    """Read sendings, the first ones first."""
    columns = [getattr(ReportSending, one.name) for one in fields(Parcel) if one.name != "author"]
    columns.append(username_of(ReportSending.actor_id).label("author"))
    rows = session.execute(select(*columns).where(*where).order_by(ReportSending.id).limit(limit))
    return [Parcel(**dict(row)) for row in rows.mappings()]


def mark(session: Session, parcel: Parcel) -> bool:
    """Write that the mail server is about to be asked, before it is."""
    now = now_utc()
    with atomic(session, durable=True):
        return rows_changed(
            session,
            update(ReportSending)
            .where(
                ReportSending.id == parcel.id, ReportSending.state == SendingState.WAITING,
                ReportSending.attempts == parcel.attempts,
            )
            .values(state=SendingState.SENDING, state_at=now, attempts=parcel.attempts + 1),
        ) == 1  # fmt: skip


def move(
    session: Session,
    parcel: Parcel,
    attempt: int,
    old: SendingState,
    new: SendingState,
    error: VmsError | None = None,
    **values: Any,  # noqa: ANN401 - of any column
) -> bool:
    """Write what became of an attempt, unless it is another's meanwhile.

    Args:
        session: With no transaction open.
        parcel: The sending as it was read.
        attempt: The number of the attempt.
        old: From which state.
        new: To which.
        error: Why, where there is a why.
        values: Of other columns.
    """
    assert new in SENDING_MOVES[old], f"{old} to {new}"
    values |= {"state": new, "state_at": now_utc(), "problem": error and problem_of(error)}
    with atomic(session, durable=True):
        changed = rows_changed(
            session,
            update(ReportSending)
            .where(
                ReportSending.id == parcel.id, ReportSending.state == old,
                ReportSending.attempts == attempt,
            )
            .values(values),
        )  # fmt: skip
        if changed == 1 and new in TOLD:
            audit.record(
                session, Actor(parcel.actor_id, parcel.author, EVERYTHING), TOLD[new],
                "report_schedule", parcel.schedule_id, recipient_id=parcel.user_id,
                why=error.code if error else None,
            )  # fmt: skip
    return changed == 1
