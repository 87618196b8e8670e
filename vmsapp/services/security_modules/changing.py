"""A module's name, and whether it is in use at all."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from vmsapp.clock import now_utc
from vmsapp.errors import N_, NotFound, Refused
from vmsapp.extensions import atomic
from vmsapp.models import (
    ChangeState,
    EngineeringState,
    EngineeringToken,
    KeyChange,
    Sale,
    SaleState,
    SecurityModule,
    SmAlgorithm,
)
from vmsapp.scope import Actor, unscoped
from vmsapp.services import audit
from vmsapp.services.rows import lock
from vmsapp.services.security_modules.adding import check_name


class StillServes(Refused):
    """Meters need the module."""

    code = "module_still_serves"
    message = N_(
        "“%(name)s” makes the tokens for %(algorithm)s meters. Let another module take over first."
    )

    def __init__(self, *, name: str, algorithm: str) -> None:
        super().__init__(name=name, algorithm=algorithm)


class StillAsked(Refused):
    """A sale or a key change is being settled with the module."""

    code = "module_still_asked"
    message = N_("“%(name)s” was asked for a token whose sale is still being settled. Wait for it.")

    def __init__(self, *, name: str) -> None:
        super().__init__(name=name)


def rename(session: Session, actor: Actor, module_id: int, name: str) -> None:
    """Call a module otherwise.

    Raises:
        NameTaken: Another is called so.
    """
    with atomic(session) as current:
        row = _locked(current, module_id)
        check_name(current, name, but=module_id)
        if row.name != name:
            audit.record(
                current, actor, "module.renamed", "security_module", module_id,
                before={"name": row.name}, after={"name": name},
            )  # fmt: skip
            row.name = name


def retire(session: Session, actor: Actor, module_id: int) -> None:
    """Take a module out of use; what it made stays on record, and it can be taken back.

    Raises:
        StillServes, StillAsked: It is needed.
    """
    with atomic(session) as current:
        row = _locked(current, module_id)
        serves = select(SmAlgorithm.algorithm).where(SmAlgorithm.module_id == module_id)
        algorithm = current.scalar(serves.limit(1))
        if algorithm is not None:
            raise StillServes(name=row.name, algorithm=algorithm)
        asked = select(Sale.id).where(Sale.module_id == module_id, Sale.state == SaleState.PENDING)
        with unscoped("a module is asked for the tokens of all regions"):
            if current.scalar(asked.limit(1)) is not None:
                raise StillAsked(name=row.name)
            changing = select(KeyChange.id).where(
                KeyChange.module_id == module_id, KeyChange.state == ChangeState.RESERVED
            )
            managing = select(EngineeringToken.id).where(
                EngineeringToken.module_id == module_id,
                EngineeringToken.state == EngineeringState.RESERVED,
            )
            for still in (changing, managing):
                if current.scalar(still.limit(1)) is not None:
                    raise StillAsked(name=row.name)
        if row.retired_at is None:
            row.retired_at = now_utc()
            audit.record(current, actor, "module.retired", "security_module", module_id)


def take_back(session: Session, actor: Actor, module_id: int) -> None:
    """Put a retired module to use again; it serves no algorithm yet."""
    with atomic(session) as current:
        row = _locked(current, module_id)
        if row.retired_at is not None:
            row.retired_at = None
            audit.record(current, actor, "module.taken_back", "security_module", module_id)


def _locked(session: Session, module_id: int) -> SecurityModule:
    if session.get(SecurityModule, module_id) is None:
        raise NotFound
    return lock(session, SecurityModule, SecurityModule.id == module_id)
