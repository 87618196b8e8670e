"""Checking the trail: every hash made again, every signature, and what is not sealed yet.

The trail is read in pages by place, so a trail of millions needs no more memory than a
short one, and no snapshot is held while it is read. What is found first is the answer;
what lies behind a break proves nothing.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

from sqlalchemy import exists, func, or_, select
from sqlalchemy.orm import Session

from vmsapp import sealing
from vmsapp.errors import N_, VmsError
from vmsapp.extensions import end_reading
from vmsapp.hsm.answers import SignedHead
from vmsapp.hsm.registry import Registry
from vmsapp.models import AuditHead
from vmsapp.services.audit.chain import (
    GENESIS,
    UnknownVersion,
    events,
    hash_at,
    link,
    seals,
)
from vmsapp.services.audit.heads import signer
from vmsapp.services.audit.sealer import unsealed

PAGE: Final = 2_000
"""Events read at once."""

FAULTS: Final = {
    "place_missing": N_("Place %(place)s of the chain is missing."),
    "event_missing": N_("The event in place %(place)s was removed."),
    "event_changed": N_("The event in place %(place)s, or its hash, is not what was sealed."),
    "rules_unknown": N_("The event in place %(place)s was sealed by rules that are not known."),
    "head_differs": N_("The chain in place %(place)s is not the one that was signed there."),
    "head_forged": N_("The signature in place %(place)s is not the module's."),
    "head_missing": N_("Signed heads before the one in place %(place)s are missing."),
    "cut": N_("The chain ends before place %(place)s, which was signed."),
    "event_unlisted": N_("Event %(place)s is neither sealed nor waiting to be."),
    "waiting_missing": N_("Event %(place)s was waiting to be sealed and is gone."),
}
"""What may be wrong; the last two name the event's number, which has no place yet."""

Fault = tuple[str, int]
"""Code and place."""


@dataclass(frozen=True, slots=True)
class Verification:
    """What a check found.

    Attributes:
        events: Events whose hash was made again.
        heads: Signatures that were checked.
        restarts: Heads that began anew after a restore.
        first, last: Places the check began and ended with.
        signed: Place of the last good signature.
        signed_at: When it was made.
        confirmed: The module itself told its public key and its last head; without it the
            signatures were checked against the keys the database holds.
        waiting: Events not sealed yet.
        waiting_since: Time of the oldest of them.
        fault: The first that is wrong.
    """

    first: int = 1
    last: int = 0
    events: int = 0
    heads: int = 0
    restarts: int = 0
    signed: int = 0
    signed_at: datetime | None = None
    confirmed: bool = False
    waiting: int = 0
    waiting_since: datetime | None = None
    fault: Fault | None = None

    def as_json(self) -> dict[str, Any]:
        """As it is kept with the nightly job."""
        values = {name: getattr(self, name) for name in self.__slots__}
        for name in ("signed_at", "waiting_since"):
            values[name] = values[name] and values[name].isoformat()
        return values


def verify(session: Session, registry: Registry, since: datetime | None = None) -> Verification:
    """Check the trail.

    Args:
        session: Outside a transaction that writes.
        registry: To ask the signing module for its key and its last head.
        since: Begin with what came after the last head signed by then; the head itself is
            trusted if its signature is good.
    """
    own = _ask_module(session, registry)
    check = _Check(session, own)
    check.begin(since)
    check.chain()
    check.end()
    found = check.found
    waiting, oldest = _waiting(session)
    fault = found.fault or _unlisted(session)
    end_reading(session)
    return replace(
        found, waiting=waiting, waiting_since=oldest, fault=fault, confirmed=own is not None
    )


@dataclass(frozen=True, slots=True)
class _Own:
    """What the module says of itself."""

    module_id: str
    key: bytes | None
    last: SignedHead | None


def _ask_module(session: Session, registry: Registry) -> _Own | None:
    try:
        _, module = signer(session, registry)
        status = module.status()
        return _Own(status.module_id, status.head_key, module.last_head())
    except VmsError:
        return None  # it does not answer: the report says so


@dataclass(slots=True)
class _Check:
    """One walk along the chain."""

    session: Session
    own: _Own | None
    found: Verification = field(default_factory=Verification)
    hash: str = GENESIS
    numbers: dict[str, int] = field(default_factory=dict)
    """The number of the last head of each module."""

    def begin(self, since: datetime | None) -> None:
        """Go to the last head signed by then."""
        if since is None:
            return
        head = self.session.scalars(
            select(AuditHead)
            .where(AuditHead.signed_at <= since)
            .order_by(AuditHead.place.desc(), AuditHead.id.desc())
            .limit(1)
        ).first()
        if head is None:
            return
        self.numbers[head.module_name] = head.number - 1
        self.hash = head.digest
        self._head(head)
        self.found = replace(self.found, first=head.place + 1, last=head.place)

    def chain(self) -> None:
        """Make every hash again, and look at each head in its place."""
        while not self.found.fault:
            page = self._page()
            if self.found.fault:
                return
            heads = self._heads(self.found.last, page[-1].place if page else None)
            for row in page:
                if not self._event(row):
                    return
                for head in [head for head in heads if head.place == row.place]:
                    self._head(head)
                    if self.found.fault:
                        return
            if not page:
                if heads:
                    self._fault("cut", heads[0].place)
                return

    def end(self) -> None:
        """Hold the end against what the module itself signed last."""
        last = self.own.last if self.own else None
        if self.found.fault or last is None:
            return
        if last.place > self.found.last:
            self._fault("cut", last.place)
        elif hash_at(self.session, last.place) != last.digest.hex():
            self._fault("head_differs", last.place)
        elif self.numbers.get(last.module_id, 0) < last.number - 1:
            # the last one alone may be missing: a crash came before it was kept
            self._fault("head_missing", last.place)

    def _page(self) -> list[Any]:
        for size in (PAGE, 1):
            wanted = (
                select(seals.c.place, seals.c.version, seals.c.hash, *events.c)
                .outerjoin(events, events.c.id == seals.c.event_id)
                .where(seals.c.place > self.found.last)
                .order_by(seals.c.place)
                .limit(size)
            )
            try:
                return list(self.session.execute(wanted).all())
            except ValueError:  # a value was put there that no such column holds
                continue
            finally:
                end_reading(self.session)
        self._fault("event_changed", self.found.last + 1)
        return []

    def _heads(self, after: int, until: int | None) -> list[AuditHead]:
        wanted = select(AuditHead).where(AuditHead.place > after)
        if until is not None:
            wanted = wanted.where(AuditHead.place <= until)
        ordered = wanted.order_by(AuditHead.place, AuditHead.module_name, AuditHead.number)
        heads = list(self.session.scalars(ordered if until else ordered.limit(1)))
        self.session.expunge_all()  # a long trail has many, and none is needed again
        return heads

    def _event(self, row: Any) -> bool:  # noqa: ANN401 - a row of the page
        place = self.found.last + 1
        if row.place != place:
            return self._fault("place_missing", place)
        if row.id is None:
            return self._fault("event_missing", place)
        event = {column.name: value for column, value in zip(events.c, row[3:], strict=True)}
        try:
            made = link(self.hash, place, event, row.version)
        except UnknownVersion:
            return self._fault("rules_unknown", place)
        if made != row.hash:
            return self._fault("event_changed", place)
        self.hash = made
        self.found = replace(self.found, last=place, events=self.found.events + 1)
        return True

    def _head(self, row: AuditHead) -> bool:
        head = signed_head(row)
        key = head.public_key
        if self.own is not None and self.own.module_id == head.module_id:
            key = self.own.key or b""
        if head.digest.hex() != self.hash:
            return self._fault("head_differs", head.place)
        if not sealing.signed_by(key, head.message(), head.signature):
            return self._fault("head_forged", head.place)
        before = self.numbers.get(head.module_id, 0)
        if not (head.number == before + 1 or (head.restart and head.number > before)):
            return self._fault("head_missing", head.place)
        self.numbers[head.module_id] = head.number
        self.found = replace(
            self.found,
            heads=self.found.heads + 1,
            restarts=self.found.restarts + head.restart,
            signed=head.place,
            signed_at=head.signed_at,
        )
        return True

    def _fault(self, code: str, place: int) -> bool:
        self.found = replace(self.found, fault=(code, place))
        return False


def signed_head(row: AuditHead) -> SignedHead:
    """Give a kept head as the module gave it."""
    return SignedHead(
        module_id=row.module_name,
        number=row.number,
        place=row.place,
        digest=_bytes(row.digest),
        signed_at=row.signed_at,
        restart=row.restart,
        public_key=_bytes(row.public_key),
        signature=_bytes(row.signature),
    )


def _bytes(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        return b""  # altered: nothing is signed by it


def _waiting(session: Session) -> tuple[int, datetime | None]:
    """Count the unsealed tail, and tell the time of its oldest event."""
    count, oldest = session.execute(
        select(func.count(), func.min(events.c.at)).select_from(
            unsealed.outerjoin(events, events.c.id == unsealed.c.event_id)
        )
    ).one()
    return count, oldest


def _unlisted(session: Session) -> Fault | None:
    """Find an event that was put past the sealer, or taken from it."""
    sealed = exists().where(seals.c.event_id == events.c.id)
    waits = exists().where(unsealed.c.event_id == events.c.id)
    lost: Iterator[tuple[str, Any]] = iter(
        (
            ("event_unlisted", select(events.c.id).where(~or_(sealed, waits))),
            (
                "waiting_missing",
                select(unsealed.c.event_id).where(
                    ~exists().where(events.c.id == unsealed.c.event_id)
                ),
            ),
        )
    )
    for code, wanted in lost:
        number = session.scalar(wanted.limit(1))
        if number is not None:
            return code, number
    return None
