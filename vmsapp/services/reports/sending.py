"""Sending reports: each to its reader, as far as that reader may see it now, in that language.

The file is made when it is sent and kept nowhere. At most once by itself: what may have left is
not sent again.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from sqlalchemy.orm import Session, joinedload

from vmsapp.clock import now_utc
from vmsapp.errors import NotFound, VmsError
from vmsapp.extensions import atomic, end_reading
from vmsapp.models import Channel, OfficeUser, ReportSchedule, ReportSending, SendingState
from vmsapp.scope import Actor, seen_by, unscoped
from vmsapp.security import NotActing, actor_for
from vmsapp.services.delivery.senders import Message, Outcome, Sender, Senders, hand_over
from vmsapp.services.delivery.terms import PAUSES
from vmsapp.services.job_runs import Work
from vmsapp.services.problems import Broken
from vmsapp.services.reports.scheduling import check_kept
from vmsapp.services.reports.sendings import (
    Parcel,
    RecipientHasNoAddress,
    RecipientSuspended,
    SentTooLate,
    mark,
    move,
    parcels,
)
from vmsapp.services.setup import setup_at

NO_DOMAIN: Final = "@localhost"
"""Ends the address of an account that was made without one."""

log: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Order:
    """One report to be written for one reader.

    Attributes:
        report, query: Which report, asked what.
        name: What its author calls it.
        kind: Of file.
        reader: Who gets it, as what they may see and do now.
        language: Theirs; empty for the author's.
        author: Whose schedule it is.
    """

    report: str
    query: str
    name: str
    kind: str
    every: str
    reader: Actor
    language: str
    author: str
    to: str


@dataclass(frozen=True, slots=True)
class Letter:
    """A message, and how many rows its file has."""

    message: Message
    rows: int


Writer = Callable[[Order, str], Letter]
"""Writes a letter, under a reference. The doors have the words and the reports."""


def send_all(session: Session, work: Work, senders: Senders, write: Writer) -> None:
    """Send what a job is to send.

    Args:
        session: In the product's own scope, with no transaction open.
        work: The job.
        senders: Of this installation.
        write: The doors' writer.
    """
    waiting = parcels(
        session, ReportSending.job_id == work.job_id,
        ReportSending.state == SendingState.WAITING, ReportSending.due_at <= now_utc(),
    )  # fmt: skip
    end_reading(session)
    for count, parcel in enumerate(waiting, work.done + 1):
        work.stop_if_asked(session)
        deliver(session, senders, write, parcel)
        with atomic(session, durable=True):
            work.advance(session, count)


def deliver(session: Session, senders: Senders, write: Writer, parcel: Parcel) -> None:
    """Send one report to one reader."""
    waiting, failed = SendingState.WAITING, SendingState.FAILED
    try:
        sender = senders.of(Channel.MAIL, setup_at(session, now_utc()))
        order = _order(session, parcel)
        end_reading(session)
        with seen_by(order.reader):
            letter = write(order, f"report-{parcel.id}")
    except VmsError as error:
        session.rollback()
        move(session, parcel, parcel.attempts, waiting, failed, error)
    except Exception as error:  # noqa: BLE001 - one report must not keep the others back
        session.rollback()
        move(session, parcel, parcel.attempts, waiting, failed, Broken())
        log.error("report sending %s: %s", parcel.id, type(error).__name__)  # noqa: TRY400
    else:
        if mark(session, parcel):
            _hand_over(session, sender, letter, parcel)


def _hand_over(session: Session, sender: Sender, letter: Letter, parcel: Parcel) -> None:
    """Ask the mail server, and write what it says."""
    attempt, sending = parcel.attempts + 1, SendingState.SENDING
    answer = hand_over(sender, letter.message, f"report sending {parcel.id}")
    if answer.outcome is Outcome.NOT_NOW:
        _put_off(session, parcel, attempt, answer.error)
    elif answer.outcome is Outcome.TAKEN:
        for old in (sending, SendingState.UNSURE):  # the sweep may have given up waiting
            if move(session, parcel, attempt, old, SendingState.SENT, rows=letter.rows):
                break
    else:
        move(session, parcel, attempt, sending, SendingState(answer.outcome), answer.error)


def reader_of(session: Session, user_id: int) -> Actor:
    """Make the actor of a reader, as of now.

    Raises:
        RecipientSuspended: They may not sign in any more.
    """
    try:
        return actor_for(session, user_id)
    except NotActing as error:
        raise RecipientSuspended from error


def address_of(user: OfficeUser) -> str:
    """Where somebody's reports go.

    Raises:
        RecipientHasNoAddress: There is none on record.
    """
    address = (user.email or "").strip()
    if not address or address.endswith(NO_DOMAIN):
        raise RecipientHasNoAddress
    return address


def _order(session: Session, parcel: Parcel) -> Order:
    schedule = session.get(
        ReportSchedule, parcel.schedule_id,
        options=(joinedload(ReportSchedule.saved), joinedload(ReportSchedule.actor)),
        populate_existing=True,
    )  # fmt: skip
    if schedule is None or schedule.deleted_at is not None or schedule.actor is None:
        raise NotFound
    check_kept(schedule.saved)
    reader = reader_of(session, parcel.user_id)
    with unscoped("a reader may be above the author"):
        user = session.get_one(OfficeUser, parcel.user_id, populate_existing=True)
    return Order(
        report=schedule.saved.report, query=schedule.saved.query, name=schedule.saved.name,
        kind=schedule.kind, every=schedule.every, reader=reader,
        language=user.language or schedule.actor.language or "",
        author=schedule.actor.username, to=address_of(user),
    )  # fmt: skip


def _put_off(session: Session, parcel: Parcel, attempt: int, error: VmsError | None) -> None:
    sending = SendingState.SENDING
    if attempt > len(PAUSES):
        move(session, parcel, attempt, sending, SendingState.GIVEN_UP, SentTooLate())
        return
    due = now_utc() + PAUSES[attempt - 1]
    move(session, parcel, attempt, sending, SendingState.WAITING, error, due_at=due)
