"""Signed heads: every hour a security module signs how far the chain goes and its hash.

Whoever can write the database can make a chain anew, but cannot sign it. The module keeps
each head in its own record, so that a shorter trail shows even where the signed heads
were removed with it.
"""

from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from vmsapp.errors import N_, InvalidInput, Refused
from vmsapp.extensions import atomic, end_reading
from vmsapp.hsm.answers import SignedHead
from vmsapp.hsm.base import SecurityModule as Module
from vmsapp.hsm.errors import HsmUnavailable, NotSupported
from vmsapp.hsm.registry import Registry
from vmsapp.models import AuditHead, SecurityModule
from vmsapp.scope import Actor
from vmsapp.services import audit
from vmsapp.services.audit.chain import hash_at, head_of
from vmsapp.services.audit.sealer import seal
from vmsapp.services.security_modules import open_module

LACKS_ROLE: Final = "permission"
"""Why a module server does not let a client sign that is no auditor of it."""


class NobodySigns(Refused):
    """No security module of this installation signs heads."""

    code = "nobody_signs"
    message = N_("No security module of this installation can sign the audit trail.")


class TrailBehind(Refused):
    """The chain does not hold what was signed last."""

    code = "trail_behind"
    message = N_(
        "The audit trail is not the one that security module %(module)s signed up to event"
        " %(place)s. Either an older database was restored, or somebody removed or replaced"
        " events."
    )

    def __init__(self, *, module: str, place: int) -> None:
        super().__init__(module=module, place=place)


class RestoreReasonMissing(InvalidInput):
    """Whoever accepts a restored trail says why."""

    code = "restore_reason_missing"
    message = N_("Say why the audit trail begins anew.")


def sign(session: Session, registry: Registry) -> AuditHead | None:
    """Have the head of the chain signed, unless the last one signed is still the head.

    Raises:
        NobodySigns: No module can.
        TrailBehind: The chain is not the one signed before.
        HsmUnavailable, HsmTimeout: The module does not answer; the next hour tries again.
    """
    module_row_id, module = signer(session, registry)
    last = module.last_head()
    if last is not None:
        if hash_at(session, last.place) != last.digest.hex():
            raise TrailBehind(module=last.module_id, place=last.place)
        _keep(session, module_row_id, last)  # a crash may have come between signing and keeping
    place, digest = head_of(session)
    if place == 0 or (last is not None and last.place == place):
        return None
    end_reading(session)  # no transaction is open while a module works
    return _keep(session, module_row_id, module.sign_head(place, bytes.fromhex(digest)))


def accept_restore(session: Session, registry: Registry, actor: Actor, reason: str) -> AuditHead:
    """Let the chain begin anew after an older database was restored, and sign that.

    What the module signed before stays in its record, and the new head says for ever
    that it does not go on from there.

    Raises:
        RestoreReasonMissing: No reason was given.
    """
    reason = reason.strip()
    if not reason:
        raise RestoreReasonMissing
    module_row_id, module = signer(session, registry)
    last = module.last_head()
    lost = {} if last is None else {"number": last.number, "place": last.place,
                                    "digest": last.digest.hex()}  # fmt: skip
    with atomic(session):
        audit.record(
            session, actor, "audit.restore_accepted", "security_module", module_row_id,
            reason=reason[:255], signed_before=lost,
        )  # fmt: skip
    seal(session)
    place, digest = head_of(session)
    end_reading(session)
    return _keep(
        session, module_row_id, module.sign_head(place, bytes.fromhex(digest), restart=True)
    )


def signer(session: Session, registry: Registry) -> tuple[int, Module]:
    """Find the module that signs: the first that can, and the id of its row.

    One that was retired signs only where no other can: it may be gone by now.

    Raises:
        NobodySigns: None can.
        HsmUnavailable, HsmTimeout: The one that would does not answer.
    """
    row = SecurityModule
    for number in session.scalars(
        select(row.id).order_by(row.retired_at.is_not(None), row.id)
    ).all():
        module = open_module(session, registry, number)
        end_reading(session)
        try:
            module.last_head()
        except NotSupported:
            continue
        except HsmUnavailable as error:
            if error.why == LACKS_ROLE:
                continue
            raise
        return number, module
    raise NobodySigns


def public_keys(session: Session, registry: Registry) -> dict[str, bytes]:
    """The public keys of the modules that sign, asked of the modules themselves, by name."""
    _, module = signer(session, registry)
    status = module.status()
    return {status.module_id: status.head_key} if status.head_key else {}


def _keep(session: Session, module_row_id: int, head: SignedHead) -> AuditHead:
    with atomic(session):
        row = session.scalars(
            select(AuditHead).where(
                AuditHead.module_name == head.module_id, AuditHead.number == head.number
            )
        ).first()
        if row is None:
            row = AuditHead(
                module_id=module_row_id,
                module_name=head.module_id,
                number=head.number,
                place=head.place,
                digest=head.digest.hex(),
                signed_at=head.signed_at,
                restart=head.restart,
                public_key=head.public_key.hex(),
                signature=head.signature.hex(),
            )
            session.add(row)
    return row
