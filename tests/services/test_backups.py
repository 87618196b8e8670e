"""Backups: what is in them and what is not, and what is refused to be put into place."""

import json
import re
import sqlite3
import stat
import subprocess
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.factories import AUDITOR, HARBOUR, OPERATOR, PASSPHRASE, STS6_11
from tests.faults import answer_lost, put_off
from tests.services.pair import permitted
from tests.services.restored import elsewhere, known_revisions, settings_of, site
from tests.shell import flask
from vmsapp import create_app
from vmsapp.cli.files import NOT_LET_IN
from vmsapp.extensions import db
from vmsapp.models import OfficeUser, Sale, SaleState, SecurityModule
from vmsapp.services.backup import databases, making, restoring
from vmsapp.services.backup.errors import (
    BackupDamaged,
    BackupOfAnother,
    BackupOfNewer,
    BackupPlaceTaken,
    NoBackup,
    RestorePlaceTaken,
    ToolMissing,
)
from vmsapp.services.restore.booking import MAY_BOOK
from vmsapp.services.vending import new_key


@pytest.fixture
def backend():
    """SQLite: the drill backs both up."""
    return "sqlite"


@pytest.fixture
def origin(shop, module, tmp_path, keystore):
    """An instance with a sale, and secrets beside it."""
    shop.sell()
    (tmp_path / "secret_key").write_text("the-secret-key-of-this-instance")
    (tmp_path / "secret_key").chmod(0o600)
    for path, text in {
        "secrets/tcp-1": "shared-with-a-module-server",
        "modules/3/secret": "seal-of-a-drivers-record",
        "modules/3/keystore.json": '{"of": "a token"}',
        "licence.json": '{"holder": "Test Utility"}',
        "files/import.xlsx": "made again",
    }.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    with closing(sqlite3.connect(tmp_path / "modules/3/results.sqlite")) as record:
        record.execute("CREATE TABLE request (id)")
    return site(shop, tmp_path, keystore)


@pytest.fixture
def kept(origin, tmp_path):
    """Its backup."""
    folder = tmp_path / "kept" / "today"
    origin.backup(folder)
    return folder


def files_in(folder: Path) -> dict[str, Path]:
    return {str(p.relative_to(folder)): p for p in folder.rglob("*") if p.is_file()}


def rewrite(folder: Path, **changed) -> None:
    """Change the manifest as a forger or a faulty disk would."""
    path = folder / "manifest.json"
    document = json.loads(path.read_text())
    path.write_text(json.dumps(document | changed))


def restore(folder: Path, to: Path, **options):
    url = options.pop("url", f"sqlite:///{to / 'vms.sqlite'}")
    return restoring.restore(settings_of(to, url), folder, known_revisions(), **options)


def test_a_backup_holds_what_cannot_be_made_again(kept):
    names = {
        "database.sqlite", "module/keystore.json", "module/results.sqlite", "licence.json",
        "modules/3/keystore.json", "modules/3/results.sqlite",
    }  # fmt: skip
    assert set(files_in(kept)) == names | {"manifest.json"}
    written = json.loads((kept / "manifest.json").read_text())
    assert set(written["files"]) == names
    assert written["database"] == {"kind": "sqlite", "revision": "0049"}
    for name, path in files_in(kept).items():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, name
    for path in (kept, *(p for p in kept.rglob("*") if p.is_dir())):
        assert stat.S_IMODE(path.stat().st_mode) == 0o700, path


def test_what_opens_it_is_kept_apart_and_named(kept, tmp_path):
    everything = b"".join(path.read_bytes() for path in files_in(kept).values())
    for secret in (
        PASSPHRASE, b"the-secret-key-of-this-instance", b"shared-with-a-module-server",
        b"seal-of-a-drivers-record",
    ):  # fmt: skip
        assert secret not in everything
    apart = json.loads((kept / "manifest.json").read_text())["kept_apart"]
    assert apart == [
        str(tmp_path / name)
        for name in ("passphrase", "secret_key", "secrets/tcp-1", "modules/3/secret")
    ]


def test_digests_are_those_of_the_files(kept):
    sums = subprocess.run(
        ["sha256sum", *sorted(json.loads((kept / "manifest.json").read_text())["files"])],
        cwd=kept, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    written = json.loads((kept / "manifest.json").read_text())["files"]
    assert {line.split()[1]: line.split()[0] for line in sums.splitlines()} == {
        name: each["sha256"] for name, each in written.items()
    }


def test_a_restore_gives_back_what_was_backed_up(origin, kept, tmp_path, keystore):
    url = f"sqlite:///{tmp_path / 'new' / 'vms.sqlite'}"
    with elsewhere(origin, kept, tmp_path / "new", url, keystore, newer_record=False) as there:
        assert [row.id for row in there.shop.rows(Sale)] == [
            row.id for row in origin.shop.rows(Sale)
        ]
        there.after_restore()
        assert there.shop.sell(key=new_key(2)).state == SaleState.ISSUED
    for name in ("keystore.json", "results.sqlite", "vms.sqlite", "modules/3/results.sqlite"):
        assert stat.S_IMODE((tmp_path / "new" / name).stat().st_mode) == 0o600, name


def test_even_a_file_carried_over_by_hand_stands_still(kept):
    with closing(sqlite3.connect(kept / "database.sqlite")) as copy:
        found = copy.execute("SELECT standstill_why FROM installation").fetchone()
    assert found == ("told",)


def test_modules_that_are_still_there_are_left_alone(kept, tmp_path):
    done = restore(kept, tmp_path / "new", with_modules=False)
    assert set(done.left_out) == {
        "module/keystore.json", "module/results.sqlite", "modules/3/keystore.json",
        "modules/3/results.sqlite",
    }  # fmt: skip
    assert not (tmp_path / "new" / "results.sqlite").exists()
    assert (tmp_path / "new" / "licence.json").exists()


def test_nothing_is_written_over(origin, kept, tmp_path):
    with pytest.raises(BackupPlaceTaken):
        origin.backup(kept)
    with pytest.raises(RestorePlaceTaken):
        restore(kept, tmp_path / "new", url=origin.settings.database)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "results.sqlite").write_text("newer")
    with pytest.raises(RestorePlaceTaken) as refused:
        restore(kept, tmp_path / "other")
    assert "results.sqlite" in str(refused.value)
    assert (tmp_path / "other" / "results.sqlite").read_text() == "newer"
    assert not (tmp_path / "other" / "vms.sqlite").exists()


def test_a_damaged_backup_is_put_nowhere(kept, tmp_path):
    with (kept / "module" / "results.sqlite").open("r+b") as file:
        file.seek(200)
        file.write(b"\xff\x00")
    with pytest.raises(BackupDamaged) as refused:
        restore(kept, tmp_path / "new")
    assert "module/results.sqlite" in str(refused.value)
    (kept / "module" / "results.sqlite").unlink()
    with pytest.raises(BackupDamaged):
        restore(kept, tmp_path / "new")
    assert set(files_in(tmp_path / "new")) == {"passphrase"}


def test_a_backup_that_broke_off_is_none(kept, tmp_path):
    (kept / "manifest.json").unlink()
    with pytest.raises(NoBackup):
        restore(kept, tmp_path / "new")


def test_a_backup_of_another_release_or_database_is_refused(kept, tmp_path):
    rewrite(kept, database={"kind": "sqlite", "revision": "9999"})
    with pytest.raises(BackupOfNewer):
        restore(kept, tmp_path / "new")
    rewrite(kept, database={"kind": "postgresql", "revision": "0049"})
    with pytest.raises(BackupOfAnother):
        restore(kept, tmp_path / "new")


@pytest.mark.parametrize("name", ["../outside", "/etc/outside", ""])
def test_a_manifest_leads_nowhere_else(kept, tmp_path, name):
    rewrite(kept, files={name: {"size": 0, "sha256": "0" * 64}})
    with pytest.raises(NoBackup):
        restore(kept, tmp_path / "new")


def test_the_password_is_on_no_command_line(monkeypatch, tmp_path):
    seen = {}

    def run(command, **options):
        path = Path(options["env"]["PGPASSFILE"])
        seen.update(
            command=command, mode=stat.S_IMODE(path.stat().st_mode), text=path.read_text(),
            path=path, environ=options["env"],
        )  # fmt: skip
        return subprocess.CompletedProcess(command, 0, b"", b"")

    monkeypatch.setattr(databases.subprocess, "run", run)
    monkeypatch.setattr(databases.shutil, "which", lambda tool, **_: f"/bin/{tool}")
    monkeypatch.setenv("PGPASSWORD", "from-before")
    url = "postgresql+psycopg://vms:p%3Aw%5Cd@db.example:5433/vms?sslmode=verify-full"
    databases.dump(url, tmp_path / "database.dump")
    assert seen["text"] == "*:*:*:*:p\\:w\\\\d\n"
    assert seen["mode"] == 0o600
    assert not any("p:w" in word or "%3A" in word for word in seen["command"])
    assert "PGPASSWORD" not in seen["environ"]
    assert "--dbname=postgresql://vms@db.example:5433/vms?sslmode=verify-full" in seen["command"]
    assert not seen["path"].exists()


def test_missing_tools_are_named(tmp_path):
    with pytest.raises(ToolMissing) as refused:
        databases.dump("postgresql://vms@localhost/vms", tmp_path / "dump", tools=tmp_path)
    assert "pg_dump" in str(refused.value)


# --- the commands -------------------------------------------------------------------------------


@contextmanager
def commands(settings, registry=None):
    """Run commands of an instance."""
    app = create_app(settings)
    if registry is not None:
        app.extensions["vms_modules"] = registry
    runner = app.test_cli_runner()
    try:
        yield lambda *words: runner.invoke(args=["vms", *map(str, words)])
    finally:
        with app.app_context():
            db.session.remove()
            db.engine.dispose()


def test_the_commands_of_a_backup_tell_what_is_in_it_and_what_is_not(origin, registry, tmp_path):
    with commands(origin.settings, registry) as run:
        done = run("backup", tmp_path / "made")
        assert done.exit_code == 0, done.output
        assert "database.sqlite" in done.output
        apart = done.output.partition("to be kept in another place:")[2].split()
        assert str(tmp_path / "passphrase") in apart
        assert run("backup", tmp_path / "made").exit_code == 1
        refused = run("restore", tmp_path / "made")
        assert refused.exit_code == 1
        assert "is there already" in refused.output


def test_a_restore_by_command_ends_by_telling_what_must_follow(kept, tmp_path):
    settings = settings_of(tmp_path / "new", f"sqlite:///{tmp_path / 'new' / 'vms.sqlite'}")
    (tmp_path / "new" / "vms.sqlite").touch()  # an empty one is none
    done = flask(settings, "vms", "restore", kept)
    assert done.exit_code == 0, done.output
    assert "flask vms after-restore" in done.output
    with closing(sqlite3.connect(tmp_path / "new" / "vms.sqlite")) as there:
        assert there.execute("SELECT standstill_why FROM installation").fetchone() == ("told",)
        assert there.execute("SELECT count(*) FROM sale").fetchone() == (1,)


@pytest.mark.parametrize("named", [True, False])
def test_what_is_kept_apart_is_told_by_its_place_here_where_it_is_missing(kept, tmp_path, named):
    if not named:
        rewrite(kept, kept_apart_as=None)  # as earlier releases wrote it
    new = tmp_path / "new"
    settings = settings_of(new, f"sqlite:///{new / 'vms.sqlite'}")  # with the passphrase
    (new / "secrets").mkdir()
    (new / "secrets" / "tcp-1").write_text("shared-with-a-module-server")
    said = flask(settings, "vms", "restore", kept).output
    told = [line for line in said.splitlines() if line.startswith("Kept apart")]
    assert told == [
        f"Kept apart, to be put in place: {new / name}"
        for name in ("secret_key", "modules/3/secret")
    ]
    assert "put in place what is kept apart and run:" in said


def test_the_passphrase_belongs_where_the_settings_say(kept, tmp_path):
    new = tmp_path / "new"
    settings = settings_of(new, f"sqlite:///{new / 'vms.sqlite'}")
    settings.passphrase_path.unlink()
    for name in ("secret_key", "secrets/tcp-1", "modules/3/secret"):
        (new / name).parent.mkdir(parents=True, exist_ok=True)
        (new / name).write_text("in place")
        (new / name).chmod(0o600)
    said = flask(settings, "vms", "restore", kept).output
    assert said.count("Kept apart") == 1
    assert f"Kept apart, to be put in place: {settings.passphrase_path}\n" in said


def test_module_servers_are_named_that_no_backup_holds(origin, registry, tmp_path):
    def add(session):
        where = {"host": "hsm.example", "port": 5801, "secret": "tcp-1"}
        for name, more in (("Harbour", {}), ("Old", {"retired_at": origin.shop.clock.now})):
            session.add(
                SecurityModule(
                    name=name, driver="tcp", module_id=f"VSM-{name}", params=where, **more
                )
            )

    origin.shop.change(add)
    with commands(origin.settings, registry) as run:
        said = run("backup", tmp_path / "made").output
    apart = said.partition("Not in it, to be kept in another place:\n")[2]
    assert (
        "  module server “Harbour” at hsm.example:5801: its keystore and its record, which are"
        " backed up on its own host\n"
    ) in apart
    assert "Old" not in said


def let_book(shop):
    """Let the auditor book what was lost."""
    shop.change(
        lambda session: setattr(
            session.get_one(OfficeUser, shop.utility.users[AUDITOR].id), "roles",
            [permitted(session, "Accounts", MAY_BOOK)],
        )
    )  # fmt: skip


def test_what_was_lost_is_listed_and_booked_by_command(origin, shop, registry, tmp_path):
    let_book(shop)
    (tmp_path / "older").mkdir()
    copy = tmp_path / "older" / "vms.sqlite"
    databases.copy_sqlite(Path(shop.engine.url.database), copy)
    lost = shop.sell(STS6_11)
    with commands(settings_of(tmp_path / "older", f"sqlite:///{copy}"), registry) as run:
        assert "after-restore" in run("reconcile").output
        done = run("after-restore", "--reason", "the disk broke")
        assert done.exit_code == 0, done.output
        assert "Epoch 2, receipt series 2." in done.output
        assert "Meters whose token identifiers were raised: 1." in done.output
        assert "Tokens without a sale here: 1" in done.output
        assert "Selling goes on." in done.output
        again = run("after-restore", "--reason", "once more")
        assert (again.exit_code, "--anyway" in again.output) == (1, True)

        listed = run("lost").output
        number = listed.split()[0]
        assert lost.request_id in listed
        said = ("--point", HARBOUR, "--note", "receipt seen", "--by")
        assert run("book", number, *said, OPERATOR).exit_code == 1
        assert run("book", number, *said, AUDITOR, "--paid", "1.005").exit_code == 2
        paid = f"{lost.charged_minor / 100:.2f}"
        done = run("book", number, *said, AUDITOR, "--paid", paid)
        assert done.exit_code == 0, done.output
        assert re.search(r"Booked as sale \d+, receipt \d+-2-000001: issued\.", done.output)
        assert run("lost").output == "There are none.\n"


@pytest.fixture
def older(origin, registry, tmp_path):
    """Commands on an older copy of the database, which nothing marks, beside the module."""
    let_book(origin.shop)
    (tmp_path / "older").mkdir()
    copy = tmp_path / "older" / "vms.sqlite"
    databases.copy_sqlite(Path(origin.shop.engine.url.database), copy)
    origin.shop.sell(STS6_11)
    with commands(settings_of(tmp_path / "older", f"sqlite:///{copy}"), registry) as run:
        yield run


def test_nothing_is_said_to_be_lost_before_that_was_looked_for(older):
    said = older("lost")
    assert said.exit_code == 1
    assert "There are none." not in said.output
    assert "after-restore has not run yet" in said.output
    assert "flask vms after-restore --reason" in said.output
    assert older("after-restore", "--reason", "the disk broke").exit_code == 0
    assert len(older("lost").output.splitlines()) == 1


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        (put_off("refused"), "nothing listens at that address and port"),
        (put_off("secret"), NOT_LET_IN),
        (put_off("passphrase"), "the passphrase is wrong"),
        (answer_lost, "it does not answer in time"),
    ],
)  # fmt: skip
def test_a_module_that_is_away_after_a_restore_is_named_with_the_reason(older, module, fault, why):
    assert "after-restore" in older("reconcile").output
    module.always("status", fault)
    said = older("after-restore", "--reason", "the disk broke")
    assert said.exit_code == 1
    assert f"The security module “Module” cannot be asked: {why}. Nothing is sold" in said.output


def test_other_commands_say_in_words_why_a_module_does_not_answer(origin, registry, module):
    module.always("begin_epoch", put_off("locked"))
    with commands(origin.settings, registry) as run:
        said = run("after-restore", "--anyway", "--reason", "a replica was promoted").output
    assert said == "Error: The security module did not do it: its keystore is locked.\n"


def test_who_or_what_is_not_there_is_named_when_a_sale_is_booked(older):
    said_of = ("--note", "receipt seen", "--point")
    older("after-restore", "--reason", "the disk broke")
    number = older("lost").output.split()[0]
    said = older("book", number, *said_of, HARBOUR, "--by", "accountant")
    assert (said.exit_code, said.output) == (1, "Error: There is no user “accountant”.\n")
    said = older("book", number, *said_of, "Nowhere", "--by", AUDITOR)
    assert (said.exit_code, said.output) == (1, "Error: There is no vending point “Nowhere”.\n")


def test_a_backup_can_be_made_of_what_was_restored(origin, kept, tmp_path, keystore):
    url = f"sqlite:///{tmp_path / 'new' / 'vms.sqlite'}"
    with elsewhere(origin, kept, tmp_path / "new", url, keystore, newer_record=False) as there:
        made = making.make(there.settings, "f" * 32, 1, tmp_path / "again")
    assert set(made.files) == set(json.loads((kept / "manifest.json").read_text())["files"])
