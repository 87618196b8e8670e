"""Everything in open formats: nothing is missing, nothing is secret, all of it adds up.

What is compared with is read from the database, past the code that exports; CSV is read by
Python's own reader, the chain is checked by the lines that the export brings along.
"""

import csv
import errno
import hashlib
import json
import re
import stat
import subprocess
import sys
import tracemalloc
import zipfile
from collections import Counter
from datetime import date

import pytest
from click.testing import CliRunner
from sqlalchemy import inspect, text

from tests.factories import DOMESTIC, LEGACY_11, OPERATOR, STS6_11
from tests.faults import answer_lost, down, request_lost
from tests.services.pair import make_pair
from tests.traces import VENDING_KEY, Secrets
from vmsapp.cli.tariffs import tariffs
from vmsapp.models import (
    AuditEvent,
    AuditSeal,
    Consumer,
    LedgerAccount,
    LedgerEntry,
    LedgerTransfer,
    OfficeUser,
    RecoveryCode,
    Sale,
    Setup,
    SpentTid,
    Token,
    UserSession,
    VendingKey,
)
from vmsapp.models.base import Model
from vmsapp.scope import SYSTEM, seen_by
from vmsapp.services import audit
from vmsapp.services.full_export import target, writing
from vmsapp.services.full_export.left_out import COLUMNS, TABLES
from vmsapp.services.full_export.readme import CHECK
from vmsapp.services.full_export.writing import export_all
from vmsapp.services.vending import reversal

ODD = 'Amina "Mina", Mwangi\r\n=1+1 م'


@pytest.fixture
def sold(shop, module):
    """Sales of all kinds: seen, never seen, in doubt, failed, and taken back."""
    seen = [shop.sell(LEGACY_11), shop.sell(DOMESTIC, units="250"), shop.sell(STS6_11)]
    module.once("issue_credit", request_lost)
    unseen = shop.sell(LEGACY_11, units="7")
    shop.clock.forward(minutes=1)
    shop.reconcile()
    pair = make_pair(shop)
    params = reversal.Reversal(seen[0].id, seen[0].charged_minor, "wrong_meter", "")
    pair.approve(pair.ask(reversal.REVERSE, "k1", params=params))
    module.once("issue_credit", down)
    shop.sell(DOMESTIC, units="3")
    module.once("issue_credit", answer_lost)
    module.always("fetch_result", down)
    shop.sell(DOMESTIC, units="5")
    return {"reversed": seen[0], "seen": seen[1:], "unseen": unseen}


@pytest.fixture
def take_out(engine, shop, tmp_path):
    """Export everything into a folder, or an archive."""

    def do(name="out", reason="the utility moves"):
        with shop.session() as session, seen_by(SYSTEM):
            done = export_all(session, SYSTEM, engine, tmp_path / name, reason)
        return tmp_path / name, done

    return do


def read(folder, table):
    with (folder / "tables" / f"{table}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, strict=True))


def read_dictionary(folder):
    with (folder / "dictionary.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, strict=True))


# nothing is missing


def test_every_table_and_column_is_exported_or_left_out_with_a_reason(take_out, engine):
    folder, _ = take_out()
    there = set(inspect(engine).get_table_names()) - {"alembic_version", *search_indexes(engine)}
    assert there == set(Model.metadata.tables), "a table past the models would not be exported"
    files = {path.stem for path in (folder / "tables").iterdir()}
    assert files | TABLES.keys() == there
    assert not files & TABLES.keys()
    assert all(TABLES.values())
    assert all(COLUMNS.values())
    columns = {f"{name}.{column['name']}" for name in files
               for column in inspect(engine).get_columns(name)}  # fmt: skip
    heads = set()
    for name in files:
        with (folder / "tables" / f"{name}.csv").open(encoding="utf-8", newline="") as file:
            heads |= {f"{name}.{heading}" for heading in next(csv.reader(file))}
    assert columns - heads == set(COLUMNS)
    added = heads - columns
    assert {one.partition(".")[2] for one in added} == {"currency", "exponent"}


def search_indexes(engine):
    """The tables in which SQLite keeps its indexes of texts, which hold nothing of their own."""
    if engine.dialect.name != "sqlite":
        return []
    with engine.connect() as connection:
        virtual = connection.scalars(
            text("SELECT name FROM sqlite_master WHERE sql LIKE 'CREATE VIRTUAL TABLE%'")
        ).all()
    assert virtual
    return [name for name in inspect(engine).get_table_names()
            if name in virtual or name.rpartition("_")[0] in virtual]  # fmt: skip


def test_what_is_left_out_stands_in_the_export(take_out):
    folder, _ = take_out()
    with (folder / "left_out.csv").open(encoding="utf-8", newline="") as file:
        said = {".".join(filter(None, row[:2])): row[2] for row in list(csv.reader(file))[1:]}
    assert said == {**TABLES, **COLUMNS}


def test_every_row_is_there_as_the_database_has_it(take_out, sold, engine):
    folder, done = take_out()
    rows = {one.name: one.rows for one in done.files}
    with engine.connect() as connection:
        for path in (folder / "tables").iterdir():
            count = connection.scalar(text(f'SELECT count(*) FROM "{path.stem}"'))
            assert rows[f"tables/{path.name}"] == len(read(folder, path.stem)) == count, path.stem
        assert rows["audit_trail.jsonl"] == connection.scalar(
            text("SELECT count(*) FROM audit_event")
        ) - 1, "the end of the export is noted after it"  # fmt: skip
    assert len(read(folder, "sale")) == 6


def test_odd_texts_come_back_as_they_were(take_out, shop):
    def rename(session):
        first, _second = session.query(Consumer).order_by(Consumer.id).limit(2)
        first.name, first.address = ODD, ""

    shop.change(rename)
    folder, _ = take_out()
    assert read(folder, "consumer")[0]["name"] == ODD
    raw = (folder / "tables" / "consumer.csv").read_bytes().decode()
    assert raw.startswith("id,region_id,number,name,")
    assert raw.count("\r\n") == shop.count(Consumer) + 1 + 1, "a line a row, and that in the name"
    assert ',"",' in raw, "a text without letters is told from nothing"


def test_every_column_is_explained(take_out, sold):
    folder, _ = take_out()
    said = {(row["file"], row["column"]): row for row in read_dictionary(folder)}
    for path in (folder / "tables").iterdir():
        with path.open(encoding="utf-8", newline="") as file:
            for heading in next(csv.reader(file)):
                assert len(said.pop((f"tables/{path.name}", heading))["meaning"]) > 4, heading
    assert not said
    by_name = {(row["file"], row["column"]): row for row in read_dictionary(folder)}
    charged = by_name["tables/sale.csv", "charged_minor"]
    assert (charged["type"], charged["unit"]) == ("integer", "minor units of the currency")
    assert by_name["tables/sale.csv", "state"]["values"] == "pending | issued | failed | reversed"
    assert by_name["tables/sale.csv", "meter_id"]["refers_to"] == "tables/meter.csv: id"


RFC_3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")


def test_values_are_written_as_the_dictionary_says(take_out, sold):
    folder, _ = take_out()
    seen = Counter()
    kinds = {"time": RFC_3339.fullmatch, "date": date.fromisoformat, "json": json.loads,
             "integer": int, "truth": {"true": 1, "false": 1}.get}  # fmt: skip
    for row in read_dictionary(folder):
        check = kinds.get(row["type"])
        for line in read(folder, row["file"].split("/")[1].removesuffix(".csv")):
            value = line[row["column"]]
            if value and check:
                assert check(value) is not None, (row, value)
                seen[row["type"]] += 1
            assert value or row["may_be_empty"] == "yes" or row["type"] == "text", row
    assert set(kinds) == set(seen)


def test_money_has_its_currency_and_a_sale_its_calculation(take_out, sold):
    """250 units from the month's first: fee 2.00, 100 at 0.10, 150 at 0.20 with 5 %: 43.50."""
    folder, _ = take_out()
    (row,) = [row for row in read(folder, "sale") if row["id"] == str(sold["seen"][0].id)]
    assert (row["charged_minor"], row["currency"], row["exponent"]) == ("4350", "USD", "2")
    assert row["units"] == "250.000"
    lines = json.loads(row["calculation"])["lines"]
    assert sum(line["amount_minor"] for line in lines) == 4350
    entry = read(folder, "ledger_entry")[0]
    assert (entry["currency"], entry["exponent"]) == ("USD", "2")


def test_plans_are_documents_that_can_be_checked(take_out):
    folder, _ = take_out()
    plans = sorted((folder / "plans").iterdir())
    assert len(plans) == len(read(folder, "tariff_plan")) > 1
    for plan in plans:
        looked = CliRunner().invoke(tariffs, ["check", str(plan)])
        assert looked.exit_code == 0, looked.output


# all of it adds up


def test_the_sums_are_those_of_the_ledger(take_out, sold, shop):
    folder, _ = take_out()
    posted = {row["id"] for row in read(folder, "ledger_transfer") if row["state"] == "posted"}
    account = {row["id"]: (row["vending_point_id"], row["kind"], row["detail"])
               for row in read(folder, "ledger_account")}  # fmt: skip
    sums = Counter()
    for row in read(folder, "ledger_entry"):
        if row["transfer_id"] in posted:
            sums[account[row["account_id"]]] += int(row["amount_minor"])
    expected = Counter()
    kinds = {row.id: row for row in shop.rows(LedgerAccount)}
    good = {row.id for row in shop.rows(LedgerTransfer, LedgerTransfer.state == "posted")}
    for row in shop.rows(LedgerEntry):
        if row.transfer_id in good:
            of = kinds[row.account_id]
            expected[str(of.vending_point_id), of.kind, of.detail] += row.amount_minor
    assert sums == expected
    assert sum(sums.values()) == 0
    assert any(sums.values())


def test_the_chain_is_checked_from_its_file_alone(take_out, sold, shop):
    shop.change(lambda s: audit.record(s, SYSTEM, "text.odd", "test", None, said='ü “م” \\ " \n'))
    folder, _ = take_out()
    assert len(CHECK.splitlines()) <= 11
    assert CHECK in (folder / "README.md").read_text()
    last = shop.rows(AuditSeal)[-1].hash
    assert checked(folder).stdout == f"{last}\n"
    trail = folder / "audit_trail.jsonl"
    lines = trail.read_text().splitlines(keepends=True)
    places = [json.loads(line)["place"] for line in lines]
    assert places == list(range(1, len(lines) + 1)), "all were sealed first"
    assert json.loads(lines[-1])["event"]["action"] == "everything.export_begun"
    trail.write_text("".join([*lines[:3], lines[3].replace(OPERATOR, "somebody"), *lines[4:]]))
    assert trail.read_text() != "".join(lines)
    assert "AssertionError: 4" in checked(folder).stderr


def checked(folder):
    return subprocess.run(
        [sys.executable, "-I", "-c", CHECK], cwd=folder, capture_output=True, text=True, check=False
    )


def test_all_files_are_of_one_moment(take_out, sold, shop, monkeypatch):
    pages, made = writing._pages, []

    def selling(connection, statement):
        yield from pages(connection, statement)
        if "FROM meter \n" in f"{statement} \n" or "FROM ledger_account" in f"{statement}":
            made.append(shop.sell(STS6_11, units=f"{len(made) + 1}"))

    monkeypatch.setattr(writing, "_pages", selling)
    before = shop.count(Sale), shop.count(Token), shop.count(AuditEvent) + 1
    folder, done = take_out()
    assert made
    rows = {one.name: one.rows for one in done.files}
    assert before == tuple(
        rows[name] for name in ("tables/sale.csv", "tables/token.csv", "audit_trail.jsonl")
    )
    assert shop.count(Sale) == before[0] + len(made)
    assert checked(folder).returncode == 0


# nothing is secret


def test_no_secret_stands_in_any_file(take_out, sold, shop, keystore):
    hashes = ["pbkdf2:sha256:1$salt$f00dfeed11aa22bb", "c0de" * 16, "71c4e7" * 10, "4ec0" * 16]
    sealed = [bytes(range(40, 90)), bytes(range(120, 190))]

    def plant(session):
        user = session.query(OfficeUser).filter_by(username=OPERATOR).one()
        user.password, user.code_hash, user.totp_secret = hashes[0], hashes[1], sealed[0]
        session.query(Setup).one().mail_password = sealed[1]
        now = shop.clock.now
        session.add(UserSession(
            user_id=user.id, ticket_hash=hashes[2], created_at=now, seen_at=now, address="",
            device="",
        ))  # fmt: skip
        session.add(RecoveryCode(user_id=user.id, code_hash=hashes[3]))

    shop.change(plant)
    secrets = Secrets()
    held = keystore.keys()
    assert len(held) > 2
    for info in held:
        secrets.add(VENDING_KEY, keystore.vending_key(info.ref)[1].reveal())
    for value in sealed:
        secrets.add("a sealed value", value)
    assert secrets.found_in(sealed[0].hex().encode()) == {"a sealed value"}, "what would be found"
    folder, _ = take_out()
    everything = [path for path in folder.rglob("*") if path.is_file()]
    assert len(everything) > 60
    for path in everything:
        content = path.read_bytes()
        assert not secrets.found_in(content), path
        assert not [one for one in hashes if one.encode() in content], path
    assert read(folder, "ab_user")
    assert read(folder, "user_session")
    assert len(read(folder, "vending_key")) == shop.count(VendingKey)


TELLING = re.compile(r"password|secret|hash|sealed|ticket|totp|cipher|private|seed|pin")
HARMLESS = {
    "approval_request.hash": "of what was asked for, which stands beside it",
    "engineering_token.body_hash": "of a form",
    "key_change.body_hash": "of a form",
    "sale.body_hash": "of a form",
    "ab_user.must_change_password": "a truth",
    "ab_user.totp_since": "a time",
    "sale.sealed_at": "a time",
    "sale.sealed_by_id": "a user",
}


def test_no_column_with_a_telling_name_is_exported_unseen(take_out):
    folder, _ = take_out()
    names = {f"{row['file'].split('/')[1].removesuffix('.csv')}.{row['column']}"
             for row in read_dictionary(folder)}  # fmt: skip
    telling = {one for one in names if TELLING.search(one.partition(".")[2])}
    assert telling == HARMLESS.keys()


def test_digits_that_have_not_left_stay_here(take_out, sold, shop):
    """SALE.md: digits leave only once shown; of a sale that was taken back they do no more."""
    folder, _ = take_out()
    digits = {row["sale_id"]: row["digits"] for row in read(folder, "token")}
    shown = {str(sale.id): shop.digits(sale) for sale in sold["seen"]}
    assert digits == shown | {str(sold["unseen"].id): "", str(sold["reversed"].id): ""}
    assert shop.again(sold["unseen"]).shown_at is None, "so it may still be taken back as unseen"


# how it is written


def test_files_are_their_owners_alone_and_their_sums_stand_in_the_manifest(take_out, sold):
    folder, done = take_out()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    manifest = json.loads((folder / "manifest.json").read_text())
    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*")
             if path.is_file()}  # fmt: skip
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in files.values())
    said = {one["name"]: one for one in manifest["files"]}
    assert files.keys() == said.keys() | {"manifest.json"}
    for name, one in said.items():
        content = files[name].read_bytes()
        assert (one["size"], one["sha256"]) == (len(content), hashlib.sha256(content).hexdigest())
    assert done.manifest_sha256 == hashlib.sha256(files["manifest.json"].read_bytes()).hexdigest()
    assert (manifest["currency"], manifest["exponent"]) == ("USD", 2)
    assert manifest["schema"]
    sums = subprocess.run(
        ["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=folder, check=False
    )
    assert sums.returncode == 0


def test_an_archive_holds_the_same(take_out, sold):
    folder, _ = take_out()
    path, _ = take_out("out.zip")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        names = {one.relative_to(folder).as_posix() for one in folder.rglob("*") if one.is_file()}
        assert set(archive.namelist()) == names
        for name in ("tables/sale.csv", "tables/ledger_entry.csv", "plans/1.json"):
            assert archive.read(name) == (folder / name).read_bytes()
        assert {one.external_attr >> 16 for one in archive.infolist()} == {0o600}


def test_it_is_on_record_before_and_after(take_out, shop):
    _, done = take_out(reason="the utility moves")
    begun, ended = shop.rows(AuditEvent)[-2:]
    assert (begun.action, ended.action) == ("everything.export_begun", "everything.exported")
    assert begun.details == {"name": "out", "reason": "the utility moves"}
    assert ended.details["manifest"] == done.manifest_sha256
    assert ended.details["rows"] == done.rows


@pytest.mark.parametrize("name", ["2026/11/out", "2026/11/out.zip"])
def test_a_folder_that_is_not_there_yet_is_made_for_it(take_out, tmp_path, name):
    take_out(name)
    assert (tmp_path / name).exists()


def test_nothing_is_written_over(take_out, tmp_path, shop):
    (tmp_path / "out").mkdir()
    (tmp_path / "out.zip").write_text("mine")
    for name in ("out", "out.zip"):
        with pytest.raises(FileExistsError):
            take_out(name)
    assert (tmp_path / "out.zip").read_text() == "mine"
    assert shop.count(AuditEvent) == 0


@pytest.mark.parametrize("name", ["out", "out.zip"])
def test_a_full_disk_leaves_nothing_behind(take_out, tmp_path, monkeypatch, shop, name):
    def full(self, text, *, rows=0):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(target.File, "write", full)
    with pytest.raises(OSError, match="No space"):
        take_out(name)
    assert not (tmp_path / name).exists()
    assert [event.action for event in shop.rows(AuditEvent)] == ["everything.export_begun"]


def test_memory_does_not_grow_with_the_rows(take_out, shop):
    def add(first, last):
        shop.change(lambda s: s.execute(SpentTid.__table__.insert(), [
            {"meter_pan": "6" * 18, "base_date": "14", "tid": tid, "request_id": "r" * 30}
            for tid in range(first, last)
        ]))  # fmt: skip

    def peak(name):
        tracemalloc.start()
        try:
            take_out(name)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    add(0, 3_000)
    peak("warm")
    few = peak("few")
    add(3_000, 60_000)
    assert peak("many") < few + 1_000_000


# the command


def test_the_command_says_what_it_wrote(app, tmp_path, sold):
    runner = app.test_cli_runner()
    done = runner.invoke(args=["vms", "export", str(tmp_path / "all"), "--reason", "moving"])
    assert done.exit_code == 0, done.output
    first, second = done.output.splitlines()
    assert re.fullmatch(rf"Written to {tmp_path}/all: \d+ files, \d+ rows\.", first)
    digest = hashlib.sha256((tmp_path / "all" / "manifest.json").read_bytes()).hexdigest()
    assert second == f"SHA-256 of manifest.json: {digest}"
    again = runner.invoke(args=["vms", "export", str(tmp_path / "all")])
    assert again.exit_code == 2
    assert "is there already; nothing was written" in again.output
    (tmp_path / "page").write_text("a file")
    beneath_a_file = runner.invoke(args=["vms", "export", str(tmp_path / "page" / "all")])
    assert beneath_a_file.exit_code == 2
    assert f"{tmp_path / 'page'} is there already; nothing was written" in beneath_a_file.output
    deeper = runner.invoke(args=["vms", "export", str(tmp_path / "page" / "2026" / "all")])
    assert deeper.exit_code == 1
    assert "Not a directory" in deeper.output
