"""Files to import, handed in and worked on without a worker beside the test."""

import io
from collections.abc import Sequence

import pytest
from flask import Flask
from openpyxl import Workbook

from tests.factories import LEGACY_11
from tests.shop import Shop
from tests.web.office import ADMIN
from vmsapp.extensions import db
from vmsapp.models import ImportBatch, ImportRow, Job, Meter, Product, Tariff
from vmsapp.scope import SYSTEM, seen_by, take_on, unscoped
from vmsapp.tasks import background

HEADINGS = ("Consumer number", "Name", "Region", "Telephone")
METER_HEADINGS = [
    "Meter number", "Product", "Region", "Tariff", "Algorithm", "Supply group code (SGC)",
    "Tariff index (TI)", "Encryption algorithm (EA)",
]  # fmt: skip

# Luhn check digits worked out by hand, doubling from the right
NEW_METERS = ("04040404008", "04040404016", "04040404024")
assert all(
    sum(sum(divmod(int(digit) * (1 + place % 2), 10)) for place, digit in enumerate(one[::-1])) % 10
    == 0
    for one in NEW_METERS
)


def workbook(rows: Sequence[Sequence[object]], headings: Sequence[str] = HEADINGS) -> bytes:
    """A workbook as a spreadsheet program saves it."""
    book, file = Workbook(), io.BytesIO()
    book.active.append(list(headings))
    for row in rows:
        book.active.append(list(row))
    book.save(file)
    return file.getvalue()


def work(app: Flask, job_id: int) -> Job:
    """Run a job as a worker does."""
    with app.app_context():
        background.run.run(job_id)
        db.session.remove()
    take_on(SYSTEM.sight)
    with app.app_context(), seen_by(SYSTEM):
        job = db.session().get_one(Job, job_id)
        db.session.remove()
    return job


def codes(shop: Shop, batch: ImportBatch) -> dict[int, list[str]]:
    """Codes of what is wrong, by row."""
    rows = shop.rows(ImportRow, ImportRow.batch_id == batch.id)
    return {one.row: [error["code"] for error in one.errors or []] for one in rows if one.errors}


def meters_of(shop: Shop) -> dict[str, Meter]:
    """All meters, by number."""
    return {meter.drn: meter for meter in shop.rows(Meter)}


@pytest.fixture
def row(shop):
    """A row like a meter that is there."""
    like = shop.rows(Meter, Meter.id == shop.utility.meters[LEGACY_11])[0]
    with shop.session() as session, unscoped("the test looks"):
        product = session.get_one(Product, like.product_id).model
        tariff = session.get_one(Tariff, like.tariff_id).name

    def make(number, **other):
        said = {"product": product, "region": "North", "tariff": tariff, "algorithm": "Legacy",
                "sgc": like.sgc, "ti": like.ti, "ea": "07"} | other  # fmt: skip
        return [number, *said.values()]

    return make


@pytest.fixture
def hand_in(office, browse, shop):
    """Hand a workbook in, and have it checked."""

    def do(content: bytes, sheet: str = "meters", **ticked: str):
        form = {"file": (io.BytesIO(content), "m.xlsx"), **ticked}
        answer = browse(ADMIN).post(f"/imports/new/{sheet}", form)
        assert answer.status_code == 302, answer.text
        batch = shop.rows(ImportBatch)[-1]
        job = work(office, batch.job_id)
        assert job.state == "done", job.problem
        return shop.rows(ImportBatch, ImportBatch.id == batch.id)[0]

    return do


@pytest.fixture
def go_on(office, browse, shop):
    """Have an import applied or undone."""

    def do(deed: str, batch: ImportBatch):
        answer = browse(ADMIN).post(f"/imports/{deed}/{batch.id}", {"good_only": "yes"})
        assert answer.status_code == 302, answer.text
        job = work(office, shop.rows(ImportBatch, ImportBatch.id == batch.id)[0].job_id)
        assert job.state == "done", job.problem
        return shop.rows(ImportBatch, ImportBatch.id == batch.id)[0]

    return do
