"""Who may ask what through the API: bearers, scopes, user groups, regions; and how it says no."""

import json

import pytest
from sqlalchemy import update

from tests.factories import LEGACY_11, MARKET, OPERATOR, SOUTH_OPERATOR, SOUTHERN, WATER
from tests.web.channels import KEY, ROOT, Channel, account, bearer_for, wanted
from tests.web.office import BOTH, NOWHERE, PASSWORD
from vmsapp.models import AuditEvent, Bearer, BearerScope, OfficeUser

ASKED = {
    "getClient": ("GET", "/client", None),
    "getMeter": ("GET", "/meters/{number}", BearerScope.METERS_READ),
    "makeQuote": ("POST", "/quotes", BearerScope.QUOTES_READ),
    "makeSale": ("POST", "/sales", BearerScope.SALES_WRITE),
    "getSale": ("GET", "/sales/{sale}", BearerScope.SALES_READ),
    "getSaleByKey": ("GET", "/sales/by-key/{key}", BearerScope.SALES_READ),
    "listTokens": ("GET", "/tokens", BearerScope.TOKENS_READ),
}
"""Every operation, and the scope it asks for: the table of docs/api.md."""


@pytest.fixture
def kiosk(shop, office):
    return account(shop)


@pytest.fixture
def channel(shop, office, kiosk):
    return Channel(office, bearer_for(shop, kiosk).text)


@pytest.fixture
def number(shop):
    return shop.meter(LEGACY_11).drn


def ask(channel, name, number, sale="1"):
    method, path, _scope = ASKED[name]
    path = path.format(number=number, sale=sale, key=KEY)
    body = wanted(number) | ({"figures": {}} if name == "makeSale" else {})
    headers = {"Idempotency-Key": KEY} if name == "makeSale" else {}
    options = {"json": body, "headers": headers} if method == "POST" else {}
    return channel.ask(method, path, **options)


def is_problem(answer, status, code):
    assert answer.status_code == status, answer.text
    assert answer.content_type == "application/problem+json"
    assert answer.json["status"] == status
    assert answer.json["code"] == code
    assert answer.json["type"] == f"urn:vms:problem:{code}"
    assert answer.json["detail"]
    return answer.json


# bearers


def test_a_program_is_told_who_it_is(channel, shop):
    answer = channel.get("/client")
    assert answer.status_code == 200
    assert answer.json == {
        "account": "kiosk", "scopes": sorted(BearerScope), "epoch": 1,
        "bearer_expires_at": "2026-04-16T21:00:00.000000Z",  # the end of the day in Nairobi
        "vending_point": {"id": shop.utility.points["Harbour Street"], "name": "Harbour Street"},
        "currency": "USD", "exponent": 2, "time_zone": "Africa/Nairobi",
    }  # fmt: skip


@pytest.mark.parametrize("name", ASKED)
def test_without_a_bearer_nothing_is_answered(office, shop, number, name):
    answer = ask(Channel(office, None), name, number)
    is_problem(answer, 401, "bearer_needed")
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="vms"'


@pytest.mark.parametrize("shown", ["", "x", "vms_", "vms_00000000_" + "A" * 43, "sst_" + "x" * 40])
def test_a_bearer_that_nobody_has_is_refused(office, shown):
    answer = Channel(office, None).get("/client", headers={"Authorization": f"Bearer {shown}"})
    is_problem(answer, 401, "bearer_needed")
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="vms", error="invalid_token"'


@pytest.mark.parametrize("how", ["withdrawn", "expired", "deactivated", "a person's"])
def test_a_bearer_that_counts_no_more_is_refused(office, shop, kiosk, number, how):
    made = bearer_for(shop, kiosk)
    channel = Channel(office, made.text)
    assert channel.get("/client").status_code == 200
    if how == "expired":
        shop.at(made.expires_at)
    elif how == "withdrawn":
        withdrawn = update(Bearer).values(withdrawn_at=shop.clock.now)
        shop.change(lambda session: session.execute(withdrawn))
    else:
        change = {"active": False} if how == "deactivated" else {"password": "pbkdf2:x"}
        of_it = update(OfficeUser).where(OfficeUser.id == kiosk).values(**change)
        shop.change(lambda session: session.execute(of_it))
    for name in ASKED:
        is_problem(ask(channel, name, number), 401, "bearer_needed")


def test_the_bearer_of_a_person_who_signed_in_is_none_here_nor_this_one_there(
    office, people, channel
):
    body = {"username": OPERATOR, "password": PASSWORD, "provider": "db", "refresh": True}
    client = office.test_client()
    signed_in = client.post("/api/v1/security/login", json=body).json
    for text in signed_in.values():
        is_problem(Channel(office, text).get("/client"), 401, "bearer_needed")
    shown = {"Authorization": f"Bearer {channel.bearer}"}
    assert client.post("/api/v1/security/refresh", headers=shown).status_code in {401, 422}
    for path in ("/counter/", "/users/list/"):
        assert client.get(path, headers=shown).location.startswith("/login/")


def test_who_is_signed_in_with_a_browser_is_nobody_here(operator, number):
    for path in ("/client", f"/meters/{number}"):
        answer = operator.get(f"{ROOT}{path}")
        is_problem(answer, 401, "bearer_needed")
        assert "Set-Cookie" not in answer.headers


def test_no_cookie_is_given_and_nothing_is_kept(channel, number):
    for name in ASKED:
        answer = ask(channel, name, number)
        assert "Set-Cookie" not in answer.headers
        assert "Cookie" not in answer.headers.get("Vary", "")
        assert answer.headers["Cache-Control"] == "no-store"


# scopes and user groups


@pytest.mark.parametrize("scope", BearerScope)
def test_each_scope_opens_its_own_doors_and_no_other(office, shop, kiosk, number, scope):
    sale = shop.sell()
    channel = Channel(office, bearer_for(shop, kiosk, scope).text)
    for name, (_method, _path, asked_for) in ASKED.items():
        answer = ask(channel, name, number, sale=str(sale.id))
        if asked_for in {None, scope}:
            assert answer.status_code in {200, 404, 409}, name
        else:
            is_problem(answer, 403, "scope_missing")
            assert f'scope="{asked_for.value}"' in answer.headers["WWW-Authenticate"]
            assert asked_for.value in answer.json["detail"]


CELL_OF = {
    "getMeter": "Counter.see", "makeQuote": "Counter.sell", "makeSale": "Counter.sell",
    "getSale": "Counter.sell", "getSaleByKey": "Counter.sell", "listTokens": "TokenRecords.digits",
}  # fmt: skip
"""The cell of the matrix without which the user group does not permit it."""


@pytest.mark.parametrize("held", [("Sales.see",), ("Counter.see",), ("Counter.sell",),
                                  ("TokenRecords.see",), ("TokenRecords.digits",)])  # fmt: skip
def test_a_bearer_of_all_scopes_does_no_more_than_its_user_group(office, shop, number, held):
    sale = shop.sell()
    channel = Channel(office, bearer_for(shop, account(shop, cells=held)).text)
    with_it = {*held} | ({"Counter.see"} if "Counter.sell" in held else set())
    for name, cell in CELL_OF.items():
        answer = ask(channel, name, number, sale=str(sale.id))
        if cell in with_it:
            assert answer.status_code in {200, 404, 409}, name
        else:
            is_problem(answer, 403, "not_allowed")


def test_an_account_without_a_group_may_nothing(office, shop, kiosk, channel, number):
    def leave(session):
        session.get_one(OfficeUser, kiosk).roles = []

    shop.change(leave)
    for name in CELL_OF:
        is_problem(ask(channel, name, number), 403, "not_allowed")


# regions and vending points


def test_a_meter_of_another_region_is_as_if_it_were_not_there(channel, shop):
    far, nowhere = shop.meter(SOUTHERN).drn, "01234567897"
    for path in ("/meters/{}", "/tokens?meter_number={}"):
        told = [is_problem(channel.get(path.format(one)), 404, "unknown_meter")["detail"]
                for one in (far, nowhere)]  # fmt: skip
        assert told[0].replace(far, "") == told[1].replace(nowhere, "")
    for one in (far, nowhere):
        is_problem(channel.quote(one), 404, "unknown_meter")
        body = wanted(one) | {"figures": {}}
        answer = channel.post("/sales", body, headers={"Idempotency-Key": KEY})
        is_problem(answer, 404, "unknown_meter")


def test_a_sale_elsewhere_is_as_if_it_were_not_there(channel, shop):
    far = shop.sell(SOUTHERN, point=MARKET, by=SOUTH_OPERATOR)
    near = shop.sell()
    assert channel.get(f"/sales/{near.id}").status_code == 200
    for sale_id in (far.id, NOWHERE):
        is_problem(channel.get(f"/sales/{sale_id}"), 404, "not_found")
    for key in (far.idempotency_key, KEY):
        is_problem(channel.get(f"/sales/by-key/{key}"), 404, "not_found")
    records = channel.get("/tokens").json["records"]
    assert [one["sale_id"] for one in records] == [near.id]


def test_an_account_without_a_vending_point_reads_and_does_not_sell(office, shop, number):
    sale = shop.sell()
    channel = Channel(office, bearer_for(shop, account(shop, point=None)).text)
    assert channel.get("/client").json["vending_point"] is None
    assert channel.quote(number).status_code == 200
    assert channel.get(f"/sales/{sale.id}").status_code == 200
    is_problem(channel.sell(number), 409, "no_vending_point")
    is_problem(channel.get(f"/sales/by-key/{KEY}"), 409, "no_vending_point")


def test_an_account_that_moves_sees_where_it_is_now(shop, kiosk, channel, number):
    south = shop.utility.regions["south"].id
    moved = update(OfficeUser).where(OfficeUser.id == kiosk).values(
        region_id=south, vending_point_id=shop.utility.points[MARKET]
    )  # fmt: skip
    shop.change(lambda session: session.execute(moved))
    is_problem(channel.get(f"/meters/{number}"), 404, "unknown_meter")
    assert channel.get(f"/meters/{shop.meter(SOUTHERN).drn}").status_code == 200


def test_an_account_without_a_region_sees_nothing(shop, kiosk, channel, number):
    lost = update(OfficeUser).where(OfficeUser.id == kiosk).values(region_id=None)
    shop.change(lambda session: session.execute(lost))
    is_problem(channel.get(f"/meters/{number}"), 404, "unknown_meter")


# meters


def test_a_meter_is_told_by_its_number_and_its_pan(channel, shop, number):
    meter = shop.meter(LEGACY_11)
    by_number = channel.get(f"/meters/{number}")
    assert by_number.status_code == 200
    assert by_number.json == channel.get(f"/meters/{meter.meter_pan}").json
    told = by_number.json
    assert told["meter_number"] == number
    assert (told["meter_type"], told["unit"], told["state"]) == ("electricity", "kWh", "active")
    assert told["sold_by"] == ["amount", "units"]
    assert told["can_sell"] is True
    assert set(told["consumer"]) == {"number", "name"}  # no more of a person than that


def test_a_digit_read_wrongly_is_said_to_be_so(channel, number):
    wrong = f"{number[:-1]}{(int(number[-1]) + 1) % 10}"
    problem = is_problem(channel.get(f"/meters/{wrong}"), 422, "wrong_check_digit")
    assert wrong in problem["detail"]


def test_units_are_those_of_the_meter(channel, shop):
    water = shop.meter(WATER).drn
    assert channel.get(f"/meters/{water}").json["unit"] == "m3"
    problem = is_problem(channel.quote(water), 422, "does_not_fit")  # asks for kWh
    assert problem["errors"] == [
        {"at": "body", "pointer": "/purchase/units", "code": "other_unit"}
    ]  # fmt: skip


@pytest.mark.parametrize("other", [{"currency": "EUR"}, {"exponent": 0}])
def test_money_is_the_utilitys_with_its_decimals(channel, number, other):
    body = wanted(number, tender=2000)
    body["purchase"]["amount"] |= other
    problem = is_problem(channel.post("/quotes", body), 422, "does_not_fit")
    assert problem["errors"] == [
        {"at": "body", "pointer": "/purchase/amount", "code": "other_currency"}
    ]  # fmt: skip


# what is sent, and how it is refused


@pytest.mark.parametrize(("change", "at"), [
    ({"meter_number": 7}, "/meter_number"),
    ({"meter_number": "123"}, "/meter_number"),
    ({"meter_number": "0" * 11 + "\0"}, "/meter_number"),
    ({"more": 1}, "/more"),
    ({"purchase": {"by": "weight"}}, "/purchase"),
    ({"purchase": {"by": "units", "units": {"value": 5, "unit": "kWh"}}},
     "/purchase/units/value"),
    ({"purchase": {"by": "units", "units": {"value": "-5", "unit": "kWh"}}},
     "/purchase/units/value"),
    ({"purchase": {"by": "amount", "amount": {"minor": 1.5, "currency": "USD", "exponent": 2}}},
     "/purchase/amount/minor"),
    ({"purchase": {"by": "amount", "amount": {"minor": "20", "currency": "USD", "exponent": 2}}},
     "/purchase/amount/minor"),
])  # fmt: skip
def test_what_does_not_fit_is_pointed_at(channel, number, change, at):
    answer = channel.post("/quotes", wanted(number) | change)
    problem = is_problem(answer, 422, "does_not_fit")
    assert at in [one["pointer"] for one in problem["errors"]]
    assert "Traceback" not in answer.text


@pytest.mark.parametrize("body", [b"", b"{", b"nothing", b"\xff\xfe", b"[" * 5000, b'{"a": NaN}'])
def test_what_is_no_json_cannot_be_read(channel, body):
    answer = channel.ask("POST", "/quotes", data=body, content_type="application/json")
    assert answer.status_code in {400, 422}
    assert answer.content_type == "application/problem+json"


def test_another_kind_of_body_is_not_taken(channel, number):
    for kind in ("text/plain", "application/x-www-form-urlencoded", ""):
        answer = channel.ask("POST", "/quotes", data=json.dumps(wanted(number)), content_type=kind)
        is_problem(answer, 415, "unreadable")


def test_a_body_larger_than_any_of_ours_is_not_read(channel, number):
    body = wanted(number) | {"more": "x" * 20_000}
    is_problem(channel.post("/quotes", body), 413, "too_large")


@pytest.mark.parametrize("key", [None, "", "1-short", "0-kiosk7sale000001", "1-kiosk7sale00000\xe9",
                                 "x" * 61, "1-" + "a" * 51, "kiosk7sale000001"])  # fmt: skip
def test_a_sale_wants_a_key_of_its_form(channel, number, shop, key):
    headers = {} if key is None else {"Idempotency-Key": key}
    answer = channel.post("/sales", channel.body(number), headers=headers)
    problem = is_problem(answer, 422, "does_not_fit")
    assert [(one["at"], one["pointer"]) for one in problem["errors"]] == [
        ("header", "/Idempotency-Key")
    ]  # fmt: skip


@pytest.mark.parametrize("query", ["more=1", "limit=0", "limit=101", "limit=1.0", "limit=1&limit=2",
                                   "after=-1", "after=x", "since=20260317", "since=0",
                                   "since=2026-02-30", "meter_number=1", f"after={2**63}",
                                   "_l_=fr"])  # fmt: skip
def test_an_odd_question_is_refused(channel, query):
    is_problem(channel.get(f"/tokens?{query}"), 422, "does_not_fit")


def test_a_zero_byte_in_an_address_is_refused(channel):
    is_problem(channel.get("/tokens?since=%00"), 400, "unreadable")


@pytest.mark.parametrize("path", ["/nothing", "/", "", "/sales/1/more", "/security/users/",
                                  "/menu/", "/_openapi", "/security/nothing"])  # fmt: skip
def test_an_address_that_is_none_is_told_as_a_problem(channel, path):
    is_problem(channel.ask("GET", f"{ROOT}{path}"), 404, "no_such_address")
    assert channel.ask("GET", "/api/v2/client").status_code == 404


@pytest.mark.parametrize(("method", "path", "allowed"), [
    ("GET", "/quotes", "POST"), ("DELETE", "/sales/1", "GET"), ("PUT", "/sales", "POST"),
    ("OPTIONS", "/client", "GET"), ("PATCH", "/openapi.json", "GET"),
])  # fmt: skip
def test_another_method_is_told_which_is_taken(channel, method, path, allowed):
    answer = channel.ask(method, path)
    is_problem(answer, 405, "method_not_allowed")
    assert allowed in answer.headers["Allow"]


def test_a_fault_of_ours_is_told_without_its_cause(channel, office, number, monkeypatch, caplog):
    def breaks(*_args, **_options):
        msg = "secret inner words"
        raise RuntimeError(msg)

    monkeypatch.setattr("vmsapp.services.meters.meter_card", breaks)
    monkeypatch.setitem(office.config, "PROPAGATE_EXCEPTIONS", False)
    answer = channel.get(f"/meters/{number}")
    problem = is_problem(answer, 500, "went_wrong")
    assert "secret inner words" not in answer.text
    assert problem["reference"] in caplog.text


def test_a_sentence_is_in_the_language_that_was_asked_for(channel):
    asked = {"Accept-Language": "fr-FR,fr;q=0.9"}
    french = channel.get("/meters/01234567897", headers=asked).json
    english = channel.get("/meters/01234567897").json
    assert french["code"] == english["code"] == "unknown_meter"
    # translations/fr: "There is no meter %(number)s here. …"
    assert french["detail"] != english["detail"]
    assert "compteur" in french["detail"]


# how often


def test_too_many_requests_of_one_bearer_are_put_off(office, shop, kiosk, channel, monkeypatch):
    settings = office.extensions["vms_settings"]
    few = settings.model_copy(update={"api_rate": "3 per 1 minute"})
    monkeypatch.setitem(office.extensions, "vms_settings", few)
    other = Channel(office, bearer_for(shop, kiosk).text)
    assert [channel.get("/client").status_code for _ in range(3)] == [200] * 3
    answer = channel.get("/client")
    is_problem(answer, 429, "too_often")
    assert 1 <= int(answer.headers["Retry-After"]) <= 60
    assert other.get("/client").status_code == 200  # another bearer is counted by itself


def test_guessing_is_put_off_and_hinders_nobody_else(office, channel):
    guess = Channel(office, "vms_00000000_" + "A" * 43)
    told = [guess.get("/client").status_code for _ in range(12)]
    assert told == [401] * 10 + [429] * 2  # as often as signing in: VMS_LOGIN_RATE
    assert channel.get("/client").status_code == 200


# what is written down


@BOTH
def test_use_and_refusals_stand_in_the_audit_trail(shop, kiosk, channel, number):
    for _ in range(3):
        assert channel.get("/client").status_code == 200
    shop.clock.forward(seconds=1)
    assert channel.get(f"/meters/{shop.meter(SOUTHERN).drn}").status_code == 404
    [row] = shop.rows(Bearer)
    assert row.used_at is not None
    used = [event for event in shop.rows(AuditEvent) if event.action == "bearer.used"]
    assert {event.actor_id for event in used} == {kiosk}
    assert [event.subject_id for event in used] == ["Api.getClient", "Api.getMeter"]
    assert all(event.details["bearer_id"] == row.id for event in used)


def test_a_bearer_stands_in_no_log(channel, office, number, caplog):
    caplog.set_level("DEBUG")
    channel.sell(number)
    channel.get("/sales/0")
    Channel(office, channel.bearer + "x").get("/client")
    assert channel.bearer not in caplog.text
    assert channel.bearer.split("_", 2)[2] not in caplog.text


def test_the_table_of_scopes_is_all_there_is(office):
    rules = [rule for rule in office.url_map.iter_rules() if rule.endpoint.startswith("Api.")]
    assert {rule.endpoint for rule in rules} == {f"Api.{name}" for name in (*ASKED, "openapi")}
