"""Files to import, handed in and worked on without a worker beside the test."""

import io
from collections.abc import Sequence

from flask import Flask
from openpyxl import Workbook

from vmsapp.extensions import db
from vmsapp.models import Job
from vmsapp.scope import SYSTEM, seen_by, take_on
from vmsapp.tasks import background

HEADINGS = ("Consumer number", "Name", "Region", "Telephone")


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
