"""Making a new instance ready: what every installation has before anybody signs in."""

import secrets
from contextlib import closing
from typing import Final

from sqlalchemy import inspect, select
from sqlalchemy.orm import Session

from config import Settings
from vmsapp.clock import now_utc
from vmsapp.extensions import atomic, end_reading
from vmsapp.hsm.keystore import Keystore
from vmsapp.hsm.results import Results
from vmsapp.models import Installation, SecurityModule, SmAlgorithm, VendingKey
from vmsapp.models.meter import Algorithm
from vmsapp.scope import SYSTEM
from vmsapp.sealing import secret_file
from vmsapp.services import audit
from vmsapp.services.backup import databases
from vmsapp.services.backup.inventory import SECRET_KEY
from vmsapp.sts.secret import SecretBytes

EMBEDDED: Final = "Embedded module"


class DemoInProduction(Exception):
    """The instance holds demonstration keys, whose tokens are worth nothing."""

    def __str__(self) -> str:
        return (
            "This instance holds demonstration keys, and production must not sell with them. "
            "Begin with an empty VMS_INSTANCE folder and database."
        )


def prepare(session: Session, settings: Settings) -> None:
    """Write what identifies the installation, and give it its embedded security module.

    In production without a passphrase it gets none: its keys are in module servers, which are
    added under System, Security modules.

    The passphrase of the module's keystore is made at random. It lies beside the
    keystore, mode 0600: that protects a stolen database, not a stolen machine.
    """
    with atomic(session):
        if session.get(Installation, 1) is None:
            session.add(Installation(id=1, instance_id=secrets.token_hex(16), created_at=now_utc()))
            audit.record(session, SYSTEM, "installation.made", "installation", 1)
    if not settings.passphrase_given:
        return
    if session.scalars(select(SecurityModule).limit(1)).first() is None:
        _add_embedded_module(session, settings)


def signing_key(settings: Settings, *, make: bool) -> str:
    """Give the secret key: that of the settings, or of the instance.

    Args:
        settings: Of the instance.
        make: Make the file where there is none; otherwise the key is one for this process alone.

    Raises:
        PermissionError: Others may read the file.
    """
    path = settings.instance / SECRET_KEY
    if settings.secret_key is not None:
        return settings.secret_key
    return secret_file(path) if make or path.exists() else secrets.token_urlsafe(48)


def is_made(session: Session, settings: Settings) -> bool:
    """Tell whether there is an instance; looks for it without making anything."""
    if databases.is_absent(settings.database):
        return False
    there = inspect(session.connection()).has_table(Installation.__tablename__)
    made = there and session.get(Installation, 1) is not None
    end_reading(session)
    return made


def embedded_keystore(settings: Settings) -> Keystore:
    """Open the embedded module's keystore, making keystore and passphrase the first time."""
    settings.keystore_path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    passphrase = SecretBytes(secret_file(settings.passphrase_path).encode())
    if settings.keystore_path.exists():
        return Keystore.open(settings.keystore_path, passphrase)
    return Keystore.create(settings.keystore_path, passphrase)


def refuse_demo_keys(session: Session) -> None:
    """Stop a production start on demonstration keys; a database still empty has none.

    Raises:
        DemoInProduction: There are some.
    """
    if not inspect(session.connection()).has_table(VendingKey.__tablename__):
        return
    if session.scalars(select(VendingKey.id).where(VendingKey.demo).limit(1)).first() is not None:
        raise DemoInProduction


def _add_embedded_module(session: Session, settings: Settings) -> None:
    keystore = embedded_keystore(settings)
    with closing(Results(settings.results_path)) as records:
        records.epoch()  # made now, and never again
    try:
        with atomic(session):
            module = SecurityModule(
                name=EMBEDDED, driver="soft", params={}, module_id=keystore.module_id
            )
            session.add(module)
            session.flush()
            session.add_all(
                SmAlgorithm(algorithm=algorithm, module_id=module.id) for algorithm in Algorithm
            )
            audit.record(
                session, SYSTEM, "module.added", "security_module", module.id,
                module_id=module.module_id, driver=module.driver,
            )  # fmt: skip
    finally:
        keystore.close()
