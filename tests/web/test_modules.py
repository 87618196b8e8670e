"""The list of security modules and a module's page: how each is, what it serves, its keys."""

import csv
import io
import re
from datetime import timedelta

import pytest

from tests import factories
from tests.factories import AUDITOR, LEGACY_11, LEGACY_SGC, NOW, OPERATOR, STS6_SGC
from tests.faults import put_off
from tests.web.office import ADMIN, PASSWORD, Browser, fields, main_part, statements
from tests.web.test_statements import MOST, own, told
from vmsapp.extensions import db
from vmsapp.hsm.connect import WHYS
from vmsapp.hsm.errors import HsmUnavailable
from vmsapp.models import (
    Algorithm,
    AuditEvent,
    Meter,
    ModuleHealth,
    SecurityModule,
    SmAlgorithm,
    VendingKey,
)
from vmsapp.services.security_modules.assigning import ModuleCannot
from vmsapp.services.security_modules.changing import StillServes
from vmsapp.services.security_modules.finding import NoModule
from vmsapp.views.modules.advice import ADVICE, WHYS_SAID
from vmsapp.views.modules.words import CONDITIONS, OF_DRIVER
from vmsapp.views.words import FAILURES, UNAVAILABLE, worded


@pytest.fixture
def admin(browse):
    return browse(ADMIN)


def words(page):
    return " ".join(re.sub(r"<[^>]+>", " ", main_part(page.text)).split())


def health(shop, **changed):
    """Write down how the module is."""
    said = {"seen_at": NOW, "latency_ms": 12, "drift_seconds": 0, "protection": "process"}
    shop.change(lambda s: s.merge(ModuleHealth(module_id=1, **said | changed)))


def standby(shop, *keys, driver="soft", **changed):
    """Add a second module with keys of its own, or with all the first has."""

    def add(session):
        row = factories.add(session, SecurityModule(
            name="Standby", driver=driver, module_id="VSM-5B5B5B", params={}, **changed
        ))  # fmt: skip
        for key in session.query(VendingKey).filter_by(module_id=1).all():
            if keys and key.sgc not in keys:
                continue
            named = ("sgc", "krn", "kt", "dkga", "base_date", "ken", "kcv", "name")
            session.add(VendingKey(module_id=row.id, **{n: getattr(key, n) for n in named}))
        return row.id

    return shop.change(add)


def complete(shop):
    """Give the module every key that a meter is under."""

    def add(session):
        held = {(key.sgc, key.krn, key.kt, key.dkga) for key in session.query(VendingKey)}
        wanted = {(m.sgc, m.krn, m.kt, Algorithm(m.algorithm).dkga) for m in session.query(Meter)}
        for sgc, krn, kt, dkga in wanted - held:
            session.add(VendingKey(
                module_id=1, sgc=sgc, krn=krn, kt=kt, dkga=dkga, base_date="14", ken=255,
                kcv="AAAAAA", name="",
            ))  # fmt: skip

    shop.change(add)


def serving(shop):
    return {row.algorithm: row.module_id for row in shop.rows(SmAlgorithm)}


# how it is

STATES = {
    "not asked": (None, "Not asked yet", "Nobody has asked this module yet. Press “Test now”."),
    "well": ({}, "Works", ""),
    "silent": ({"failed_at": NOW, "failed_why": "refused"}, "Does not answer",
               "Nothing listens at that address and port. Start the module's service"),
    "locked": ({"failed_at": NOW, "failed_why": "locked"}, "Locked",
               "Its keystore is locked. Start the module again with its passphrase."),
    "says it is locked": ({"locked": True}, "Locked", "Its keystore is locked."),
    "worker stands still": ({"seen_at": NOW - timedelta(minutes=6)}, "Not asked lately",
                            "was not asked for more than 5 minutes: the worker does not run."),
    "wrong clock": ({"drift_seconds": -2450}, "Needs attention",
                    "Its clock and ours lie 2,450 seconds apart"),
    "few tokens": ({"tokens_left": 999}, "Needs attention", "It makes only 999 more tokens."),
    "stops soon": ({"inhibited_from": NOW + timedelta(days=29)}, "Needs attention",
                   "It makes no more tokens from April 15, 2026 on."),
    "other module": ({"alerts": ["other_module"]}, "Needs attention",
                     "Another module answers there than the one that was added."),
    "its own alert": ({"alerts": ["EBattery"]}, "Needs attention",
                      "The module itself reports: EBattery."),
}  # fmt: skip


@pytest.mark.parametrize("case", STATES)
def test_each_state_has_a_word_and_what_is_wrong_a_sentence(admin, shop, case):
    changed, word, sentence = STATES[case]
    complete(shop)
    if changed is not None:
        health(shop, **changed)
    for path in ("/modules/list/", "/modules/show/1"):
        page = admin.get(path)
        assert re.search(rf'class="state[^"]*"><svg.*?</svg> {word}</span>', page.text, re.DOTALL)
    assert sentence.replace("'", "&#39;") in words(page) or sentence in words(page)


def test_what_it_said_last_does_not_stand_beside_that_it_does_not_answer(admin, shop):
    health(shop, latency_ms=4, tokens_left=5000)
    shown = words(admin.get("/modules/show/1"))
    assert "Answers in 4 ms Its clock differs by 0 s" in shown
    health(shop, latency_ms=4, tokens_left=5000, failed_at=NOW, failed_why="refused")
    shown = words(admin.get("/modules/show/1"))
    for stale in ("Answers in", "Its clock differs by"):
        assert stale not in shown
    assert "Answered last" in shown
    lines = admin.post("/modules/export/csv").data.decode("utf-8-sig")
    row = next(csv.DictReader(io.StringIO(lines)))
    assert row["Answered last"]
    assert row["Answers in (ms)"] == row["Tokens left"] == ""


def test_a_module_that_lacks_the_key_of_meters_it_serves_needs_attention(admin, shop):
    complete(shop)
    health(shop)

    def take(session):
        session.delete(session.query(VendingKey).filter_by(sgc=STS6_SGC).one())

    shop.change(take)
    sentence = (
        f"2 meters in use need the key of supply group {STS6_SGC}, revision 1, which it does not"
        " hold: nothing can be sold to them."
    )  # two of the 17 meters are of STS6
    for path in ("/modules/list/", "/modules/show/1"):
        shown = words(admin.get(path))
        assert "Needs attention" in shown
        assert sentence in shown
    shop.change(lambda s: [m.__setattr__("state", "retired") for m in s.query(Meter)])
    for path in ("/modules/list/", "/modules/show/1"):
        assert "meters in use need" not in words(admin.get(path))


def test_a_standby_lacks_nothing_for_it_serves_nothing(admin, shop):
    standby(shop, LEGACY_SGC)
    assert "in use need" not in words(admin.get("/modules/show/2"))


def test_where_the_keys_of_the_embedded_module_are_is_said_as_it_is(admin, office, monkeypatch):
    settings = office.extensions["vms_settings"]
    for behind, said, not_said in (
        (True, "In a process of its own on this server", "In the web server and the worker"),
        (False, "In the web server and the worker themselves", "In a process of its own"),
    ):
        changed = settings.model_copy(update={"module_server": behind})
        monkeypatch.setitem(office.extensions, "vms_settings", changed)
        shown = words(admin.get("/modules/show/1"))
        assert said in shown
        assert not_said not in shown


def test_every_reason_has_advice_and_a_sentence_at_the_counter():
    assert set(ADVICE) == set(WHYS) == set(WHYS_SAID)
    assert all(said[0].isupper() and said.endswith(".") for said in WHYS_SAID.values())
    assert set(UNAVAILABLE) == set(HsmUnavailable.WHYS)
    assert {f"unavailable_{why}" for why in HsmUnavailable.WHYS} <= set(FAILURES)
    assert set(OF_DRIVER) == {"soft", "tcp", "pkcs11", "prism"}
    assert all(tone in {None, "good", "warn", "bad"} for _, tone, _ in CONDITIONS.values())


def test_a_retired_module_says_so_and_nothing_else(admin, shop):
    standby(shop, retired_at=NOW)
    page = admin.get("/modules/show/2")
    assert "Retired" in words(page)
    assert "/assign/" not in page.text
    assert "/import/" not in page.text
    listed = admin.get("/modules/list/?retired=no")
    assert "Standby" not in words(listed)


def test_the_page_says_in_plain_words_what_keeps_the_keys(admin, shop):
    shown = words(admin.get("/modules/show/1"))
    assert "A software module is not certified by the STS Association." in shown
    standby(shop, driver="pkcs11")
    shown = words(admin.get("/modules/show/2"))
    assert "Legacy keys are only sealed at rest." in shown


def test_the_keys_stand_there_with_all_that_may_be_known_of_them(admin, shop):
    def change(session):
        key = session.query(VendingKey).filter_by(sgc=LEGACY_SGC).one()
        key.ken, key.tenths_per_day, key.tokens_per_day = 103, 50_000, 200
        key.changes_to = [["990009", 2]]

    shop.change(change)
    page = admin.get("/modules/show/1")
    line = next(row for row in re.findall(r"<tr.*?</tr>", page.text, re.DOTALL)
                if LEGACY_SGC in row and "<td" in row)  # fmt: skip
    shown = " ".join(re.sub(r"<[^>]+>", " ", line).split())
    kcv = shop.rows(VendingKey, VendingKey.sgc == LEGACY_SGC)[0].kcv
    for said in ("demo", "unique (DUTK)", "Legacy", "2014", "Dec 17, 2026", "KEN 103", kcv,
                 "5,000 units a day, 200 tokens a day", "990009/2"):  # fmt: skip
        assert said in shown, said


def test_an_auditor_sees_all_of_it_and_is_offered_no_deed(browse, shop):
    auditor = browse(AUDITOR)
    standby(shop)
    for path in ("/modules/list/", "/modules/show/1", "/modules/show/2"):
        page = auditor.get(path)
        assert page.status_code == 200
        for deed in ("/modules/test", "/rename", "/retire", "/assign", "/import", "/remove"):
            assert deed not in main_part(page.text), (path, deed)


@pytest.mark.parametrize("who", [OPERATOR, "supervisor", "engineer"])
def test_others_do_not_know_of_it(browse, who):
    browser = browse(who)
    assert "/modules/" not in browser.get("/counter/").text
    assert browser.get("/modules/list/").status_code == 403


# deeds


def test_a_test_asks_at_once_and_is_on_record(admin, shop, module):
    assert admin.post("/modules/test/1").location == "/modules/show/1"
    assert "“Module” answers." in admin.get("/modules/show/1").text
    module.always("ping", put_off("locked"))
    admin.post("/modules/test/1")
    page = admin.get("/modules/show/1").text
    assert "“Module” does not answer." in page
    assert "Locked" in page
    events = shop.rows(AuditEvent, AuditEvent.action == "module.tested")
    assert [event.details["outcome"] for event in events] == ["answered", "locked"]


def test_more_than_ten_tests_a_minute_are_refused(admin, shop, module):
    for _ in range(11):
        admin.post("/modules/test/1")
    assert "Only 10 connections can be tested" in admin.get("/modules/show/1").text
    assert len(shop.rows(AuditEvent, AuditEvent.action == "module.tested")) == 10


def test_a_module_is_renamed_unless_another_has_the_name(admin, shop):
    standby(shop)
    assert admin.post("/modules/rename/1", {"name": " Cellar "}).status_code == 302
    assert shop.rows(SecurityModule)[0].name == "Cellar"
    page = admin.post("/modules/rename/1", {"name": "STANDBY"})
    assert page.status_code == 422
    assert "Another security module has this name." in words(page)
    assert fields(main_part(page.text))["name"] == "STANDBY"
    assert admin.post("/modules/rename/1", {"name": " "}).status_code == 422


def test_a_module_that_serves_meters_is_not_retired(admin, shop):
    page = admin.post("/modules/retire/1", {"deed": "retire"})
    assert page.status_code == 409
    assert "“Module” makes the tokens for Legacy meters." in words(page)


@pytest.mark.parametrize("error", [
    NoModule(algorithm="legacy"),
    ModuleCannot(module="Cellar", algorithm="legacy"),
    StillServes(name="Cellar", algorithm="legacy"),
], ids=lambda error: error.code)  # fmt: skip
def test_a_kind_of_meters_is_named_as_everywhere(office, error):
    with office.test_request_context():
        assert worded(error, "algorithm", error.params["algorithm"]) == "Legacy"


def test_a_module_whose_sale_is_being_settled_is_not_retired(admin, shop, module):
    from tests.faults import request_lost  # noqa: PLC0415

    module.once("issue_credit", request_lost)
    shop.sell()
    other = standby(shop)
    shop.change(lambda s: [setattr(row, "module_id", other) for row in s.query(SmAlgorithm)])
    page = admin.post("/modules/retire/1", {"deed": "retire"})
    assert page.status_code == 409
    assert "whose sale is still being settled" in words(page)


def test_a_module_is_retired_and_taken_back(admin, shop):
    standby(shop)
    asked = words(admin.get("/modules/retire/2"))
    assert "Retire" in asked
    assert "Let the module run until then." in asked
    assert admin.post("/modules/retire/2", {"deed": "retire"}).status_code == 302
    assert shop.rows(SecurityModule, SecurityModule.id == 2)[0].retired_at == NOW
    assert "Take “Standby” back" in words(admin.get("/modules/retire/2"))
    admin.post("/modules/retire/2", {"deed": "take_back"})
    assert shop.rows(SecurityModule, SecurityModule.id == 2)[0].retired_at is None
    deeds = [e.action for e in shop.rows(AuditEvent) if e.action.startswith("module.")]
    assert deeds == ["module.retired", "module.taken_back"]


# moving an algorithm


def test_another_module_takes_over(admin, shop):
    standby(shop)
    assert "Let it take over" in words(admin.get("/modules/show/2"))
    lacks = shop.change(lambda s: s.query(VendingKey).filter_by(module_id=2).count())
    assert lacks == 4
    page = admin.get("/modules/2/assign/sts6")
    assert "It has all keys that meters in use need." in words(page)
    assert admin.post("/modules/2/assign/sts6").location == "/modules/show/2"
    assert serving(shop) == {"legacy": 1, "sts6": 2}
    assert "makes the tokens for STS6 meters now" in admin.get("/modules/show/2").text


def test_what_a_module_lacks_is_shown_before_and_refused_after(admin, shop, module):
    standby(shop, LEGACY_SGC)
    page = admin.get("/modules/2/assign/sts6")
    shown = words(page)
    assert "It cannot take over yet" in shown
    kcv = shop.rows(VendingKey, VendingKey.sgc == STS6_SGC)[0].kcv
    assert f"{STS6_SGC} 1 2 {kcv} not loaded" in shown
    assert re.search(r'type="submit"[^>]* disabled', main_part(page.text))
    module.always("list_keys", lambda _: [])
    page = admin.post("/modules/2/assign/sts6")
    assert page.status_code == 409
    assert "lacks keys that 2 meters need" in words(page)
    assert serving(shop) == {"legacy": 1, "sts6": 1}


def test_other_check_values_are_told_from_missing_keys(admin, shop):
    standby(shop)

    def change(session):
        session.query(VendingKey).filter_by(module_id=2, sgc=STS6_SGC).one().kcv = "ABCDEF"

    shop.change(change)
    assert "ABCDEF" in words(admin.get("/modules/2/assign/sts6"))


# keys that end


def ending(shop, days, sgc=STS6_SGC):
    def change(session):
        for key in session.query(VendingKey).all():
            if key.sgc == sgc:
                key.issue_until = NOW + timedelta(days=days, minutes=1)
            elif key.sgc != LEGACY_SGC:
                session.delete(key)

    shop.change(change)


WARNING = "The key of supply group 990002, revision 1 in “Module” ends in %s, on %s."


@pytest.mark.parametrize(("days", "left", "day", "tone"), [
    (89, "89 days", "June 14, 2026", "info"), (29, "29 days", "April 15, 2026", "warn"),
    (1, "1 day", "March 18, 2026", "bad"),
])  # fmt: skip
def test_a_key_that_ends_is_warned_of_on_both_pages(admin, shop, days, left, day, tone):
    ending(shop, days)
    for path in ("/modules/list/", "/modules/show/1"):
        page = admin.get(path)
        assert WARNING % (left, day) in words(page)
        assert "2 meters use it: ask the key management centre" in words(page)
        assert f'class="note note-{tone}"' in page.text


def signed_in(browse, who) -> Browser:
    browser = browse()
    browser.post("/login/", {"username": who, "password": PASSWORD})
    return browser


@pytest.mark.parametrize(("who", "warned"), [(ADMIN, True), (AUDITOR, False), (OPERATOR, False)])
def test_who_can_load_a_key_is_warned_once_after_signing_in(browse, shop, who, warned):
    ending(shop, 29)
    browser = signed_in(browse, who)
    assert ("ends in 29 days" in browser.get("/counter/").text) is warned
    assert "ends in 29 days" not in browser.get("/counter/").text


def test_nobody_is_warned_of_keys_that_end_later_or_ended_long_ago(browse, shop):
    assert "toast-warning" not in signed_in(browse, ADMIN).get("/counter/").text


# the list


def test_the_list_is_taken_away_as_a_file_and_that_is_on_record(admin, shop):
    complete(shop)
    health(shop, latency_ms=1234)
    answer = admin.post("/modules/export/csv")
    lines = list(csv.reader(io.StringIO(answer.data.decode("utf-8-sig"))))
    assert lines[0][:5] == ["Name", "State", "Where keys live", "Module", "Makes tokens for"]
    assert lines[1][0] == "Module"
    assert lines[1][1].strip() == "Works"
    assert "1234" in lines[1]
    assert shop.rows(AuditEvent, AuditEvent.action == "security_module.exported")


def test_more_modules_and_keys_take_no_more_statements(office, admin, shop):
    with office.app_context():
        engine = db.engine
    health(shop)
    for number in range(5):
        shop.change(lambda s, n=number: s.add(SecurityModule(
            name=f"M{n}", driver="soft", module_id=f"VSM-00000{n}", params={}
        )))  # fmt: skip
    for path in ("/modules/list/", "/modules/show/1", "/modules/1/assign/legacy"):
        admin.get(path)
        with statements(engine) as seen:
            admin.get(path)
        assert len(own(seen)) <= MOST, told(seen)


# at the counter


@pytest.mark.parametrize(("why", "sentence"), [
    ("locked", "An administrator must open it with its passphrase."),
    ("key_limit", "Sell again tomorrow, or ask an administrator for a higher limit."),
    ("refused", "The security module does not answer. Try again in a minute"),
    ("certificate", "do not know each other any more"),
    ("never heard of", "The security module does not answer."),
])  # fmt: skip
def test_an_operator_reads_what_to_do_when_the_module_makes_no_token(
    browse, shop, module, why, sentence
):
    def fails(_):
        raise HsmUnavailable(why, sent=False)

    module.once("issue_credit", fails)
    sale = shop.sell()
    assert sale.failure == f"unavailable_{why}"
    page = browse(OPERATOR).get(f"/counter/sale/{sale.id}")
    assert sentence in words(page)
    assert "/modules/" not in page.text
    page = browse(ADMIN).get(f"/counter/sale/{sale.id}")
    assert f'href="/modules/show/{sale.module_id}"' in page.text


def ask(browser, path, **typed):
    """Send the purchase form that the page shows."""
    page = browser.get(browser.get(path).location)
    return browser.post(f"{path}/sell", fields(page.text, "/sell") | typed)


@pytest.mark.parametrize(("who", "leads"), [(ADMIN, True), (OPERATOR, False)])
def test_where_no_sale_was_begun_an_administrator_is_led_to_the_module_too(
    browse, shop, monkeypatch, who, leads
):
    def locked(*_args, **_options):
        raise HsmUnavailable("locked", sent=False)

    monkeypatch.setattr("vmsapp.services.vending.sell", locked)
    path = f"/counter/meter/{shop.utility.meters[LEGACY_11]}"
    page = ask(browse(who), path, mode="amount", value="20", vending_point="1")
    assert page.status_code == 503
    assert "No token was made; take no money." in words(page)
    assert ('href="/modules/show/1"' in page.text) is leads


@pytest.mark.parametrize(("who", "leads"), [(ADMIN, True), (OPERATOR, False)])
def test_a_sale_names_the_module_that_was_asked_and_its_receipt_does_not(browse, shop, who, leads):
    shop.change(lambda s: setattr(s.get(SecurityModule, 1), "name", "Cellar"))
    sale = shop.sell()
    browser = browse(who)
    page = browser.get(f"/sales/show/{sale.id}")
    assert "Security module Cellar" in words(page)
    assert ('href="/modules/show/1"' in page.text) is leads
    assert "Cellar" not in browser.get(f"/counter/sale/{sale.id}").text
    assert "Cellar" not in browser.get("/sales/list/").text
