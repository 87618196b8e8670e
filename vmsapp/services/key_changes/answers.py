"""What a person says a meter did with a set: it took it, or it refused it.

Nothing is concluded from time alone. Where the meter refused the set and another one leads back,
that one is made first, and goes before each credit until somebody confirms the old key: the
customer may still enter the first. Where none leads back, the set must have been entered at the
meter and seen refused.

Source: SALE.md, "10. Key change".
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from vmsapp.clock import business_day, now_utc
from vmsapp.extensions import atomic
from vmsapp.hsm.registry import Registry
from vmsapp.models import ChangeState, KeyChange, Meter, Sale, SaleState
from vmsapp.models.key_change import DKGAS
from vmsapp.scope import Actor
from vmsapp.services.key_changes import errors as wrong
from vmsapp.services.key_changes.in_force import being_made
from vmsapp.services.key_changes.planning import Plan, Side, way_back
from vmsapp.services.key_changes.reserve import note, reserved, side_of, write_change
from vmsapp.services.key_changes.rows import LostRace, lock_heads_of, lock_meter, move, read
from vmsapp.services.key_changes.settle import issue
from vmsapp.services.registration.meter_locks import refuse_busy
from vmsapp.services.setup import zone_at
from vmsapp.sts import identifiers

TEST_TOKENS: Final = "test_tokens"
CREDIT_TAKEN: Final = "credit_taken"
ENTERED: Final = "entered"
PROOFS: Final = (TEST_TOKENS, CREDIT_TAKEN)
REASON_MAX: Final = 255


@dataclass(frozen=True, slots=True)
class Taken:
    """How somebody knows that a meter has the new key.

    Attributes:
        proof: ``test_tokens``: it showed these KRN and TI; ``credit_taken``: it took a credit
            under the new key that was sold on an earlier day.
        shown_krn, shown_ti: What it showed.
        cleared: Every slip with a set that was refused before was entered or taken away.
    """

    proof: str
    shown_krn: int | None = None
    shown_ti: str = ""
    cleared: bool = False


@dataclass(frozen=True, slots=True)
class Refusal:
    """How somebody knows that a meter did not take a set.

    Attributes:
        shown_krn, shown_ti: What it shows.
        reason: Why, as far as known.
        entered: The whole set was entered at the meter, and seen refused.
    """

    shown_krn: int | None
    shown_ti: str
    reason: str
    entered: bool = False


def confirm(session: Session, actor: Actor, change_id: int, taken: Taken) -> KeyChange:
    """Have the new key count for good; said twice it is done once.

    Raises:
        NoSuchChange: There is none, or its meter is out of sight.
        KeyChangeUnderway: A set that takes it back is being made.
        IllegalMove: It is not completed.
        VmsError: What was said does not tell it.
    """

    def confirmed(change: KeyChange) -> None:
        meter = _locked(session, change)
        _check_taken(session, change, taken)
        shown = taken.proof == TEST_TOKENS
        move(
            session, change, ChangeState.CONFIRMED, closed_at=now_utc(),
            closed_by_id=actor.user_id, proof=taken.proof,
            shown_krn=taken.shown_krn if shown else None,
            shown_ti=taken.shown_ti if shown else None,
        )  # fmt: skip
        _write_key(session, meter, side_of(change, "new"))
        cleared = {"cleared": True} if change.undoes_id is not None else {}
        note(session, actor, "confirmed", change, proof=taken.proof, **cleared)

    return _said(session, change_id, ChangeState.CONFIRMED, confirmed)


def refuse(
    session: Session,
    registry: Registry,
    actor: Actor,
    change_id: int,
    refusal: Refusal,
    form_key: str,
    *,
    table_set: str,
) -> KeyChange:
    """Have the old key count again, with the set back before each credit where there is one.

    Args:
        session: Outside any transaction but one that only read.
        registry: The security modules.
        actor: Who says so.
        change_id: The set that was refused.
        refusal: How that is known.
        form_key: Made with the form: the same form sent twice does it once.
        table_set: Name of the STA tables in use.

    Returns:
        The change that takes it back: completed, or failed or reserved as the module answered,
        and until it is completed the new key counts. Where no set leads back, the change itself.

    Raises:
        NoSuchChange: There is none, or its meter is out of sight.
        MetersBusy, KeyChangeUnderway: A token of the meter is being made.
        IllegalMove: It is not completed.
        VmsError: What was said does not tell it.
    """
    if way_back(session, read(session, change_id)) is None:
        return _said(
            session, change_id, ChangeState.REFUSED,
            lambda change: _close(session, actor, change, refusal),
        )  # fmt: skip
    body = json.dumps(asdict(refusal) | {"change": change_id}, sort_keys=True)
    back, again = reserved(
        session, form_key, hashlib.sha256(body.encode()).hexdigest(),
        lambda request_id: _reserve_back(
            session, actor, change_id, refusal,
            form_key=form_key, request_id=request_id, table_set=table_set,
            body_hash=hashlib.sha256(body.encode()).hexdigest(),
        ),
    )  # fmt: skip
    return back if again else issue(session, registry, actor, back)


def credits_under(session: Session, change_ids: list[int]) -> list[Sale]:
    """List the credits that went with sets and still stand, the newest first, in the asker's scope.

    Where the meter refused the set, each is for a person to reverse and sell again.
    """
    return list(
        session.scalars(
            select(Sale)
            .where(Sale.key_change_id.in_(change_ids), Sale.state == SaleState.ISSUED)
            .order_by(Sale.id.desc())
        )
    )


def _said(
    session: Session, change_id: int, state: ChangeState, do: Callable[[KeyChange], None]
) -> KeyChange:
    try:
        with atomic(session, durable=True):
            change = read(session, change_id)
            if change.state == state:
                return change
            if change.state != ChangeState.COMPLETED:
                raise wrong.IllegalMove(state=change.state)
            do(change)
    except LostRace:
        stands = read(session, change_id)
        if stands.state != state:
            raise wrong.IllegalMove(state=stands.state) from None
        return stands
    return read(session, change_id)


def _locked(session: Session, change: KeyChange) -> Meter:
    """Lock the meter of a completed change, while no other set is being made for it.

    Raises:
        KeyChangeUnderway: One is.
    """
    meter = lock_meter(session, change.meter_id)
    lock_heads_of(session, change)
    if being_made(session, [change.meter_pan]):
        raise wrong.KeyChangeUnderway(drn=identifiers.drn.format(meter.drn), meter_id=meter.id)
    return meter


def _check_taken(session: Session, change: KeyChange, taken: Taken) -> None:
    if taken.proof == TEST_TOKENS:
        if not change.display_tells:
            raise wrong.DisplayTellsNothing
        _compare(taken.shown_krn, taken.shown_ti, change, "new", "old")
    elif taken.proof == CREDIT_TAKEN:
        _check_earlier_credit(session, change)
    else:
        raise wrong.ProofMissing
    if change.undoes_id is not None and not taken.cleared:
        raise wrong.SlipsLeft


def _compare(krn: int | None, ti: str, change: KeyChange, wanted: str, other: str) -> None:
    """Hold what the meter shows against the key it is said to have.

    Raises:
        ShownUnreadable, ShowsOtherKey, ShowsNeitherKey: It is not that one.
    """
    if krn is None or not 1 <= krn <= identifiers.krn.MAX or not _is_ti(ti):
        raise wrong.ShownUnreadable
    have, not_have = side_of(change, wanted), side_of(change, other)
    if (krn, ti) == (have.krn, have.ti):
        return
    if (krn, ti) == (not_have.krn, not_have.ti):
        raise wrong.ShowsOtherKey(krn=krn, ti=ti)
    raise wrong.ShowsNeitherKey(krn=krn, ti=ti)


def _is_ti(ti: str) -> bool:
    return len(ti) == 2 and ti.isascii() and ti.isdigit()


def _check_earlier_credit(session: Session, change: KeyChange) -> None:
    """Ask for a credit under the new key that was sold on an earlier day.

    Raises:
        NoEarlierCredit: There is none, at whichever vending point.
    """
    now, sale = now_utc(), Sale.__table__.c
    earlier = session.scalar(
        select(sale.id)
        .where(sale.key_change_id == change.id, sale.state == SaleState.ISSUED)
        .where(sale.business_date < business_day(now, zone_at(session, now)))
        .limit(1)
    )
    if earlier is None:
        raise wrong.NoEarlierCredit(since=change.completed_at or now)


def _check_refused(change: KeyChange, refusal: Refusal) -> str:
    """Hold a refusal against what the meter shows; what proves it.

    Raises:
        VmsError: It does not.
    """
    if not refusal.reason.strip():
        raise wrong.ReasonMissing
    _compare(refusal.shown_krn, refusal.shown_ti, change, "old", "new")
    if refusal.entered:
        return ENTERED
    if not change.display_tells:
        raise wrong.DisplayTellsNothing
    return TEST_TOKENS


def _reserve_back(
    session: Session,
    actor: Actor,
    change_id: int,
    refusal: Refusal,
    *,
    form_key: str,
    body_hash: str,
    request_id: str,
    table_set: str,
) -> KeyChange:
    """Reserve the set that takes a completed change back, from what that one stored."""
    meter = _locked(session, read(session, change_id))
    change = read(session, change_id)  # it may have been confirmed while this waited
    if change.state != ChangeState.COMPLETED:
        raise wrong.IllegalMove(state=change.state)
    refuse_busy(session, [meter])
    proof = _check_refused(change, refusal)
    keys = way_back(session, change)
    if keys is None:
        raise wrong.EnterItFirst
    made = Plan(
        meter_id=meter.id,
        old=Side.of(keys[0], change.new_ti),
        new=Side.of(keys[1], change.old_ti),
        ea=change.ea,
        tct=change.tct,
        three_tokens=change.three_tokens,
        module_id=keys[0].module_id,
        warned=(),
    )
    back = write_change(
        session, actor, meter, made, form_key=form_key, body_hash=body_hash,
        reason=refusal.reason.strip()[:REASON_MAX], request_id=request_id, table_set=table_set,
        undoes_id=change.id,
    )  # fmt: skip
    back.proof, back.shown_krn, back.shown_ti = proof, refusal.shown_krn, refusal.shown_ti
    return back


def _close(session: Session, actor: Actor, change: KeyChange, refusal: Refusal) -> None:
    """Close a change that no set takes back: the meter was seen to refuse it."""
    meter = _locked(session, change)
    refuse_busy(session, [meter])
    proof = _check_refused(change, refusal)
    if proof != ENTERED:
        raise wrong.EnterItFirst
    move(
        session, change, ChangeState.REFUSED, closed_at=now_utc(), closed_by_id=actor.user_id,
        proof=proof, shown_krn=refusal.shown_krn, shown_ti=refusal.shown_ti,
        note=refusal.reason.strip()[:REASON_MAX],
    )  # fmt: skip
    _write_key(session, meter, side_of(change, "old"))
    note(session, actor, "refused", change, reason=refusal.reason.strip(), back=None)


def _write_key(session: Session, meter: Meter, side: Side) -> None:
    """Write what a meter is known to have to its row."""
    meter.sgc, meter.krn, meter.kt = side.sgc, side.krn, side.kt
    meter.ti, meter.base_date = side.ti, side.base_date
    meter.algorithm = DKGAS[side.dkga]
    session.flush()
