"""Long lists as files, made in the background: asked for, told of, fetched by the asker."""

import csv
import io

import openpyxl
import pytest
from sqlalchemy import select, update

from tests.factories import SOUTHERN
from tests.web.importing import work
from tests.web.office import ADMIN, NORTH_SUPERVISOR
from tests.web.records import permit
from vmsapp.models import AuditEvent, Consumer, Job, JobState, OfficeUser
from vmsapp.models.user import Role
from vmsapp.views.lists import export_jobs, exports, listing


@pytest.fixture(autouse=True)
def short(monkeypatch):
    """Few rows make a list long here."""
    monkeypatch.setattr(exports, "DIRECTLY", 3)
    monkeypatch.setattr(export_jobs, "TELL_SECONDS", 0.0)


@pytest.fixture
def people_in_both(shop):
    """Consumers of the north and the south; the north's supervisor may export."""

    def add(session):
        for n in range(8):
            region = shop.utility.regions["north" if n % 2 else "south"].id
            session.add(Consumer(number=f"E{n}", name=f"Name {n}", region_id=region))
        role = session.scalars(select(Role).where(Role.name == "Administrator")).one()
        user = session.scalars(
            select(OfficeUser).where(OfficeUser.username == NORTH_SUPERVISOR)
        ).one()
        user.roles = [role]

    shop.change(add)


@pytest.fixture
def export(office, browse, shop):
    def do(who: str = ADMIN, kind: str = "csv", query: str = "", language: str | None = None):
        browser = browse(who, language)
        answer = browser.post(f"/consumers/export/{kind}{query}")
        (job,) = shop.rows(Job)
        assert answer.location == f"/jobs/show/{job.id}"
        return browser, work(office, job.id)

    return do


def lines(data: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(data.decode("utf-8-sig"))))


def test_a_long_list_is_made_in_the_background_and_told_of(people_in_both, export, shop):
    browser, job = export()
    assert (job.state, job.total, job.done) == (JobState.DONE, *(shop.count(Consumer),) * 2)
    told = browser.get("/consumers/list/", headers={"Accept": "text/html"}).text
    assert "is ready to be fetched" in told
    again = browser.get("/consumers/list/", headers={"Accept": "text/html"}).text
    assert "is ready to be fetched" not in again
    answer = browser.get(f"/jobs/download/{job.id}")
    assert answer.status_code == 200
    assert len(lines(answer.data)) == 1 + shop.count(Consumer)
    answer.close()


def test_it_honours_search_and_order(people_in_both, export):
    browser, job = export(query="?q=Name&sort=-number")
    found = [row[0] for row in lines(browser.get(f"/jobs/download/{job.id}").data)[1:]]
    assert found == [f"E{n}" for n in range(7, -1, -1)]


def test_it_is_made_under_the_scope_of_the_asker(people_in_both, export, shop):
    browser, job = export(NORTH_SUPERVISOR, query="?q=Name")
    found = {row[0] for row in lines(browser.get(f"/jobs/download/{job.id}").data)[1:]}
    assert found == {"E1", "E3", "E5", "E7"}
    assert SOUTHERN not in found


def test_it_is_made_with_what_the_asker_may_see_when_it_is_made(
    people_in_both, office, browse, shop
):
    browser = browse(NORTH_SUPERVISOR)
    browser.post("/consumers/export/csv")
    (job,) = shop.rows(Job)
    shop.change(lambda session: session.execute(
        update(OfficeUser).where(OfficeUser.username == NORTH_SUPERVISOR).values(active=False)
    ))  # fmt: skip
    job = work(office, job.id)
    assert (job.state, job.error, job.stored) == (JobState.FAILED, "not_acting", None)


def bar_from(shop, deed: str, screen: str, group: str = "Administrator"):
    """Take a deed from a user group."""

    def take(session):
        role = session.scalars(select(Role).where(Role.name == group)).one()
        held = {(one.permission.name, one.view_menu.name): one for one in role.permissions}
        role.permissions.remove(held[deed, screen])

    shop.change(take)


@pytest.mark.parametrize("may", [True, False])
def test_id_numbers_stand_in_it_for_who_may_see_them_when_it_is_made(
    people_in_both, office, browse, shop, may
):
    shop.change(lambda session: session.execute(
        update(Consumer).where(Consumer.number == "E1").values(id_number="ID447788")
    ))  # fmt: skip
    browser = browse(NORTH_SUPERVISOR)
    browser.post("/consumers/export/csv?q=Name&columns=all")
    (job,) = shop.rows(Job)
    if not may:
        bar_from(shop, "can_id_number", "Consumers")
    work(office, job.id)
    file = browser.get(f"/jobs/download/{job.id}").data.decode()
    assert ("ID number" in file) == ("ID447788" in file) == may


def test_a_workbook_is_in_the_askers_language(people_in_both, export):
    browser, job = export(kind="xlsx", language="ar")
    book = openpyxl.load_workbook(io.BytesIO(browser.get(f"/jobs/download/{job.id}").data))
    assert book.active.sheet_view.rightToLeft
    assert book.active["B1"].value == "الاسم الكامل"


def test_the_file_is_handed_to_the_asker_alone(people_in_both, export, browse):
    _, job = export(NORTH_SUPERVISOR)
    assert browse(ADMIN).get(f"/jobs/show/{job.id}").status_code == 200
    assert browse(ADMIN).get(f"/jobs/download/{job.id}").status_code == 404


def moved(shop, region: str):
    """Have the supervisor of the north belong to another region, and so see other rows."""
    shop.change(lambda session: session.execute(
        update(OfficeUser).where(OfficeUser.username == NORTH_SUPERVISOR)
        .values(region_id=shop.utility.regions[region].id)
    ))  # fmt: skip


@pytest.fixture
def supervising(shop, people_in_both):
    """The supervisor is one again, who may export."""

    def change(session):
        user = session.scalars(
            select(OfficeUser).where(OfficeUser.username == NORTH_SUPERVISOR)
        ).one()
        user.roles = [session.scalars(select(Role).where(Role.name == "Supervisor")).one()]

    shop.change(change)
    permit(shop, "Consumers", "can_export")


def test_a_file_is_not_handed_over_to_who_sees_other_rows_by_now(supervising, export, shop):
    browser, job = export(NORTH_SUPERVISOR, query="?q=Name")
    way = f"/jobs/download/{job.id}"
    assert browser.get(way).status_code == 200
    assert way in browser.get(f"/jobs/show/{job.id}").text
    moved(shop, "south")
    answer = browser.get(way)
    assert (answer.status_code, answer.mimetype) == (403, "text/html")
    assert "Have it made again" in answer.text
    page = browser.get(f"/jobs/show/{job.id}").text
    assert way not in page
    assert "Have it made again" in page
    moved(shop, "north")
    assert browser.get(way).status_code == 200


def test_a_file_of_before_is_for_who_sees_everything_alone(supervising, export, browse, shop):
    """Nobody knows under whose sight it was made."""
    browser, job = export(NORTH_SUPERVISOR)

    def forget(session):
        row = session.get(Job, job.id)
        row.result = {name: row.result[name] for name in ("rows", "mime")}

    shop.change(forget)
    assert browser.get(f"/jobs/download/{job.id}").status_code == 403
    shop.change(lambda session: session.execute(update(Job).values(
        actor_id=select(OfficeUser.id).where(OfficeUser.username == ADMIN).scalar_subquery()
    )))  # fmt: skip
    assert browse(ADMIN).get(f"/jobs/download/{job.id}").status_code == 200


def test_a_file_is_not_handed_over_to_who_may_not_export_it_any_more(supervising, export, shop):
    browser, job = export(NORTH_SUPERVISOR)
    bar_from(shop, "can_export", "Consumers", "Supervisor")
    assert browser.get(f"/jobs/download/{job.id}").status_code == 403


def test_a_file_with_id_numbers_is_not_handed_over_to_who_may_not_see_them_any_more(
    people_in_both, export, shop
):
    browser, job = export(query="?columns=all")
    assert browser.get(f"/jobs/download/{job.id}").status_code == 200
    bar_from(shop, "can_id_number", "Consumers")
    assert browser.get(f"/jobs/download/{job.id}").status_code == 403


def test_every_file_is_on_record(people_in_both, export, shop):
    export(query="?q=Name")
    (event,) = shop.rows(AuditEvent, AuditEvent.action == "consumer.exported")
    assert event.details["rows"] == 8
    assert event.details["search"] == "•••••"  # a search may be a name
    assert not event.details["cut_off"]


def test_cancelling_leaves_no_file(people_in_both, office, browse, shop, monkeypatch):
    browser = browse(ADMIN)
    browser.post("/consumers/export/csv")
    (job,) = shop.rows(Job)
    real = exports.Lines._lines

    def then_cancel(*args):
        shop.change(lambda session: session.execute(update(Job).values(cancel_asked=True)))
        return real(*args)

    monkeypatch.setattr(exports.Lines, "_lines", then_cancel)
    folder = office.extensions["vms_settings"].instance / "downloads"
    before = set(folder.iterdir()) if folder.exists() else set()
    assert work(office, job.id).state == JobState.CANCELLED
    assert set(folder.iterdir()) == before
    assert browser.get(f"/jobs/download/{job.id}").status_code == 404


def test_a_short_list_is_handed_over_at_once(browse, shop, monkeypatch):
    monkeypatch.setattr(exports, "DIRECTLY", 5_000)
    answer = browse(ADMIN).post("/consumers/export/csv")
    assert answer.mimetype == "text/csv"
    assert shop.count(Job) == 0


def test_the_columns_the_reader_chose_are_those_of_the_file(people_in_both, browse, monkeypatch):
    monkeypatch.setattr(exports, "DIRECTLY", 5_000)
    browser = browse(ADMIN)
    browser.post("/consumers/columns", {"column": ["number", "name"], "query": ""})
    assert lines(browser.post("/consumers/export/csv").data)[0] == ["Consumer number", "Full name"]


@pytest.mark.parametrize("most", [4, 5, 6, 9])
def test_a_list_of_several_chunks_ends_where_a_file_must(
    people_in_both, browse, shop, monkeypatch, most
):
    monkeypatch.setattr(exports, "DIRECTLY", 5_000)
    monkeypatch.setattr(exports, "LIMIT", most)
    monkeypatch.setattr(listing, "CHUNK", 2)
    answer = browse(ADMIN).post("/consumers/export/csv?q=Name&sort=-number")
    _heading, *found = lines(answer.data)
    whole = [f"E{n}" for n in range(7, -1, -1)]
    assert [row[0] for row in found if len(row) > 1] == whole[:most]
    assert [row[0] for row in found if len(row) == 1] == (
        [f"There are more rows; a file holds {most}."] if most < 8 else []
    )
    event = shop.rows(AuditEvent, AuditEvent.action == "consumer.exported")[-1]
    assert (event.details["rows"], event.details["cut_off"]) == (min(most, 8), most < 8)
