"""The pages of engineering tokens: from the meter to the slip, what is refused, test tokens."""

import re

import pytest

from tests.factories import AUDITOR, LEGACY_11, OPERATOR, RETIRED, SOUTHERN, SUPERVISOR, WATER
from tests.faults import request_lost
from tests.keyring import meter_in_the_field
from tests.web.office import ADMIN, ENGINEER, fields, main_part, said, statements
from tests.web.records import read, sent, the_form
from tests.web.test_second_person_pages import in_fours, said_in_the_list
from tests.web.test_statements import MOST, own, told
from vmsapp.extensions import db
from vmsapp.hsm.display import digits_of_test
from vmsapp.models import (
    ApprovalRule,
    AuditEvent,
    EngineeringDigits,
    EngineeringRefusal,
    EngineeringToken,
    OfficeUser,
    TestToken,
)
from vmsapp.sts.meter import Result, VirtualMeter
from vmsapp.sts.secret import SecretBytes

pytestmark = pytest.mark.ring


@pytest.fixture
def engineer(browse, keys):
    return browse(ENGINEER)


def place(shop, function="", meter=LEGACY_11):
    path = f"/engineering/meter/{shop.utility.meters[meter]}"
    return f"{path}/{function}" if function else path


def typed(browser, path, **values):
    return sent(the_form(read(browser.get(path).text))) | {"reason": "on site"} | values


def make(browser, shop, function="clear_tamper", meter=LEGACY_11, **values):
    path = place(shop, function, meter)
    return browser.post(path, typed(browser, path, **values))


def last4(shop, meter=LEGACY_11):
    return shop.meter(meter).drn[-4:]


def plain(page):
    return " ".join(re.sub(r"<[^>]+>", " ", main_part(page)).split())


def digits_of(shop, number=0):
    return shop.rows(EngineeringDigits)[number].digits


def grouped(digits):
    return " ".join(digits[start : start + 4] for start in range(0, 20, 4))


def test_one_meter_found_is_opened_at_once_with_its_consumers_name_and_the_cards(engineer, shop):
    drn = shop.meter(LEGACY_11).drn
    assert engineer.get(f"/engineering/find?q={drn}").location.endswith(place(shop))
    text = plain(engineer.get(place(shop)).text)
    assert "Consumer 1" in text
    for card in (
        "Set the maximum power", "Clear the balance", "Clear the tamper status",
        "Set the phase unbalance limit", "Set the tariff rate", "extended set",
    ):  # fmt: skip
        assert card in text
    assert "Set the water meter factor" not in text
    water = plain(engineer.get(place(shop, meter=WATER)).text)
    assert "Set the water meter factor" in water
    assert "Set the maximum power" not in water


def test_a_wrong_check_digit_is_said_beside_the_field(engineer, shop):
    drn = shop.meter(LEGACY_11).drn
    wrong = drn[:-1] + str((int(drn[-1]) + 1) % 10)
    page = engineer.get(f"/engineering/find?q={wrong}")
    assert "its check digit is wrong" in said(page.text)


def test_a_power_limit_is_made_shown_printed_and_taken_by_the_meter(engineer, shop):
    made = make(engineer, shop, "power_limit", value="20001", last_digits=last4(shop))
    token = shop.rows(EngineeringToken)[0]
    assert made.location.endswith(f"/engineering/show/{token.id}")
    page = engineer.get(made.location)
    text = plain(page.text)
    assert grouped(digits_of(shop)) in text
    assert "20,001 W" in text
    assert "20,004 W" in text  # rounded up to the next step: SPEC 5.1
    assert f"E-{token.id}" in text
    meter = meter_in_the_field(shop.meter(LEGACY_11))
    assert meter.enter(digits_of(shop)) is Result.ACCEPT
    assert meter.maximum_power_limit == 20_004
    preview = engineer.get(f"/engineering/{token.id}/preview")
    form = fields(preview.text, "/print")
    printed = engineer.post(f"/engineering/{token.id}/print", form | {"kind": "paper"})
    assert "Original" in plain(engineer.get(printed.location).text)
    again = engineer.get(f"/engineering/{token.id}/preview")
    assert f"COPY 1 · {ENGINEER}" in plain(again.text)
    form = fields(again.text, "/print")
    file = engineer.post(f"/engineering/{token.id}/print", form | {"kind": "pdf"})
    number = re.search(r"printed=(\d+)", file.location)[1]
    got = engineer.get(f"/engineering/{token.id}/pdf?printed={number}")
    assert got.data[:5] == b"%PDF-"


@pytest.mark.parametrize(
    ("function", "values", "beside"),
    [
        ("power_limit", {"value": "0", "last_digits": None}, "18,201,624"),
        ("power_limit", {"value": "", "last_digits": None}, "18,201,624"),
        ("power_limit", {"value": "2.5", "last_digits": None}, "decimal"),
        ("power_limit", {"value": "100", "last_digits": "0000"}, "last four digits"),
        ("tariff_rate", {"value": "65536"}, "65,535"),
        ("extended", {"index": "64", "value": "1"}, "63"),
        ("extended", {"index": "1", "value": "1024"}, "1,023"),
        ("clear_credit", {"register": "7", "last_digits": None}, "which balance"),
        ("clear_tamper", {"reason": " "}, "Say why"),
    ],
)
def test_what_is_typed_amiss_is_said_beside_its_field_and_nothing_is_made(
    engineer, shop, function, values, beside
):
    typed = {name: last4(shop) if text is None else text for name, text in values.items()}
    answer = make(engineer, shop, function, **typed)
    assert answer.status_code == 422
    assert beside in answer.text
    assert shop.count(EngineeringToken) == 0


def test_what_a_rule_refuses_is_listed_with_who_wanted_it_and_why_not(engineer, shop, browse):
    answer = make(engineer, shop, meter=RETIRED)
    assert answer.status_code == 409
    assert "is retired" in said(answer.text, "refusal|note note-bad")
    row = shop.rows(EngineeringRefusal)[0]
    text = plain(engineer.get("/engineering-refusals/list/").text)
    for word in ("Clear the tamper status", "is retired", ENGINEER):
        assert word in text
    shown = plain(browse(AUDITOR).get(f"/engineering-refusals/show/{row.id}").text)
    assert "on site" in shown


def test_an_auditor_sees_the_record_without_its_digits(engineer, shop, browse):
    make(engineer, shop)
    token = shop.rows(EngineeringToken)[0]
    auditor = browse(AUDITOR)
    for path in (f"/engineering/show/{token.id}", "/engineering/list/"):
        page = auditor.get(path)
        assert page.status_code == 200
        assert digits_of(shop) not in page.text.replace(" ", "")
    assert shop.rows(EngineeringToken)[0].shown_at is None  # by nobody who may not see them
    assert auditor.get(f"/engineering/{token.id}/preview").status_code in {302, 403}
    assert auditor.post(f"/engineering/{token.id}/print", {}).status_code in {302, 400, 403}


def test_digits_are_noted_as_shown_the_first_time(engineer, shop):
    make(engineer, shop)
    token = shop.rows(EngineeringToken)[0]
    engineer.get(f"/engineering/show/{token.id}")
    first = shop.rows(EngineeringToken)[0].shown_at
    assert first == shop.clock.now
    shop.clock.forward(minutes=3)
    engineer.get(f"/engineering/show/{token.id}")
    assert shop.rows(EngineeringToken)[0].shown_at == first
    trail = [e.action for e in shop.rows(AuditEvent) if e.action.startswith("engineering.")]
    assert trail == ["engineering.reserved", "engineering.issued", "engineering.shown"]


def test_a_form_sent_twice_makes_one_token(engineer, shop):
    path = place(shop, "clear_tamper")
    form = typed(engineer, path)
    assert engineer.post(path, form).location == engineer.post(path, form).location
    assert shop.count(EngineeringToken) == 1


def test_one_being_made_says_so_and_the_next_is_refused(engineer, shop, module):
    module.always("issue_engineering", request_lost)
    made = make(engineer, shop)
    assert "has not answered yet" in plain(engineer.get(made.location).text)
    answer = make(engineer, shop)
    assert answer.status_code == 409
    assert "is being made" in said(answer.text, "refusal|note note-bad")


def test_with_a_rule_a_second_person_approves_and_the_token_is_made(engineer, shop, browse):
    shop.change(
        lambda session: session.merge(ApprovalRule(action="engineering.clear_credit", active=True))
    )
    path = place(shop, "clear_credit")
    assert "A second person must approve this." in plain(engineer.get(path).text)
    asked = make(engineer, shop, "clear_credit", register="0", last_digits=last4(shop))
    assert "/approvals/show/" in asked.location
    assert shop.count(EngineeringToken) == 0
    supervisor = browse(SUPERVISOR)
    page = supervisor.get(asked.location)
    assert "Clear the balance" in plain(page.text)
    assert said_in_the_list(supervisor) == f"Meter {in_fours(shop.meter(LEGACY_11).drn)}"
    approve = {"hash": re.search(r'name="hash" value="([0-9a-f]+)"', page.text)[1]}
    done = supervisor.post(asked.location.replace("/show/", "/") + "/approve", approve)
    assert done.status_code == 302
    token = shop.rows(EngineeringToken)[0]
    assert token.state == "issued"
    meter = meter_in_the_field(shop.meter(LEGACY_11))
    meter.registers[0] = 700
    assert meter.enter(digits_of(shop)) is Result.ACCEPT
    assert meter.registers[0] == 0


def test_the_pending_key_change_goes_before_it_on_page_and_slip(engineer, shop, keys):
    keys.start(LEGACY_11, krn=2, ti="07")
    make(engineer, shop)
    token = shop.rows(EngineeringToken)[0]
    for path in (f"/engineering/show/{token.id}", f"/engineering/{token.id}/preview"):
        text = plain(engineer.get(path).text)
        assert "Token 1 of 3: key change" in text
        assert "older tokens" in text
        assert "At last enter the token that manages the meter." in text
        assert text.index("key change") < text.index(grouped(digits_of(shop)))


def test_the_meters_page_lists_its_tokens_and_leads_to_a_new_one(engineer, shop):
    make(engineer, shop)
    page = engineer.get(f"/meters/show/{shop.utility.meters[LEGACY_11]}").text
    assert place(shop) in page
    assert "Clear the tamper status" in plain(page)
    assert digits_of(shop) not in page.replace(" ", "")


def test_a_meter_of_another_region_is_as_unknown(shop, browse, keys):
    def move(session):
        user = session.query(OfficeUser).filter_by(username=ENGINEER).one()
        user.region_id = shop.utility.regions["north"].id

    shop.change(move)
    engineer = browse(ENGINEER)
    unknown = engineer.get("/engineering/meter/999999")
    hidden = engineer.get(place(shop, meter=SOUTHERN))
    assert unknown.status_code == hidden.status_code == 404
    assert plain(unknown.text) == plain(hidden.text)


def test_who_has_a_vending_point_sees_what_was_made_there_alone(shop, browse, engineer):
    make(engineer, shop)
    token = shop.rows(EngineeringToken)[0]

    def permit(session):
        user = session.query(OfficeUser).filter_by(username=OPERATOR).one()
        other = session.query(OfficeUser).filter_by(username=ENGINEER).one()
        user.roles = list(other.roles)

    shop.change(permit)
    operator = browse(OPERATOR)
    assert operator.get(f"/engineering/show/{token.id}").status_code == 404
    make(operator, shop, "tariff_rate", value="5")
    mine = shop.rows(EngineeringToken)[-1]
    assert mine.vending_point_id == shop.utility.users[OPERATOR].vending_point_id
    assert operator.get(f"/engineering/show/{mine.id}").status_code == 200
    text = plain(operator.get("/engineering/list/").text)
    assert "Set the tariff rate" in text
    assert f"E-{token.id} " not in text


@pytest.mark.parametrize("function", ["explode", "POWER_LIMIT"])
def test_an_unknown_function_is_not_there(engineer, shop, function):
    assert engineer.get(place(shop, function)).status_code == 404


# test tokens


@pytest.mark.parametrize(("width", "wide"), [("2", False), ("4", True)])
def test_a_card_has_all_nineteen_and_any_meter_takes_them(browse, shop, width, wide):
    engineer = browse(ENGINEER)
    form = sent(the_form(read(engineer.get("/test-tokens/make").text)))
    made = engineer.post("/test-tokens/make", form | {"width": width})
    page = engineer.get(made.location).text
    rows = shop.rows(TestToken)
    assert [row.test for row in rows] == list(range(19))
    # SPEC 4.3, the fixed tokens
    known = ("02305843005052951967", "01152921509036054672") if wide else (
        "56493153725450313471", "00000000000150997584"
    )  # fmt: skip
    assert (rows[0].digits, rows[1].digits) == known
    meter = VirtualMeter(SecretBytes(bytes(8)))
    for row in rows:
        assert grouped(row.digits) in plain(page)
        assert meter.enter(row.digits) is Result.ACCEPT
        assert row.digits == digits_of_test(row.test, four_digits=wide)
    assert page.count("<svg") > 19
    for paper in ("a4", "80mm"):
        assert engineer.get(f"{made.location}?paper={paper}").status_code == 200
        pdf = engineer.get(f"{made.location}/pdf?paper={paper}")
        assert pdf.data[:5] == b"%PDF-"


def test_chosen_tests_alone_and_a_card_once(browse, shop):
    engineer = browse(ENGINEER)
    form = sent(the_form(read(engineer.get("/test-tokens/make").text))) | {"tests": ["1", "16"]}
    first, again = (engineer.post("/test-tokens/make", form) for _ in range(2))
    assert first.location == again.location
    assert [row.test for row in shop.rows(TestToken)] == [1, 16]
    none = engineer.post("/test-tokens/make", form | {"tests": [], "key": "another"})
    assert none.status_code == 422
    assert "at least one test" in none.text
    text = plain(browse(AUDITOR).get("/test-tokens/list/").text)
    assert "Show the supply group code (SGC)" in text
    assert ENGINEER in text
    trail = [e for e in shop.rows(AuditEvent) if e.action == "test_tokens.made"]
    assert [e.details["tests"] for e in trail] == [[1, 16]]


def test_a_card_out_of_sight_is_as_unknown(browse, shop):
    engineer = browse(ENGINEER)  # of the whole country
    form = sent(the_form(read(engineer.get("/test-tokens/make").text))) | {"tests": ["1"]}
    made = engineer.post("/test-tokens/make", form)
    admin = browse(ADMIN)
    assert admin.get(made.location).status_code == 200
    supervisor = browse(SUPERVISOR)
    unknown = supervisor.get("/test-tokens/card/99999")
    hidden = supervisor.get(made.location)
    assert unknown.status_code == 404
    assert (hidden.status_code == 404) is (shop.utility.users[SUPERVISOR].region_id
                                           != shop.utility.regions["country"].id)  # fmt: skip


def test_its_pages_take_few_statements(engineer, shop, office):
    make(engineer, shop)
    token = shop.rows(EngineeringToken)[0]
    engineer.get(f"/engineering/show/{token.id}")  # from now on the digits count as shown
    with office.app_context():
        engine = db.engine
    pages = [
        f"/engineering/show/{token.id}", f"/engineering/{token.id}/preview", place(shop),
        place(shop, "power_limit"), "/engineering/list/", "/engineering/find?q=Consumer",
        "/engineering-refusals/list/", "/test-tokens/list/", "/test-tokens/make",
        f"/meters/show/{shop.utility.meters[LEGACY_11]}",
    ]  # fmt: skip
    for page in pages:
        engineer.get(page)  # what is kept from page to page is read now
        with statements(engine) as seen:
            assert engineer.get(page).status_code == 200
        assert len(own(seen)) <= MOST, (page, told(seen))
