"""Loading a key file in the browser, with a second person where one is needed; removing a key."""

import base64
import io
import re
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select

from tests import factories
from tests.factories import CHEAP_N, LEGACY_SGC, NOW
from tests.web.office import ADMIN, Browser, contents, fields, main_part
from vmsapp.hsm.drivers.soft import SoftModule
from vmsapp.hsm.errors import HsmUnavailable
from vmsapp.hsm.key_file.pending import Pending
from vmsapp.hsm.key_file.writing import write
from vmsapp.hsm.keystore import Keystore
from vmsapp.hsm.policy import Limits
from vmsapp.hsm.registry import Registry
from vmsapp.hsm.requests import KeyRef
from vmsapp.hsm.results import Results
from vmsapp.models import ApprovalRequest, ApprovalRule, AuditEvent, SecurityModule, VendingKey
from vmsapp.models.user import Role
from vmsapp.scope import SYSTEM, seen_by
from vmsapp.services.security_modules.keys import copy_key_list
from vmsapp.sts.secret import SecretBytes

PASSPHRASE = "sent by another way"
SGC = "777001"


def key_file(*keys, target="*"):
    keys = keys or (factories.key_named(SGC, "04"),)
    return write(keys, SecretBytes(PASSPHRASE.encode()), created=NOW, target=target,
                 scrypt_n=CHEAP_N)  # fmt: skip


@pytest.fixture
def keystore_here(tmp_path):
    return Keystore.create(tmp_path / "k.json", SecretBytes(b"its own"), scrypt_n=CHEAP_N)


@pytest.fixture
def pending(tmp_path):
    return None


@pytest.fixture
def registry(keystore_here, tmp_path, pending, clock):
    """A module with a keystore of its own, which the test may fill."""
    results = Results(tmp_path / "r.sqlite")
    soft = SoftModule(keystore_here, results, limits=Limits(None, None), pending=pending)
    yield Registry((), {"soft": lambda _: soft})
    results.close()


@pytest.fixture
def admin(browse):
    return browse(ADMIN)


@pytest.fixture
def deputy(office, shop, people):
    """A second administrator."""

    def add(session):
        user = factories.add_user(session, "deputy", all_regions=True)
        user.roles = [session.scalars(select(Role).where(Role.name == "Administrator")).one()]
        session.flush()
        return user.id

    return Browser(office, shop.change(add))


def choose(browser, content):
    """Choose a file and look at what it says of itself."""
    return browser.post("/modules/import/1", {"file": (io.BytesIO(content), "keys.json")})


def load(browser, content, **typed):
    """Look at a file, then load it."""
    form = fields(choose(browser, content).text, "/load")
    sent = {"passphrase": PASSPHRASE, "deed": "load"} | typed
    return browser.post("/modules/import/1/load", form | sent)


def words(page):
    return " ".join(re.sub(r"<[^>]+>", " ", main_part(page.text)).split())


def keys_of(shop):
    return {key.sgc for key in shop.rows(VendingKey)}


def test_a_file_says_what_is_in_it_before_any_passphrase(admin, shop, engine):
    before = contents(engine)
    page = choose(admin, key_file(factories.key_named(SGC, "02", ken=103)))
    assert page.status_code == 200
    shown = words(page)
    # KEN 103 ends 104 times 65,536 minutes after 2014
    for said in (SGC, "unique (DUTK)", "Legacy", "2014", "Dec 17, 2026", "demo", "any module",
                 "nobody", "Passphrase of the key file"):  # fmt: skip
        assert said in shown, said
    assert contents(engine) == before


def test_a_file_is_tried_and_nothing_is_loaded(admin, shop, keystore_here):
    page = load(admin, key_file(), deed="try")
    assert page.status_code == 200
    assert "Nothing was loaded yet. This is what would become of each key." in words(page)
    assert f"{SGC}/1/2/04 is added" in words(page)
    assert keystore_here.keys() == []
    assert SGC not in keys_of(shop)


def test_a_file_is_loaded_and_its_keys_are_listed(admin, shop, keystore_here):
    answer = load(admin, key_file())
    assert (answer.status_code, answer.location) == (302, "/modules/show/1")
    assert "The key file was loaded." in admin.get("/modules/show/1").text
    assert [info.ref.sgc for info in keystore_here.keys()] == [SGC]  # noqa: SIM118
    assert SGC in keys_of(shop)
    (event,) = shop.rows(AuditEvent, AuditEvent.action == "key.imported")
    assert event.details["done"] is True
    assert event.actor_name == ADMIN


def test_neither_passphrase_nor_file_is_kept_or_shown(admin, shop, engine, caplog):
    wrong = load(admin, key_file(), passphrase="not the right one, but long")
    assert "not the right one" not in wrong.text
    page = load(admin, key_file(), deed="try")
    assert PASSPHRASE not in page.text
    load(admin, key_file())
    kept = repr(contents(engine)) + repr([vars(row) for row in shop.rows(AuditEvent)])
    for told in (kept, caplog.text):
        assert PASSPHRASE not in told
        assert "payload" not in told


def test_a_wrong_passphrase_is_said_beside_its_field_with_the_tries_left(admin):
    page = load(admin, key_file(), passphrase="wrong")
    assert page.status_code == 409
    assert "The passphrase is wrong. Tries left: 4." in words(page)
    assert 'id="passphrase-error"' in page.text
    for _ in range(4):
        page = load(admin, key_file(), passphrase="wrong")
    page = load(admin, key_file())
    assert "Too many wrong passphrases. Try again in 15 min." in words(page)


REFUSED = {
    "nothing": (None, "Choose the key file."),
    "no key file": (b"hello", "This is not a key file, or it was damaged on its way."),
    "of a key management centre": (b"9500 0123", "Only the hardware module it was made for can"),
    "for another module": (key_file(target="VSM-3F2A91"), "This key file is for the module"),
    "too large": (b" " * (256 * 1024 + 1), "it has more than 262144 bytes."),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_file_that_is_none_is_refused_with_its_sentence(admin, case):
    content, sentence = REFUSED[case]
    page = admin.post("/modules/import/1") if content is None else choose(admin, content)
    assert page.status_code in {409, 422}
    assert sentence in words(page)
    assert fields(page.text, "/load") == {}


def test_a_file_that_was_altered_on_the_page_is_refused(admin, shop):
    form = fields(choose(admin, key_file()).text, "/load")
    for content in ("%%%", base64.b64encode(b"hello").decode(), ""):
        sent = form | {"content": content, "passphrase": PASSPHRASE, "deed": "load"}
        page = admin.post("/modules/import/1/load", sent)
        assert page.status_code == 409
        assert "This is not a key file" in words(page)


def test_a_key_that_is_refused_keeps_the_whole_file_out(admin, shop):
    old = factories.key_named("777002", "04", ken=50)
    page = load(admin, key_file(factories.key_named(SGC, "04"), old))
    assert page.status_code == 409
    shown = words(page)
    assert "Nothing was loaded: a file is taken whole or not at all." in shown
    assert "777002/1/2/04 is refused The key expired on" in shown
    assert SGC not in keys_of(shop)


def test_in_production_no_key_for_demonstration_comes_in(admin, shop, registry, keystore_here):
    form = fields(choose(admin, key_file()).text, "/load")
    registry.production = True
    sentence = "A key made for demonstration is not taken in production."
    assert sentence in words(choose(admin, key_file()))
    sent = {"passphrase": PASSPHRASE, "deed": "load"}
    assert sentence in words(admin.post("/modules/import/1/load", form | sent))
    assert keystore_here.keys() == []


def test_in_production_a_key_for_demonstration_that_is_in_a_module_is_none(
    shop, registry, keystore_here
):
    keystore_here.add(factories.key_named(SGC, "04"))
    registry.production = True
    with shop.session() as session, seen_by(SYSTEM):
        copy_key_list(session, registry, SYSTEM, 1)
    assert SGC not in keys_of(shop)
    registry.production = False
    with shop.session() as session, seen_by(SYSTEM):
        copy_key_list(session, registry, SYSTEM, 1)
    assert SGC in keys_of(shop)


def test_the_same_file_again_says_that_its_keys_are_there(admin):
    content = key_file()
    load(admin, content)
    page = load(admin, content, deed="try")
    assert "is there already The key is loaded already." in words(page)


def test_a_retired_module_takes_no_file(admin, shop):
    shop.change(lambda s: setattr(s.get(SecurityModule, 1), "retired_at", NOW))
    assert "is retired and takes no keys" in words(choose(admin, key_file()))


# the second person


def ask_always(shop):
    shop.change(lambda s: s.add(ApprovalRule(action="key.import", active=True)))


def decide(browser, shop, way="approve"):
    (request,) = shop.rows(ApprovalRequest, ApprovalRequest.state == "pending")
    page = browser.get(f"/approvals/show/{request.id}")
    browser.post(f"/approvals/{request.id}/{way}", fields(page.text, f"/{way}"))
    return page


def test_where_a_rule_asks_the_file_waits_and_is_sent_again_after_the_approval(
    admin, deputy, shop, keystore_here
):
    ask_always(shop)
    content = key_file()
    answer = load(admin, content)
    assert answer.location == "/approvals/show/1"
    assert "Send the file once more" in admin.get(answer.location).text
    assert keystore_here.keys() == []
    page = decide(deputy, shop)
    assert "Allow a key file to be loaded" in words(page)
    assert f"{SGC}/1/2/04" in words(page)
    assert keystore_here.keys() == []
    assert load(admin, content).location == "/modules/show/1"
    assert SGC in keys_of(shop)


def test_an_approval_is_for_this_file_this_person_and_a_day(browse, admin, deputy, shop):
    ask_always(shop)
    content = key_file()
    load(admin, content)
    decide(deputy, shop)
    assert "/approvals/" in load(admin, key_file()).location  # another file
    assert "/approvals/" in load(deputy, content).location  # another person
    shop.clock.forward(hours=25)
    assert "/approvals/" in load(browse(ADMIN), content).location


def test_replacing_a_key_always_asks(admin, deputy, shop, keystore_here):
    load(admin, key_file(factories.key_named(SGC, "04")))
    (before,) = keystore_here.keys()
    other = key_file(factories.key_named(SGC, "04"))
    refused = load(admin, other)
    assert "Replacing it needs a second person." in words(refused)
    assert "/approvals/" in load(admin, other, replace="y").location
    assert "Allow a key file to replace keys" in words(decide(deputy, shop))
    assert load(admin, other, replace="y").location == "/modules/show/1"
    (after,) = keystore_here.keys()
    assert after.kcv != before.kcv
    assert [key.kcv for key in shop.rows(VendingKey, VendingKey.sgc == SGC)] == [after.kcv]


class TestDualControl:
    """A module whose own second custodian approves."""

    @pytest.fixture
    def pending(self, tmp_path):
        return Pending(tmp_path / "pending")

    def test_the_page_says_that_the_file_waits_at_the_module(self, admin, shop, pending):
        page = load(admin, key_file())
        assert page.status_code == 200
        shown = words(page)
        assert "The file waits at the module itself, for at most 24 hours" in shown
        assert f"flask keystore approve KEYSTORE {pending.all()[0].digest}" in shown
        assert fields(page.text, "/load") == {}  # it cannot be sent once more
        assert len(pending.all()) == 1
        (event,) = shop.rows(AuditEvent, AuditEvent.action == "key.imported")
        assert (event.details["done"], event.details["waits_for_second"]) == (False, True)

    def test_a_try_says_that_the_file_would_wait(self, admin, pending):
        shown = words(load(admin, key_file(), deed="try"))
        assert f"{SGC}/1/2/04 is added" in shown
        assert "“Load” leaves the file at the module, where it waits for a second" in shown
        assert pending.all() == []

    def test_a_try_of_a_key_that_is_refused_says_nothing_of_waiting(self, admin):
        page = load(admin, key_file(factories.key_named("777002", "04", ken=50)), deed="try")
        assert "waits for a second custodian" not in words(page)


def test_what_a_replacement_strikes_is_said_to_who_approves_it(admin, deputy, shop, keystore_here):
    keystore_here.add(factories.key_named(LEGACY_SGC, "02"))
    (goes,) = keystore_here.keys()
    admin.post("/modules/test/1")  # the list follows the module
    page = load(admin, key_file(factories.key_named(LEGACY_SGC, "02")), replace="y")
    assert "/approvals/" in page.location
    shown = words(decide(deputy, shop))
    (request,) = shop.rows(ApprovalRequest)
    assert f"Keys that go {LEGACY_SGC}/1/2/02 ({goes.kcv}) KEN 255" in shown
    assert "sends the same file once more with its passphrase, within a day" in shown
    assert f"Keys that come in their place {request.params['replacing']}" in shown
    assert goes.kcv not in request.params["replacing"]
    # of 17 meters 2 are of STS6, 3 under other groups and 1 is retired
    assert "Meters in use under the keys that go 11" in shown


def test_what_only_the_bounds_of_a_key_change_is_said_too(admin, deputy, shop, keystore_here):
    key = factories.key_named(LEGACY_SGC, "02")
    keystore_here.add(key)
    admin.post("/modules/test/1")
    ends = NOW + timedelta(days=90)
    told = {"tenths_per_day": 50_000, "tokens_per_day": 900, "issue_until": ends,
            "changes_to": ((LEGACY_SGC, 2), ("600676", 1))}  # fmt: skip
    load(admin, key_file(replace(key, **told)), replace="y")
    shown = words(decide(deputy, shop))
    name = f"{LEGACY_SGC}/1/2/02 ({key.info(keystore_here.keys()[0].kcv).kcv}) KEN 255"
    assert f"Keys that go {name} Keys that come" in shown
    until = f"{ends:%Y-%m-%dT%H:%MZ}"
    assert (
        f"in their place {name} IUT {until} ULM 50000 TLM 900 → {LEGACY_SGC}/2, 600676/1" in shown
    )


NOBODY = "Fewer than two active users may approve this: give the right"


def test_where_there_is_one_administrator_the_pages_say_that_nobody_can_approve(admin, shop):
    ask_always(shop)
    content = key_file()
    assert NOBODY in words(choose(admin, content))
    asked = load(admin, content).location
    assert NOBODY in words(admin.get(asked))


def test_where_there_are_two_nothing_is_said_of_nobody(admin, deputy, shop):
    ask_always(shop)
    content = key_file()
    assert NOBODY not in words(choose(admin, content))
    assert NOBODY not in words(admin.get(load(admin, content).location))


@pytest.mark.parametrize(("why", "sentence"), [
    ("permission", (
        "The security module did not do it: it does not let us do that. Give our name at the"
        " module the roles it needs: issuer and auditor to sell, admin to look at key files")),
    ("locked", (
        "The security module did not do it: its keystore is locked. Start the module again with"
        " its passphrase.")),
    ("refused", (
        "The security module cannot be reached: nothing listens at that address and port. Start"
        " the module")),
])  # fmt: skip
def test_a_module_that_does_not_look_at_a_file_says_why_and_what_to_do(
    admin, registry, monkeypatch, why, sentence
):
    def fails(*_):
        raise HsmUnavailable(why, sent=True)

    monkeypatch.setattr(SoftModule, "inspect_keys", fails)
    assert sentence in words(choose(admin, key_file())).replace("&#39;", "'")


# removing


def row_of(shop, sgc):
    return shop.rows(VendingKey, VendingKey.sgc == sgc)[0].id


def test_a_key_that_no_meter_uses_is_removed_for_ever(admin, shop, keystore_here):
    load(admin, key_file())
    path = f"/modules/1/remove/{row_of(shop, SGC)}"
    assert SGC in words(admin.get(path))
    assert admin.post(path).location == "/modules/show/1"
    assert keystore_here.keys() == []
    assert SGC not in keys_of(shop)
    (event,) = shop.rows(AuditEvent, AuditEvent.action == "key.removed")
    assert event.details["sgc"] == SGC
    assert admin.get(path).status_code == 404


def test_a_key_that_meters_use_stays(admin, shop, keystore_here):
    keystore_here.add(factories.key_named(LEGACY_SGC, "02"))
    page = admin.post(f"/modules/1/remove/{row_of(shop, LEGACY_SGC)}")
    assert page.status_code == 409
    # of 17 meters 2 are of STS6, 3 under other groups and 1 is retired
    assert f"use the key of supply group {LEGACY_SGC}, revision 1" in words(page)
    assert "Their number: 11." in words(page)
    assert keystore_here.keys()[0].ref == KeyRef(LEGACY_SGC, 1, 2, "02")


def test_a_retired_module_offers_no_key_to_be_removed(admin, shop, keystore_here):
    load(admin, key_file())
    path = f"/modules/1/remove/{row_of(shop, SGC)}"
    assert path in admin.get("/modules/show/1").text
    shop.change(lambda s: setattr(s.get(SecurityModule, 1), "retired_at", NOW))
    assert "/remove/" not in admin.get("/modules/show/1").text
    assert admin.get(path).status_code == 404
    assert admin.post(path).status_code == 404
    assert len(keystore_here.keys()) == 1


def test_a_key_of_another_module_is_not_found(admin, shop):
    assert admin.post("/modules/1/remove/999").status_code == 404
