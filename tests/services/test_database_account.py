"""The account of web servers and workers: sells, seals and takes back, and changes no schema.

What is only added: migrations/versions/0002_guards.py, 0006, 0010, 0021, 0033, 0034.
"""

import secrets

import pytest
from sqlalchemy import event, text
from sqlalchemy.exc import ProgrammingError

from config import ROOT
from tests.conftest import run
from tests.shop import Shop
from vmsapp.models import AuditSeal, LedgerEntry, Token
from vmsapp.scope import SYSTEM, seen_by
from vmsapp.services.audit.sealer import seal
from vmsapp.services.vending.reconcile import reconcile

pytestmark = [
    pytest.mark.postgres,
    pytest.mark.parametrize("backend", ["postgres"], indirect=True),
]

ADDED_ONLY = ("ledger_entry", "audit_event", "token", "tid", "audit_seal", "audit_head",
              "licence_change", "engineering_refusal")  # fmt: skip
GRANTS = ROOT / "deploy" / "postgresql" / "grants.sql"


def granted(account: str) -> str:
    """The file as psql runs it: its own commands are for psql alone."""
    lines = GRANTS.read_text().splitlines()
    script = "\n".join(line for line in lines if not line.startswith("\\"))
    return script.replace(":'account'", f"'{account}'")


@pytest.fixture
def account(database_url, postgres_server):
    """An account that may do what the file gives it; gone when the test is over."""
    name = f"vms_web_{secrets.token_hex(4)}"
    run(postgres_server, f"CREATE ROLE {name}")
    for _ in range(2):  # after an upgrade it is run again
        run(database_url, granted(name))
    yield name
    run(database_url, f"DROP OWNED BY {name}")
    run(postgres_server, f"DROP ROLE {name}")


@pytest.fixture
def lent(engine, account):
    """All connections of the product are the account's."""

    def take_on(connection, _record):
        connection.autocommit = True
        connection.execute(f"SET ROLE {account}")
        connection.autocommit = False

    engine.dispose()
    event.listen(engine, "connect", take_on)
    yield account
    event.remove(engine, "connect", take_on)
    engine.dispose()


def refused(shop: Shop, statement: str) -> bool:
    with shop.engine.connect() as connection, pytest.raises(ProgrammingError) as caught:
        connection.execute(text(statement))
    return caught.value.orig.sqlstate == "42501"  # insufficient_privilege


def test_the_product_sells_settles_and_seals_with_it(lent, shop, module):
    assert shop.sell().state == "issued"
    with shop.session() as session, seen_by(SYSTEM):
        assert session.scalar(text("SELECT current_user")) == lent
        reconcile(session, shop.registry)
        assert seal(session) > 0
    assert min(shop.count(Token), shop.count(LedgerEntry), shop.count(AuditSeal)) > 0


@pytest.mark.parametrize("table", ADDED_ONLY)
def test_what_is_only_added_it_may_neither_change_nor_remove(lent, shop, table):
    columns = "SELECT attname FROM pg_attribute WHERE attnum = 1 AND attrelid = '{}'::regclass"
    with shop.engine.connect() as connection:
        column = connection.scalar(text(columns.format(table)))
    assert refused(shop, f"UPDATE {table} SET {column} = {column}")
    assert refused(shop, f"DELETE FROM {table}")
    assert refused(shop, f"TRUNCATE {table}")


@pytest.mark.parametrize("statement", [
    "CREATE TABLE more (id int)",
    "ALTER TABLE sale ADD COLUMN more int",
    "DROP TABLE sale",
    "DROP TRIGGER token_added_only ON token",
    "ALTER TABLE token DISABLE TRIGGER ALL",
    "UPDATE alembic_version SET version_num = '0001'",
    "DELETE FROM alembic_version",
    "INSERT INTO alembic_version VALUES ('9999')",
    "DELETE FROM ledger_transfer",
    "SET session_replication_role = replica",  # by which triggers would be left out
])  # fmt: skip
def test_the_schema_and_its_guards_are_not_its_own(lent, shop, statement):
    assert refused(shop, statement)


def test_other_rows_it_may_change_and_remove(lent, shop):
    with shop.engine.begin() as connection:
        for statement in ("UPDATE meter SET drn = drn", "DELETE FROM user_session"):
            connection.execute(text(statement))
