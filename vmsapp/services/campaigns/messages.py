"""Text messages with the sets of a campaign, sent one after the other by a job.

At most once by itself: the state is written before the sender is asked, and a message of which
nobody knows whether it left is sent again by nobody.
"""

import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import select, update
from sqlalchemy.orm import Session, selectinload

from vmsapp.clock import now_utc
from vmsapp.errors import N_, Unavailable, Uncertain, VmsError
from vmsapp.extensions import atomic, end_reading
from vmsapp.models import (
    CampaignNotice,
    CampaignState,
    ChangeState,
    Channel,
    Consumer,
    HandOut,
    Job,
    KeyChange,
    Meter,
    MeterInstallation,
    NoticeState,
    ServicePoint,
)
from vmsapp.scope import Actor
from vmsapp.services import job_runs
from vmsapp.services.campaigns.errors import CampaignMoved, CampaignNotBySms
from vmsapp.services.campaigns.rows import locked, note, read
from vmsapp.services.campaigns.terms import SEND
from vmsapp.services.delivery.addresses import NoPhone, address_of, masked
from vmsapp.services.delivery.senders import Message, Sender, Senders
from vmsapp.services.job_runs import Work
from vmsapp.services.problems import problem_of
from vmsapp.services.rows import rows_changed
from vmsapp.services.setup import setup_at

AT_ONCE: Final = 50
"""Sets that are looked up together."""
MOST_SILENT: Final = 5
"""Messages in a row that the sender did not take for now, after which the job ends."""

NO_ANSWER: Final = N_(
    "Nobody knows whether this left: the worker stopped while the sender was asked. Ask the"
    " customer before you hand it out again."
)


class SenderAway(Unavailable):
    """The sender takes nothing now."""

    code = "campaign_sender_away"
    message = N_("The sender of text messages takes nothing now. Send the rest later.")


class _NoAnswer(Uncertain):
    code = "campaign_no_answer"
    message = NO_ANSWER


@dataclass(frozen=True, slots=True)
class Parcel:
    """A set on its way to a consumer.

    Attributes:
        tokens: Digits, in the order they are entered.
        language: The consumer's.
        utility: Name of the utility.
    """

    key_change_id: int
    drn: str
    tokens: tuple[str, ...] = field(repr=False)
    language: str
    utility: str
    reference: str


Writer = Callable[[Parcel, str], Message]
"""Writes a message of a parcel, to a number. The doors have the words."""


def send_messages(session: Session, actor: Actor, campaign_id: int, *, locale: str) -> Job:
    """Ask for the job that sends what was not sent yet; the door sends its message afterwards.

    Raises:
        NoSuchCampaign: There is none, or it is out of sight.
        CampaignNotBySms: Its sets are handed out in another way.
        CampaignMoved: It was never begun.
    """
    with atomic(session):
        campaign = locked(session, campaign_id)
        if campaign.hand_out != HandOut.SMS:
            raise CampaignNotBySms
        if campaign.state in {CampaignState.DRAFT, CampaignState.DISCARDED}:
            raise CampaignMoved(state=campaign.state)
        job = job_runs.ask(session, actor, SEND, {"campaign_id": campaign.id}, locale=locale)
        note(session, actor, "sending", campaign.id, job=job.id)
        return job


def send(session: Session, actor: Actor, work: Work, senders: Senders, write: Writer) -> None:
    """Send the sets of a campaign, each at most once.

    Args:
        session: In the actor's scope, outside any transaction.
        actor: Who asked for it.
        work: The job.
        senders: Of this installation.
        write: The doors' writer.

    Raises:
        SmsNotSetUp: Nobody named a sender.
        SenderAway: It takes nothing now; what is left waits.
        Cancelled: Somebody asked the job to stop.
    """
    campaign_id = int(work.params["campaign_id"])
    read(session, campaign_id)
    sender = senders.of(Channel.SMS, setup_at(session, now_utc()))
    _give_up_left(session, campaign_id)
    sent = silent = 0
    for change, meter, consumer in _waiting(session, campaign_id):
        work.stop_if_asked(session)
        state = _one(session, sender, write, campaign_id, (change, meter, consumer))
        sent += state == NoticeState.SENT
        silent = silent + 1 if state == NoticeState.WAITING else 0
        work.advance_alone(session, sent)
        if silent == MOST_SILENT:
            raise SenderAway
    with atomic(session, durable=True):
        note(session, actor, "sent", campaign_id, sets=sent)


def _waiting(
    session: Session, campaign_id: int
) -> Iterator[tuple[KeyChange, Meter, Consumer | None]]:
    """Find completed changes whose set was not handed out, by their ids."""
    link, notice, after = MeterInstallation, CampaignNotice, 0
    while True:
        found = session.execute(
            select(KeyChange, Meter, Consumer)
            .join(Meter, Meter.id == KeyChange.meter_id)
            .outerjoin(link, (link.meter_id == Meter.id) & link.removed_at.is_(None))
            .outerjoin(ServicePoint, ServicePoint.id == link.service_point_id)
            .outerjoin(Consumer, Consumer.id == ServicePoint.consumer_id)
            .outerjoin(notice, notice.key_change_id == KeyChange.id)
            .where(KeyChange.campaign_id == campaign_id, KeyChange.id > after)
            .where(KeyChange.state == ChangeState.COMPLETED)
            .where(notice.key_change_id.is_(None) | (notice.state == NoticeState.WAITING))
            .options(selectinload(KeyChange.tokens))
            .order_by(KeyChange.id).limit(AT_ONCE)
            .execution_options(populate_existing=True)
        ).all()  # fmt: skip
        end_reading(session)
        if not found:
            return
        after = found[-1][0].id
        for row in found:
            yield row[0], row[1], row[2]


def _one(
    session: Session,
    sender: Sender,
    write: Writer,
    campaign_id: int,
    found: tuple[KeyChange, Meter, Consumer | None],
) -> NoticeState:
    """Send one set; tells what became of it."""
    change, meter, consumer = found
    reference = secrets.token_hex(16)
    try:
        message, to = _message(session, write, change, meter, consumer, reference)
    except VmsError as error:
        end_reading(session)
        _note(session, campaign_id, change.id, NoticeState.FAILED, reference, error)
        return NoticeState.FAILED
    end_reading(session)
    if not _note(session, campaign_id, change.id, NoticeState.SENDING, reference, to_masked=to):
        return NoticeState.FAILED  # confirmed, or handed out by another, meanwhile
    try:
        known_as = sender.send(message)
    except VmsError as error:  # a patient sender raises nothing else
        state = _of(error)
        _note(session, campaign_id, change.id, state, reference, error)
        return state
    _note(session, campaign_id, change.id, NoticeState.SENT, reference, message_id=known_as)
    return NoticeState.SENT


def _of(error: VmsError) -> NoticeState:
    """Tell what becomes of a set by what the sender raised."""
    if isinstance(error, Unavailable):
        return NoticeState.WAITING
    return NoticeState.UNSURE if isinstance(error, Uncertain) else NoticeState.FAILED


def _message(
    session: Session,
    write: Writer,
    change: KeyChange,
    meter: Meter,
    consumer: Consumer | None,
    reference: str,
) -> tuple[Message, str]:
    if consumer is None:
        raise NoPhone
    now = now_utc()
    to = address_of(consumer, Channel.SMS, now)
    parcel = Parcel(
        change.id, meter.drn, tuple(token.digits for token in change.tokens), consumer.language,
        setup_at(session, now).utility_name, reference,
    )  # fmt: skip
    return write(parcel, to), masked(to, Channel.SMS)


def _note(
    session: Session,
    campaign_id: int,
    change_id: int,
    state: NoticeState,
    reference: str,
    error: VmsError | None = None,
    **values: Any,  # noqa: ANN401 - of its columns
) -> bool:
    """Write what becomes of a set; before it is sent only while the change still waits."""
    values |= {"state": state, "state_at": now_utc(), "problem": error and problem_of(error)}
    with atomic(session, durable=True):
        row = session.get(CampaignNotice, change_id, populate_existing=True)
        if state == NoticeState.SENDING:
            waits = select(KeyChange.id).where(
                KeyChange.id == change_id, KeyChange.state == ChangeState.COMPLETED
            )
            taken = row is not None and row.state != NoticeState.WAITING
            if taken or session.scalar(waits) is None:
                return False
        if row is None:
            row = CampaignNotice(
                key_change_id=change_id, campaign_id=campaign_id, to_masked="", message_id="",
                prints=0, hand_out=HandOut.SMS,
            )  # fmt: skip
            session.add(row)
        row.reference, row.hand_out = reference, HandOut.SMS
        for name, value in values.items():
            setattr(row, name, value)
    return True


def _give_up_left(session: Session, campaign_id: int) -> None:
    """Say of what a dead worker left in the middle that nobody knows."""
    with atomic(session, durable=True):
        rows_changed(
            session,
            update(CampaignNotice)
            .where(
                CampaignNotice.campaign_id == campaign_id,
                CampaignNotice.state == NoticeState.SENDING,
            )
            .values(state=NoticeState.UNSURE, state_at=now_utc(), problem=problem_of(_NoAnswer())),
        )
