"""Campaigns: many meters taken to another key, each by a key change of its own.

A campaign says which meters, to which key and until when. What becomes of each meter stands in
its ``key_change``, as of any other; here stand what was chosen, which meters were left out and
why, the chunks that a security module is asked for, and what was handed out by text message or
on a sheet.

Source: SALE.md, "10. Key change"; docs/decisions/0042.
"""

from collections.abc import Mapping
from datetime import date, datetime
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import (
    JSON,
    CheckConstraint,
    ColumnElement,
    ForeignKey,
    Index,
    String,
    false,
    select,
    text,
)
from sqlalchemy.orm import Mapped, Session, declared_attr, mapped_column, relationship

from vmsapp.models.base import Model
from vmsapp.models.job import Job
from vmsapp.models.mixins import region_table
from vmsapp.models.region import Region
from vmsapp.models.types import BigId, Code, Id, Moment, Name, Text, UtcDateTime
from vmsapp.models.user import OfficeUser
from vmsapp.scope import ScopedMixin, Sight, below


class CampaignState(StrEnum):
    """How far a campaign is."""

    DRAFT = "draft"
    """Looked at; nothing is made."""
    RUNNING = "running"
    """A job makes the sets."""
    PAUSED = "paused"
    """No further set is made until somebody lets it go on."""
    MADE = "made"
    """Each meter has its set, or its reason why not."""
    STOPPED = "stopped"
    """Given up; the sets made until then stay what they are."""
    DISCARDED = "discarded"
    """Given up before anything was made."""


CAMPAIGN_MOVES: Final[Mapping[CampaignState, frozenset[CampaignState]]] = {
    CampaignState.DRAFT: frozenset({CampaignState.RUNNING, CampaignState.DISCARDED}),
    CampaignState.RUNNING: frozenset(
        {CampaignState.PAUSED, CampaignState.MADE, CampaignState.STOPPED}
    ),
    CampaignState.PAUSED: frozenset({CampaignState.RUNNING, CampaignState.STOPPED}),
    CampaignState.MADE: frozenset({CampaignState.RUNNING, CampaignState.STOPPED}),
    CampaignState.STOPPED: frozenset(),
    CampaignState.DISCARDED: frozenset(),
}
"""The allowed moves, each a compare-and-set; every other is a mistake."""


class ChunkState(StrEnum):
    """What became of the meters that a module was asked for together."""

    ASKED = "asked"
    """Their changes are reserved; the module has been asked, or is about to be."""
    MADE = "made"
    PARTED = "parted"
    """The module refused one of them, so each is asked for by itself."""
    FAILED = "failed"
    """The module promised never to make it."""


class HandOut(StrEnum):
    """How sets reach consumers, besides standing before the next credit they buy."""

    NEXT_SALE = "next_sale"
    SMS = "sms"
    SHEET = "sheet"


class NoticeState(StrEnum):
    """What became of a set that was to be handed out."""

    WAITING = "waiting"
    SENDING = "sending"
    """Written before the sender is asked."""
    SENT = "sent"
    """The sender took it, or it was printed."""
    UNSURE = "unsure"
    """No answer came: nothing but a person sends it again."""
    FAILED = "failed"


class Campaign(ScopedMixin, Model):
    """One campaign.

    Attributes:
        region_id: Whose meters; none for the whole utility, which only they see who see all.
        selection: What narrows the meters, as ``services.campaigns.Selection``.
        target: The key they are to have, as ``services.campaigns.Target``.
        listed: The meters are those of ``campaign_meter``, narrowed by the selection.
        hand_out: How the sets reach consumers.
        due_on: Until when all are to be confirmed.
        per_second: Meters made in a second at most; none for as many as the module makes.
        meters: How many were to be changed when it was begun.
        cursor: Every meter up to this id was taken or left out in this round.
        round: How often it went through its meters; those it left out are tried once more.
        job_id: The job that makes the sets, or did last.
        form_key: Made with the form that began it: the same one begins it once.
    """

    __tablename__ = "campaign"
    __table_args__ = (
        CheckConstraint(
            "state IN ('draft', 'running', 'paused', 'made', 'stopped', 'discarded')",
            name="ck_campaign_state",
        ),
        CheckConstraint("hand_out IN ('next_sale', 'sms', 'sheet')", name="ck_campaign_hand_out"),
        CheckConstraint("per_second > 0", name="ck_campaign_per_second"),
        CheckConstraint("round >= 1", name="ck_campaign_round"),
    )

    id: Mapped[Id]
    region_id: Mapped[int | None] = mapped_column(ForeignKey("region.id"), index=True)
    name: Mapped[Name]
    reason: Mapped[Text]
    state: Mapped[str] = mapped_column(String(10), default=CampaignState.DRAFT)
    selection: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    target: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    listed: Mapped[bool] = mapped_column(default=False)
    hand_out: Mapped[str] = mapped_column(String(10), default=HandOut.NEXT_SALE)
    due_on: Mapped[date]
    per_second: Mapped[int | None]
    meters: Mapped[int] = mapped_column(default=0)
    cursor: Mapped[int] = mapped_column(BigId, default=0)
    round: Mapped[int] = mapped_column(default=1)
    job_id: Mapped[int | None] = mapped_column(ForeignKey("job.id"), index=True)
    form_key: Mapped[str | None] = mapped_column(String(60), unique=True)
    made_at: Mapped[Moment]
    made_by_id: Mapped[int | None] = mapped_column(ForeignKey("ab_user.id"), index=True)
    begun_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    begun_by_id: Mapped[int | None] = mapped_column(ForeignKey("ab_user.id"))
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    ended_by_id: Mapped[int | None] = mapped_column(ForeignKey("ab_user.id"))

    region: Mapped[Region | None] = relationship(lazy="raise_on_sql")
    made_by: Mapped[OfficeUser | None] = relationship(
        foreign_keys=[made_by_id], lazy="raise_on_sql"
    )
    job: Mapped[Job | None] = relationship(lazy="raise_on_sql")

    @classmethod
    def visible_to(cls, sight: Sight) -> ColumnElement[bool]:
        """Those of the region and all below it."""
        if sight.region_path is None:
            return false()
        return cls.region_id.in_(
            select(region_table.c.id).where(below(region_table.c.path, sight.region_path))
        )

    def inside(self, session: Session, sight: Sight) -> bool:
        """The region must be seen; the whole utility is for who sees all of it."""
        if self.region_id is None:
            return False
        return session.scalar(select(Region.id).where(Region.id == self.region_id)) is not None

    @property
    def open(self) -> bool:
        """Whether it may still make sets."""
        return self.state in {CampaignState.RUNNING, CampaignState.PAUSED}

    def __repr__(self) -> str:
        return f"Campaign({self.id})"


class OfCampaign(ScopedMixin):
    """Seen by whoever sees the campaign it belongs to."""

    @declared_attr
    def campaign_id(self) -> Mapped[int]:
        """The campaign."""
        return mapped_column(ForeignKey("campaign.id"), index=True)

    @classmethod
    def visible_to(cls, sight: Sight) -> ColumnElement[bool]:
        """Rows of the campaigns of the region and all below it."""
        if sight.region_path is None:
            return false()
        campaign = Campaign.__table__.c
        return cls.campaign_id.in_(
            select(campaign.id)
            .join(region_table, region_table.c.id == campaign.region_id)
            .where(below(region_table.c.path, sight.region_path))
        )

    def inside(self, session: Session, sight: Sight) -> bool:
        """The campaign must be seen."""
        seen = select(Campaign.id).where(Campaign.id == self.campaign_id)
        return session.scalar(seen) is not None


class CampaignMeter(OfCampaign, Model):
    """One number of a list that was handed in.

    Attributes:
        place: Its row in the list.
        number: As it stood there.
        meter_id: Which meter that is; none where the asker saw none of this number.
        fault: Code of what is wrong with the row: unknown, doubled, no number at all.
    """

    __tablename__ = "campaign_meter"
    __table_args__ = (Index("ix_campaign_meter_meter", "campaign_id", "meter_id"),)

    campaign_id: Mapped[int] = mapped_column(BigId, ForeignKey("campaign.id"), primary_key=True)
    place: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    number: Mapped[str] = mapped_column(String(40))
    meter_id: Mapped[int | None] = mapped_column(ForeignKey("meter.id"), index=True)
    fault: Mapped[str | None] = mapped_column(String(40))


class CampaignChunk(OfCampaign, Model):
    """Meters that a module is asked for together, under one id.

    Attributes:
        first_id, last_id: Between which ids the changes lie that are ``key_change.chunk_id``'s.
        meters: How many they are.
    """

    __tablename__ = "campaign_chunk"
    __table_args__ = (
        CheckConstraint(
            "state IN ('asked', 'made', 'parted', 'failed')", name="ck_campaign_chunk_state"
        ),
        Index(
            "ix_campaign_chunk_asked",
            "campaign_id",
            sqlite_where=text("state = 'asked'"),
            postgresql_where=text("state = 'asked'"),
        ),
    )

    id: Mapped[Id]
    state: Mapped[str] = mapped_column(String(8), default=ChunkState.ASKED)
    request_id: Mapped[str] = mapped_column(String(40), unique=True)
    module_id: Mapped[int] = mapped_column(ForeignKey("security_module.id"))
    first_id: Mapped[int] = mapped_column(BigId)
    last_id: Mapped[int] = mapped_column(BigId)
    meters: Mapped[int]
    reserved_at: Mapped[Moment]
    doubt_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    settled_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    failure: Mapped[str | None] = mapped_column(String(40))


class CampaignRefusal(OfCampaign, Model):
    """A meter that a campaign left out, and why; rows are only added.

    Attributes:
        round: In which round; what was left out in an earlier one stays on record.
        code: Of the rule.
        outcome: Message (English message id) and values, as ``services.problems`` writes them.
    """

    __tablename__ = "campaign_refusal"
    __table_args__ = (Index("ix_campaign_refusal_code", "campaign_id", "round", "code"),)

    campaign_id: Mapped[int] = mapped_column(BigId, ForeignKey("campaign.id"), primary_key=True)
    round: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    meter_id: Mapped[int] = mapped_column(
        BigId, ForeignKey("meter.id"), primary_key=True, index=True
    )
    code: Mapped[Code]
    outcome: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    refused_at: Mapped[Moment]


class CampaignNotice(OfCampaign, Model):
    """A set that is handed out by text message or on a sheet; digits and address are not here.

    Attributes:
        key_change_id: Whose set; once for each.
        reference: Told to the sender with every attempt.
        to_masked: Enough of the number to tell it from others.
        message_id: What the sender calls it.
        problem: Why it was not sent, as ``services.problems`` writes it.
        prints: How often it was printed.
    """

    __tablename__ = "campaign_notice"
    __table_args__ = (
        CheckConstraint(
            "state IN ('waiting', 'sending', 'sent', 'unsure', 'failed')",
            name="ck_campaign_notice_state",
        ),
        CheckConstraint("hand_out IN ('sms', 'sheet')", name="ck_campaign_notice_hand_out"),
        Index("ix_campaign_notice_state", "campaign_id", "state"),
    )

    key_change_id: Mapped[int] = mapped_column(
        BigId, ForeignKey("key_change.id"), primary_key=True, autoincrement=False
    )
    hand_out: Mapped[str] = mapped_column(String(10))
    state: Mapped[str] = mapped_column(String(8), default=NoticeState.WAITING)
    reference: Mapped[str] = mapped_column(String(32), unique=True)
    to_masked: Mapped[str] = mapped_column(String(120), default="")
    state_at: Mapped[Moment]
    message_id: Mapped[str] = mapped_column(String(120), default="")
    problem: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    prints: Mapped[int] = mapped_column(default=0)
