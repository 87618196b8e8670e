"""The licence's page: what it shows in each state, the upload and its sentences, who is warned."""

import io
from datetime import UTC, datetime, timedelta

import pytest

from tests.factories import AUDITOR, LEGACY_11, OPERATOR, SUPERVISOR, TODAY
from tests.licences import (
    FOREIGN,
    LAST_DAY,
    METERS,
    OURS,
    PUBLIC,
    RULES,
    THEIRS,
    licence_file,
)
from tests.web.office import (
    ADMIN,
    ENGINEER,
    LANGUAGES,
    PASSWORD,
    contents,
    fields,
    main_part,
    said,
    statements,
)
from tests.web.test_statements import MOST, own, told
from vmsapp.extensions import db
from vmsapp.models import LicenceChange
from vmsapp.scope import SYSTEM, seen_by
from vmsapp.services.licence import changes

GROUPED = " ".join([OURS[:8]] * 4)


@pytest.fixture(autouse=True)
def trusting(office, monkeypatch):
    """The settings name the issuer's key."""
    settings = office.extensions["vms_settings"].model_copy(update={"licence_key": PUBLIC})
    monkeypatch.setitem(office.extensions, "vms_settings", settings)
    return settings


@pytest.fixture
def admin(browse):
    return browse(ADMIN)


def send(browser, content, name="licence.json"):
    return browser.post("/licence/", {"file": (io.BytesIO(content), name)})


def install(shop, **changed):
    with shop.session() as session, seen_by(SYSTEM):
        changes.install(session, SYSTEM, licence_file(**changed), RULES)


def on(shop, day):
    """Noon of a day in the utility's zone."""
    return shop.at(datetime(day.year, day.month, day.day, 9, tzinfo=UTC))


# what it shows


def test_the_open_edition_says_that_nothing_is_limited_and_which_installation_it_is(admin):
    page = main_part(admin.get("/licence/").text)
    assert "neither the time nor the number of meters is limited" in page
    for shown in ("Open edition", f">{METERS}<", GROUPED):
        assert shown in page
    assert 'href="/licence/give-up"' not in page
    assert "History" not in page


def test_all_of_a_licence_is_shown_beside_the_meters_there_are(admin, shop):
    install(shop, number="4c1ce0b57a9d2e36", installation=OURS)
    page = main_part(admin.get("/licence/").text)
    for shown in ("Licensed", "Northern Power", "4c1ce0b5 7a9d2e36", "Jan 1, 2026", "Jun 30, 2026",
                  ">105<", "Jul 30, 2026", "This installation", ">100<", f">{METERS}<", GROUPED,
                  "Mar 17, 2026", "system"):  # fmt: skip
        assert shown in page, shown
    assert said(page) == ""


@pytest.mark.parametrize(("days", "state", "warning"), [
    (-31, "Licensed", ""),
    (-30, "Ends soon", "The licence ends in 30 days, on June 30, 2026. Ask for a new one in time."),
    (-1, "Ends soon", "The licence ends in 1 day, on June 30, 2026. Ask for a new one in time."),
    (0, "Ends soon", "Today is the last day of the licence. Install a new one."),
    (1, "Grace period", ("The licence ended on June 30, 2026. Tokens are sold until July 30, 2026;"
     " then selling stops until a new licence is installed.")),
    (31, "Ended", ("The licence ended on June 30, 2026, and nothing can be sold until a new one is"
     " installed. Everything can be read, printed again and settled as before.")),
])  # fmt: skip
def test_each_state_is_named_and_warned_of(browse, shop, days, state, warning):
    install(shop)
    on(shop, LAST_DAY + timedelta(days=days))
    page = browse(ADMIN).get("/licence/").text
    assert f">{state}</span>" in page
    assert said(page) == warning


@pytest.mark.parametrize(("limit", "warning"), [
    (17, ""),  # 16 are 94.1 per cent
    (16, ("There are 16 meters, and the licence allows 16: none can be added."
     " Retire meters that are gone, or install a larger licence.")),
    (9, ("There are 16 meters, and the licence allows 9: none can be added."
     " Retire meters that are gone, or install a larger licence.")),
])  # fmt: skip
def test_a_limit_of_meters_that_is_reached_is_warned_of(admin, shop, limit, warning):
    install(shop, meter_limit=limit)
    assert said(admin.get("/licence/").text) == warning


def test_a_limit_of_meters_that_comes_near_is_warned_of(admin, shop, monkeypatch):
    monkeypatch.setattr(changes, "count_meters", lambda _: 9500)
    install(shop, meter_limit=10_000)
    assert said(admin.get("/licence/").text) == (
        "There are 9,500 meters of the 10,000 that the licence allows."
    )


# installing


def test_a_licence_is_uploaded(admin, shop, engine):
    answer = send(admin, licence_file())
    assert (answer.status_code, answer.location) == (302, "/licence/")
    page = admin.get("/licence/").text
    assert "The licence is installed." in page
    assert "Northern Power" in main_part(page)
    (row,) = shop.rows(LicenceChange)
    assert (row.changed_by_name, row.meter_limit) == (ADMIN, 100)


REFUSED = {
    "nothing chosen": (b"", 422, "Choose the licence file."),
    "no licence": (b"hello", 422, ("This is not a licence file, or it was damaged on its way."
                   " Ask whoever issued it to send it again.")),
    "too large": (b" " * 100_000, 422, "This is not a licence file, or it was damaged"),
    "tampered": (licence_file().replace(b"100", b"900"), 422,
                 "This licence file was changed after it was signed."),
    "foreign key": (licence_file(FOREIGN), 422, "not trust; it begins with d75a9801. "),
    "foreign installation": (licence_file(installation=THEIRS), 422,
                             "ID begins with eeeeeeee; that of this one begins with ffffffff."),
    "expired": (licence_file(valid_until=TODAY - timedelta(days=1)), 422,
                "This licence ended on Mar 16, 2026. Ask for a new one."),
    "later product": (licence_file().replace(b'licence": 1', b'licence": 2'), 422,
                      ("This licence file is of version 2, which this release of the product"
                      " cannot read.")),
    "installed already": (licence_file(number="1"), 409,
                          "This licence is installed already; nothing was changed."),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_a_file_that_is_refused_gets_its_sentence_and_changes_nothing(admin, shop, engine, case):
    content, status, sentence = REFUSED[case]
    install(shop, number="1")
    before = contents(engine)
    answer = send(admin, content) if content else admin.post("/licence/")
    assert answer.status_code == status
    page = main_part(answer.text)
    assert sentence in " ".join(page.split()).replace("\u202f", " ")
    assert 'id="errors"' in page
    assert contents(engine) == before


def test_without_a_trusted_key_the_page_says_what_to_set_and_takes_no_file(
    admin, office, monkeypatch, trusting, shop
):
    untrusting = trusting.model_copy(update={"licence_key": None})
    monkeypatch.setitem(office.extensions, "vms_settings", untrusting)
    page = main_part(admin.get("/licence/").text)
    assert "You need one only if your seller gave you one." in page
    assert "writes it into the setting VMS_LICENCE_KEY and starts VMS again" in page
    assert 'type="file"' not in page
    assert send(admin, licence_file()).status_code == 409
    assert shop.count(LicenceChange) == 0


def test_a_text_in_the_place_of_the_file_is_no_file(admin, shop):
    assert admin.post("/licence/", {"file": licence_file().decode()}).status_code == 422
    assert shop.count(LicenceChange) == 0


# giving it up


def test_the_licence_is_given_up_with_a_reason_and_a_yes(admin, shop):
    install(shop)
    assert 'href="/licence/give-up"' in admin.get("/licence/").text
    answer = admin.post("/licence/give-up", {"reason": "not renewed", "sure": "y"})
    assert (answer.status_code, answer.location) == (302, "/licence/")
    page = main_part(admin.get("/licence/").text)
    assert "Open edition" in page
    assert "not renewed" in page
    assert "Northern Power" in page  # in the history
    assert [row.deed for row in shop.rows(LicenceChange)] == ["installed", "returned"]


@pytest.mark.parametrize(("typed", "sentence"), [
    ({"reason": "not renewed"}, "Tick this if you are sure."),
    ({"reason": " \u202e ", "sure": "y"}, "Say why the licence is given up."),
    ({"sure": "y"}, "Say why the licence is given up."),
    ({"reason": "x" * 256, "sure": "y"}, "At most 255 characters."),
])  # fmt: skip
def test_a_return_without_reason_or_yes_is_refused_and_keeps_what_was_typed(
    admin, shop, engine, typed, sentence
):
    install(shop)
    before = contents(engine)
    answer = admin.post("/licence/give-up", typed)
    assert answer.status_code == 422
    assert sentence in main_part(answer.text)
    kept = fields(main_part(answer.text))
    assert kept["reason"] == typed.get("reason", "").strip(" \u202e")
    assert kept.get("sure") == typed.get("sure")
    assert contents(engine) == before


def test_there_is_nothing_to_give_up_in_the_open_edition(admin):
    answer = admin.post("/licence/give-up", {"reason": "x", "sure": "y"})
    assert answer.status_code == 409
    assert "This is the open edition already; nothing was changed." in main_part(answer.text)


# who sees it


def test_an_auditor_sees_the_page_and_is_offered_no_deed(browse, shop):
    install(shop)
    page = main_part(browse(AUDITOR).get("/licence/").text)
    assert "Northern Power" in page
    assert "<form" not in page
    assert "/licence/give-up" not in page


def signed_in(browse, who):
    """Sign in with the password, and follow to the first page."""
    browser = browse()
    browser.post("/login/", {"username": who, "password": PASSWORD})
    return browser


@pytest.mark.parametrize(("who", "warned"), [(ADMIN, True), (AUDITOR, True), (OPERATOR, False),
                                             (SUPERVISOR, False), (ENGINEER, False)])  # fmt: skip
def test_who_may_see_the_page_is_warned_once_after_signing_in(browse, shop, who, warned):
    install(shop, valid_until=TODAY + timedelta(days=9), meter_limit=METERS)
    browser = signed_in(browse, who)
    page = browser.get("/counter/").text
    for warning in ("The licence ends in 9 days", "none can be added"):
        assert (warning in page) is warned
    assert "The licence ends" not in browser.get("/counter/").text


def test_nobody_is_warned_of_a_licence_in_order_or_of_none(browse, shop):
    for prepare in (lambda: None, lambda: install(shop)):
        prepare()
        assert "toast-warning" not in signed_in(browse, ADMIN).get("/counter/").text


def test_the_operator_is_told_why_nothing_is_sold_and_still_reads(browse, shop, utility):
    install(shop)
    sale = shop.sell()
    on(shop, LAST_DAY + timedelta(days=31))
    operator = browse(OPERATOR)
    answer = operator.buy(utility, LEGACY_11, value="70")
    assert answer.status_code == 409
    assert said(answer.text).startswith("The licence ended on Jun 30, 2026")
    assert operator.get(f"/counter/sale/{sale.id}").status_code == 200
    assert operator.get("/counter/?q=0700").status_code == 200


def test_the_days_of_grace_are_those_of_the_settings(
    browse, office, monkeypatch, trusting, shop, utility
):
    install(shop)
    hasty = trusting.model_copy(update={"licence_grace_days": 0})
    monkeypatch.setitem(office.extensions, "vms_settings", hasty)
    on(shop, LAST_DAY + timedelta(days=1))
    assert browse(OPERATOR).buy(utility).status_code == 409
    assert ">Ended</span>" in browse(ADMIN).get("/licence/").text


# what it costs, and how it is written


def test_the_page_takes_few_statements_and_no_more_for_a_long_history(office, admin, shop):
    with office.app_context():
        engine = db.engine
    for number in range(30):
        install(shop, number=f"{number:x}")
    admin.get("/licence/")
    with statements(engine) as seen:
        page = admin.get("/licence/").text
    assert len(own(seen)) <= MOST, told(seen)
    assert page.count("Installed</td>") == changes.SHOWN


def test_signing_in_asks_for_the_licence_only_for_who_may_see_it(office, browse, shop):
    install(shop)
    with office.app_context():
        engine = db.engine
    asked = {}
    for who in (ADMIN, OPERATOR):
        with statements(engine) as seen:
            browser = signed_in(browse, who)
            at_the_door = len([text for text in seen if "licence_change" in text])
            browser.get("/counter/")
        asked[who] = (at_the_door, len([text for text in seen if "licence_change" in text]))
    assert asked == {ADMIN: (1, 1), OPERATOR: (0, 0)}


@pytest.mark.parametrize(("language", "direction"), LANGUAGES.items())
def test_the_page_is_written_in_every_language(browse, shop, language, direction):
    install(shop, valid_until=TODAY + timedelta(days=2))
    page = browse(ADMIN, language).get("/licence/").text
    assert f'<html lang="{language}" dir="{direction}"' in page
    assert f'<bdi dir="ltr">{GROUPED}</bdi>' in page
    assert "%(" not in main_part(page)


def test_the_holders_name_is_text_and_never_markup(admin, shop):
    install(shop, holder='<script>alert("x")</script>')
    page = main_part(admin.get("/licence/").text)
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
