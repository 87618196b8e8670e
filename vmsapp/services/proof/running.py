"""Running the proof, and what stands of the last one."""

import logging
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from vmsapp.clock import now_utc
from vmsapp.extensions import atomic, begin_reading, end_reading
from vmsapp.models import LedgerProof, LedgerTransfer, Sale, Token
from vmsapp.scope import SYSTEM, Actor
from vmsapp.services import audit
from vmsapp.services.proof.checks import CHECKS

log = logging.getLogger(__name__)

EXAMPLES: Final = 20
"""Of each kind of fault so many are kept; the number tells of all."""

EXPECTED_EVERY: Final = timedelta(hours=36)
"""A proof older than this was missed: it runs each night."""


def prove(session: Session, actor: Actor = SYSTEM) -> LedgerProof:
    """Prove the books as they stand at one moment, while sales go on; the result is kept.

    Args:
        session: Outside any transaction.
        actor: Who asks.
    """
    started = now_utc()
    _one_moment(session)
    counts = [
        int(session.scalar(select(func.count()).select_from(model.__table__)) or 0)
        for model in (Sale, Token, LedgerTransfer)
    ]
    findings = [
        found
        for found in (_finding(session, check.code, check.find()) for check in CHECKS)
        if found["count"]
    ]
    end_reading(session)
    faults = sum(found["count"] for found in findings)
    with atomic(session):
        proof = LedgerProof(
            started_at=started, finished_at=now_utc(), asked_by_id=actor.user_id,
            sales=counts[0], tokens=counts[1], transfers=counts[2], faults=faults,
            findings=findings,
        )  # fmt: skip
        session.add(proof)
        session.flush()
        audit.record(
            session, actor, "ledger.proved", "ledger_proof", proof.id, faults=faults,
            found={found["check"]: found["count"] for found in findings},
        )  # fmt: skip
    if faults:
        log.critical("the books do not agree: proof %s found %s faults", proof.id, faults)
    return proof


def last(session: Session) -> LedgerProof | None:
    """Fetch the newest proof."""
    return session.scalars(select(LedgerProof).order_by(LedgerProof.id.desc()).limit(1)).first()


def _one_moment(session: Session) -> None:
    """See everything as it is now, whatever is sold meanwhile; nobody waits for it."""
    begin_reading(session)
    if session.get_bind().dialect.name == "postgresql":
        end_reading(session)
        session.connection(execution_options={"isolation_level": "REPEATABLE READ"})


def _finding(session: Session, code: str, statement: Select[Any]) -> Mapping[str, Any]:
    """Count the faulty rows of one check, and keep a few of them."""
    faulty = statement.subquery()
    rows = session.execute(
        select(func.count().over().label("of_all"), *faulty.c).limit(EXAMPLES)
    ).mappings().all()  # fmt: skip
    examples = [
        {name: _plain(value) for name, value in row.items() if name != "of_all"} for row in rows
    ]
    return {"check": code, "count": int(rows[0]["of_all"]) if rows else 0, "examples": examples}


def _plain(value: Any) -> Any:  # noqa: ANN401 - what the database counts in
    return int(value) if value is not None else None
