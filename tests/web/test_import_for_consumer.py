"""Importing meters from a consumer's page: each one is bound at once, and taken off again."""

import io

import pytest

from tests.factories import AUDITOR, LEGACY_11, NOT_INSTALLED, OPERATOR
from tests.web.importing import METER_HEADINGS as HEADINGS
from tests.web.importing import NEW_METERS as NEW
from tests.web.importing import codes, meters_of, workbook
from tests.web.office import ADMIN, BOTH, NORTH_SUPERVISOR
from tests.web.records import permit, read
from vmsapp.models import AuditEvent, Consumer, ImportBatch, Meter, MeterInstallation, ServicePoint


def of(shop, number: str) -> Consumer:
    return shop.rows(Consumer, Consumer.number == number)[0]


def places_of(shop, consumer: Consumer) -> set[str]:
    """Numbers of the meters that hang at a consumer's places now."""
    points = {one.id for one in shop.rows(ServicePoint, ServicePoint.consumer_id == consumer.id)}
    links = shop.rows(MeterInstallation, MeterInstallation.removed_at.is_(None))
    numbers = {meter.id: meter.drn for meter in shop.rows(Meter)}
    return {numbers[link.meter_id] for link in links if link.service_point_id in points}


@pytest.fixture
def ada(shop) -> Consumer:
    """The consumer of the first meter."""
    return of(shop, "C0001")


@pytest.fixture
def import_for(hand_in):
    """Hand meters in for a consumer, and have them checked."""

    def do(consumer: Consumer, lines, **ticked: str) -> ImportBatch:
        return hand_in(workbook(lines, HEADINGS), f"meters?consumer={consumer.id}", **ticked)

    return do


@BOTH
def test_new_meters_are_bound_at_once_and_go_again(shop, row, import_for, go_on, ada, backend):
    meters, hanging = meters_of(shop).keys(), places_of(shop, ada)
    places, links = shop.count(ServicePoint), shop.count(MeterInstallation)
    batch = import_for(ada, [row(NEW[0], region="South"), row(NEW[1])])
    assert (batch.state, batch.faulty, batch.consumer_id) == ("validated", 0, ada.id)
    assert places_of(shop, ada) == hanging  # a check writes nothing
    batch = go_on("apply", batch)
    assert (batch.applied, batch.faulty) == (2, 0)
    assert places_of(shop, ada) == hanging | set(NEW[:2])
    added = meters_of(shop)
    assert {(added[drn].state, added[drn].region_id) for drn in NEW[:2]} == {
        ("active", ada.region_id)
    }
    actions = [event.action for event in shop.rows(AuditEvent)]
    assert actions.count("meter.import_bound") == 1
    batch = go_on("undo", batch)
    assert (batch.state, batch.kept) == ("undone", 0), codes(shop, batch)
    assert meters_of(shop).keys() == meters
    assert (shop.count(ServicePoint), shop.count(MeterInstallation)) == (places, links)


def test_a_meter_on_record_is_bound_where_that_was_chosen_and_becomes_what_it_was(
    shop, row, import_for, go_on, ada
):
    south = shop.utility.regions["south"].id

    def stored(session):
        meter = session.get_one(Meter, shop.utility.meters[NOT_INSTALLED])
        meter.state, meter.region_id = "stock", south
        return meter

    stock = shop.change(stored)
    like = {"sgc": stock.sgc, "ti": stock.ti, "ea": f"{stock.ea:02d}"}
    lines = [row(stock.drn, **like)]
    refused = import_for(ada, lines)
    assert codes(shop, refused) == {2: ["meter_number_taken"]}
    places = shop.count(ServicePoint)
    batch = import_for(ada, lines, update_existing="y", although_same="y")
    assert batch.faulty == 0, codes(shop, batch)
    go_on("apply", batch)
    assert stock.drn in places_of(shop, ada)
    bound = meters_of(shop)[stock.drn]
    assert (bound.state, bound.region_id) == ("active", ada.region_id)
    batch = go_on("undo", batch)
    assert (batch.state, batch.kept) == ("undone", 0), codes(shop, batch)
    now = meters_of(shop)[stock.drn]
    assert (now.state, now.region_id, now.tariff_id) == (
        stock.state, stock.region_id, stock.tariff_id
    )  # fmt: skip
    assert stock.drn not in places_of(shop, ada)
    assert shop.count(ServicePoint) == places


def test_a_bound_meter_is_an_error_of_its_row(shop, row, import_for):
    batch = import_for(of(shop, "C0002"), [row(shop.meter(LEGACY_11).drn)], update_existing="y")
    assert codes(shop, batch) == {2: ["meter_bound"]}


def test_a_meter_that_was_sold_to_since_stays_bound(shop, row, import_for, go_on, ada):
    batch = go_on("apply", import_for(ada, [row(NEW[0]), row(NEW[1])]))
    sold = meters_of(shop)[NEW[0]]
    shop.utility.meters["sold"] = sold.id
    try:
        shop.sell("sold")
    finally:
        del shop.utility.meters["sold"]
    batch = go_on("undo", batch)
    assert (batch.kept, codes(shop, batch)) == (1, {2: ["in_use_since"]})
    assert NEW[0] in places_of(shop, ada)
    assert NEW[1] not in meters_of(shop)


def test_a_consumer_who_left_since_the_check_takes_no_meter(shop, row, import_for, go_on):
    someone = shop.change(lambda s: _added(s, shop.utility.regions["north"].id))
    batch = import_for(someone, [row(NEW[0])])
    shop.change(lambda s: setattr(s.merge(someone), "retired_at", shop.clock()))
    batch = go_on("apply", batch)
    assert (batch.applied, codes(shop, batch)) == (0, {2: ["row_consumer_retired"]})
    assert NEW[0] not in meters_of(shop)


def _added(session, region_id: int) -> Consumer:
    row = Consumer(number="F-9", name="Fatuma", region_id=region_id)
    session.add(row)
    session.flush()
    return row


def test_the_pages_name_the_consumer(browse, shop, row, import_for, go_on, ada):
    admin = browse(ADMIN)
    page = admin.get(f"/consumers/show/{ada.id}").text
    assert f'href="/imports/new/meters?consumer={ada.id}"' in page
    form = read(admin.get(f"/imports/new/meters?consumer={ada.id}").text)
    assert "Consumer 1 · C0001" in form.one("div", "note").text
    batch = import_for(ada, [row(NEW[0])])
    shown = admin.get(f"/imports/show/{batch.id}").text
    assert "Applied, each meter is bound to Consumer 1 · C0001." in shown
    assert f'href="/imports/new/meters?consumer={ada.id}"' not in shown
    job = admin.get(f"/jobs/show/{batch.job_id}").text
    assert "Consumer 1 · C0001" in job
    applied = admin.get(f"/imports/show/{go_on('apply', batch).id}").text
    assert f'href="/imports/new/meters?consumer={ada.id}"' in applied
    assert f'href="/consumers/show/{ada.id}"' in applied


def test_another_regions_consumer_is_unknown(browse, shop):
    permit(shop, "Imports", "can_run", "can_meters")
    north = browse(NORTH_SUPERVISOR)
    theirs = of(shop, "C0006")
    for number in (theirs.id, 999_999, 0, 1 << 70):
        answer = north.get(f"/imports/new/meters?consumer={number}")
        assert answer.status_code == 404, number
        assert "Consumer 6" not in answer.text
    assert north.get("/imports/new/meters?consumer=x").status_code == 404
    own = of(shop, "C0001")
    assert north.get(f"/imports/new/meters?consumer={own.id}").status_code == 200


def test_only_meters_are_handed_in_for_a_consumer_by_who_may_bind_them(browse, shop, ada):
    admin = browse(ADMIN)
    assert admin.get(f"/imports/new/consumers?consumer={ada.id}").status_code == 404
    assert "/imports/new" not in browse(OPERATOR).get(f"/consumers/show/{ada.id}").text
    permit(shop, "Imports", "can_run", "can_meters", group="Operator")
    assert browse(OPERATOR).get(f"/imports/new/meters?consumer={ada.id}").status_code == 200
    assert "/imports/new/meters" in browse(OPERATOR).get(f"/consumers/show/{ada.id}").text
    permit(shop, "Imports", "can_run", "can_meters", group="Auditor")
    answer = browse(AUDITOR).get(f"/imports/new/meters?consumer={ada.id}")
    assert answer.status_code == 403
    content = {"file": (io.BytesIO(b"x"), "m.csv")}
    posted = browse(AUDITOR).post(f"/imports/new/meters?consumer={ada.id}", content)
    assert posted.status_code == 403
    assert shop.count(ImportBatch) == 0


def test_a_meter_that_hangs_nowhere_and_was_sold_to_before_is_taken_and_given_back(
    shop, row, import_for, go_on, ada
):
    meter = shop.rows(Meter, Meter.id == shop.utility.meters[NOT_INSTALLED])[0]
    like = {"sgc": meter.sgc, "ti": meter.ti, "ea": f"{meter.ea:02d}"}
    go_on("apply", batch := import_for(ada, [row(meter.drn, **like)], update_existing="y"))
    assert meter.drn in places_of(shop, ada)
    batch = go_on("undo", batch)
    assert codes(shop, batch) == {}
    assert (meters_of(shop)[meter.drn].state, meter.state) == ("active", "active")
