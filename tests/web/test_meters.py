"""The screens of meters: registered, changed, bound, unbound, swapped, blocked, corrected."""

import re

import pytest

from tests.factories import (
    DOMESTIC,
    LEGACY_11,
    LEGACY_SGC,
    NOT_INSTALLED,
    OPERATOR,
    RETIRED,
    SOUTHERN,
    STOCK,
    STS6_SGC,
    SUPERVISOR,
    drn_of,
)
from tests.faults import request_lost
from tests.web.office import (
    ADMIN,
    ENGINEER,
    NORTH_SUPERVISOR,
    NOWHERE,
    contents,
    main_part,
    statements,
)
from tests.web.records import links, permit, read, rows, sent, the_form
from vmsapp.extensions import db
from vmsapp.models import (
    ApprovalRequest,
    AuditEvent,
    Consumer,
    Meter,
    MeterInstallation,
    Product,
    Tariff,
)

NUMBER = drn_of("07", 900)


@pytest.fixture
def supervisor(browse):
    return browse(SUPERVISOR)


def filled(browser, path, **typed):
    """What the form of a page would send, with some of it typed."""
    return sent(the_form(read(browser.get(path).text))) | typed


def typed_in(browser, path, **typed):
    """Fill the form of a page in and send it."""
    return browser.post(path, filled(browser, path, **typed))


@pytest.fixture
def new(shop):
    """What is typed of a new meter; the key is the first one offered, the Legacy one."""
    product = shop.rows(Product, Product.manufacturer_code == "07")[0]
    tariff = shop.rows(Tariff, Tariff.name == "Flat")[0]
    return {"number": "0700 0009 006", "product_id": str(product.id), "tariff_id": str(tariff.id),
            "region": str(shop.utility.regions["north"].id),
            "key": f"legacy-{LEGACY_SGC}-1-2"}  # fmt: skip


def meter_of(shop, number=NUMBER):
    (found,) = shop.rows(Meter, Meter.drn == number)
    return found


def wrong_fields(page):
    """Sentences beside fields, by the field's id."""
    found = re.findall(r'id="([\w]+)-error">.*?<span>(.*?)</span>', page, re.DOTALL)
    return {name: " ".join(text.split()) for name, text in found}


def number_of(shop, name):
    return shop.utility.meters[name]


def shown(shop, name):
    """A meter's number as it is read: in groups of four."""
    drn = shop.meter(name).drn
    return " ".join(drn[at : at + 4] for at in range(0, len(drn), 4))


# registering


def test_a_meter_is_registered_with_its_number_product_and_key(supervisor, shop, new):
    assert NUMBER == "07000009006"
    answer = typed_in(supervisor, "/meters/add", **new)
    meter = meter_of(shop)
    assert answer.location == f"/meters/show/{meter.id}"
    assert (meter.state, meter.algorithm, meter.sgc, meter.base_date, meter.ti) == (
        "stock", "legacy", LEGACY_SGC, "14", "01",
    )  # fmt: skip
    page = supervisor.get(answer.location).text
    assert "0700 0009 006" in main_part(page)
    assert "warning" not in main_part(page)


def test_digits_of_any_script_are_read(browse, shop, new):
    arabic = "".join(chr(0x660 + int(digit)) for digit in NUMBER)
    typed_in(browse(SUPERVISOR, "ar"), "/meters/add", **new | {"number": arabic})
    assert meter_of(shop).drn == NUMBER


def test_every_mistake_stands_beside_its_field(supervisor, shop, new):
    bad = new | {"number": "0700 0009 007", "product_id": "", "ti": "1", "key": "", "sgc": "12",
                 "krn": "0"}  # fmt: skip
    answer = typed_in(supervisor, "/meters/add", **bad)
    assert answer.status_code == 422
    assert set(wrong_fields(answer.text)) == {"number", "product_id", "ti", "sgc", "krn"}
    assert "does not check the others" in wrong_fields(answer.text)["number"]
    assert shop.count(Meter, Meter.drn == NUMBER) == 0


def test_what_was_typed_is_kept_after_a_refusal(supervisor, new):
    answer = typed_in(supervisor, "/meters/add", **new | {"number": "0700 0009 007"})
    again = sent(the_form(read(answer.text)))
    assert {name: again[name] for name in new} == new | {"number": "0700 0009 007"}


@pytest.mark.parametrize("name", [LEGACY_11, SOUTHERN])
def test_a_taken_number_is_refused_whoever_has_it(browse, shop, new, name):
    operator = browse(OPERATOR)
    number = shown(shop, name)
    answer = typed_in(operator, "/meters/add", **new | {"number": number})
    assert wrong_fields(answer.text) == {
        "number": f"A meter with the number {number} is registered already."
    }


def test_an_operator_registers_in_the_own_region_alone(browse, shop, new):
    operator = browse(OPERATOR)
    south = str(shop.utility.regions["south"].id)
    answer = typed_in(operator, "/meters/add", **new | {"region": south})
    assert set(wrong_fields(answer.text)) == {"region"}
    typed_in(operator, "/meters/add", **new)
    assert meter_of(shop).region_id == shop.utility.regions["north"].id


def test_a_key_of_another_algorithm_is_refused(supervisor, new):
    answer = typed_in(supervisor, "/meters/add", **new | {"device": "sts6-7"})
    assert set(wrong_fields(answer.text)) == {"key"}


@pytest.mark.parametrize(("device", "kept"), [("sts6-7", 7), ("sts6-11", 11)])
def test_an_sts6_meter_has_its_cipher(supervisor, shop, new, device, kept):
    changed = {"device": device, "key": f"sts6-{STS6_SGC}-1-2"}
    typed_in(supervisor, "/meters/add", **new | changed)
    assert (meter_of(shop).algorithm, meter_of(shop).ea) == ("sts6", kept)


def test_a_key_that_no_module_has_is_taken_and_said(supervisor, shop, new):
    other = {"key": "", "sgc": "123456", "krn": "3", "kt": "2", "base_date": ""}
    answer = typed_in(supervisor, "/meters/add", **new | other)
    page = supervisor.get(answer.location).text
    assert "No security module holds a vending key for supply group 123456" in page
    assert (meter_of(shop).krn, meter_of(shop).base_date) == (3, "14")


def test_another_makers_number_is_taken_and_said(supervisor, shop, new):
    number = drn_of("55", 1)
    answer = typed_in(supervisor, "/meters/add", **new | {"number": number})
    assert "begins with the manufacturer code 55" in supervisor.get(answer.location).text
    assert meter_of(shop, number).state == "stock"


def test_the_next_one_is_like_the_last(supervisor, shop, new):
    answer = typed_in(supervisor, "/meters/add", again="yes", **new | {"ti": "07"})
    form = sent(the_form(read(supervisor.get(answer.location).text)))
    assert {name: form[name] for name in ("number", "ti", "product_id", "tariff_id", "key")} == {
        "number": "", "ti": "07", "product_id": new["product_id"],
        "tariff_id": new["tariff_id"], "key": new["key"],
    }  # fmt: skip


# changing


def test_a_meter_without_tokens_changes_altogether(supervisor, shop):
    path = f"/meters/edit/{number_of(shop, STOCK)}"
    assert typed_in(supervisor, path, number=NUMBER, ti="09").status_code == 302
    assert (shop.meter(STOCK).drn, shop.meter(STOCK).ti) == (NUMBER, "09")


def test_after_a_token_the_form_has_no_key_and_forged_fields_change_nothing(supervisor, shop):
    shop.sell()
    path = f"/meters/edit/{number_of(shop, LEGACY_11)}"
    form = filled(supervisor, path)
    assert form.keys().isdisjoint({"number", "device", "key", "ti", "sgc", "krn"})
    before = shop.meter(LEGACY_11)
    forged = {"number": NUMBER, "ti": "09", "sgc": "123456", "device": "sts6-7", "tct": "1"}
    assert supervisor.post(path, form | forged).status_code == 302
    after = shop.meter(LEGACY_11)
    assert (after.drn, after.ti, after.sgc, after.algorithm) == (
        before.drn, before.ti, before.sgc, before.algorithm,
    )  # fmt: skip
    assert after.tct == 1


def test_two_people_do_not_overwrite_each_other(supervisor, browse, shop):
    path = f"/meters/edit/{number_of(shop, STOCK)}"
    form = filled(supervisor, path)
    typed_in(browse(ADMIN), path, ti="09")
    answer = supervisor.post(path, form | {"ti": "05"})
    assert answer.status_code == 409
    assert "Somebody else changed this record" in answer.text
    assert shop.meter(STOCK).ti == "09"


def test_nothing_is_changed_while_a_sale_is_being_settled(supervisor, shop, module):
    path = f"/meters/edit/{number_of(shop, LEGACY_11)}"
    form = filled(supervisor, path)
    module.once("issue_credit", request_lost)
    shop.sell()
    answer = supervisor.post(path, form | {"tct": "1"})
    assert answer.status_code == 409
    assert "is being settled" in answer.text


# the page


def test_the_page_tells_whose_it_is_what_was_bought_and_what_is_due(supervisor, shop):
    shop.sell(DOMESTIC, units="70")
    page = main_part(supervisor.get(f"/meters/show/{number_of(shop, DOMESTIC)}").text)
    text = " ".join(re.sub(r"<[^>]+>", " ", page).split())
    assert "Bought this month 70.0 kWh" in text
    assert "Fees due 0.00 USD" in text
    assert "Consumer 5 · C0005" in text
    assert "Check value" in text
    assert "bound now" in text
    # 255 is no expiry number but the end of the base date: 2**24 minutes after 2014
    assert "Nov 24, 2045" in text


def test_the_page_takes_few_statements(supervisor, shop, office):
    shop.sell(DOMESTIC)
    path = f"/meters/show/{number_of(shop, DOMESTIC)}"
    supervisor.get(path)
    with office.app_context():
        engine = db.engine
    with statements(engine) as seen:
        supervisor.get(path)
    assert len([one for one in seen if not one.startswith("BEGIN")]) <= 9


def test_the_list_tells_whose_meters_are_and_finds_the_unbound(supervisor, shop):
    page = read(supervisor.get("/meters/list/?size=100").text)
    told = {row[0]: row for row in rows(page)}
    assert told[shown(shop, DOMESTIC)][5] == "Consumer 5 · C0005"
    found = rows(read(supervisor.get("/meters/list/?bound=no").text))
    assert [row[0] for row in found] == [shown(shop, NOT_INSTALLED)]
    grouped = rows(read(supervisor.get(f"/meters/list/?q={shown(shop, DOMESTIC)}").text))
    assert [row[0] for row in grouped] == [shown(shop, DOMESTIC)]


def test_a_meter_of_another_region_is_as_unknown_as_none(browse, shop):
    operator = browse(OPERATOR)
    south = number_of(shop, SOUTHERN)
    for path in ("/meters/show/{}", "/meters/edit/{}", "/meters/{}/bind", "/meters/{}/unbind",
                 "/meters/{}/swap", "/meters/add?like={}"):  # fmt: skip
        hidden, unknown = (operator.get(path.format(one)) for one in (south, NOWHERE))
        assert hidden.status_code == unknown.status_code, path
        assert shown(shop, SOUTHERN) not in hidden.text
    by = operator.get(f"/meters/{number_of(shop, DOMESTIC)}/swap?by={south}")
    assert by.status_code == 404
    search = operator.get(f"/meters/list/?q={shop.meter(SOUTHERN).drn}")
    assert shown(shop, SOUTHERN) not in main_part(search.text)


# states


def test_blocking_asks_why_and_the_counter_says_it(supervisor, browse, shop):
    path = f"/meters/{number_of(shop, LEGACY_11)}/block"
    assert set(wrong_fields(typed_in(supervisor, path).text)) == {"reason"}
    assert typed_in(supervisor, path, reason="seal broken").status_code == 302
    assert shop.meter(LEGACY_11).state == "blocked"
    page = main_part(supervisor.get(f"/meters/show/{number_of(shop, LEGACY_11)}").text)
    assert "seal broken" in page
    typed_in(supervisor, f"/meters/{number_of(shop, LEGACY_11)}/unblock")
    assert shop.meter(LEGACY_11).state == "active"


def test_a_deed_that_is_not_open_is_refused_and_not_offered(supervisor, shop):
    path = f"/meters/{number_of(shop, LEGACY_11)}/retire"
    answer = typed_in(supervisor, path)
    assert answer.status_code == 409
    assert "Unbind it first" in answer.text
    offered = links(read(supervisor.get(f"/meters/show/{number_of(shop, LEGACY_11)}").text))
    assert path not in offered.values()
    assert f"/meters/{number_of(shop, LEGACY_11)}/swap" in offered.values()


def test_a_retired_meter_is_only_taken_back(supervisor, shop):
    shop.change(lambda s: s.query(MeterInstallation).filter_by(
        meter_id=number_of(shop, RETIRED)).delete())  # fmt: skip
    page = read(supervisor.get(f"/meters/show/{number_of(shop, RETIRED)}").text)
    deeds = {url for url in links(page).values() if f"/meters/{number_of(shop, RETIRED)}/" in url}
    assert deeds == {f"/meters/{number_of(shop, RETIRED)}/take_back"}
    typed_in(supervisor, deeds.pop())
    assert shop.meter(RETIRED).state == "stock"


# binding


def test_a_meter_is_bound_on_its_page_to_a_consumer_who_is_found(supervisor, shop):
    number = number_of(shop, NOT_INSTALLED)
    found = read(supervisor.get(f"/meters/{number}/bind?q=Consumer 5").text)
    (path,) = [url for word, url in links(found).items() if word == "Consumer 5"]
    answer = typed_in(supervisor, path, credit="2.5")
    assert answer.location == f"/meters/show/{number}"
    (link,) = shop.rows(MeterInstallation, MeterInstallation.meter_id == number)
    (consumer,) = shop.rows(Consumer, Consumer.name == "Consumer 5")
    assert (link.consumer_id, str(link.installed_credit)) == (consumer.id, "2.500")
    assert "Consumer 5" in main_part(supervisor.get(answer.location).text)


def test_several_are_bound_from_the_consumers_page(supervisor, shop):
    unbound = number_of(shop, NOT_INSTALLED)
    (consumer,) = shop.rows(Consumer, Consumer.name == "Consumer 5")
    typed_in(supervisor, f"/meters/{number_of(shop, LEGACY_11)}/unbind")
    page = supervisor.get(f"/consumers/show/{consumer.id}")
    path = links(read(page.text))["Bind meters"]
    assert shown(shop, NOT_INSTALLED) in supervisor.get(f"{path}?q=0700").text
    nobody = supervisor.post(path)
    assert nobody.status_code == 422
    assert "Choose at least one meter." in nobody.text
    errors = next(one for one in read(nobody.text).all("div") if one.get("id") == "errors")
    assert errors["tabindex"] == "-1"  # takes the focus as the page opens
    chosen = {"rowid": [str(unbound), str(number_of(shop, LEGACY_11))]}
    assert supervisor.post(path, chosen).location == f"/consumers/show/{consumer.id}"
    after = main_part(supervisor.get(f"/consumers/show/{consumer.id}").text)
    assert shown(shop, NOT_INSTALLED) in after
    assert shown(shop, LEGACY_11) in after
    assert supervisor.post(path, chosen).status_code == 409


def test_unbinding_says_where_the_meter_goes(supervisor, shop):
    number = number_of(shop, LEGACY_11)
    typed_in(supervisor, f"/meters/{number}/unbind", credit="4.2",
             afterwards="retired")  # fmt: skip
    (link,) = shop.rows(MeterInstallation, MeterInstallation.meter_id == number)
    assert str(link.removed_credit) == "4.200"
    assert shop.meter(LEGACY_11).state == "retired"


def test_credit_is_typed_as_the_meter_shows_it(supervisor, shop):
    path = f"/meters/{number_of(shop, LEGACY_11)}/unbind"
    for typed in ("-1", "0.05", "many"):
        answer = typed_in(supervisor, path, credit=typed)
        assert set(wrong_fields(answer.text)) == {"credit"}, typed
    assert shop.meter(LEGACY_11).state == "active"


def test_a_meter_takes_up_the_place_where_it_hung(supervisor, shop):
    number, place = number_of(shop, DOMESTIC), shop.point_of(DOMESTIC)
    typed_in(supervisor, f"/meters/{number}/unbind")
    (consumer,) = shop.rows(Consumer, Consumer.name == "Consumer 1")
    path = f"/meters/{number}/bind?consumer={consumer.id}"
    page = supervisor.get(path).text
    assert "where this meter hung last, for Consumer 5" in page
    typed_in(supervisor, path, place=str(place))
    assert shop.point_of(DOMESTIC) == place
    # a place that is not offered is not taken, whatever is sent
    other = shop.point_of(LEGACY_11)
    typed_in(supervisor, f"/meters/{number}/unbind")
    assert typed_in(supervisor, path, place=str(other)).status_code == 422


def test_a_swap_is_found_said_and_done(supervisor, shop):
    old, new = number_of(shop, DOMESTIC), number_of(shop, NOT_INSTALLED)
    found = read(supervisor.get(f"/meters/{old}/swap?q=0700").text)
    path = links(found)[shown(shop, NOT_INSTALLED)]
    assert shown(shop, NOT_INSTALLED) in main_part(supervisor.get(path).text)
    answer = typed_in(supervisor, path, credit="1.5", new_credit="0", afterwards="retired")
    assert answer.location == f"/meters/show/{new}"
    assert (shop.meter(DOMESTIC).state, shop.meter(NOT_INSTALLED).state) == ("retired", "active")
    event = max(shop.rows(AuditEvent), key=lambda one: one.id)
    assert (event.action, event.details["credit"]) == ("meter.swapped", "1.5")


# the record is corrected by two


def test_the_reason_of_a_correction_is_not_called_optional(supervisor, shop):
    shop.sell()
    page = read(supervisor.get(f"/meters/{number_of(shop, LEGACY_11)}/correct").text)
    (label,) = page.all("label", **{"for": "reason"})
    assert label.text.strip() == "Reason"


def test_a_correction_takes_a_reason_and_a_second_person(supervisor, browse, shop):
    shop.sell()
    number = number_of(shop, LEGACY_11)
    path = f"/meters/{number}/correct"
    assert set(wrong_fields(typed_in(supervisor, path, ti="05").text)) == {"reason"}
    same = typed_in(supervisor, path, reason="the display says so")
    assert "The record says so already" in same.text
    asked = typed_in(supervisor, path, ti="05", reason="the display says so")
    assert shop.meter(LEGACY_11).ti == "01"
    request_id = asked.location.rsplit("/", 1)[1]
    checker = browse(ADMIN)
    page = checker.get(asked.location)
    assert "the display says so" in page.text
    approve = f"/approvals/{request_id}/approve"
    (form,) = read(page.text).all("form", action=approve)
    checker.post(approve, sent(form))
    assert shop.meter(LEGACY_11).ti == "05"
    event = max(shop.rows(AuditEvent, AuditEvent.action == "meter.corrected"), key=lambda e: e.id)
    assert event.details["reason"] == "the display says so"


def test_a_correction_in_a_form_that_is_out_of_date_is_asked_for_anew(supervisor, shop, keys):
    shop.sell()
    path = f"/meters/{number_of(shop, LEGACY_11)}/correct"
    typed = filled(supervisor, path, ti="05", reason="the display says so")
    keys.set_meter(LEGACY_11, krn=2)
    refused = supervisor.post(path, typed)
    assert refused.status_code == 409
    assert "changed by somebody else meanwhile" in refused.text
    assert shop.count(ApprovalRequest) == 0
    assert "/approvals/" in typed_in(supervisor, path, ti="05", reason="so it says").location


def test_who_may_not_is_not_shown_what_he_may_not_do(browse, shop):
    engineer, number = browse(ENGINEER), number_of(shop, LEGACY_11)
    shop.sell()
    page = main_part(engineer.get(f"/meters/show/{number}").text)
    assert "Correct the record" not in page
    assert engineer.get(f"/meters/{number}/correct").status_code == 403
    permit(shop, "Meters", "can_correct", group="Engineer")


def test_a_meter_registered_by_mistake_is_deleted(supervisor, shop, new):
    typed_in(supervisor, "/meters/add", **new)
    meter = meter_of(shop)
    assert supervisor.post(f"/meters/delete/{meter.id}").location == "/meters/list/"
    assert shop.count(Meter, Meter.drn == NUMBER) == 0
    kept = supervisor.post(f"/meters/delete/{number_of(shop, LEGACY_11)}")
    assert kept.status_code == 409
    assert "Retire it instead" in kept.text


# what lies in another region, through every door


def told_apart(browser, method, path, hidden, unknown, **typed):
    """Whether a door tells a row out of sight from one that never was."""
    answers = []
    for number in (hidden, unknown):
        sent_along = {name: text.format(number) for name, text in typed.items()}
        answer = (
            browser.get(path.format(number))
            if method == "GET"
            else browser.post(path.format(number), sent_along)
        )
        text = main_part(answer.text) if "<main" in answer.text else answer.text
        text = re.sub(rf"\b{number}\b", "N", text)
        answers.append((answer.status_code, text))
    return answers[0] != answers[1]


METER_DOORS = [
    ("GET", "/meters/show/{}"), ("GET", "/meters/edit/{}"), ("POST", "/meters/edit/{}"),
    ("POST", "/meters/delete/{}"), ("GET", "/meters/{}/bind"), ("POST", "/meters/{}/bind"),
    ("GET", "/meters/{}/unbind"), ("POST", "/meters/{}/unbind"), ("GET", "/meters/{}/swap"),
    ("POST", "/meters/{}/swap"), ("GET", "/meters/{}/block"), ("POST", "/meters/{}/block"),
    ("POST", "/meters/{}/retire"), ("POST", "/meters/{}/correct"),
    ("GET", "/counter/meter/{}?key=1-x"),
]  # fmt: skip


def test_no_door_tells_a_meter_of_another_region_from_none(browse, shop):
    manager = browse(NORTH_SUPERVISOR)
    south = number_of(shop, SOUTHERN)
    for method, path in METER_DOORS:
        assert not told_apart(manager, method, path, south, NOWHERE), f"{method} {path}"


def test_no_foreign_id_gets_in_by_a_form(browse, shop, new, engine):
    """A region, a consumer, a place or another meter that is sent, and not offered."""
    manager = browse(NORTH_SUPERVISOR)
    own, south = number_of(shop, NOT_INSTALLED), number_of(shop, SOUTHERN)
    buyer = shop.rows(Consumer, Consumer.name == "Consumer 6")[0].id  # who has the southern one
    mine = shop.rows(Consumer, Consumer.name == "Consumer 5")[0].id
    region, place = str(shop.utility.regions["south"].id), str(shop.point_of(SOUTHERN))
    new_one = filled(manager, "/meters/add") | new | {"region": region}
    old_one = filled(manager, f"/meters/edit/{own}") | {"region": region}
    before = contents(engine)
    tried = [
        manager.post("/meters/add", new_one),
        manager.post(f"/meters/edit/{own}", old_one),
        manager.post(f"/meters/{own}/bind?consumer={buyer}", {"place": ""}),
        manager.post(f"/meters/{own}/bind?consumer={mine}", {"place": place}),
        manager.post(f"/meters/bind-to/{mine}", {"rowid": [str(own), str(south)]}),
        manager.post(f"/meters/bind-to/{buyer}", {"rowid": str(own)}),
        manager.post(
            f"/meters/{number_of(shop, DOMESTIC)}/swap?by={south}", {"afterwards": "stock"}
        ),
    ]
    assert [answer.status_code for answer in tried] == [422, 422, 404, 422, 404, 404, 404]
    assert contents(engine) == before


def test_lists_searches_and_lookups_show_the_own_region_alone(browse, shop):
    manager = browse(NORTH_SUPERVISOR)
    drn, grouped = shop.meter(SOUTHERN).drn, shown(shop, SOUTHERN)
    free = number_of(shop, DOMESTIC)
    southern = number_of(shop, SOUTHERN)
    shop.change(lambda s: s.query(MeterInstallation).filter_by(meter_id=southern).delete())
    shop.change(lambda s: setattr(s.get(Meter, southern), "bound", False))
    for path in (
        "/meters/list/?size=100", f"/meters/lookup?q={drn}", f"/meters/{free}/swap?q=0700",
        "/meters/bind-to/1?q=0700", f"/meters/{number_of(shop, NOT_INSTALLED)}/bind?q=Consumer",
        "/meters/list/?bound=no", "/counter/?q=0700",
    ):  # fmt: skip
        page = manager.get(path).text
        assert grouped not in page, path
        assert "Consumer 6<" not in page, path
    assert grouped in browse(SUPERVISOR).get("/meters/list/?bound=no").text


# a consumer for a meter that hangs nowhere


@pytest.fixture
def loose(shop):
    """A meter that hangs nowhere."""
    return shop.rows(Meter, Meter.id == shop.utility.meters[NOT_INSTALLED])[0]


def test_a_consumer_is_registered_and_gets_the_meter_in_one_step(supervisor, shop, loose):
    path = f"/consumers/add?meter={loose.id}"
    for page in (f"/meters/show/{loose.id}", f"/meters/{loose.id}/bind",
                 f"/counter/meter/{loose.id}"):  # fmt: skip
        shown = supervisor.get(page, follow_redirects=True)
        assert f'href="{path}"' in shown.text, page
    form = filled(supervisor, path, name="Fatuma")
    assert form["region"] == str(loose.region_id)
    assert supervisor.post(path, form).status_code == 302
    (fatuma,) = shop.rows(Consumer, Consumer.name == "Fatuma")
    (link,) = shop.rows(MeterInstallation, MeterInstallation.meter_id == loose.id)
    assert (link.consumer_id, link.removed_at) == (fatuma.id, None)
    actions = [event.action for event in shop.rows(AuditEvent)][-2:]
    assert actions == ["consumer.added", "meter.bound"]
    assert path not in supervisor.get(f"/meters/show/{loose.id}").text
    counter = supervisor.get(f"/counter/meter/{loose.id}", follow_redirects=True)
    assert path not in counter.text


def test_where_the_meter_cannot_be_bound_nobody_is_registered(supervisor, shop, engine):
    bound = shop.utility.meters[LEGACY_11]
    path = f"/consumers/add?meter={bound}"
    form = filled(supervisor, path, name="Fatuma")
    before = contents(engine)
    refused = supervisor.post(path, form)
    assert refused.status_code == 409
    assert "is bound to a consumer already" in refused.text
    assert sent(the_form(read(refused.text)))["name"] == "Fatuma"
    assert contents(engine) == before


def test_a_new_consumer_for_another_regions_meter_is_for_none(browse, shop, engine):
    north, theirs = browse(NORTH_SUPERVISOR), shop.utility.meters[SOUTHERN]
    before = contents(engine)
    for number in (theirs, 999_999, "x"):
        assert north.get(f"/consumers/add?meter={number}").status_code == 404
        typed = {"name": "Fatuma", "region": str(shop.utility.regions["north"].id)}
        assert north.post(f"/consumers/add?meter={number}", typed).status_code == 404
    assert contents(engine) == before


def test_a_new_consumer_here_takes_both_permissions(browse, shop, loose):
    engineer = browse(ENGINEER)  # binds, and registers nobody
    path = f"/consumers/add?meter={loose.id}"
    assert path not in engineer.get(f"/meters/show/{loose.id}").text
    assert engineer.get(path).status_code == 403
    permit(shop, "Consumers", "can_add", group="Auditor")
    auditor = browse("auditor")  # registers, and binds nothing
    assert path not in auditor.get(f"/meters/show/{loose.id}").text
    assert auditor.get(path).status_code == 403
    assert auditor.get("/consumers/add").status_code == 200
