"""Consumers at the browser: forms, retiring with undo, ID numbers, data handed over and removed."""

import json
import re

import pytest
from sqlalchemy import select

from tests import factories
from tests.factories import AUDITOR, LEGACY_11, NOW, OPERATOR, SOUTH_OPERATOR, SOUTHERN
from tests.web.office import ADMIN, BOTH, NORTH_SUPERVISOR, contents, statements
from tests.web.records import ids, links, permit, read, rows, sent, the_form
from tests.web.test_record_forms import form_in, form_of
from tests.web.test_statements import MOST, own
from vmsapp.extensions import db
from vmsapp.models import AuditEvent, Consumer, MeterInstallation, ServicePoint
from vmsapp.models.user import Role

SECRET = "29384756"
TYPED = {
    "name": "Ada Wanjiru", "number": "", "address": "Pier 1", "gender": "female",
    "id_number": SECRET, "phone": "+254 20 123456", "email": "ada@example.org", "language": "fr",
}  # fmt: skip
ADMINISTRATORS_OWN = ("can_export_person", "can_anonymise")
"""What supervisors may not do with consumers."""


@pytest.fixture
def admin(browse):
    return browse(ADMIN)


@pytest.fixture
def north(utility) -> str:
    return str(utility.regions["north"].id)


@pytest.fixture
def ada(admin, shop, north) -> Consumer:
    """A consumer of the north with an ID number, registered by form."""
    assert admin.post("/consumers/add", TYPED | {"region": north}).status_code == 302
    return shop.rows(Consumer, Consumer.name == "Ada Wanjiru")[0]


def number(shop, drn: str) -> int:
    return shop.rows(Consumer, Consumer.number == drn)[0].id


def errors(answer) -> dict[str, str]:
    """What is said beside fields, by the field's name."""
    page = read(answer.text)
    return {one["id"].removesuffix("-error"): one.text for one in page.all("div", "field-error")}


# the form


@BOTH
def test_a_consumer_is_registered_by_form(admin, ada, shop, backend):
    assert (ada.number, ada.phone, ada.id_number) == ("00000001", "+254 20 123456", SECRET)
    page = read(admin.get(f"/consumers/show/{ada.id}").text)
    told = {one.all("dt")[0].text: one.all("dd")[0].text
            for one in page.one("dl", "facts").children if not isinstance(one, str)}  # fmt: skip
    assert told["Full name"] == "Ada Wanjiru"
    assert told["ID number"].startswith("•••••756")
    assert (told["Gender"], told["Language"]) == ("Female", "Français")
    assert told["State"] == "Active consumer"


def test_all_that_is_wrong_is_said_beside_its_field_and_nothing_typed_is_lost(admin, engine, north):
    before = contents(engine)
    typed = TYPED | {
        "name": "", "number": "A B", "region": "", "email": "nowhere", "phone": "none",
        "id_number": "1" * 41,
    }  # fmt: skip
    refused = admin.post("/consumers/add", typed)
    assert refused.status_code == 422
    assert errors(refused).keys() == {"name", "number", "region", "email", "phone", "id_number"}
    assert form_in(refused) == typed
    taken = admin.post("/consumers/add", TYPED | {"number": "c0001", "region": north})
    assert errors(taken) == {
        "number": "The consumer number C0001 is taken. Choose another, or leave it empty."
    }
    assert contents(engine) == before


def test_a_new_consumers_language_is_at_first_the_readers(browse):
    for language in ("ar", "fr"):
        assert form_of(browse(ADMIN, language), "/consumers/add")["language"] == language


def test_digits_of_any_script_are_understood(admin, shop, north):
    typed = TYPED | {"number": "٤٢", "phone": "٠٧٠٠ ١٢٣", "id_number": "١٢٣٤", "region": north}
    assert admin.post("/consumers/add", typed).status_code == 302
    (row,) = shop.rows(Consumer, Consumer.number == "42")
    assert (row.phone, row.id_number) == ("0700 123", "1234")


def test_a_form_left_open_overwrites_nobody(browse, admin, ada, shop):
    path = f"/consumers/edit/{ada.id}"
    mine, theirs = form_of(admin, path), form_of(admin, path)
    assert browse(OPERATOR).post(path, theirs | {"address": "Pier 2"}).status_code == 302
    refused = admin.post(path, mine | {"phone": "0700 1", "id_number": "8812"})
    assert refused.status_code == 409
    assert "Somebody else changed this record meanwhile" in refused.text
    assert "Saved here now: “Pier 2”." in refused.text
    assert "Saved here now: nothing." not in refused.text
    assert SECRET not in refused.text
    assert form_in(refused)["phone"] == "0700 1"
    assert admin.post(path, form_in(refused)).status_code == 302
    assert shop.rows(Consumer, Consumer.id == ada.id)[0].phone == "0700 1"


def test_the_form_of_a_change_neither_shows_nor_loses_the_id_number(operator, ada, shop):
    path = f"/consumers/edit/{ada.id}"
    page = operator.get(path)
    assert SECRET not in page.text
    assert "•••••756 is on record" in page.text
    kept = form_of(operator, path)
    assert operator.post(path, kept | {"name": "Ada O"}).status_code == 302
    (row,) = shop.rows(Consumer, Consumer.id == ada.id)
    assert (row.name, row.id_number) == ("Ada O", SECRET)
    removed = form_of(operator, path) | {"remove_id_number": "y"}
    assert operator.post(path, removed).status_code == 302
    assert shop.rows(Consumer, Consumer.id == ada.id)[0].id_number == ""
    assert "remove_id_number" not in operator.get(path).text


def test_a_refused_change_does_not_write_the_id_number_into_the_page(operator, ada):
    path = f"/consumers/edit/{ada.id}"
    typed = {name: text for name, text in form_of(operator, path).items() if name != "id_number"}
    refused = operator.post(path, typed | {"name": ""})
    assert refused.status_code == 422
    assert SECRET not in refused.text


# the list and the page


def test_lists_and_pages_hold_no_id_number(browse, ada):
    for who in (ADMIN, OPERATOR, AUDITOR):
        browser = browse(who)
        for path in ("/consumers/list/?q=Ada", f"/consumers/show/{ada.id}", "/consumers/lookup",
                     "/counter/?q=Ada"):  # fmt: skip
            assert SECRET not in browser.get(path).text, path
        assert ids(read(browser.get(f"/consumers/list/?q={SECRET}").text)) == []


def test_the_whole_number_is_shown_on_a_press_and_on_record(browse, admin, ada, shop):
    assert "Show it whole" not in browse(OPERATOR).get(f"/consumers/show/{ada.id}").text
    shown = admin.post(f"/consumers/id-number/{ada.id}")
    assert SECRET in shown.text
    assert shown.headers["Cache-Control"] == "no-store"
    assert SECRET not in admin.get(f"/consumers/show/{ada.id}").text
    event = shop.rows(AuditEvent)[-1]
    assert (event.action, event.subject_id) == ("consumer.id_number_shown", str(ada.id))


def test_who_has_an_id_number_is_found_without_an_address_that_holds_it(admin, ada, shop, north):
    found = admin.post("/consumers/find-id-number", {"id_number": f" {SECRET} "})
    assert found.location == f"/consumers/show/{ada.id}"
    admin.post("/consumers/add", TYPED | {"region": north, "name": "Twin"})
    both = admin.post("/consumers/find-id-number", {"id_number": SECRET})
    assert len(ids(read(both.text))) == 2
    nobody = admin.post("/consumers/find-id-number", {"id_number": "756"}, follow_redirects=True)
    assert "Nobody here has this ID number." in nobody.text


def test_the_list_counts_meters_and_narrows_by_them(admin, shop):
    page = read(admin.get("/consumers/list/?size=100").text)
    counted = {row[0]: row[5] for row in rows(page)}
    assert counted["C0001"] == "1"
    with_meter = {
        row[0] for row in rows(read(admin.get("/consumers/list/?size=100&meter=yes").text))
    }
    assert with_meter == {name for name, count in counted.items() if count != "0"}
    shop.change(lambda s: s.execute(MeterInstallation.__table__.update().values(removed_at=NOW)))
    assert rows(read(admin.get("/consumers/list/?meter=yes").text)) == []
    assert rows(read(admin.get("/consumers/list/?q=C0001").text))[0][5] == "0"


def test_the_page_shows_meters_sales_and_fees_and_no_digits_of_tokens(admin, shop):
    sale = shop.sell()
    page = admin.get(f"/consumers/show/{sale.consumer_id}")
    section = read(page.text).one("div", "table-box", aria_labelledby="meters")
    (row,) = rows(section)
    assert (row[0].replace(" ", ""), row[1], row[3]) == (shop.meter(LEGACY_11).drn, "Electricity",
                                                         "Flat")  # fmt: skip
    assert (row[5], row[6]) == ("bound now", "0.00 USD")
    digits = shop.digits(sale)
    assert digits not in re.sub(r"\s", "", page.text)
    assert f'href="/sales/show/{sale.id}"' in page.text
    fee = read(admin.get(f"/consumers/show/{number(shop, 'C0005')}").text)
    (row,) = rows(fee.one("div", "table-box", aria_labelledby="meters"))
    assert row[6] == "2.00 USD"  # one month's fee


@pytest.fixture
def hang(shop, utility):
    """Hang meters at the first consumer, beside the one it has."""
    key = number(shop, "C0001")

    def more(session, count):
        product = session.get_one(factories.Product, shop.meter(LEGACY_11).product_id)
        tariff = session.scalars(select(factories.Tariff)).first()
        region = session.get_one(factories.Region, utility.regions["north"].id)
        last = max(session.scalars(select(ServicePoint.id)))
        for serial in range(700, 700 + count):
            factories.add_meter(session, serial, product=product, tariff=tariff, region=region,
                                consumer=False)  # fmt: skip
        for point in session.scalars(select(ServicePoint).where(ServicePoint.id > last)):
            point.consumer_id = key

    def do(count: int) -> int:
        shop.change(lambda session: more(session, count))
        return key

    return do


def test_a_consumer_with_as_many_meters_as_the_page_shows_leads_to_no_more(admin, hang):
    key = hang(49)
    assert "/meters/list/?consumer=" not in admin.get(f"/consumers/show/{key}").text


def test_a_consumer_with_more_meters_leads_to_a_list_of_all_of_them(admin, hang):
    key = hang(50)
    page = read(admin.get(f"/consumers/show/{key}").text)
    assert len(rows(page.one("div", "table-box", aria_labelledby="meters"))) == 50
    (link,) = [one for one in page.all("a") if one["href"] == f"/meters/list/?consumer={key}"]
    assert link.text.startswith("See all 51")
    listed = read(admin.get(f"/meters/list/?consumer={key}&size=100").text)
    assert {row[5] for row in rows(listed)} == {"Consumer 1 · C0001"}
    assert len(rows(listed)) == 51
    assert [one.text for one in listed.one("ul", "chips").all("bdi")] == ["Consumer 1"]


def test_another_regions_consumer_narrows_no_list_of_meters(browse, shop):
    theirs = number(shop, "C0006")
    page = read(browse(OPERATOR).get(f"/meters/list/?consumer={theirs}").text)
    assert page.all("ul", "chips") == []
    assert rows(page)


def test_a_page_with_many_meters_takes_as_few_statements(office, admin, hang):
    key = hang(60)
    with office.app_context():
        engine = db.engine
    for path in (f"/consumers/show/{key}", "/consumers/list/?size=100"):
        admin.get(path)
        with statements(engine) as seen:
            assert admin.get(path).status_code == 200
        assert len(own(seen)) <= MOST, "\n".join(own(seen))


def test_deleting_is_offered_where_nothing_hangs(admin, ada, shop):
    bound = number(shop, "C0001")
    assert f"/consumers/delete/{ada.id}" in admin.get(f"/consumers/show/{ada.id}").text
    assert f"/consumers/delete/{bound}" not in admin.get(f"/consumers/show/{bound}").text
    listed = admin.get("/consumers/list/?size=100").text
    assert f"/consumers/delete/{ada.id}" in listed
    assert f'/consumers/delete/{bound}"' not in listed
    refused = admin.post(f"/consumers/delete/{bound}")
    assert refused.status_code == 409
    assert "Retire it instead" in refused.text
    assert admin.post(f"/consumers/delete/{ada.id}").status_code == 302
    assert shop.count(Consumer, Consumer.id == ada.id) == 0


# retiring


@BOTH
def test_many_are_retired_and_a_press_brings_them_back(admin, ada, shop, backend):
    bound = number(shop, "C0001")
    chosen = {"action": "retire", "rowid": [str(ada.id), str(bound)]}
    page = admin.post("/consumers/action_post", chosen, follow_redirects=True)
    assert "1 consumer was retired." in page.text
    assert "1 consumer still has a meter and was not retired. Unbind it first." in page.text
    (toast,) = [one for one in read_all(page).all("form") if one["action"] == "/consumers/undo"]
    assert [row.id for row in shop.rows(Consumer, Consumer.retired)] == [ada.id]
    undone = admin.post("/consumers/undo", sent(toast), follow_redirects=True)
    assert "1 consumer was taken back." in undone.text
    assert shop.count(Consumer, Consumer.retired) == 0
    assert "/consumers/undo" not in undone.text
    late = admin.post("/consumers/undo", sent(toast))
    assert late.status_code == 409


@pytest.mark.parametrize("at", ["", "x", "2026-03-17", "2026-03-17T09:30:00"])
def test_an_odd_undo_undoes_nothing(admin, ada, at):
    assert admin.post("/consumers/undo", {"at": at}).status_code == 409


def read_all(answer):
    """A whole page, with what stands beside its main part."""
    from tests.web.records import _Reader  # noqa: PLC0415 - toasts stand beside the main part

    reader = _Reader()
    reader.feed(answer.text)
    return reader.root


def test_the_page_offers_what_can_be_done(admin, ada):
    path = f"/consumers/show/{ada.id}"

    def deeds() -> set[str]:
        found = re.findall(r'action="/consumers/action/(\w+)/', admin.get(path).text)
        return set(found)

    assert deeds() == {"retire"}
    admin.post(f"/consumers/action/retire/{ada.id}")
    assert deeds() == {"take_back"}
    assert admin.get("/consumers/lookup?q=Ada").json == []
    admin.post(f"/consumers/action/take_back/{ada.id}")
    assert deeds() == {"retire"}
    assert [row["value"] for row in admin.get("/consumers/lookup?q=Ada").json] == [ada.id]


# personal data


def test_the_data_are_handed_over_as_a_file(admin, ada):
    answer = admin.post(f"/consumers/person/{ada.id}")
    assert answer.mimetype == "application/json"
    assert answer.headers["Content-Disposition"] == "attachment; filename=consumer-00000001.json"
    held = json.loads(answer.text)
    assert held["consumer"]["id_number"] == SECRET
    assert (held["meters"], held["sales"], held["complete"]) == ([], [], True)


def test_the_data_are_removed_for_good(admin, ada, shop):
    path = f"/consumers/anonymise/{ada.id}"
    assert "This cannot be undone" in admin.get(path).text
    refused = admin.post(path, {"reason": "asked by letter", "number": "1"})
    assert errors(refused) == {"number": "This is not the number of this consumer."}
    assert sent(the_form(read(refused.text)))["number"] == "1"
    page = admin.post(path, {"reason": "asked by letter", "number": "00000001"},
                      follow_redirects=True)  # fmt: skip
    assert "The personal data were removed." in page.text
    assert "Data removed" in page.text
    assert not any(word in page.text for word in ("Ada", SECRET, "example.org"))
    assert "Edit" not in links(read(page.text))
    assert admin.post(f"/consumers/edit/{ada.id}", TYPED).status_code == 409


def test_a_bound_meter_keeps_the_data(admin, shop):
    key = number(shop, "C0001")
    refused = admin.post(f"/consumers/anonymise/{key}", {"reason": "asked", "number": "C0001"})
    assert refused.status_code == 409
    assert "A meter is bound to this consumer. Unbind it first." in refused.text


# the scope, through every door


@pytest.fixture
def hidden(shop) -> Consumer:
    """A consumer of the south who can be told from all others."""

    def name(session):
        row = session.query(Consumer).where(Consumer.number == "C0006").one()
        row.name, row.phone, row.id_number = "Zola Südmann", "+000 66", SECRET
        return row

    return shop.change(name)


@pytest.fixture(params=[OPERATOR, NORTH_SUPERVISOR])
def northerner(request, browse, shop, people):
    """Somebody of the north who may do everything with consumers."""
    permit(shop, "Consumers", *ADMINISTRATORS_OWN)

    def promote(session):
        supervisors = session.scalars(select(Role).where(Role.name == "Supervisor")).one()
        session.merge(people[OPERATOR]).roles = [supervisors]

    shop.change(promote)
    return browse(request.param)


def test_no_door_leads_to_another_regions_consumer(northerner, hidden, ada, shop, engine, utility):
    south, key = str(utility.regions["south"].id), hidden.id
    before = contents(engine, "audit_event", "audit_unsealed")
    unseen = ("Zola", "Südmann", "+000 66", "C0006")
    for path in ("/consumers/list/?size=100", "/consumers/list/?size=100&meter=yes",
                 f"/consumers/list/?region={south}", "/consumers/list/?q=Zol",
                 "/consumers/list/?q=C000", "/consumers/list/?q=000+6", "/consumers/lookup",
                 "/consumers/lookup?q=Zol", f"/consumers/list/?after={key}",
                 f"/sales/list/?consumer={key}", "/counter/?q=Zol"):  # fmt: skip
        page = northerner.get(path).text
        assert [word for word in unseen if word in page] == [], path
    for route in ("show", "edit", "anonymise"):
        assert northerner.get(f"/consumers/{route}/{key}").status_code == 404, route
    for route in ("edit", "delete", "id-number", "person", "anonymise"):
        sent_there = northerner.post(f"/consumers/{route}/{key}", TYPED | {"reason": "x"})
        assert sent_there.status_code == 404, route
        assert "Zola" not in sent_there.text
    for deed in ("retire", "take_back"):
        northerner.post(f"/consumers/action/{deed}/{key}")
        northerner.post("/consumers/action_post", {"action": deed, "rowid": str(key)})
    found = northerner.post("/consumers/find-id-number", {"id_number": SECRET})
    assert found.location == f"/consumers/show/{ada.id}"  # the one of the north alone
    for path in ("/consumers/add", f"/consumers/edit/{ada.id}"):
        typed = form_of(northerner, path) | {"name": "X", "region": south}
        refused = northerner.post(path, typed)
        assert refused.status_code == 422
        assert "not there any more" in refused.text
    assert contents(engine, "audit_event", "audit_unsealed") == before


def test_a_retirement_of_another_is_not_undone(browse, admin, ada, shop, people):
    admin.post(f"/consumers/action/retire/{ada.id}")
    at = shop.rows(Consumer, Consumer.id == ada.id)[0].retired_at.isoformat()
    assert browse(NORTH_SUPERVISOR).post("/consumers/undo", {"at": at}).status_code == 409
    assert shop.count(Consumer, Consumer.retired) == 1


def test_an_operator_registers_in_the_own_region_alone(browse, shop, utility):
    for who, place in ((OPERATOR, "north"), (SOUTH_OPERATOR, "south")):
        for region in ("north", "south"):
            typed = TYPED | {"region": str(utility.regions[region].id), "name": f"{who} {region}"}
            status = browse(who).post("/consumers/add", typed).status_code
            assert status == (302 if region == place else 422), (who, region)
    assert shop.meter(SOUTHERN).region_id == utility.regions["south"].id
