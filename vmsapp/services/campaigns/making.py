"""The job of a campaign: chunk by chunk, until every meter has its set or its reason why not.

A worker may be killed at any moment. The cursor is moved in the transaction that reserves a
chunk, so no meter is taken twice; a chunk that stands open is asked for again under its id,
which makes the same digits. While the module works on one chunk, the one before is written down and
the next is reserved, each in a thread and on a connection of its own.

Source: SALE.md, "7. Reconcile and cancel", "10. Key change"; docs/decisions/0042.
"""

import logging
import sys
import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from vmsapp.clock import now_utc
from vmsapp.errors import N_, Unavailable
from vmsapp.extensions import atomic, end_reading
from vmsapp.hsm.answers import IssuedTokens
from vmsapp.hsm.base import SecurityModule as Module
from vmsapp.hsm.errors import HsmTimeout, HsmUnavailable, ModuleRefused
from vmsapp.hsm.registry import Registry
from vmsapp.hsm.requests import KeyChangeBatch
from vmsapp.models import (
    CampaignChunk,
    CampaignState,
    ChunkState,
    KeyChange,
    ModuleHealth,
)
from vmsapp.scope import Actor, unscoped
from vmsapp.services.campaigns.chunks import Asked, asked_of, complete, part
from vmsapp.services.campaigns.reserving import Run, reserve_chunk
from vmsapp.services.campaigns.routes import Routes
from vmsapp.services.campaigns.rows import locked, move, note, read
from vmsapp.services.campaigns.terms import CHUNK, CHUNK_SECONDS, Target
from vmsapp.services.chunk_size import ChunkSize
from vmsapp.services.job_runs import Cancelled, Work
from vmsapp.services.key_changes.rows import read as read_change
from vmsapp.services.key_changes.settle import issue
from vmsapp.services.restore import standstill
from vmsapp.services.restore.standstill import Standstill
from vmsapp.services.rows import count_anew
from vmsapp.services.security_modules import open_module, timed

WAITS: Final = (1.0, 2.0, 5.0, 10.0)
"""Seconds before a module that did not answer is asked again; then the campaign pauses."""
TURN: Final = 0.0005
"""Seconds after which a thread that computes lets another go on; Python's own are ten times it."""
AHEAD: Final = 2
"""Chunks that may be made or written down while the next is reserved."""
COUNTED_ANEW: Final = 1_000
"""Meters of a run after which the database looks at the table of changes, which sales read."""
MOST_TOKENS: Final = 4
"""In a set."""

log = logging.getLogger(__name__)


class ModuleAway(Unavailable):
    """The module that makes the sets did not answer, again and again."""

    code = "campaign_module_away"
    message = N_(
        "The security module did not make the tokens, so the campaign is paused. Look at the"
        " module, then let the campaign go on."
    )


def make(session: Session, registry: Registry, actor: Actor, work: Work, *, table_set: str) -> None:
    """Make the sets of a campaign, from where it stopped.

    Args:
        session: In the actor's scope, outside any transaction.
        registry: The security modules.
        actor: Whose campaign it is.
        work: The job.
        table_set: Name of the STA tables in use.

    Raises:
        Cancelled: Somebody asked the job to stop; the campaign is paused.
        ModuleAway: The module does not answer; the campaign is paused.
        Standstill: A backup was restored; the campaign is paused.
        LostJob: Another worker took over.
    """
    campaign_id = int(work.params["campaign_id"])
    line = _Line(session, registry, actor, work)
    try:
        with _quick_turns(), line.staffed():
            standstill.check_modules(session, registry)
            line.settle_left(campaign_id)
            line.make(campaign_id, table_set)
    except (Cancelled, ModuleAway, Standstill) as stop:
        session.rollback()
        why = "job_cancelled" if isinstance(stop, Cancelled) else stop.code
        pause_for(session, actor, campaign_id, why)
        raise


@contextmanager
def _quick_turns() -> Iterator[None]:
    """Have the thread that asks the database wait less for the one that makes tokens.

    A chunk asks the database some sixty times. After each answer the thread would wait a whole
    turn of the other, which is as long as most answers take to come.
    """
    before = sys.getswitchinterval()
    sys.setswitchinterval(min(before, TURN))
    try:
        yield
    finally:
        sys.setswitchinterval(before)


def pause_for(session: Session, actor: Actor, campaign_id: int, why: str) -> None:
    """Pause a campaign that runs, for a reason of the product's own."""
    with atomic(session, durable=True):
        campaign = locked(session, campaign_id)
        if campaign.state == CampaignState.RUNNING:
            move(session, campaign, CampaignState.PAUSED)
            note(session, actor, "paused", campaign_id, why=why)


class _Line:
    """What a run holds: chunks are at the module while others are written down and reserved."""

    def __init__(self, session: Session, registry: Registry, actor: Actor, work: Work) -> None:
        self._session, self._registry = session, registry
        self._actor, self._work = actor, work
        self._size = ChunkSize(CHUNK)
        self._maker: ThreadPoolExecutor
        self._writer: ThreadPoolExecutor
        self._written_to: Session
        self._under_way: deque[Future[None]] = deque()

    @contextmanager
    def staffed(self) -> Iterator[None]:
        """Have a thread ask the module, and one write down what it made, until the block ends."""
        with Session(self._session.get_bind(), expire_on_commit=False) as self._written_to:
            self._maker = ThreadPoolExecutor(1, "campaign asks")
            self._writer = ThreadPoolExecutor(1, "campaign writes")
            try:
                yield
            finally:  # what was not begun stays reserved, and is asked for by whoever goes on
                self._maker.shutdown(cancel_futures=True)
                self._writer.shutdown(cancel_futures=True)

    def settle_left(self, campaign_id: int) -> None:
        """Ask again for what a worker that is gone had asked for."""
        with unscoped("the campaign is the actor's"):
            left = self._session.scalars(
                select(CampaignChunk)
                .where(
                    CampaignChunk.campaign_id == campaign_id,
                    CampaignChunk.state == ChunkState.ASKED,
                )
                .order_by(CampaignChunk.id)
            ).all()
            asked = [asked_of(self._session, chunk) for chunk in left]
        end_reading(self._session)
        for each in asked:
            self._send(each)
            self._settle_all_but(0)

    def make(self, campaign_id: int, table_set: str) -> None:
        """Go through the meters, chunk by chunk."""
        session, work = self._session, self._work
        campaign = read(session, campaign_id)
        if campaign.state != CampaignState.RUNNING:
            return
        routes = Routes(Target.read(campaign.target), campaign.reason)
        run = Run(campaign_id, routes, table_set, CHUNK, work.done)
        uncounted = COUNTED_ANEW
        while True:
            self._stop_if_asked()
            standstill.check(session)
            per_second = read(session, campaign_id).per_second
            paced = self._paced(per_second)
            run.size = min(paced, self._size.rows)
            end_reading(session)
            began = time.monotonic()
            with self._size.timed():
                reserved = reserve_chunk(session, self._actor, work, run)
            for asked in reserved.asked if reserved else ():
                self._send(asked)
            self._settle_all_but(AHEAD)
            if reserved is None:
                self._settle_all_but(0)
                return
            uncounted -= reserved.meters
            if uncounted <= 0 < uncounted + reserved.meters:
                count_anew(session, KeyChange)
            if paced < CHUNK or reserved.last:
                self._settle_all_but(0)
            if reserved.last:
                self._end(campaign_id)
                return
            if per_second:
                spare = reserved.meters / per_second - (time.monotonic() - began)
                self._work.cancelling.wait(max(0.0, spare))

    def _stop_if_asked(self) -> None:
        """Stop where somebody asked for it, once what the module works on is written down.

        Raises:
            Cancelled: Somebody did.
        """
        try:
            self._work.stop_if_asked(self._session)
        except Cancelled:
            self._settle_all_but(0)
            raise

    def _paced(self, per_second: int | None) -> int:
        """Tell how many meters a chunk may have, so that none is kept from sales for long."""
        tokens = self._session.scalars(
            select(ModuleHealth.per_second).where(ModuleHealth.per_second.is_not(None))
        ).all()
        paces = [each / MOST_TOKENS for each in tokens if each] + (
            [per_second] if per_second else []
        )
        return min([CHUNK, *(max(1, int(pace * CHUNK_SECONDS)) for pace in paces)])

    def _send(self, asked: Asked) -> None:
        module = open_module(self._session, self._registry, asked.module_id)
        end_reading(self._session)
        made = self._maker.submit(copy_context().run, _made, module, asked)
        written = self._writer.submit(copy_context().run, self._write, asked, made)
        self._under_way.append(written)

    def _settle_all_but(self, count: int) -> None:
        """Wait until no more chunks than so many are made or written down.

        Raises:
            ModuleAway: The module did not answer, again and again.
        """
        while len(self._under_way) > count:
            self._under_way.popleft().result()

    def _write(self, asked: Asked, made: Future[Sequence[IssuedTokens]]) -> None:
        """Write down what became of a chunk, in the thread that does so."""
        session = self._written_to
        try:
            sets = made.result()
        except ModuleRefused as refusal:
            self._part(session, asked, refusal.reason)
        else:
            with self._size.timed():
                complete(session, self._actor, asked, sets)
        end_reading(session)

    def _part(self, session: Session, asked: Asked, reason: str) -> None:
        for change_id in part(session, self._actor, asked, reason):
            with unscoped("a set is made as it was reserved"):
                change = read_change(session, change_id)
                issue(session, self._registry, self._actor, change)
            self._work.stop_if_asked(session)

    def _end(self, campaign_id: int) -> None:
        with atomic(self._session, durable=True):
            campaign = locked(self._session, campaign_id)
            if campaign.state == CampaignState.RUNNING:
                move(
                    self._session, campaign, CampaignState.MADE, ended_at=now_utc(),
                    ended_by_id=self._actor.user_id,
                )  # fmt: skip
                note(self._session, self._actor, "ended", campaign_id, round=campaign.round)


def _made(module: Module, asked: Asked) -> Sequence[IssuedTokens]:
    """Have a chunk's sets made, in a thread that touches no database.

    Raises:
        ModuleRefused: A definite no, of the whole chunk.
        ModuleAway: No answer, again and again.
    """
    for wait in (*WAITS, None):
        try:
            with timed(asked.module_id, "batch"):
                return module.issue_key_changes(
                    KeyChangeBatch(asked.request_id, asked.changes, asked.table_set, now_utc())
                )
        except (HsmUnavailable, HsmTimeout) as silence:
            log.warning("campaign %s: %s", asked.campaign_id, silence.code)
            if wait is None:
                raise ModuleAway from silence
            time.sleep(wait)
    raise AssertionError
