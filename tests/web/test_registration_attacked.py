"""People of one region at the doors of registration, with what belongs to another."""

import io

import pytest

from tests.factories import LEGACY_11, SOUTHERN
from tests.shop import in_threads
from tests.web.importing import METER_HEADINGS, NEW_METERS, codes, meters_of, work, workbook
from tests.web.office import ADMIN, BOTH, NORTH_SUPERVISOR
from tests.web.test_import_for_consumer import of, permit
from vmsapp.models import ImportBatch, Meter, Sale
from vmsapp.scope import SYSTEM, seen_by
from vmsapp.services.imports import meters as sheet
from vmsapp.services.imports.kinds import Undoable
from vmsapp.services.registration import consumers, taking_back
from vmsapp.services.registration.drafts import ConsumerDraft

PEOPLE = ("Consumer number", "Name", "Region", "Telephone")


@pytest.fixture
def north(browse, shop):
    permit(shop, "Imports", "can_run", "can_meters", "can_consumers", "can_meters_with_consumers")
    return browse(NORTH_SUPERVISOR)


@pytest.fixture
def northern_import(office, north, shop):
    """Hand a sheet in as somebody of the north, and have its good rows applied."""

    def do(sheet_code, rows, headings, **ticked):
        form = {"file": (io.BytesIO(workbook(rows, headings)), "n.xlsx"), **ticked}
        assert north.post(f"/imports/new/{sheet_code}", form).status_code == 302
        batch = shop.rows(ImportBatch)[-1]
        assert work(office, batch.job_id).state == "done"
        north.post(f"/imports/apply/{batch.id}", {"good_only": "yes"})
        work(office, shop.rows(ImportBatch, ImportBatch.id == batch.id)[0].job_id)
        return shop.rows(ImportBatch, ImportBatch.id == batch.id)[0]

    return do


def test_rows_of_another_region_are_neither_changed_nor_taken(shop, northern_import, row):
    theirs, meter = of(shop, "C0006"), shop.meter(SOUTHERN)
    people = northern_import(
        "consumers",
        [["C0006", "Mine now", "North", "1"], ["N-1", "Neema", "South", "2"]],
        PEOPLE, update_existing="y",
    )  # fmt: skip
    assert people.applied == 0, codes(shop, people)
    meters = northern_import(
        "meters", [row(meter.drn), row(NEW_METERS[0], region="South")], METER_HEADINGS,
        update_existing="y",
    )  # fmt: skip
    assert meters.applied == 0, codes(shop, meters)
    both = northern_import(
        "meters-with-consumers", [[*row(NEW_METERS[1]), "C0006", "Consumer 6"]],
        [*METER_HEADINGS, "Consumer number", "Consumer's name"],
    )  # fmt: skip
    assert both.applied == 0, codes(shop, both)
    assert of(shop, "C0006").name == theirs.name
    assert shop.meter(SOUTHERN).region_id == meter.region_id
    assert not {NEW_METERS[0], NEW_METERS[1]} & meters_of(shop).keys()


def test_the_import_of_another_is_unknown_at_every_door(shop, hand_in, go_on, row, north):
    batch = go_on("apply", hand_in(workbook([row(NEW_METERS[0])], METER_HEADINGS)))
    for door in ("show", "errors", "progress"):
        assert north.get(f"/imports/{door}/{batch.id}").status_code == 404, door
    for deed in ("apply", "undo", "cancel", "retry", "discard", "check"):
        assert north.post(f"/imports/{deed}/{batch.id}").status_code == 404, deed
    assert shop.rows(ImportBatch, ImportBatch.id == batch.id)[0].state == "applied"
    assert NEW_METERS[0] in meters_of(shop)


def test_deeds_and_filters_reach_nothing_of_another_region(shop, north):
    mine, theirs = shop.meter(LEGACY_11), shop.meter(SOUTHERN)
    form = {"rowid": [mine.id, theirs.id], "sure": "yes", "reason": "forged"}
    north.post("/meters/many/block", form)
    assert (shop.meter(LEGACY_11).state, shop.meter(SOUTHERN).state) == ("blocked", theirs.state)
    owner = of(shop, "C0006")
    for path in ("/meters/list/", "/sales/list/"):
        answer = north.get(f"{path}?consumer={owner.id}")
        assert owner.name not in answer.text.replace(f'value="{owner.name}"', "")
    assert theirs.drn not in north.post(f"/meters/export/csv?consumer={owner.id}").text
    assert theirs.drn not in north.post(f"/meters/export/csv?q={theirs.drn}").text


ODD = ['"', "*", "NEAR(", 'a" OR "b', "abc* AND", "%%%", "___", "\\\\\\", "   ", "a\x00bc",
       "\x00\x00\x00", "\u202eabc", "ᚠᚠ", "ᚠᚠᚠabc", "ab", "'; --", "x" * 9_999,
       "{a b}:c", "^abc", "İİİ", "-abc"]  # fmt: skip


@BOTH
def test_odd_searches_find_nothing_and_fail_nowhere(browse, backend):
    admin = browse(ADMIN)
    for path in ("/consumers/list/", "/meters/list/"):
        for typed in ODD:
            answer = admin.get(path, query_string={"q": typed, "size": "-1", "sort": "x",
                                                   "after": typed})  # fmt: skip
            wanted = 400 if "\x00" in typed else 200
            assert answer.status_code == wanted, (path, typed[:20])


@BOTH
def test_names_with_signs_of_searches_are_found_and_no_others(browse, shop, backend):
    region = shop.utility.regions["north"].id
    names = ['Al"Amin', "50% off", "a_b_c", "NEAR(x", "=1+1", "O'Neil\\x"]

    def add(session):
        consumers.add(session, SYSTEM, [ConsumerDraft(name=one, region_id=region)
                                        for one in names])  # fmt: skip

    shop.change(add)
    admin = browse(ADMIN)
    for name in names:
        text = admin.post("/consumers/export/csv", query_string={"q": name}).get_data(as_text=True)
        assert len(text.strip().splitlines()) == 2, (name, text)
    assert "'=1+1" in admin.post("/consumers/export/csv?q=%3D1%2B1").get_data(as_text=True)


@BOTH
def test_what_is_sold_while_an_import_is_undone_keeps_its_meter(
    shop, hand_in, go_on, row, monkeypatch, backend
):
    """The question comes after the locks, so a sale that was first is seen."""
    go_on("apply", hand_in(workbook([row(NEW_METERS[0])], METER_HEADINGS)))
    meter = meters_of(shop)[NEW_METERS[0]]
    order = []
    for name in ("locked", "used"):
        real = getattr(taking_back, name)

        def noted(*args, name=name, real=real):
            order.append(name)
            return real(*args)

        monkeypatch.setattr(sheet, name, noted)
    with shop.session() as session, seen_by(SYSTEM), session.begin():
        undoable = Undoable(2, "added", meter.id, None, sheet.mark(meter))
        assert sheet.METERS.undo(session, SYSTEM, [undoable], 1) == {}
    assert order == ["locked", "used"]
    assert shop.count(Sale) == 0


@BOTH
def test_two_people_importing_the_same_rows_register_them_once(
    office, hand_in, browse, shop, row, backend
):
    first = hand_in(workbook([row(one) for one in NEW_METERS], METER_HEADINGS))
    second = hand_in(workbook([row(one) for one in NEW_METERS], METER_HEADINGS), although_same="y")
    for batch in (first, second):
        assert browse(ADMIN).post(f"/imports/apply/{batch.id}").status_code == 302
    found = [shop.rows(ImportBatch, ImportBatch.id == one.id)[0] for one in (first, second)]
    outcomes = in_threads(*(lambda one=one: work(office, one.job_id) for one in found))
    assert [job.state for job in outcomes] == ["done", "done"], outcomes
    done = [shop.rows(ImportBatch, ImportBatch.id == one.id)[0] for one in found]
    assert sum(one.applied for one in done) == len(NEW_METERS)
    assert sum(one.faulty for one in done) == len(NEW_METERS)
    assert all(shop.count(Meter, Meter.drn == one) == 1 for one in NEW_METERS)
