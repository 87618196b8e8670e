"""Key files into a module and keys out of it.

A file and its passphrase are in memory alone, and only while they are used. What the file says
of itself is looked at first, then it is tried without taking anything; only a file of which
every key is taken is loaded, if need be after a second person has agreed (``import_deeds``).
"""

import hashlib
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from vmsapp.errors import N_, NotFound, Refused
from vmsapp.extensions import atomic, end_reading
from vmsapp.hsm.answers import ImportReport, KeyFilePreview, KeyInfo
from vmsapp.hsm.base import SecurityModule as Module
from vmsapp.hsm.errors import KeyFileRefused, NotSupported
from vmsapp.hsm.key_file.model import FILE_BYTES_MAX
from vmsapp.hsm.registry import Registry
from vmsapp.hsm.requests import KeyRef
from vmsapp.models import ApprovalRequest, Sale, SaleState, SecurityModule, VendingKey
from vmsapp.scope import Actor, unscoped
from vmsapp.services import audit
from vmsapp.services.approvals import asking
from vmsapp.services.approvals.deed import Deed
from vmsapp.services.approvals.rules import asks
from vmsapp.services.key_changes.uses import in_open_change
from vmsapp.services.security_modules.assigning import ModuleRetired
from vmsapp.services.security_modules.health import meters_under
from vmsapp.services.security_modules.import_deeds import (
    KEY_IMPORT,
    KEY_REPLACE,
    SHOWN_KEYS,
    KeyFile,
    ReplacingFile,
    allowed,
)
from vmsapp.services.security_modules.keys import copy_key_list
from vmsapp.services.security_modules.opening import open_module
from vmsapp.sts.secret import SecretBytes

MOST_BYTES: Final = FILE_BYTES_MAX


class ModuleAway(Refused):
    """A retired module takes no keys."""

    code = "module_away"
    message = N_("“%(name)s” is retired and takes no keys. Take it back first.")

    def __init__(self, *, name: str) -> None:
        super().__init__(name=name)


class KeyInUse(Refused):
    """Meters, or a sale being settled, need the key."""

    code = "key_in_use"
    message = N_(
        "Meters use the key of supply group %(sgc)s, revision %(krn)s, so it was not removed."
        " Their number: %(meters)s. Change their keys first, and confirm each change."
    )

    def __init__(self, *, meters: int, sgc: str, krn: int) -> None:
        super().__init__(meters=meters, sgc=sgc, krn=krn)


class KeyInSale(Refused):
    """A sale that is being settled needs the key."""

    code = "key_in_sale"
    message = N_("A sale under this key is still being settled. Wait for it, then remove the key.")


class KeyInChange(Refused):
    """A key change that nobody confirmed yet leads from the key, or to it."""

    code = "key_in_change"
    message = N_(
        "Meters are being taken to this key, or from it, and nobody has confirmed yet that they"
        " have the new one. Confirm their key changes first."
    )


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a key file.

    Attributes:
        report: What each of its keys is or would be.
        asked: The request that waits for a second person; None where none does.
        waits: The file waits at the module itself for its second custodian.
    """

    report: ImportReport
    asked: ApprovalRequest | None = None
    waits: bool = False


def preview(session: Session, registry: Registry, module_id: int, blob: bytes) -> KeyFilePreview:
    """Tell what a key file says of itself.

    Raises:
        KeyFileRefused: It is none, or not for this module; ``demo``: keys for demonstration, and
            this is production, whatever the module server takes itself to be.
        NotSupported: This kind of module takes none.
        ModuleAway: It is retired.
    """
    return _inspected(_ready(session, registry, module_id, blob), registry, blob)


def try_keys(
    session: Session,
    registry: Registry,
    actor: Actor,
    module_id: int,
    blob: bytes,
    passphrase: SecretBytes,
    *,
    replace: bool,
) -> ImportReport:
    """Tell what loading a file would do; nothing is taken.

    Raises:
        KeyFileRefused: The file as a whole is refused.
    """
    module = _ready(session, registry, module_id, blob)
    return module.import_keys(blob, passphrase, actor=actor.name, replace=replace, dry_run=True)


def import_keys(
    session: Session,
    registry: Registry,
    actor: Actor,
    module_id: int,
    blob: bytes,
    passphrase: SecretBytes,
    *,
    replace: bool,
    key: str,
) -> Outcome:
    """Load a file, or ask for it where a second person must agree.

    Args:
        session: With no transaction open but one that only read.
        registry: Where modules are opened.
        actor: Who does it; the scope is taken on already.
        module_id: Into which module.
        blob: The file.
        passphrase: Opens it; the caller wipes it.
        replace: Keys may take the place of others of their name.
        key: Made with the form: the same form sent twice asks once.

    Raises:
        KeyFileRefused: The file as a whole is refused.
        NotAllowed: They may not replace keys.
    """
    module = _ready(session, registry, module_id, blob)
    found = _inspected(module, registry, blob)
    tried = module.import_keys(blob, passphrase, actor=actor.name, replace=replace, dry_run=True)
    outcomes = {verdict.outcome for verdict in tried.verdicts}
    if tried.refused:
        return Outcome(tried)
    deed: Deed[Any] = KEY_REPLACE if "replaced" in outcomes else KEY_IMPORT
    params = KeyFile(
        module_id, hashlib.sha256(blob).hexdigest(), found.file_id, _named(found.keys)
    )  # fmt: skip
    if "replaced" in outcomes:
        params = _replacing(session, params, tried)
    if asks(session, actor, deed, params) and not allowed(session, actor, deed, params):
        return Outcome(tried, asking.submit(session, actor, deed, params, key))
    end_reading(session)
    report = module.import_keys(blob, passphrase, actor=actor.name, replace="replaced" in outcomes)
    with atomic(session) as current:
        audit.record(
            current, actor, "key.imported", "security_module", module_id,
            file_id=report.file_id, sha256=params.digest, done=report.done,
            waits_for_second=report.waits_for_second,
            keys=[[str(each.key.ref), each.key.kcv, each.outcome] for each in report.verdicts],
        )  # fmt: skip
    if report.done:
        copy_key_list(session, registry, actor, module_id)
    return Outcome(report, waits=report.waits_for_second)


def enter_key(
    session: Session, registry: Registry, actor: Actor, module_id: int, key: KeyInfo
) -> None:
    """Enter the public side of a key that PrismToken holds, which lists none itself.

    Every token it makes is held against the check value; nothing is loaded by this.

    Raises:
        NotSupported: The module lists its keys itself.
        ModuleRefused: ``parameters``: a key of this name is known with other values.
    """
    module = _ready(session, registry, module_id, b"")
    enter = getattr(module, "register_key", None)
    if enter is None:
        raise NotSupported
    enter(key, actor=actor.name)
    with atomic(session) as current:
        audit.record(
            current, actor, "key.entered", "security_module", module_id,
            key=str(key.ref), kcv=key.kcv, ken=key.ken,
        )  # fmt: skip
    copy_key_list(session, registry, actor, module_id)


def remove_key(
    session: Session, registry: Registry, actor: Actor, module_id: int, key_id: int
) -> None:
    """Have a module forget a key, for ever.

    Raises:
        NotFound: The module has no such key.
        ModuleRetired: Nothing is changed in it any more.
        KeyInUse, KeyInSale, KeyInChange: It is needed.
    """
    row = session.get(VendingKey, key_id)
    if row is None or row.module_id != module_id:
        raise NotFound
    module_row = session.get_one(SecurityModule, module_id)
    if module_row.retired_at is not None:
        raise ModuleRetired(module=module_row.name)
    meters = meters_under(session, [row]).get(row.id, 0)
    if meters:
        raise KeyInUse(meters=meters, sgc=row.sgc, krn=row.krn)
    asked = select(Sale.id).where(
        Sale.module_id == module_id, Sale.state == SaleState.PENDING,
        Sale.sgc == row.sgc, Sale.krn == row.krn, Sale.kt == row.kt,
    )  # fmt: skip
    with unscoped("a module is asked for the tokens of all regions"):
        if session.scalar(asked.limit(1)) is not None:
            raise KeyInSale
        if in_open_change(session, row):
            raise KeyInChange
    module = open_module(session, registry, module_id)
    end_reading(session)
    with suppress(KeyError):  # removed there before, and only listed here
        module.remove_key(KeyRef(row.sgc, row.krn, row.kt, row.dkga), actor=actor.name)
    with atomic(session) as current:
        audit.record(
            current, actor, "key.removed", "security_module", module_id,
            sgc=row.sgc, krn=row.krn, kt=row.kt, dkga=row.dkga, kcv=row.kcv,
        )  # fmt: skip
        current.delete(current.get_one(VendingKey, key_id))


def _ready(session: Session, registry: Registry, module_id: int, blob: bytes) -> Module:
    """Open a module that is to look at a file, with no transaction open."""
    if len(blob) > MOST_BYTES:
        raise KeyFileRefused("too_large", most=MOST_BYTES)
    row = session.get(SecurityModule, module_id)
    if row is None:
        raise NotFound
    if row.retired_at is not None:
        raise ModuleAway(name=row.name)
    module = open_module(session, registry, module_id)
    end_reading(session)
    return module


def _inspected(module: Module, registry: Registry, blob: bytes) -> KeyFilePreview:
    found = module.inspect_keys(blob)
    if registry.production and any(key.demo for key in found.keys):
        raise KeyFileRefused("demo")
    return found


def _replacing(session: Session, params: KeyFile, tried: ImportReport) -> ReplacingFile:
    """Add to what is to be agreed to which keys go, and which come in their place."""
    come = [verdict.key for verdict in tried.verdicts if verdict.outcome == "replaced"]
    rows = session.scalars(select(VendingKey).where(VendingKey.module_id == params.module_id))
    known = {KeyRef(row.sgc, row.krn, row.kt, row.dkga): row for row in rows}
    go = [known[key.ref] for key in come if key.ref in known]
    return ReplacingFile(
        params.module_id, params.digest, params.file_id, params.keys,
        replaced=_listed([
            f"{row.sgc}/{row.krn}/{row.kt}/{row.dkga} ({row.kcv}){_bounds(row)}" for row in go
        ]),
        replacing=_listed([f"{key.ref} ({key.kcv}){_bounds(key)}" for key in come]),
        key_ids=" ".join(str(row.id) for row in go),
    )  # fmt: skip


def _named(keys: Sequence[KeyInfo]) -> str:
    """Name keys of a file, for who is to agree to it."""
    return _listed([f"{key.ref} ({key.kcv})" for key in keys])


def _bounds(key: VendingKey | KeyInfo) -> str:
    """Tell what two files may say otherwise of one key, by the names a list of keys has for it."""
    told = {
        "KEN": key.ken, "ACT": _moment(key.active_from), "IUT": _moment(key.issue_until),
        "ULM": key.tenths_per_day, "TLM": key.tokens_per_day,
        "→": ", ".join(f"{sgc}/{krn}" for sgc, krn in key.changes_to) or None,
    }  # fmt: skip
    return "".join(f" {name} {value}" for name, value in told.items() if value is not None)


def _moment(moment: datetime | None) -> str | None:
    return None if moment is None else f"{moment:%Y-%m-%dT%H:%MZ}"


def _listed(names: Sequence[str]) -> str:
    more = len(names) - SHOWN_KEYS
    return ", ".join(names[:SHOWN_KEYS]) + (f" … +{more}" if more > 0 else "")
