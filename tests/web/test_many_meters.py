"""Meters chosen in the list: a page asks once more, then tells of each what was not done."""

import pytest

from tests.factories import (
    AUDITOR,
    BLOCKED,
    LEGACY_11,
    LEGACY_13,
    NOT_INSTALLED,
    OPERATOR,
    SOUTHERN,
    STOCK,
    SUPERVISOR,
    WATER,
)
from tests.web.office import ADMIN, BOTH, NORTH_SUPERVISOR, contents
from tests.web.records import permit, read, rows, sent
from tests.web.test_consumers import errors, read_all
from vmsapp.models import Meter, MeterInstallation, Tariff

DEEDS = ("block", "unblock", "activate", "store", "retire", "take_back", "tariff")


@pytest.fixture
def ids(shop):
    return lambda *names: [str(shop.utility.meters[name]) for name in names]


@pytest.fixture
def supervisor(browse):
    return browse(SUPERVISOR)


def asked(browser, deed: str, chosen, **typed: str):
    """Choose rows, be asked once more, and say yes; the answer."""
    page = browser.post(f"/meters/many/{deed}", {"rowid": chosen, "action": deed})
    assert page.status_code == 200
    (form,) = read(page.text).all("form")
    answers = [one["value"] for one in form.all("input") if one["name"] == "rowid"]
    assert sorted(answers) == sorted(chosen)
    return browser.post(
        f"/meters/many/{deed}", {"rowid": answers, "sure": "yes", **typed}, follow_redirects=True
    )


def states(shop, *names) -> list[str]:
    return [shop.meter(name).state for name in names]


def test_the_list_offers_what_the_asker_may_do(browse, shop):
    def offered(browser) -> set[str]:
        bulk = [one for one in read(browser.get("/meters/list/").text).all("form")
                if one.get("id") == "bulk"]  # fmt: skip
        buttons = [one for form in bulk for one in form.all("button")]
        firsts = [form.all("button")[0] for form in bulk]  # what Enter would press
        assert all(one.get("disabled") is not None for one in firsts)
        return {one["value"] for one in buttons if one.get("name") == "action"}

    assert offered(browse(ADMIN)) == set(DEEDS)
    assert offered(browse(OPERATOR)) == {"tariff"}  # may edit, and no more
    assert offered(browse(AUDITOR)) == set()


@BOTH
def test_meters_are_blocked_with_a_reason_and_the_others_are_named(supervisor, shop, ids, backend):
    chosen = ids(LEGACY_11, BLOCKED)
    answer = asked(supervisor, "block", chosen, reason="flood")
    assert answer.status_code == 200
    assert "1 meter was blocked." in answer.text
    (kept,) = rows(read(answer.text))
    assert kept[0].replace(" ", "") == shop.meter(BLOCKED).drn
    assert "is now “Blocked”" in kept[1]
    assert shop.meter(LEGACY_11).blocked_reason == "flood"


def test_nothing_is_done_before_it_was_asked(supervisor, engine, shop, ids):
    before = contents(engine)
    for deed in DEEDS:
        page = supervisor.post(f"/meters/many/{deed}", {"rowid": ids(LEGACY_11, STOCK)})
        assert page.status_code == 200, deed
        assert ": 2 meters" in read(page.text).one("h1").text
    assert contents(engine) == before
    refused = supervisor.post(
        "/meters/many/block", {"rowid": ids(LEGACY_11), "sure": "yes", "reason": ""}
    )
    assert (refused.status_code, errors(refused).keys()) == (422, {"reason"})
    assert contents(engine) == before


def test_retiring_is_undone_by_a_press(supervisor, shop, ids):
    loose = MeterInstallation.__table__.update().where(
        MeterInstallation.meter_id == shop.utility.meters[BLOCKED]
    )
    shop.change(lambda session: session.execute(loose.values(removed_at=shop.clock())))
    answer = asked(supervisor, "retire", ids(BLOCKED, NOT_INSTALLED, LEGACY_11))
    assert "2 meters were retired." in answer.text
    assert [row[1] for row in rows(read(answer.text))] == [
        f"Meter {read_number(shop, LEGACY_11)} is bound to a consumer. Unbind it first, or swap it."
    ]
    assert states(shop, BLOCKED, NOT_INSTALLED, LEGACY_11) == ["retired", "retired", "active"]
    (toast,) = [one for one in read_all(answer).all("form") if one["action"] == "/meters/undo"]
    undone = supervisor.post("/meters/undo", sent(toast), follow_redirects=True)
    assert "2 meters were taken back." in undone.text
    assert states(shop, BLOCKED, NOT_INSTALLED) == ["blocked", "active"]
    assert shop.meter(BLOCKED).blocked_reason == "seal broken"
    assert supervisor.post("/meters/undo", sent(toast)).status_code == 409
    assert supervisor.post("/meters/undo", {"at": "x"}).status_code == 409


def read_number(shop, name: str) -> str:
    drn = shop.meter(name).drn
    return f"{drn[:4]} {drn[4:8]} {drn[8:]}"


def test_a_tariff_is_assigned(supervisor, shop, ids):
    domestic = shop.rows(Tariff, Tariff.name == "Domestic")[0]
    answer = asked(supervisor, "tariff", ids(LEGACY_11, LEGACY_13, WATER), tariff=str(domestic.id))
    assert "2 meters have the tariff now." in answer.text
    (kept,) = rows(read(answer.text))
    assert kept[0].replace(" ", "") == shop.meter(WATER).drn
    assert shop.meter(LEGACY_11).tariff_id == domestic.id
    for typed in ("", "x", "999"):
        form = {"rowid": ids(LEGACY_11), "sure": "yes", "tariff": typed}
        refused = supervisor.post("/meters/many/tariff", form)
        assert (refused.status_code, errors(refused).keys()) == (422, {"tariff"}), typed


def test_rows_out_of_sight_are_as_if_they_were_not_chosen(browse, shop, engine, ids):
    north = browse(NORTH_SUPERVISOR)
    before = contents(engine)
    for deed in DEEDS:
        form = {"rowid": [*ids(SOUTHERN), "0", "99999999999", "x"], "sure": "yes", "reason": "a"}
        answer = north.post(f"/meters/many/{deed}", form, follow_redirects=True)
        assert "Nothing was chosen." in answer.text
    assert contents(engine) == before
    assert "1 meter was blocked." in asked_with(north, ids(LEGACY_11, SOUTHERN)).text
    assert states(shop, LEGACY_11, SOUTHERN) == ["blocked", "active"]


def asked_with(browser, chosen):
    form = {"rowid": chosen, "sure": "yes", "reason": "flood"}
    return browser.post("/meters/many/block", form, follow_redirects=True)


def test_each_deed_has_its_permission(browse, shop, ids, engine):
    auditor = browse(AUDITOR)
    before = contents(engine)
    for deed in DEEDS:
        form = {"rowid": ids(LEGACY_11), "sure": "yes", "reason": "a"}
        assert auditor.post(f"/meters/many/{deed}", form).status_code == 403, deed
    assert auditor.post("/meters/undo", {"at": ""}).status_code == 403
    assert contents(engine) == before
    permit(shop, "Meters", "can_block", group="Auditor")
    assert asked_with(browse(AUDITOR), ids(LEGACY_11)).status_code == 200
    assert shop.count(Meter, Meter.state == "blocked") == 2
