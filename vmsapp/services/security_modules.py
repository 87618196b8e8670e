"""Which module serves a meter, and what is known of its keys outside it."""

from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload

from config import Settings
from vmsapp.errors import N_, Refused
from vmsapp.extensions import atomic
from vmsapp.hsm.base import SecurityModule as Module
from vmsapp.hsm.drivers.soft import SoftModule
from vmsapp.hsm.errors import HsmUnavailable, KeystoreError
from vmsapp.hsm.keystore import Keystore, read_passphrase_fd
from vmsapp.hsm.policy import Limits
from vmsapp.hsm.registry import ModuleDescriptor, Registry
from vmsapp.hsm.results import Results
from vmsapp.models import SecurityModule, SmAlgorithm, VendingKey
from vmsapp.scope import Actor
from vmsapp.services import audit
from vmsapp.sts.secret import SecretBytes


class NoModule(Refused):
    """No security module serves the meter's algorithm."""

    code = "no_module"
    message = N_(
        "No security module serves %(algorithm)s meters. Ask an administrator to assign one."
    )

    def __init__(self, *, algorithm: str) -> None:
        super().__init__(algorithm=algorithm)


class MeterWithoutKey(Refused):
    """The module holds no key for the meter's supply group."""

    code = "meter_without_key"
    message = N_(
        "There is no vending key for supply group %(sgc)s, revision %(krn)s."
        " Ask an administrator to load it."
    )

    def __init__(self, *, sgc: str, krn: int) -> None:
        super().__init__(sgc=sgc, krn=krn)


def registry_from(settings: Settings) -> Registry:
    """Make the registry of this process; modules are opened when first asked.

    The passphrase of the embedded module comes from the file descriptor the starting
    process handed over, or from the file the settings name.
    """
    handed = settings.keystore_passphrase_fd
    from_start = None if handed is None else read_passphrase_fd(handed)

    def open_soft(_descriptor: ModuleDescriptor) -> Module:
        passphrase = from_start or _passphrase_in(settings.passphrase_path)
        return SoftModule(
            _keystore(settings.keystore_path, passphrase),
            Results(settings.results_path, make=False),
            table_set=settings.sta_tables,
            limits=Limits(
                per_minute=settings.tokens_per_meter_minute,
                per_day=settings.tokens_per_meter_day,
            ),
        )

    return Registry((), {"soft": open_soft})


def _keystore(path: Path, passphrase: SecretBytes) -> Keystore:
    try:
        return Keystore.open(path, passphrase)
    except KeystoreError as error:
        raise HsmUnavailable(error.why, sent=False) from error


def _passphrase_in(path: Path) -> SecretBytes:
    try:
        return SecretBytes(path.read_bytes().strip())
    except OSError:
        raise HsmUnavailable("locked", sent=False) from None


def module_for(session: Session, algorithm: str) -> SecurityModule:
    """Fetch the one module that serves an algorithm.

    Raises:
        NoModule: None does.
    """
    row = session.scalars(
        select(SmAlgorithm)
        .where(SmAlgorithm.algorithm == algorithm)
        .options(joinedload(SmAlgorithm.module))
    ).first()
    if row is None:
        raise NoModule(algorithm=algorithm.upper())
    return row.module


def key_for(
    session: Session, module_id: int, *, sgc: str, krn: int, kt: int, dkga: str
) -> VendingKey:
    """Fetch the public side of the key a meter's tokens are made with.

    Raises:
        MeterWithoutKey: The module holds none of that name.
    """
    row = session.scalars(
        select(VendingKey).where(
            VendingKey.module_id == module_id,
            VendingKey.sgc == sgc,
            VendingKey.krn == krn,
            VendingKey.kt == kt,
            VendingKey.dkga == dkga,
        )
    ).first()
    if row is None:
        raise MeterWithoutKey(sgc=sgc, krn=krn)
    return row


def open_module(session: Session, registry: Registry, module_id: int) -> Module:
    """Hand out the module behind a row, opening it in this process if need be."""
    if not registry.knows(module_id):
        row = session.get_one(SecurityModule, module_id)
        registry.describe(
            ModuleDescriptor(id=row.id, name=row.name, driver=row.driver, params=row.params)
        )
    return registry.module(module_id)


def copy_key_list(session: Session, registry: Registry, actor: Actor, module_id: int) -> int:
    """Copy the public side of a module's keys to the database; never a key.

    Returns:
        How many keys were new here.
    """
    keys = open_module(session, registry, module_id).list_keys()
    with atomic(session):
        known = {
            (k.sgc, k.krn, k.kt, k.dkga)
            for k in session.scalars(select(VendingKey).where(VendingKey.module_id == module_id))
        }
        new = [
            key for key in keys if (key.ref.sgc, key.ref.krn, key.ref.kt, key.ref.dkga) not in known
        ]
        for key in new:
            session.add(
                VendingKey(
                    module_id=module_id,
                    sgc=key.ref.sgc,
                    krn=key.ref.krn,
                    kt=key.ref.kt,
                    dkga=key.ref.dkga,
                    base_date=key.base_date.value,
                    ken=key.ken,
                    kcv=key.kcv,
                    name=key.name,
                    demo=key.demo,
                )
            )
            audit.record(
                session, actor, "key.listed", "security_module", module_id,
                sgc=key.ref.sgc, krn=key.ref.krn, kt=key.ref.kt, kcv=key.kcv,
            )  # fmt: skip
    return len(new)
