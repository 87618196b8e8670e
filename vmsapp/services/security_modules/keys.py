"""The public side of a module's keys, as the database has it; never a key."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from vmsapp.extensions import atomic
from vmsapp.hsm.answers import KeyInfo
from vmsapp.hsm.registry import Registry
from vmsapp.models import VendingKey
from vmsapp.scope import SYSTEM, Actor
from vmsapp.services import audit
from vmsapp.services.security_modules.opening import open_module


def copy_key_list(session: Session, registry: Registry, actor: Actor, module_id: int) -> int:
    """Copy the public side of a module's keys to the database; never a key.

    What the module has no more goes from here too, on record: a meter whose key is gone is
    refused with a sentence before anything is sold, and no algorithm moves to where it is not.
    Whoever asked for the list took nothing away, so that is noticed by the product. Keys for
    demonstration, which a module server that is not told so lets in, are none in production.

    Returns:
        How many keys are new here, another than before, or gone.
    """
    listed = [
        info
        for info in open_module(session, registry, module_id).list_keys()
        if not (info.demo and registry.production)
    ]
    changed = 0
    with atomic(session):
        known = {
            (k.sgc, k.krn, k.kt, k.dkga): k
            for k in session.scalars(select(VendingKey).where(VendingKey.module_id == module_id))
        }
        for info in listed:
            ref, told = info.ref, _told(info)
            row = known.get((ref.sgc, ref.krn, ref.kt, ref.dkga))
            if row is not None and all(getattr(row, name) == told[name] for name in told):
                continue
            changed += 1
            was = row and row.kcv
            if row is None:
                session.add(
                    VendingKey(
                        module_id=module_id, sgc=ref.sgc, krn=ref.krn, kt=ref.kt, dkga=ref.dkga,
                        **told,
                    )
                )  # fmt: skip
            else:
                for name, value in told.items():
                    setattr(row, name, value)
            another = was is not None and was != info.kcv
            audit.record(
                session, actor, "key.other_value" if another else "key.listed",
                "security_module", module_id,
                sgc=ref.sgc, krn=ref.krn, kt=ref.kt, kcv=info.kcv, was_kcv=was,
            )  # fmt: skip
        there = {(one.ref.sgc, one.ref.krn, one.ref.kt, one.ref.dkga) for one in listed}
        for key in (key for ref, key in known.items() if ref not in there):
            changed += 1
            session.delete(key)
            audit.record(
                session, SYSTEM, "key.gone", "security_module", module_id,
                sgc=key.sgc, krn=key.krn, kt=key.kt, kcv=key.kcv,
            )  # fmt: skip
    return changed


def _told(info: KeyInfo) -> dict[str, object]:
    """What a row says of a key, beside its name."""
    return {
        "base_date": info.base_date.value,
        "ken": info.ken,
        "kcv": info.kcv,
        "name": info.name,
        "demo": info.demo,
        "active_from": info.active_from,
        "issue_until": info.issue_until,
        "tenths_per_day": info.tenths_per_day,
        "tokens_per_day": info.tokens_per_day,
        "changes_to": [list(pair) for pair in info.changes_to],
        "protection": info.protection,
    }
