"""How quickly 100,000 consumers and meters are checked, applied and exported.

A workbook of 12 columns goes through the jobs as a worker runs them, in one process; the pages
are not part of it. Set ``DATABASE_URL`` to measure another database; it must be empty, and is
left filled.

    python benchmarks/registration.py           100,000 rows of each kind
    python benchmarks/registration.py --quick   4,000 rows
"""

import argparse
import json
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from flask import Flask
from sqlalchemy import select

from config import Settings
from vmsapp import create_app
from vmsapp.cli.vms import initialise
from vmsapp.extensions import atomic, db
from vmsapp.models import ImportBatch, Job, OfficeUser, Product, Region, Tariff
from vmsapp.scope import SYSTEM, Actor, seen_by
from vmsapp.security import actor_for
from vmsapp.services import job_runs
from vmsapp.services.imports import batches
from vmsapp.services.imports.kinds import kind_of
from vmsapp.services.sheets import Look, write_xlsx
from vmsapp.sts.identifiers import luhn
from vmsapp.tasks import background

AIMS_S = {"check": 6.0, "apply": 12.0, "export": 3.0}
"""Seconds for 100,000 rows on two idle cores with PostgreSQL, its own work included."""
AIM_MB = 400

CONSUMERS = ("Consumer number", "Name", "Region", "Address", "Gender", "ID number", "E-mail",
             "Telephone", "Language", "Remark", "Remark 2", "Remark 3")  # fmt: skip
METERS = ("Meter number", "Product", "Region", "Tariff", "Algorithm", "Supply group code (SGC)",
          "Tariff index (TI)", "Key revision number (KRN)", "Key type (KT)", "Base date",
          "Encryption algorithm (EA)", "Token carrier (TCT)")  # fmt: skip


class Spent(NamedTuple):
    """Seconds a deed took.

    Attributes:
        passed: By the clock, others' work on the machine included.
        worker: Of the processor, in this process.
        reader: Of the processor, in the process that read the file.
    """

    passed: float
    worker: float
    reader: float


def consumers(count: int, region: str) -> Iterator[list[str]]:
    """Rows without errors."""
    for n in range(count):
        yield [f"B{n:07}", f"Consumer {n}", region, f"{n % 977} Long Street", "Female", f"{n:010}",
               f"person{n}@example.org", f"+2547{n:08}", "English", "", "", ""]  # fmt: skip


def meters(count: int, region: str, product: str, tariff: str) -> Iterator[list[str]]:
    """Rows without errors, whose numbers no demo has."""
    for n in range(count):
        serial = f"99{n:08}"
        digit = next(one for one in "0123456789" if luhn.is_valid(serial + one))
        yield [serial + digit, product, region, tariff, "Legacy", "123457", "01", "1", "2", "2014",
               "07", "02"]  # fmt: skip


def main() -> None:
    """Fill a new instance, import, export, and print a table and one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rows")
    quick = parser.parse_args().quick
    count = 4_000 if quick else 100_000
    with tempfile.TemporaryDirectory(prefix="vms-registration-") as folder:
        environment = {"VMS_INSTANCE": folder, "DEMO": "1"}
        if url := os.environ.get("DATABASE_URL"):
            environment["DATABASE_URL"] = url
        app = create_app(Settings.from_environ(environment))
        with app.app_context():
            initialise()
            with seen_by(SYSTEM):
                admin = db.session().scalars(
                    select(OfficeUser).where(OfficeUser.username == "admin")
                ).one()  # fmt: skip
                actor = actor_for(db.session(), admin.id)
                region, product, tariff = names()
            found: dict[str, Spent] = {}
            rows = {
                "consumers": (CONSUMERS, consumers(count, region)),
                "meters": (METERS, meters(count, region, product, tariff)),
            }
            for code, (headings, made) in rows.items():
                path = Path(folder) / f"{code}.xlsx"
                with path.open("wb") as file:
                    write_xlsx(file, code, headings, made, Look(keep_text=True))
                found |= imported(app, actor, code, path, count)
            for view in ("Consumers", "Meters"):
                found[f"{view.lower()}: export"] = timed(lambda v=view: exported(actor, v))
            dialect = db.engine.dialect.name
            db.session.remove()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{'':24} {'passed':>8} {'worker':>8} {'reader':>8}")
    for name, spent in found.items():
        print(f"{name:24} {spent.passed:8.2f} {spent.worker:8.2f} {spent.reader:8.2f} s")
    print(f"{'memory at most':24} {peak:8.0f} MB")
    within = peak <= AIM_MB and all(
        spent.passed <= AIMS_S[name.partition(": ")[2]] for name, spent in found.items()
    )
    print(json.dumps({
        "benchmark": "registration", "quick": quick, "database": dialect, "rows": count,
        "seconds": {name: spent._asdict() for name, spent in found.items()},
        "memory_mb": round(peak), "within_aims": within,
    }))  # fmt: skip


def names() -> tuple[str, str, str]:
    """A region, a product of electricity meters and a tariff for them."""
    session = db.session()
    product = session.scalars(select(Product).where(Product.meter_type == "electricity")).first()
    tariff = session.scalars(
        select(Tariff).where(Tariff.meter_type == "electricity", ~Tariff.retired)
    ).first()
    region = session.scalars(select(Region).order_by(Region.id.desc())).first()
    assert product
    assert tariff
    assert region
    return region.name, product.model, tariff.name


def imported(app: Flask, actor: Actor, code: str, path: Path, count: int) -> dict[str, Spent]:
    """Hand a file in, check and apply it."""
    settings = app.extensions["vms_settings"]
    with seen_by(actor), path.open("rb") as file:
        batch = batches.stage(
            db.session(), actor, settings, kind_of(code), file, file_name=path.name,
            language="en", update_existing=False, although_same=True,
        )  # fmt: skip
    check = timed(lambda: done(batch.job_id))
    with seen_by(actor):
        batch = batches.confirm(db.session(), actor, batch.id, good_only=False, language="en")
    apply = timed(lambda: done(batch.job_id))
    with seen_by(SYSTEM):
        db.session.remove()
        assert db.session().get_one(ImportBatch, batch.id).applied == count
        db.session.remove()
    return {f"{code}: check": check, f"{code}: apply": apply}


def exported(actor: Actor, view: str) -> None:
    """Have a list made as a workbook."""
    params = {"view": view, "kind": "xlsx", "title": view, "query": "", "columns": []}
    with seen_by(actor), atomic(db.session()) as session:
        from flask import current_app  # noqa: PLC0415 - only here

        shown = next(v for v in current_app.extensions["appbuilder"].baseviews
                     if type(v).__name__ == view)  # fmt: skip
        params["columns"] = list(shown.export_columns)
        job = job_runs.ask(session, actor, "export", params, locale="en", file_name="a.xlsx")
    done(job.id)


def done(job_id: int | None) -> None:
    """Run a job as a worker does."""
    assert job_id is not None
    background.run.run(job_id)
    with seen_by(SYSTEM):
        db.session.remove()
        job = db.session().get_one(Job, job_id)
        assert job.state == "done", job.problem
        db.session.remove()


def timed(deed: Callable[[], object]) -> Spent:
    """Measure a deed."""
    begun, worker, reader = time.perf_counter(), time.process_time(), of_children()
    deed()
    spent = (time.perf_counter() - begun, time.process_time() - worker, of_children() - reader)
    return Spent(*(round(seconds, 2) for seconds in spent))


def of_children() -> float:
    """Seconds of the processor that ended children took."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
