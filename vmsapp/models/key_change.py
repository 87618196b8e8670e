"""Key changes: a set of tokens that takes a meter from one decoder key to another.

A change is reserved, then completed: from there on its set is printed before each credit, which
is made under the new key, until a person says that the meter took it. Every input of the set is
a column, written when it is reserved; doubt is a time stamp, not a state.

Campaigns write a million changes, so on PostgreSQL what a change and its tokens refer to is not
checked row by row: triggers look at all rows of a statement (docs/decisions/0050).

Source: SALE.md, "10. Key change".
"""

from datetime import datetime
from enum import StrEnum
from typing import Final

from sqlalchemy import (
    CheckConstraint,
    ColumnElement,
    ForeignKey,
    Index,
    String,
    UniqueConstraint,
    false,
    select,
    text,
)
from sqlalchemy.orm import (
    Mapped,
    Session,
    column_property,
    declared_attr,
    mapped_column,
    relationship,
)

from vmsapp.models.base import Model
from vmsapp.models.meter import Algorithm, Meter
from vmsapp.models.mixins import region_table
from vmsapp.models.types import Id, Moment, Text, UtcDateTime, by_statement
from vmsapp.models.user import username_of
from vmsapp.scope import ScopedMixin, Sight, below


class ChangeState(StrEnum):
    """What a key change is."""

    RESERVED = "reserved"
    """The module is asked; no digits have left, and no other token is made for the meter."""
    COMPLETED = "completed"
    """Its tokens may be handed out; credits are made under the new key, the set before them."""
    CONFIRMED = "confirmed"
    """A person said that the meter has the new key."""
    WITHDRAWN = "withdrawn"
    """Given up before its digits could leave; they never do."""
    FAILED = "failed"
    """The module made none."""
    REFUSED = "refused"
    """The meter did not take it: the old key counts again."""


CHANGE_MOVES: Final[dict[ChangeState, frozenset[ChangeState]]] = {
    ChangeState.RESERVED: frozenset(
        {ChangeState.COMPLETED, ChangeState.WITHDRAWN, ChangeState.FAILED}
    ),
    ChangeState.COMPLETED: frozenset({ChangeState.CONFIRMED, ChangeState.REFUSED}),
    ChangeState.CONFIRMED: frozenset(),
    ChangeState.WITHDRAWN: frozenset(),
    ChangeState.FAILED: frozenset(),
    ChangeState.REFUSED: frozenset(),
}
"""The allowed moves; every other is a mistake."""

OPEN_CHANGES: Final = (ChangeState.RESERVED, ChangeState.COMPLETED)
CHANGES_MADE: Final = (*OPEN_CHANGES, ChangeState.CONFIRMED, ChangeState.REFUSED)
"""States of changes whose tokens were made, or may have been, and may have left."""

DKGAS: Final = {one.dkga: one for one in Algorithm}


class OfMeter(ScopedMixin):
    """Seen by whoever sees the meter it belongs to, wherever that hangs now."""

    @declared_attr
    def meter_id(self) -> Mapped[int]:
        """The meter."""
        return mapped_column(ForeignKey("meter.id"), index=True)

    @classmethod
    def visible_to(cls, sight: Sight) -> ColumnElement[bool]:
        """Rows of the meters of the region and all below it."""
        if sight.region_path is None:
            return false()
        meter = Meter.__table__.c
        return cls.meter_id.in_(
            select(meter.id)
            .join(region_table, region_table.c.id == meter.region_id)
            .where(below(region_table.c.path, sight.region_path))
        )

    def inside(self, session: Session, sight: Sight) -> bool:
        """The meter must be seen."""
        return session.scalar(select(Meter.id).where(Meter.id == self.meter_id)) is not None


def _index(name: str, column: str, where: str, *, unique: bool = False) -> Index:
    only = text(where)
    return Index(name, column, unique=unique, sqlite_where=only, postgresql_where=only)


class KeyChange(OfMeter, Model):
    """One set of key change tokens and what became of it.

    Attributes:
        undoes_id: The change that the meter refused and that this set takes back.
        old_sgc … old_dkga: The key the set is entered under, as columns of a sale name one.
        new_sgc … new_dkga: The key it brings.
        three_tokens: Whether the supply group code of a 64-bit key is sent, too.
        doubt_at: Since when the worker settles it.
        closed_at, closed_by_id: When and by whom it was confirmed, withdrawn or refused, or when
            it failed; the moment is empty as long as it is open.
        proof: What told that the meter took it: ``test_tokens`` or ``credit_taken``; that it did
            not: ``test_tokens`` or ``entered``.
        shown_krn, shown_ti: What the meter showed then.
        note: Why it was refused.
        campaign_id: The campaign it is part of.
        chunk_id: The chunk its module was asked for it in, under that one's request id; this
            row's own is ``<chunk's>.<place in it>``. None where it is asked for by itself.
    """

    __tablename__ = "key_change"
    __table_args__ = (
        CheckConstraint(
            "state IN ('reserved', 'completed', 'confirmed', 'withdrawn', 'failed', 'refused')",
            name="ck_key_change_state",
        ),
        CheckConstraint(
            "proof IS NULL OR proof IN ('test_tokens', 'credit_taken', 'entered')",
            name="ck_key_change_proof",
        ),
        CheckConstraint(
            "(closed_at IS NOT NULL) = (state NOT IN ('reserved', 'completed'))",
            name="ck_key_change_closed",
        ).ddl_if(dialect="postgresql"),
        # none names the state: a change is completed without a write to any index
        _index(
            "uq_key_change_open",
            "meter_pan",
            "closed_at IS NULL AND undoes_id IS NULL",
            unique=True,
        ),
        _index(
            "uq_key_change_back",
            "undoes_id",
            "closed_at IS NULL AND undoes_id IS NOT NULL",
            unique=True,
        ),
        _index("ix_key_change_undoes_id", "undoes_id", "undoes_id IS NOT NULL"),
        _index("ix_key_change_campaign", "campaign_id", "campaign_id IS NOT NULL"),
    )

    id: Mapped[Id]
    meter_id: Mapped[int] = mapped_column(by_statement("meter.id"), index=True)
    meter_pan: Mapped[str] = mapped_column(String(18), index=True)
    state: Mapped[str] = mapped_column(String(10), default=ChangeState.RESERVED)
    undoes_id: Mapped[int | None] = mapped_column(ForeignKey("key_change.id"))
    form_key: Mapped[str] = mapped_column(String(60), unique=True)
    body_hash: Mapped[str] = mapped_column(String(64))
    reason: Mapped[Text]

    # every input of the set; issue and every retry read these alone
    old_sgc: Mapped[str] = mapped_column(String(6))
    old_krn: Mapped[int]
    old_kt: Mapped[int]
    old_ti: Mapped[str] = mapped_column(String(2))
    old_base_date: Mapped[str] = mapped_column(String(2))
    old_ken: Mapped[int]
    old_dkga: Mapped[str] = mapped_column(String(2))
    new_sgc: Mapped[str] = mapped_column(String(6))
    new_krn: Mapped[int]
    new_kt: Mapped[int]
    new_ti: Mapped[str] = mapped_column(String(2))
    new_base_date: Mapped[str] = mapped_column(String(2))
    new_ken: Mapped[int]
    new_dkga: Mapped[str] = mapped_column(String(2))
    ea: Mapped[int]
    tct: Mapped[int]
    three_tokens: Mapped[bool]
    table_set: Mapped[str] = mapped_column(String(20))
    request_id: Mapped[str] = mapped_column(String(40), unique=True)
    module_id: Mapped[int] = mapped_column(by_statement("security_module.id"))

    reserved_at: Mapped[Moment]
    reserved_by_id: Mapped[int | None] = mapped_column(by_statement("ab_user.id"))
    doubt_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    completed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    failure: Mapped[str | None] = mapped_column(String(40))
    closed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    closed_by_id: Mapped[int | None] = mapped_column(ForeignKey("ab_user.id"))
    proof: Mapped[str | None] = mapped_column(String(12))
    shown_krn: Mapped[int | None]
    shown_ti: Mapped[str | None] = mapped_column(String(2))
    note: Mapped[Text] = mapped_column(default="")
    campaign_id: Mapped[int | None] = mapped_column(by_statement("campaign.id"))
    chunk_id: Mapped[int | None] = mapped_column(by_statement("campaign_chunk.id"))

    reserved_by: Mapped[str | None] = column_property(
        username_of(reserved_by_id), deferred=True, raiseload=True
    )
    meter: Mapped[Meter | None] = relationship(viewonly=True, lazy="raise_on_sql")
    tokens: Mapped[list["KeyChangeToken"]] = relationship(
        primaryjoin="KeyChange.id == foreign(KeyChangeToken.key_change_id)",
        order_by="KeyChangeToken.number",
        viewonly=True,
        lazy="raise_on_sql",
    )

    @property
    def number(self) -> str:
        """The number of its record."""
        return f"K-{self.id}"

    @property
    def token_count(self) -> int:
        """How many tokens its set has."""
        return 4 if self.ea == 11 else 3 if self.three_tokens else 2

    @property
    def new_algorithm(self) -> Algorithm:
        """The generation the meter is of once it took the set."""
        return DKGAS[self.new_dkga]

    @property
    def display_tells(self) -> bool:
        """Whether a meter's KRN and TI tell if it took the set."""
        return (self.old_krn, self.old_ti) != (self.new_krn, self.new_ti)


class KeyChangeToken(OfMeter, Model):
    """One token of a set, in the order it is entered; rows are only added."""

    __tablename__ = "key_change_token"
    __table_args__ = (CheckConstraint("length(digits) = 20", name="ck_key_change_token_digits"),)

    key_change_id: Mapped[int] = mapped_column(by_statement("key_change.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    meter_id: Mapped[int] = mapped_column(by_statement("meter.id"), index=True)
    digits: Mapped[str] = mapped_column(String(20))
    subclass: Mapped[int]
    kcv: Mapped[str] = mapped_column(String(6))
    module_name: Mapped[str] = mapped_column(String(40))
    demo: Mapped[bool]
    made_at: Mapped[Moment]

    def __repr__(self) -> str:
        return f"KeyChangeToken(change={self.key_change_id}, number={self.number}, digits=…)"


class KeyChangePrint(OfMeter, Model):
    """One print of a set's slip: the first is the original, the others copies."""

    __tablename__ = "key_change_print"
    __table_args__ = (
        UniqueConstraint("key_change_id", "nth", name="uq_key_change_print_nth"),
        CheckConstraint("nth >= 1", name="ck_key_change_print_nth"),
        CheckConstraint("kind IN ('paper', 'pdf')", name="ck_key_change_print_kind"),
    )

    id: Mapped[Id]
    key_change_id: Mapped[int] = mapped_column(ForeignKey("key_change.id"))
    nth: Mapped[int]
    kind: Mapped[str] = mapped_column(String(8))
    language: Mapped[str] = mapped_column(String(8))
    printed_at: Mapped[Moment]
    printed_by_id: Mapped[int] = mapped_column(ForeignKey("ab_user.id"), index=True)

    printed_by: Mapped[str] = column_property(
        username_of(printed_by_id), deferred=True, raiseload=True
    )
