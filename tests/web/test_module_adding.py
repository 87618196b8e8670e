"""Adding a security module in the browser: the connect test, the ticket, the secret's file."""

import re
import stat
from pathlib import Path

import pytest
from sqlalchemy import update

from tests import factories
from tests.factories import AUDITOR, CHEAP_N, NOW, PASSPHRASE
from tests.prism_stub import PASSWORD, USER, Identity, PrismStub
from tests.unit.hsm.prism.prism_cases import LOADED
from tests.unit.hsm.serving import served
from tests.web.office import ADMIN, fields, main_part
from vmsapp.hsm.connect import WHYS
from vmsapp.hsm.drivers.soft import SoftModule
from vmsapp.hsm.keystore import Keystore
from vmsapp.hsm.policy import Limits
from vmsapp.hsm.registry import Registry
from vmsapp.hsm.results import Results
from vmsapp.models import AuditEvent, Installation, SecurityModule, VendingKey
from vmsapp.services.security_modules import kept_secrets
from vmsapp.services.security_modules.opening import factories as opening
from vmsapp.sts.secret import SecretBytes

NAME = "Cellar"
OLDER = "results.sqlite-wal too. Reached with this one, nothing is sold any more"


@pytest.fixture(scope="module")
def cellar(tmp_path_factory):
    """A module with a key of each generation."""
    folder = tmp_path_factory.mktemp("cellar")
    results = Results(folder / "results.sqlite")
    keystore = factories.make_keystore(folder)
    yield SoftModule(keystore, results, limits=Limits(None, None), clock=lambda: NOW)
    results.close()


@pytest.fixture
def running(cellar, tmp_path):
    """A module server before it, which has refused nobody yet."""
    with served(cellar, tmp_path / "server") as one:
        yield one


@pytest.fixture
def folder(office, monkeypatch, tmp_path, running) -> Path:
    """The instance, which may reach the server, and opens modules of every kind."""
    settings = office.extensions["vms_settings"].model_copy(
        update={"instance": tmp_path, "module_ports": f"{running.account.port},9"}
    )
    monkeypatch.setitem(office.extensions, "vms_settings", settings)
    soft = office.extensions["vms_modules"]._factories["soft"]
    registry = Registry((), {"soft": soft} | opening(settings))
    monkeypatch.setitem(office.extensions, "vms_modules", registry)
    yield tmp_path
    registry.forget(2)  # the embedded one is shared by all tests


@pytest.fixture
def admin(browse, folder):
    return browse(ADMIN)


def typed(running, **changed):
    account = running.account
    return {
        "driver": "tcp", "host": account.host, "port": str(account.port), "client": "web-1",
        "secret": account.secret.reveal().decode(), "fingerprint": "", "kept": "",
    } | changed  # fmt: skip


def attempt(browser, running, **changed):
    """The page that a connect test answers with, and what its form to add would send."""
    page = browser.post("/modules/add", typed(running, **changed))
    return page, fields(page.text, "/create")


def secrets_in(folder):
    return sorted(path for path in (folder / "secrets").rglob("*") if path.is_file())


def test_the_first_page_asks_where_the_module_is(admin):
    page = main_part(admin.get("/modules/add").text)
    for asked in ("Kind of module", "Address", "Port", "Our name there", "Secret", "Fingerprint"):
        assert asked in page
    assert 'value="8770"' in page


def test_a_module_is_tested_named_and_added(admin, shop, running, folder):
    page, form = attempt(admin, running)
    shown = main_part(page.text)
    assert page.status_code == 200
    for step in ("Find the address", "Connect", "Begin TLS", "Look at the certificate",
                 "Prove who we are", "Ask for a sign of life", "Ask how it is"):  # fmt: skip
        assert step in shown
    assert "failed" not in shown
    fingerprint = running.account.fingerprint.hex()
    assert fingerprint in "".join(shown.split())
    secret = running.account.secret.reveal().decode()
    assert secret not in page.text
    answer = admin.post("/modules/create", form | {"name": NAME, "sure": "y"})
    assert (answer.status_code, answer.location) == (302, "/modules/show/2")
    (row,) = shop.rows(SecurityModule, SecurityModule.name == NAME)
    assert row.driver == "tcp"
    assert (row.params["host"], row.params["client"]) == ("127.0.0.1", "web-1")
    assert row.params["fingerprint"] == fingerprint
    (path,) = secrets_in(folder)
    assert path.name == row.params["secret"]
    assert path.read_text() == secret
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert secret not in repr(vars(row))
    assert len(shop.rows(VendingKey, VendingKey.module_id == row.id)) == 3
    assert "Works" in main_part(admin.get("/modules/show/2").text)
    events = {event.action for event in shop.rows(AuditEvent)}
    assert {"module.tried", "module.added", "key.listed"} <= events
    assert secret not in repr([vars(event) for event in shop.rows(AuditEvent)])


def test_nobody_trusts_a_certificate_unseen(admin, shop, running):
    _, form = attempt(admin, running)
    answer = admin.post("/modules/create", form | {"name": NAME})
    assert answer.status_code == 422
    assert "Compare the fingerprint first, then tick this." in main_part(answer.text)
    assert fields(answer.text, "/create")["name"] == NAME
    shown = "".join(main_part(answer.text).split())
    assert running.account.fingerprint.hex() in shown  # what is to be compared stays there
    assert shop.count(SecurityModule) == 1


def test_who_typed_the_fingerprint_has_seen_it(admin, shop, running):
    written = ":".join(f"{byte:02X}" for byte in running.account.fingerprint)
    _, form = attempt(admin, running, fingerprint=written)
    assert form["sure"] == "y"
    assert admin.post("/modules/create", form | {"name": NAME}).status_code == 302


def test_the_first_key_file_comes_right_after_a_module_without_keys(
    browse, office, shop, folder, tmp_path, monkeypatch
):
    keystore = Keystore.create(tmp_path / "k.json", SecretBytes(PASSPHRASE), scrypt_n=CHEAP_N)
    results = Results(tmp_path / "r.sqlite")
    empty = SoftModule(keystore, results, limits=Limits(None, None))
    with served(empty, tmp_path / "server") as running:
        settings = office.extensions["vms_settings"].model_copy(
            update={"module_ports": str(running.account.port)}
        )
        monkeypatch.setitem(office.extensions, "vms_settings", settings)
        browser = browse(ADMIN)
        page, form = attempt(browser, running)
        shown = " ".join(re.sub(r"<[^>]+>", " ", main_part(page.text)).split())
        assert "It holds no keys yet: load its key file next." in shown
        assert "failed" not in shown
        answer = browser.post("/modules/create", form | {"name": NAME, "sure": "y"})
        assert answer.location == "/modules/import/2"
        office.extensions["vms_modules"].forget(2)
    results.close()


FAILS = {
    "wrong secret": ({"secret": "not the secret at all, but as long as one"},
                     "It does not take our secret. Compare name and secret"),
    "nobody listens": ({"port": "9"}, "Nothing listens at that address and port. Start"),
    "port not allowed": ({"port": "22"}, (
                     "The settings do not allow that port. Allowed now: %(ports)s"
                     " (VMS_MODULE_PORTS). Whoever runs this server can change that; it counts once"
                     " VMS was started again.")),
    "address not allowed": ({"host": "169.254.169.254"},
                     "The settings do not allow that address. Allowed now: 127.0.0.0/8,"),
    "no such name": ({"host": "no such name"}, "Nobody knows that name. Look for"),
    "other certificate": ({"fingerprint": "ab" * 32},
                     "Its certificate is not the one we know. Compare the fingerprint you entered"),
}  # fmt: skip


@pytest.mark.parametrize("case", FAILS)
def test_a_test_that_fails_says_at_which_step_why_and_what_to_do(admin, shop, running, case):
    changed, sentence = FAILS[case]
    page, form = attempt(admin, running, **changed)
    shown = " ".join(re.sub(r"<[^>]+>", " ", main_part(page.text)).split())
    assert sentence.replace("%(ports)s", f"{running.account.port}, 9") in shown
    assert "Reach it elsewhere" not in shown  # a page that a module has once it was added
    assert form == {}
    (event,) = shop.rows(AuditEvent, AuditEvent.action == "module.tried")
    assert event.details["outcome"] in WHYS
    kept = typed(running, **changed)
    sent = fields(main_part(page.text))
    assert (sent["host"], sent["port"], sent["client"]) == (
        kept["host"], kept["port"], kept["client"],
    )  # fmt: skip
    assert "secret" not in sent or not sent["secret"]


def test_what_cannot_be_is_said_beside_its_field_and_nothing_is_tried(admin, shop, running):
    for changed, sentence in (
        ({"port": "70000"}, "A port is a number from 1 to 65535."),
        ({"port": ""}, "Enter a port."),
        ({"fingerprint": "abc"}, "A fingerprint has 64 characters"),
        ({"secret": ""}, "Type the secret again"),
        ({"driver": "prism", "secret": "x" * 56}, "passwords of at most 55 characters"),
    ):
        page, form = attempt(admin, running, **changed)
        assert page.status_code == 422
        assert sentence in main_part(page.text), changed
        assert form == {}
    assert shop.rows(AuditEvent, AuditEvent.action == "module.tried") == []


def test_a_secret_is_typed_once_for_one_address(admin, running):
    first, _ = attempt(admin, running, client="web-2")
    kept = fields(main_part(first.text))["kept"]
    again, _ = attempt(admin, running, secret="", kept=kept)
    assert "Type the secret again" in main_part(again.text)  # it was typed for another name
    again, _ = attempt(admin, running, client="web-2", secret="", kept=kept)
    assert "It does not take our secret" in main_part(again.text)


def test_a_secret_that_was_kept_too_long_is_gone(admin, running, folder, monkeypatch):
    _, form = attempt(admin, running)
    monkeypatch.setattr(kept_secrets, "KEPT_SECONDS", -1)
    answer = admin.post("/modules/create", form | {"name": NAME, "sure": "y"})
    assert "Type the secret again" in main_part(answer.text)
    attempt(admin, running)  # which sweeps what lies there
    assert len(secrets_in(folder)) == 1


@pytest.mark.parametrize("changed", [
    {"ticket": "bm9uZQ=="}, {"host": "localhost"}, {"port": "9443"}, {"driver": "prism"},
])  # fmt: skip
def test_only_what_was_tested_is_added(admin, shop, folder, running, changed):
    _, form = attempt(admin, running)
    answer = admin.post("/modules/create", form | {"name": NAME, "sure": "y"} | changed)
    assert answer.status_code == 409
    assert "Test the connection again" in main_part(answer.text)
    assert shop.count(SecurityModule) == 1
    assert [path.parent.name for path in secrets_in(folder)] == ["aside"]


def test_a_ticket_is_good_for_ten_minutes(admin, shop, running):
    _, form = attempt(admin, running)
    shop.clock.forward(minutes=10)
    answer = admin.post("/modules/create", form | {"name": NAME, "sure": "y"})
    assert "the last test is too old" in main_part(answer.text)


def test_a_name_that_is_there_already_is_refused(admin, shop, running):
    _, form = attempt(admin, running)
    answer = admin.post("/modules/create", form | {"name": "MODULE", "sure": "y"})
    assert answer.status_code == 422
    assert "Another security module has this name." in main_part(answer.text)


def test_a_module_that_is_there_already_is_refused(admin, shop, running, cellar, folder):
    _, form = attempt(admin, running)
    name = cellar.ping().module_id
    shop.change(lambda s: s.add(SecurityModule(
        name=NAME, driver="tcp", module_id=name, params={"host": "127.0.0.1", "port": "9"}
    )))  # fmt: skip
    late = admin.post("/modules/create", form | {"name": "Attic", "sure": "y"})
    page, form = attempt(admin, running)
    assert form == {}  # said by the test already, before anybody names it
    for told in (late, page):
        assert told.status_code == 409
        assert "listed here as “Cellar” already" in main_part(told.text)
    assert [path for path in secrets_in(folder) if path.parent.name == "secrets"] == []


def test_ten_tests_a_minute_are_enough(admin, shop, running):
    for _ in range(10):
        attempt(admin, running, port="22")
    page, _ = attempt(admin, running)
    assert page.status_code == 409
    assert "Only 10 connections can be tested in a minute." in main_part(page.text)


def test_prism_is_sent_no_password_before_its_certificate_is_known(admin, running):
    page, form = attempt(admin, running, driver="prism", client="vms", secret="a password")
    shown = " ".join(re.sub(r"<[^>]+>", " ", main_part(page.text)).split())
    assert "It shows a certificate of this fingerprint." in shown
    assert form == {}
    assert fields(main_part(page.text))["fingerprint"] == running.account.fingerprint.hex()


@pytest.fixture
def prism(tmp_path, office, folder, monkeypatch):
    """A PrismToken service with keys of its own."""
    stub = PrismStub(Identity.make(tmp_path / "prism.pem"), list(LOADED))
    settings = office.extensions["vms_settings"].model_copy(update={"module_ports": str(stub.port)})
    monkeypatch.setitem(office.extensions, "vms_settings", settings)
    yield stub
    office.extensions["vms_modules"].forget(2)
    stub.close()


def test_prism_is_added_and_its_keys_are_entered_by_hand(admin, shop, prism):
    typed_in = {
        "driver": "prism", "host": "127.0.0.1", "port": str(prism.port), "client": USER,
        "secret": PASSWORD, "fingerprint": prism.identity.fingerprint, "kept": "",
    }  # fmt: skip
    page = admin.post("/modules/add", typed_in)
    form = fields(page.text, "/create")
    shown = main_part(page.text)
    assert form["sure"] == "y", shown
    assert "PrismToken was reached. Enter next which keys it holds." in shown
    assert "failed" not in shown
    answer = admin.post("/modules/create", form | {"name": "Safe"})
    assert answer.location == "/modules/enter/2", main_part(answer.text)
    key = {"sgc": "201457", "krn": "1", "kt": "2", "dkga": "04", "base_date": "14", "ken": "255",
           "kcv": "a1b2c3", "name": "Riverside"}  # fmt: skip
    for wrong, sentence in (({"sgc": "12"}, "A supply group code has 6 digits."),
                            ({"krn": "10"}, "A revision is a number from 1 to 9."),
                            ({"ken": "256"}, "A key expiry number is from 0 to 255."),
                            ({"kcv": "xyz"}, "A check value has 6 characters")):  # fmt: skip
        page = admin.post("/modules/enter/2", key | wrong)
        assert page.status_code == 422
        assert sentence in main_part(page.text)
    assert admin.post("/modules/enter/2", key).location == "/modules/show/2"
    (row,) = shop.rows(VendingKey, VendingKey.module_id == 2)
    assert (row.sgc, row.kcv, row.protection, row.demo) == ("201457", "A1B2C3", "hsm", False)
    page = admin.get("/modules/show/2").text
    assert "Keys never leave the hardware behind PrismToken." in page
    assert "/modules/import/2" not in page
    other = admin.post("/modules/enter/2", key | {"kcv": "D4E5F6"})
    assert other.status_code == 409
    assert admin.post("/modules/enter/1", key).status_code == 409  # lists its keys itself


def test_a_module_is_reached_elsewhere_if_it_is_the_same(admin, shop, running, folder):
    _, form = attempt(admin, running)
    admin.post("/modules/create", form | {"name": NAME, "sure": "y"})
    before = shop.rows(SecurityModule, SecurityModule.name == NAME)[0].params
    opened = fields(main_part(admin.get("/modules/replace/2").text))
    assert (opened["host"], opened["fingerprint"]) == (before["host"], before["fingerprint"])
    page = admin.post("/modules/replace/2", typed(running))
    assert OLDER not in page.text
    form = fields(page.text, "/confirm")
    answer = admin.post("/modules/replace/2/confirm", form | {"sure": "y"})
    assert (answer.status_code, answer.location) == (302, "/modules/show/2"), answer.text
    after = shop.rows(SecurityModule, SecurityModule.name == NAME)[0].params
    assert after["secret"] != before["secret"]
    assert [path.name for path in secrets_in(folder)] == [after["secret"]]
    (event,) = shop.rows(AuditEvent, AuditEvent.action == "module.replaced")
    assert "secret" not in event.details["after"]


def test_an_older_record_is_told_of_before_the_module_is_reached_with_it(admin, shop, running):
    _, form = attempt(admin, running)
    admin.post("/modules/create", form | {"name": NAME, "sure": "y"})
    shop.change(lambda session: session.execute(
        update(SecurityModule).where(SecurityModule.id == 2).values(sequence=4_711)
    ))  # fmt: skip
    page = admin.post("/modules/replace/2", typed(running))
    assert OLDER in main_part(page.text)
    assert "Reach it there" in page.text
    assert shop.rows(Installation)[0].standstill_since is None  # a test alone begins nothing


def test_the_secret_on_record_stays_where_none_is_typed(admin, shop, running, folder):
    _, form = attempt(admin, running)
    admin.post("/modules/create", form | {"name": NAME, "sure": "y"})
    asked = main_part(admin.get("/modules/replace/2").text)
    assert "Left empty, the secret on record stays." in asked
    page = admin.post("/modules/replace/2", typed(running, secret=""))
    form = fields(page.text, "/confirm")
    answer = admin.post("/modules/replace/2/confirm", form | {"sure": "y"})
    assert (answer.status_code, answer.location) == (302, "/modules/show/2"), main_part(page.text)
    params = shop.rows(SecurityModule, SecurityModule.name == NAME)[0].params
    (path,) = secrets_in(folder)
    assert (path.name, path.read_bytes()) == (params["secret"], running.account.secret.reveal())


def test_the_secret_on_record_is_of_one_name_alone(admin, running, folder):
    _, form = attempt(admin, running)
    admin.post("/modules/create", form | {"name": NAME, "sure": "y"})
    page = admin.post("/modules/replace/2", typed(running, secret="", client="web-2"))
    assert page.status_code == 422
    assert "The secret on record belongs to the name on record" in main_part(page.text)
    (path,) = secrets_in(folder)
    path.unlink()
    page = admin.post("/modules/replace/2", typed(running, secret=""))
    assert page.status_code == 422
    assert "Type the secret again" in main_part(page.text)


@pytest.mark.parametrize("fingerprint", ["", "ab" * 32])
def test_the_password_on_record_is_sent_to_no_stranger(admin, shop, prism, fingerprint):
    """Whoever could lead it to a service of their own would read it there."""
    known = {
        "driver": "prism", "host": "127.0.0.1", "port": str(prism.port), "client": USER,
        "secret": PASSWORD, "fingerprint": prism.identity.fingerprint, "kept": "",
    }  # fmt: skip
    form = fields(admin.post("/modules/add", known).text, "/create")
    admin.post("/modules/create", form | {"name": "Safe"})
    left = known | {"secret": ""}
    page = admin.post("/modules/replace/2", left | {"fingerprint": fingerprint})
    assert page.status_code == 422
    assert "a PrismToken password to the certificate on record too" in main_part(page.text)
    assert fields(page.text, "/confirm") == {}
    page = admin.post("/modules/replace/2", left)
    shown = main_part(page.text)
    assert "failed" not in shown
    assert "Enter next which keys" not in shown  # they are entered already
    form = fields(page.text, "/confirm")
    led_astray = left | {"kept": form["kept"], "fingerprint": fingerprint}
    page = admin.post("/modules/replace/2", led_astray)
    assert page.status_code == 422  # nor once it lies aside for the service it belongs to
    answer = admin.post("/modules/replace/2/confirm", form)
    assert (answer.status_code, answer.location) == (302, "/modules/show/2"), shown


def test_another_module_does_not_take_its_place(admin, shop, running):
    _, form = attempt(admin, running)
    admin.post("/modules/create", form | {"name": NAME, "sure": "y"})
    shop.change(lambda s: setattr(s.get(SecurityModule, 2), "module_id", "VSM-LOST"))
    page = admin.post("/modules/replace/2", typed(running))
    assert page.status_code == 409
    assert "“Cellar” is the module VSM-LOST" in main_part(page.text)
    assert "I have compared this fingerprint" not in page.text


def test_a_module_that_turned_into_another_since_the_test_is_refused_too(admin, shop, running):
    _, form = attempt(admin, running)
    admin.post("/modules/create", form | {"name": NAME, "sure": "y"})
    page = admin.post("/modules/replace/2", typed(running))
    shop.change(lambda s: setattr(s.get(SecurityModule, 2), "module_id", "VSM-LOST"))
    answer = admin.post("/modules/replace/2/confirm", fields(page.text, "/confirm") | {"sure": "y"})
    assert answer.status_code == 409
    assert "“Cellar” is the module VSM-LOST" in main_part(answer.text)


KEPT = "The secret typed before is kept for ten minutes"


def test_a_secret_is_said_to_be_kept_only_where_one_was_typed(admin, shop, running):
    page, form = attempt(admin, running, fingerprint="ab" * 32)
    assert KEPT in main_part(page.text)
    _, form = attempt(admin, running)
    admin.post("/modules/create", form | {"name": NAME, "sure": "y"})
    on_record = typed(running, secret="", fingerprint="ab" * 32)
    page = admin.post("/modules/replace/2", on_record)
    assert "Its certificate is not the one we know." in main_part(page.text)
    assert KEPT not in main_part(page.text)
    assert fields(main_part(page.text))["kept"] == ""


def test_the_embedded_module_has_no_address(admin):
    page = admin.get("/modules/replace/1")
    assert page.status_code == 409
    assert "is not reached by an address" in page.text


def test_an_auditor_is_offered_no_way_to_a_new_module(browse, folder):
    page = main_part(browse(AUDITOR).get("/modules/list/").text)
    assert "/modules/add" not in page
    assert browse(AUDITOR).post("/modules/add", {}).status_code == 403
