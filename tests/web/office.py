"""A person at a browser, and ways to look at what a request did to the database."""

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from html.parser import HTMLParser
from typing import Any

import flask
import pytest
from flask import Flask
from flask_wtf.csrf import generate_csrf
from sqlalchemy import Engine, Table, event, select
from werkzeug.test import TestResponse

from tests.factories import LEGACY_11, Utility
from vmsapp.extensions import db
from vmsapp.models import AuditEvent
from vmsapp.models.base import Model
from vmsapp.services import sessions
from vmsapp.services.audit.notes import BEARER_RENEWED, BEARER_USED, REFUSED

BOTH = pytest.mark.parametrize(
    "backend", ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)], indirect=True
)
"""For the few tests where the kind of database matters; the others run on SQLite."""

ADMIN, ENGINEER, NEWCOMER, NORTH_SUPERVISOR = "admin", "engineer", "newcomer", "north supervisor"
PASSWORD = "Straight-Forward-77"
LANGUAGES = {"en": "ltr", "zh": "ltr", "fr": "ltr", "pt": "ltr", "es": "ltr", "ar": "rtl",
             "sw": "ltr", "ru": "ltr"}  # fmt: skip
NOWHERE = 10**6
"""An id that no row has."""

PASSING = {"user_session", "audit_unsealed", "training_meter"}
"""Browsers that sit there come and go as the tests need them, and with them what is learnt on; and
the sealer's list."""

TABLES = [table for table in Model.metadata.sorted_tables if table.name not in PASSING]

NOTED = AuditEvent.action.in_([REFUSED, BEARER_USED, BEARER_RENEWED])
"""What doors note of a refusal; it is not a change."""


class Browser:
    """A person at a browser: keeps cookies, and sends the CSRF token its pages hold."""

    def __init__(self, app: Flask, user_id: int | None = None, language: str | None = None) -> None:
        self.client = app.test_client()
        self.language = language
        with app.test_request_context():
            self.token, kept = generate_csrf(), flask.session["csrf_token"]
        with self.client.session_transaction() as session:
            session["csrf_token"] = kept
            if user_id is not None:
                session.update(_user_id=str(user_id), _fresh=True, ticket=ticket_for(app, user_id))

    def get(self, path: str, **options: Any) -> TestResponse:
        return self._open("GET", path, **options)

    def post(
        self, path: str, data: dict[str, Any] | None = None, *, csrf: bool = True, **options: Any
    ) -> TestResponse:
        token = {"csrf_token": self.token} if csrf else {}
        return self._open("POST", path, data=token | (data or {}), **options)

    def purchase(self, meter_id: int, **typed: str) -> dict[str, str]:
        """Open the purchase form, have it priced, and hand back what it would send."""
        opened = self.get(f"/counter/meter/{meter_id}", follow_redirects=True)
        key = fields(opened.text, "/sell")["key"]
        page = self.get(f"/counter/meter/{meter_id}", query_string={"key": key} | typed)
        assert page.status_code == 200, page.text
        return fields(page.text, "/sell")

    def sell(self, meter_id: int, form: dict[str, str], **options: Any) -> TestResponse:
        return self._open("POST", f"/counter/meter/{meter_id}/sell", data=form, **options)

    def buy(self, utility: Utility, meter: str = LEGACY_11, **typed: str) -> TestResponse:
        """Fill the form in and press Sell; by default for 50 units."""
        meter_id = utility.meters[meter]
        form = self.purchase(meter_id, **{"mode": "quantity", "value": "50"} | typed)
        return self.sell(meter_id, form)

    def print(self, sale_id: int, **chosen: str) -> TestResponse:
        """Open a receipt's preview and confirm it; by default on paper."""
        opened = self.get(f"/counter/receipts/{sale_id}/preview", query_string=chosen)
        form = fields(opened.text, "/print") | {"kind": "paper"} | chosen
        return self.post(f"/counter/receipts/{sale_id}/print", form)

    def _open(self, method: str, path: str, **options: Any) -> TestResponse:
        headers = {"Accept-Language": self.language} if self.language else {}
        headers |= options.pop("headers", {})
        return self.client.open(path, method=method, headers=headers, buffered=True, **options)


def ticket_for(app: Flask, user_id: int) -> str:
    """Begin a session as signing in does, without the password."""
    with app.app_context():
        ticket = sessions.begin(db.session(), user_id, address="127.0.0.1", user_agent="")
        db.session.remove()
    return ticket


class _Forms(HTMLParser):
    """Collects what each form of a page would send."""

    def __init__(self) -> None:
        super().__init__()
        self.forms: list[tuple[str, dict[str, str]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.forms.append((found.get("action", ""), {}))
        elif tag == "input" and self.forms and "name" in found:
            chosen = found.get("type") not in {"radio", "checkbox"} or "checked" in found
            if chosen:
                self.forms[-1][1][found["name"]] = found.get("value", "")


def fields(page: str, action: str = "") -> dict[str, str]:
    """What the first form whose action ends like this and that has fields would send."""
    parser = _Forms()
    parser.feed(page)
    return next((sent for where, sent in parser.forms if where.endswith(action) and sent), {})


def said(page: str, kind: str = "field-error|refusal|note note-bad|note note-warn") -> str:
    """The sentence a page refuses or warns with."""
    found = re.search(rf'<(p|div) class="(?:{kind})"[^>]*>(.*?)</\1>', page, re.DOTALL)
    return " ".join(re.sub(r"<[^>]+>", " ", found[2]).split()) if found else ""


def main_part(page: str) -> str:
    """A page without its menu and frame."""
    found = re.search(r"<main.*</main>", page, re.DOTALL)
    assert found, page
    return re.sub(r"(support: )[0-9a-f]{12}", r"\1…", found[0])  # another each time


def rows_of(table: Table) -> Any:
    """The rows of a table that are somebody's deed."""
    deeds = select(table)
    return deeds.where(~NOTED) if table is AuditEvent.__table__ else deeds


def counts(engine: Engine, *but: str) -> dict[str, int]:
    """Rows of every table."""
    with engine.connect() as connection:
        return {
            table.name: len(connection.execute(rows_of(table)).all())
            for table in TABLES
            if table.name not in but
        }


def contents(engine: Engine, *but: str) -> dict[str, str]:
    """A digest of every table's rows."""
    with engine.connect() as connection:
        return {
            table.name: hashlib.sha256(
                repr(sorted(map(repr, connection.execute(rows_of(table))))).encode()
            ).hexdigest()
            for table in TABLES
            if table.name not in but
        }


@contextmanager
def statements(engine: Engine) -> Iterator[list[str]]:
    """Collect the SQL statements an engine is sent inside the block."""
    seen: list[str] = []

    def note(_connection, _cursor, statement, *_rest) -> None:
        seen.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(engine, "before_cursor_execute", note)
