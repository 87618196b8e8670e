"""Setup in the browser: what is in force, what is planned, the history, logo and mail."""

import io
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import delete

from tests.factories import AUDITOR, NOW, OPERATOR
from tests.services.test_mail import GOOD, PASSWORD, smtp
from tests.unit.test_pictures import BARE, png
from tests.web.office import ADMIN, BOTH, LANGUAGES, contents, main_part, said, statements
from tests.web.records import read, sent, the_form
from tests.web.test_statements import MOST, own, told
from vmsapp.extensions import db
from vmsapp.models import AuditEvent, Setup
from vmsapp.services.setup import setup_at

SECTIONS = ["utility", "currency", "receipts", "shifts", "limits", "mail"]
MAIL = {"mail_host": "127.0.0.1", "mail_security": "none", "mail_sender": "vms@example.org"}
BEGIN = {"utility_name": "Meridia Power", "time_zone": "africa/nairobi", "currency": "KES",
         "exponent": "", "settlement": "nearest"}  # fmt: skip


@pytest.fixture
def admin(browse):
    return browse(ADMIN)


def form_of(browser, path: str) -> dict[str, Any]:
    return without_token(sent(the_form(read(browser.get(path).text))))


def without_token(form: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in form.items() if name != "csrf_token"}


def change(shop, browser, section: str, *, plan: int | None = None, **typed: Any):
    """Open a section's form, type, and save; the clock goes on meanwhile."""
    shop.clock.forward(seconds=1)
    path = f"/setup/change/{section}" if plan is None else f"/setup/planned/{plan}/{section}"
    return browser.post(path, form_of(browser, path) | typed)


def now(shop) -> Setup:
    return at(shop, shop.clock.now)


def at(shop, moment: datetime) -> Setup:
    with shop.session() as session:
        return setup_at(session, moment)


def newest(shop) -> Setup:
    return max(shop.rows(Setup), key=lambda row: row.id)


# what is in force


def test_what_is_typed_in_each_section_is_what_is_in_force(admin, shop):
    typed = {
        "utility": {"utility_name": "Ünï & Co", "utility_address": "1 Road", "tax_number": "T-1"},
        "currency": {"coin": "0.05", "settlement": "up"},
        "receipts": {"receipt_header": "Call 0700", "receipt_footer": "Thanks",
                     "receipt_copies": "3"},
        "shifts": {"shifts_used": ["y"], "shift_hours": "9", "shift_tolerance_minor": "2.50"},
        "limits": {"smallest_minor": "1.50", "largest_minor": "1000.00", "smallest_units": "0.5",
                   "largest_units": "900", "tokens_a_day": "4", "quick_amounts": "5 20.5 100"},
        "mail": MAIL | {"mail_port": "2525"},
    }  # fmt: skip
    for section, values in typed.items():
        answer = change(shop, admin, section, **values)
        assert answer.status_code == 302, (section, said(answer.text))
        assert answer.location == f"/setup/#{section}"
        form = form_of(admin, f"/setup/change/{section}")
        assert {name: form[name] for name in values} == values
    row = now(shop)
    assert (row.coin_minor, row.smallest_minor, row.largest_minor) == (5, 150, 100_000)
    page = main_part(admin.get("/setup/").text)
    for shown in ("Ünï &amp; Co", "0.05 USD", "1.50 USD", "1,000.00 USD", "900.0", "2525"):
        assert shown in page


@pytest.mark.parametrize(("section", "typed", "field"), [
    ("utility", {"utility_name": ""}, "utility_name"),
    ("utility", {"time_zone": "Nowhere"}, "time_zone"),
    ("currency", {"coin": "0.001"}, "coin"),
    ("currency", {"coin": "0"}, "coin"),
    ("currency", {"currency": "own", "own_currency": "X1"}, "own_currency"),
    ("currency", {"currency": "own", "own_currency": "QQQ"}, "exponent"),
    ("currency", {"currency": "ABC"}, "currency"),
    ("limits", {"smallest_minor": "-1"}, "smallest_minor"),
    ("limits", {"smallest_minor": "5", "largest_minor": "4.99"}, "largest_minor"),
    ("limits", {"smallest_units": "5", "largest_units": "4.9"}, "largest_units"),
    ("limits", {"largest_units": "0.05"}, "largest_units"),
    ("limits", {"tokens_a_day": "0"}, "tokens_a_day"),
    ("limits", {"quick_amounts": "5 ten"}, "quick_amounts"),
    ("limits", {"quick_amounts": "5 0"}, "quick_amounts"),
    ("limits", {"quick_amounts": "5 0.001"}, "quick_amounts"),
    ("limits", {"quick_amounts": "1 2 3 4 5 6 7"}, "quick_amounts"),
    ("shifts", {"shift_hours": "49"}, "shift_hours"),
    ("shifts", {"shift_tolerance_minor": "-1"}, "shift_tolerance_minor"),
    ("receipts", {"receipt_copies": "9"}, "receipt_copies"),
    ("receipts", {"receipt_header": "x" * 256}, "receipt_header"),
    ("mail", {"mail_host": "mail example"}, "mail_host"),
    ("mail", {"mail_host": "mail.example.org"}, "mail_sender"),
    ("mail", {"mail_host": "h", "mail_sender": "nobody"}, "mail_sender"),
    ("mail", {"mail_port": "70000"}, "mail_port"),
    ("mail", MAIL | {"mail_user": "vms"}, "mail_security"),
    ("utility", {"utility_name": "New", "starts_at": "2026-03-17T12:29"}, "starts_at"),
    ("utility", {"utility_name": "New", "starts_at": "someday"}, "starts_at"),
    ("utility", {"utility_name": "New", "starts_at": "0001-01-01T00:00"}, "starts_at"),
    ("limits", {"quick_amounts": "5", "starts_at": "9999-12-31T23:59"}, "starts_at"),
])  # fmt: skip
def test_a_refusal_stands_beside_its_field_and_keeps_what_was_typed(
    admin, shop, engine, section, typed, field
):
    before = contents(engine)
    answer = change(shop, admin, section, **typed)
    assert answer.status_code == 422
    page = read(answer.text)
    assert page.one(id=f"{field}-error").text
    kept = without_token(sent(the_form(page)))
    unlisted = {"receipt_copies", "currency"} if typed.get("receipt_copies") == "9" else set()
    unlisted |= {"currency"} if typed.get("currency") == "ABC" else set()
    assert {name: kept[name] for name in typed if name not in unlisted} == {
        name: value for name, value in typed.items() if name not in unlisted
    }
    assert contents(engine) == before


def test_saving_without_a_change_is_told(admin, shop):
    answer = change(shop, admin, "utility")
    assert answer.status_code == 422
    assert "Nothing was changed" in main_part(answer.text)


@BOTH
def test_two_people_do_not_overwrite_each_other(browse, shop, backend):
    one, other = browse(ADMIN), browse(ADMIN)
    path = "/setup/change/utility"
    first, second = form_of(one, path), form_of(other, path)
    shop.clock.forward(seconds=1)
    assert one.post(path, first | {"utility_name": "One"}).status_code == 302
    shop.clock.forward(seconds=1)
    late = other.post(path, second | {"tax_number": "Two"})
    assert late.status_code == 409
    assert "Somebody else changed this record meanwhile" in main_part(late.text)
    again = without_token(sent(the_form(read(late.text))))
    assert (again["utility_name"], again["tax_number"]) == ("Test Utility", "Two")
    assert now(shop).tax_number == ""
    shop.clock.forward(seconds=1)
    assert other.post(path, again | {"utility_name": "One"}).status_code == 302
    assert (now(shop).utility_name, now(shop).tax_number) == ("One", "Two")


def test_two_people_may_change_different_sections(browse, shop):
    one, other = browse(ADMIN), browse(ADMIN)
    form = form_of(other, "/setup/change/receipts")
    assert change(shop, one, "utility", utility_name="One").status_code == 302
    shop.clock.forward(seconds=1)
    late = other.post("/setup/change/receipts", form | {"receipt_copies": "2"})
    assert late.status_code == 302
    assert (now(shop).utility_name, now(shop).receipt_copies) == ("One", 2)


def test_the_history_tells_who_changed_what(admin, browse, shop):
    change(shop, admin, "utility", utility_name="<b>New</b>")
    change(shop, admin, "currency", settlement="up")
    for who in (ADMIN, AUDITOR):
        history = read(browse(who).get("/setup/").text).one(id="history")
        latest, first = (row.text for row in history.one("tbody").all("tr"))
        assert ADMIN in latest
        assert "Settlement: from Down" in latest
        assert "to Up" in latest
        assert "Name: from Test Utility to <b>New</b>" in first


def test_auditors_see_and_cannot_change(browse):
    page = main_part(browse(AUDITOR).get("/setup/").text)
    assert "Test Utility" in page
    assert "/setup/change" not in page
    assert "<form" not in page


@pytest.mark.parametrize("path", ["/setup/change/nothing", "/setup/planned/1/nothing",
                                  "/setup/planned/999/utility"])  # fmt: skip
def test_there_is_no_other_section_or_plan(admin, path):
    assert admin.get(path).status_code == 404


# currency and zone


def test_any_currency_of_the_world_brings_its_decimals(admin, shop):
    answer = change(shop, admin, "currency", currency="KES")
    assert answer.status_code == 302
    row = now(shop)
    assert (row.currency, row.exponent, row.coin_minor) == ("KES", 2, 1)
    assert "KES – Kenyan Shilling" in main_part(admin.get("/setup/").text)


def test_a_currency_of_ones_own_says_its_decimals(admin, shop):
    answer = change(shop, admin, "currency", currency="own", own_currency="qqq", exponent="2")
    assert answer.status_code == 302
    assert (now(shop).currency, now(shop).exponent) == ("QQQ", 2)
    form = form_of(admin, "/setup/change/currency")
    assert (form["currency"], form["own_currency"], form["exponent"]) == ("own", "QQQ", "2")


def test_a_symbol_is_written_in_place_of_the_code_also_after_sales(admin, shop, browse, utility):
    sale = shop.sell()
    assert change(shop, admin, "currency", currency_symbol="U$").status_code == 302
    page = main_part(admin.get(f"/sales/show/{sale.id}").text)
    assert "U$5.00" in page
    assert "5.00 USD" not in page
    assert form_of(admin, "/setup/change/currency")["currency_symbol"] == "U$"


def test_a_symbol_with_digits_is_refused_at_its_field(admin, shop):
    answer = change(shop, admin, "currency", currency_symbol="K5")
    assert answer.status_code == 422
    assert "no digits" in answer.text
    assert now(shop).currency_symbol == ""


@pytest.mark.parametrize(("section", "typed"), [
    ("currency", {"currency": "EUR"}), ("currency", {"exponent": "3"}),
    ("utility", {"time_zone": "Asia/Kolkata"}),
])  # fmt: skip
def test_after_the_first_sale_currency_and_zone_stay(admin, shop, section, typed):
    shop.sell()
    assert "cannot change any more" in main_part(admin.get(f"/setup/change/{section}").text)
    answer = change(shop, admin, section, **typed)
    assert answer.status_code == 409
    assert "sales have been made" in said(answer.text)
    assert without_token(sent(the_form(read(answer.text)))) | typed == without_token(
        sent(the_form(read(answer.text)))
    )
    assert len(shop.rows(Setup)) == 1


# planned


def plan_for_april(admin, shop, **typed) -> Setup:
    """Plan for the first of April, midnight in Nairobi: 21:00 UTC the day before."""
    assert change(shop, admin, "utility", starts_at="2026-04-01T00:00", **typed).status_code == 302
    return newest(shop)


def test_what_is_planned_begins_in_the_utilitys_time(admin, shop):
    plan = plan_for_april(admin, shop, utility_name="April")
    assert plan.effective_at == datetime.fromisoformat("2026-03-31T21:00:00+00:00")
    assert now(shop).utility_name == "Test Utility"
    planned = read(admin.get("/setup/").text).one(id="planned").text
    assert "Apr 1, 2026, 12:00:00" in planned
    assert "Name: from Test Utility to April" in planned


def test_what_is_planned_can_be_changed_put_off_and_withdrawn(admin, shop):
    plan = plan_for_april(admin, shop, utility_name="April")
    form = form_of(admin, f"/setup/planned/{plan.id}/utility")
    assert (form["utility_name"], form["starts_at"]) == ("April", "2026-04-01T00:00")
    answer = change(shop, admin, "utility", plan=plan.id, utility_name="May",
                    starts_at="2026-05-01T00:00")  # fmt: skip
    assert answer.status_code == 302
    later = newest(shop)
    assert (later.utility_name, len(shop.rows(Setup))) == ("May", 2)
    assert later.effective_at == datetime.fromisoformat("2026-04-30T21:00:00+00:00")
    assert admin.post(f"/setup/planned/{later.id}/withdraw").status_code == 302
    assert len(shop.rows(Setup)) == 1
    assert "Nothing is planned" in main_part(admin.get("/setup/").text)
    assert admin.post(f"/setup/planned/{later.id}/withdraw").status_code == 404


def test_what_has_come_into_force_cannot_be_withdrawn_any_more(browse, shop):
    plan = plan_for_april(browse(ADMIN), shop, utility_name="April")
    shop.clock.now = plan.effective_at + timedelta(seconds=1)
    answer = browse(ADMIN).post(f"/setup/planned/{plan.id}/withdraw")
    assert answer.status_code == 409
    assert "in force already" in main_part(answer.text)
    assert len(shop.rows(Setup)) == 2


def test_a_planned_row_somebody_changed_is_not_overwritten(browse, shop):
    one, other = browse(ADMIN), browse(ADMIN)
    plan = plan_for_april(one, shop, utility_name="April")
    path = f"/setup/planned/{plan.id}/utility"
    form = form_of(other, path)
    change(shop, one, "utility", plan=plan.id, utility_name="One")
    late = other.post(path, form | {"utility_name": "Other"})
    assert late.status_code in {404, 409}
    assert newest(shop).utility_name == "One"


def test_a_time_that_the_clocks_leave_out_is_refused(admin, shop):
    change(shop, admin, "utility", time_zone="Europe/Paris")
    answer = change(shop, admin, "utility", utility_name="x", starts_at="2026-03-29T02:30")
    assert answer.status_code == 422
    assert "this time does not exist" in main_part(answer.text)


# the first settings


@pytest.fixture
def blank(shop):
    """An instance that nobody has set up."""
    shop.change(lambda s: s.execute(delete(Setup)))
    return shop


def test_an_instance_not_set_up_asks_for_what_it_must_know(admin, blank):
    assert admin.get("/setup/").location == "/setup/begin"
    assert admin.get("/setup/change/mail").location == "/setup/begin"
    answer = admin.post("/setup/begin", form_of(admin, "/setup/begin") | BEGIN)
    assert answer.status_code == 302
    row = now(blank)
    assert (row.utility_name, row.time_zone, row.currency, row.exponent, row.settlement) == (
        "Meridia Power", "Africa/Nairobi", "KES", 2, "nearest",
    )  # fmt: skip
    assert row.effective_at == NOW
    assert admin.get("/setup/begin").location == "/setup/"
    assert admin.get("/setup/").status_code == 200


def test_a_time_zone_is_found_by_its_city(admin, blank):
    typed = form_of(admin, "/setup/begin") | BEGIN | {"time_zone": "Paris"}
    several = admin.post("/setup/begin", typed | {"time_zone": "indiana"})
    assert several.status_code == 422
    assert (
        "More than one time zone fits, such as America/Indiana/Indianapolis,"
        " America/Indiana/Knox, America/Indiana/Marengo, America/Indiana/Petersburg,"
        " America/Indiana/Tell_City."
    ) in several.text
    assert admin.post("/setup/begin", typed).status_code == 302
    assert now(blank).time_zone == "Europe/Paris"


@pytest.mark.parametrize("wrong", [{"utility_name": ""}, {"time_zone": "Mars"},
                                   {"currency": "own"}])  # fmt: skip
def test_a_refused_beginning_keeps_what_was_typed(admin, blank, wrong):
    typed = form_of(admin, "/setup/begin") | BEGIN | {"time_zone": "Africa/Nairobi"} | wrong
    answer = admin.post("/setup/begin", typed)
    assert answer.status_code == 422
    assert without_token(sent(the_form(read(answer.text)))) == typed
    assert blank.rows(Setup) == []


def test_two_who_begin_do_not_both_set_up(browse, blank):
    one, other = browse(ADMIN), browse(ADMIN)
    form = form_of(other, "/setup/begin") | BEGIN
    one.post("/setup/begin", form_of(one, "/setup/begin") | BEGIN)
    assert other.post("/setup/begin", form | {"utility_name": "x"}).location == "/setup/"
    assert [row.utility_name for row in blank.rows(Setup)] == ["Meridia Power"]


def test_who_cannot_set_up_is_told_whom_to_ask(browse, blank):
    assert "Ask an administrator" in main_part(browse(AUDITOR).get("/setup/").text)


# logo and receipt


def upload(shop, admin, content: bytes, **typed: Any):
    file = (io.BytesIO(content), "logo.svg", "image/svg+xml")  # what it says it is, does not count
    return change(shop, admin, "utility", logo=file, **typed)


def test_a_logo_stands_on_receipts_and_is_served_as_what_it_is(admin, browse, shop):
    assert upload(shop, admin, png()).status_code == 302
    digest = now(shop).logo
    path = f"/setup/logo/{digest}"
    assert path in main_part(admin.get("/setup/").text)
    shop.clock.forward(seconds=1)
    operator = browse(OPERATOR)
    assert path in operator.get(f"/counter/sale/{shop.sell().id}").text
    answer = operator.get(path)
    assert answer.data == png()
    assert answer.headers["Content-Type"] == "image/png"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cache-Control"] == "private, max-age=31536000, immutable"
    assert answer.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"


def test_a_logo_can_be_removed_and_other_changes_leave_it(admin, shop):
    upload(shop, admin, png())
    digest = now(shop).logo
    change(shop, admin, "utility", utility_name="Other")
    assert now(shop).logo == digest
    change(shop, admin, "utility", remove_logo="y")
    assert now(shop).logo is None


@pytest.mark.parametrize("content", [b"<svg onload='alert(1)'/>", png(2000, 1), BARE])
def test_what_is_no_logo_is_refused_beside_its_field(admin, shop, content):
    answer = upload(shop, admin, content, utility_name="Kept")
    assert answer.status_code == 422
    page = read(answer.text)
    assert page.one(id="logo-error").text
    assert page.one(id="utility_name")["value"] == "Kept"
    assert len(shop.rows(Setup)) == 1


def test_a_receipt_carries_the_texts_of_its_day_as_they_were_typed(admin, browse, shop):
    header = "Call 0700\n<b>مرحبا</b>"
    change(shop, admin, "receipts", receipt_header=header, receipt_footer="Thank you",
           receipt_copies="2")  # fmt: skip
    shop.clock.forward(seconds=1)
    sale = shop.sell()
    change(shop, admin, "receipts", receipt_header="Other")
    page = browse(OPERATOR).get(f"/counter/sale/{sale.id}").text
    assert "Call 0700\n&lt;b&gt;مرحبا&lt;/b&gt;" in page
    assert "Thank you" in page
    preview = browse(OPERATOR).get(f"/counter/receipts/{sale.id}/preview").text
    assert 'data-copies="2"' in preview


# mail


def test_the_mail_password_is_kept_and_never_shown(admin, browse, shop, engine):
    typed = MAIL | {"mail_host": "mail.example.org", "mail_security": "tls", "mail_user": "vms",
                    "mail_password": PASSWORD}  # fmt: skip
    assert change(shop, admin, "mail", **typed).status_code == 302
    kept = now(shop).mail_password
    assert kept
    assert PASSWORD.encode() not in kept
    change(shop, admin, "mail", mail_sender="other@example.org")
    assert now(shop).mail_password == kept
    for path in ("/setup/", "/setup/change/mail"):
        assert PASSWORD not in admin.get(path).text
    assert "kept, never shown" in main_part(admin.get("/setup/").text)
    assert PASSWORD not in repr([event.details for event in shop.rows(AuditEvent)])


def test_a_refused_form_does_not_send_the_password_back(admin, shop):
    answer = change(shop, admin, "mail", mail_port="x", mail_password=PASSWORD)
    assert answer.status_code == 422
    assert PASSWORD not in answer.text


def test_another_server_asks_for_the_password_again(admin, shop):
    typed = MAIL | {"mail_host": "mail.example.org", "mail_security": "tls", "mail_user": "vms"}
    change(shop, admin, "mail", **typed, mail_password=PASSWORD)
    answer = change(shop, admin, "mail", mail_host="evil.example.org")
    assert answer.status_code == 422
    assert "Type the password again" in read(answer.text).one(id="mail_password-error").text


def test_a_test_mail_is_sent_and_written_down(admin, shop, ports_open):
    with smtp(GOOD) as server:
        ports_open(server.port)
        change(shop, admin, "mail", **MAIL, mail_port=str(server.port))
        answer = admin.post("/setup/mail/test", {"to": "ada@example.org"})
    assert answer.status_code == 302
    assert "rcpt TO:<ada@example.org>" in server.lines
    assert "Test mail from Test Utility" in "\n".join(server.lines)
    event = shop.rows(AuditEvent, AuditEvent.action == "setup.mail_tested")[0]
    assert event.details == {"to": "ada@example.org", "outcome": "sent"}
    assert "test mail" in read(admin.get("/setup/").text).one(id="history").text


def test_a_test_mail_that_cannot_leave_says_why_and_keeps_the_address(admin, shop, ports_open):
    with smtp(GOOD | {"RCPT": "550 nobody"}) as server:
        ports_open(server.port)
        change(shop, admin, "mail", **MAIL, mail_port=str(server.port))
        answer = admin.post("/setup/mail/test", {"to": "ada@example.org"})
    assert answer.status_code == 409
    page = read(answer.text)
    assert "refused the message, code 550" in page.one(id="to-error").text
    assert page.one(id="to")["value"] == "ada@example.org"
    event = shop.rows(AuditEvent, AuditEvent.action == "setup.mail_tested")[0]
    assert event.details["outcome"] == "mail_refused"


def test_no_test_mail_without_a_server_or_an_address(admin, shop):
    assert admin.post("/setup/mail/test", {"to": "ada@example.org"}).status_code == 409
    change(shop, admin, "mail", **MAIL)
    assert admin.post("/setup/mail/test", {"to": "nobody"}).status_code == 422
    assert shop.count(AuditEvent, AuditEvent.action == "setup.mail_tested") == 1


@pytest.mark.parametrize("port", ["22", "80", "5432", "26", "65535"])
def test_a_port_that_is_none_for_mail_is_refused_in_the_form(admin, shop, port):
    answer = change(shop, admin, "mail", **MAIL, mail_port=port)
    assert answer.status_code == 422
    page = read(answer.text)
    assert "25, 465, 587, 2525" in page.one(id="mail_port-error").text
    assert (page.one(id="mail_port")["value"], page.one(id="mail_host")["value"]) == (
        port, MAIL["mail_host"],
    )  # fmt: skip
    assert len(shop.rows(Setup)) == 1


def test_without_a_server_its_port_is_nobodys_business(admin, shop, ports_open):
    change(shop, admin, "mail", **MAIL)
    ports_open(2525)
    assert change(shop, admin, "mail", mail_host="").status_code == 302


def test_a_port_no_longer_for_mail_is_not_talked_to(admin, shop, ports_open):
    with smtp(GOOD) as server:
        ports_open(server.port)
        change(shop, admin, "mail", **MAIL, mail_port=str(server.port))
        ports_open(25)
        answer = admin.post("/setup/mail/test", {"to": "ada@example.org"})
    assert answer.status_code == 422
    assert "VMS_MAIL_PORTS" in read(answer.text).one(id="to-error").text
    assert server.lines == []
    event = shop.rows(AuditEvent, AuditEvent.action == "setup.mail_tested")[0]
    assert event.details["outcome"] == "mail_port_refused"


def test_a_closed_port_and_a_silent_one_are_told_alike(admin, shop, ports_open, monkeypatch):
    monkeypatch.setattr(
        "vmsapp.services.mail.send.__kwdefaults__", {"patience": 0.3, "attached": ()}
    )

    def told(port: int) -> tuple[int, str]:
        ports_open(port)
        change(shop, admin, "mail", **MAIL, mail_port=str(port))
        answer = admin.post("/setup/mail/test", {"to": "ada@example.org"})
        sentence = read(answer.text).one(id="to-error").text
        return answer.status_code, sentence.replace(str(port), "PORT")

    with smtp(GOOD, hello="") as silent:
        silence = told(silent.port)
    assert told(silent.port) == silence  # it is closed now
    assert "cannot be reached" in silence[1]


def test_nobody_searches_a_network_with_test_mails(browse, shop, ports_open):
    with smtp(GOOD) as closed_now:
        ports_open(closed_now.port)
    change(shop, browse(ADMIN), "mail", **MAIL, mail_port=str(closed_now.port))
    answers = [browse(ADMIN).post("/setup/mail/test", {"to": "a@example.org"}) for _ in range(6)]
    errors = [read(answer.text).one(id="to-error").text for answer in answers]
    assert ["cannot be reached" in error for error in errors] == [True] * 5 + [False]
    assert "Only 5 test mails" in errors[-1]
    assert answers[-1].status_code == 409
    assert read(answers[-1].text).one(id="to")["value"] == "a@example.org"


# the pages


def test_what_does_not_count_yet_is_said_where_it_is_shown_and_typed(admin):
    shifts, limits = "Counts for every sale and every count", "Counts for every purchase"
    page = read(admin.get("/setup/").text)
    assert shifts in page.one("section", id="shifts").text
    assert limits in page.one("section", id="limits").text
    assert limits not in page.one("section", id="shifts").text
    assert shifts in admin.get("/setup/change/shifts").text
    assert limits in admin.get("/setup/change/limits").text
    assert limits not in admin.get("/setup/change/mail").text


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_page_is_shown_in_every_language(browse, shop, language):
    browser = browse(ADMIN, language=language)
    plan_for_april(browser, shop, utility_name="April")
    for path in ("/setup/", "/first-steps/", *(f"/setup/change/{name}" for name in SECTIONS)):
        page = browser.get(path)
        assert page.status_code == 200
        assert f'dir="{LANGUAGES[language]}"' in page.text


def test_more_plans_and_history_take_no_more_statements(office, admin, shop):
    with office.app_context():
        engine = db.engine
    for number in range(5):
        change(shop, admin, "utility", utility_name=f"Name {number}")
    for day in range(1, 6):
        change(shop, admin, "utility", tax_number=str(day), starts_at=f"2026-05-0{day}T00:00")
    with statements(engine) as seen:
        assert admin.get("/setup/").status_code == 200
    assert len(own(seen)) <= MOST, told(seen)
