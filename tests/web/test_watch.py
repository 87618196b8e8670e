"""What is told to those who keep the product: to whom, and what."""

import json
import logging
import socket
import subprocess
import threading
import time
from collections.abc import Mapping
from contextlib import contextmanager
from datetime import timedelta
from io import StringIO

import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from tests.factories import LEGACY_SGC, NOW
from tests.faults import answer_lost, down, put_off
from tests.web.office import BOTH
from vmsapp.logs import Json
from vmsapp.models import LedgerProof, ModuleHealth, Sale, SecurityModule, VendingKey
from vmsapp.scope import SYSTEM, seen_by
from vmsapp.services.roll_ups import merge
from vmsapp.services.security_modules.health import look_at_all
from vmsapp.tasks import background, celery
from vmsapp.watch import door as doors
from vmsapp.watch import figures, parts

TOKEN = "8f1d" * 12
CLOSED = ("/metrics", "/readyz")

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


@pytest.fixture(autouse=True)
def patience(monkeypatch) -> None:
    """A busy machine is slow, not away."""
    for room in (parts, figures):
        monkeypatch.setattr(room, "PATIENCE", 120.0)


@pytest.fixture
def client(office):
    return office.test_client()


@pytest.fixture
def bearer(office, monkeypatch) -> str:
    """The bearer of this installation."""
    monkeypatch.setattr(office.extensions["vms_watch"], "_token", TOKEN.encode())
    return TOKEN


def ask(client, path, *, peer="127.0.0.1", host="localhost", headers: Mapping[str, str] = {}):
    return client.get(
        path, headers={"Host": host, **headers}, environ_overrides={"REMOTE_ADDR": peer}
    )


def scraped(office) -> Samples:
    """All figures as they are now."""
    office.extensions["vms_watch"].forget()
    answer = office.test_client().get("/metrics")
    assert answer.status_code == 200
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def figure(samples: Samples, name: str, /, **labels: str) -> float:
    return samples[name, frozenset(labels.items())]


def some(samples: Samples, name: str, /, **labels: str) -> list[float]:
    """All figures of a name that have these labels among theirs."""
    wanted = labels.items()
    return [value for (each, found), value in samples.items() if each == name and found >= wanted]


def readiness(office):
    office.extensions["vms_watch"].forget()
    answer = office.test_client().get("/readyz")
    return answer.status_code, answer.json


# Who is answered


@pytest.mark.parametrize("path", CLOSED)
@pytest.mark.parametrize(("peer", "host"), [
    ("127.0.0.1", "localhost"), ("127.0.0.1", "127.0.0.1:8081"), ("127.8.0.1", "localhost:8081"),
    ("::1", "[::1]:8081"), ("::ffff:127.0.0.1", "localhost"),
])  # fmt: skip
def test_who_asks_on_this_machine_is_answered(client, path, peer, host) -> None:
    assert ask(client, path, peer=peer, host=host).status_code == 200


@pytest.mark.parametrize("path", CLOSED)
@pytest.mark.parametrize(("peer", "host", "headers"), [
    ("10.0.0.9", "localhost", {}),
    ("192.168.1.5", "vms.example", {}),
    ("::ffff:10.0.0.9", "localhost", {}),
    ("", "localhost", {}),  # a socket of the file system
    ("nonsense", "localhost", {}),
    ("127.0.0.1", "vms.example", {}),  # a page of another site, or a proxy that keeps the name
    ("127.0.0.1", "", {}),
    ("127.0.0.1", "[::1", {}),
    ("127.0.0.1", "localhost", {"X-Forwarded-For": "127.0.0.1"}),
    ("127.0.0.1", "localhost", {"X-Forwarded-For": ""}),
    ("127.0.0.1", "localhost", {"X-Forwarded-Proto": "https"}),
    ("127.0.0.1", "localhost", {"X-Forwarded-Host": "localhost"}),
    ("127.0.0.1", "localhost", {"Forwarded": "for=127.0.0.1"}),
    ("127.0.0.1", "localhost", {"X-Real-IP": "127.0.0.1"}),
    ("127.0.0.1", "localhost", {"Via": "1.1 proxy"}),
])  # fmt: skip
def test_nobody_else_is_answered_where_there_is_no_bearer(
    client, path, peer, host, headers
) -> None:
    answer = ask(client, path, peer=peer, host=host, headers=headers)
    assert answer.status_code == 403
    assert answer.text == "from this machine only\n"


@pytest.mark.parametrize("path", CLOSED)
@pytest.mark.parametrize(("peer", "headers"), [
    ("10.0.0.9", {}), ("127.0.0.1", {"X-Forwarded-For": "10.0.0.9"}),
])  # fmt: skip
def test_the_bearer_opens_from_elsewhere_and_through_a_proxy(
    client, bearer, path, peer, headers
) -> None:
    for scheme in ("Bearer", "bearer"):
        said = headers | {"Authorization": f"{scheme} {bearer}"}
        assert ask(client, path, peer=peer, host="vms.example", headers=said).status_code == 200


@pytest.mark.parametrize("path", CLOSED)
@pytest.mark.parametrize("said", [
    None, "", "Bearer", "Bearer ", f"Bearer {TOKEN[:-1]}", f"Bearer {TOKEN}0",
    f"Bearer {TOKEN.upper()}", f"Basic {TOKEN}", TOKEN, "Bearer ünïcode",
])  # fmt: skip
def test_another_bearer_opens_nothing(client, bearer, path, said) -> None:
    headers = {} if said is None else {"Authorization": said}
    answer = ask(client, path, peer="10.0.0.9", headers=headers)
    assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert answer.text == "bearer needed\n"


def test_the_bearer_is_compared_in_constant_time(client, bearer, monkeypatch) -> None:
    compared = []

    def compare(given, own):
        compared.append((given, own))
        return False

    monkeypatch.setattr(doors.secrets, "compare_digest", compare)
    headers = {"Authorization": "Bearer wrong"}
    assert ask(client, "/metrics", peer="10.0.0.9", headers=headers).status_code == 401
    assert compared == [(b"wrong", TOKEN.encode())]


def test_that_it_is_alive_is_told_to_everybody_and_nothing_else(client) -> None:
    answer = ask(client, "/healthz", peer="10.0.0.9", host="vms.example")
    assert (answer.status_code, answer.text) == (200, "alive\n")


@pytest.mark.parametrize("path", ["/healthz", *CLOSED])
def test_it_is_asked_in_no_session_in_no_language_and_with_no_limit(office, path) -> None:
    client = office.test_client()
    texts = set()
    for n in range(15):  # signing in has a limit of 10
        answer = client.get(path, headers={"Accept-Language": ("ar", "en")[n % 2]})
        assert answer.status_code == 200
        assert "Set-Cookie" not in answer.headers
        assert "Location" not in answer.headers
        assert answer.headers["Cache-Control"] == "no-store"
        texts.add(answer.text.partition("\n")[0])
    assert len(texts) == 1
    assert client.get_cookie(office.config["SESSION_COOKIE_NAME"]) is None


@pytest.mark.parametrize("path", ["/healthz", *CLOSED])
def test_nothing_can_be_sent_there(client, path) -> None:
    answer = client.post(path, data={"a": "b"})
    assert (answer.status_code, answer.headers["Allow"]) == (405, "GET, HEAD")
    assert client.head(path).status_code == 200
    assert client.head(path).text == ""


# Is it ready?


@BOTH
def test_it_is_ready_when_all_that_a_sale_needs_is_there(office, shop, backend) -> None:
    (module,) = (row.name for row in shop.rows(SecurityModule))
    assert readiness(office) == (
        200,
        {
            "ready": True,
            "parts": {
                "database": "ok", "migrations": "ok", "broker": "ok", "modules": {module: "ok"},
            },
        },
    )  # fmt: skip


@pytest.mark.parametrize(("fault", "why"), [
    (down, "down"), (put_off("locked"), "locked"), (put_off("rate"), "rate"),
    (answer_lost, "no_answer"),
])  # fmt: skip
def test_a_module_that_cannot_make_tokens_is_named(office, shop, module, fault, why) -> None:
    module.always("status", fault)
    (name,) = (row.name for row in shop.rows(SecurityModule))
    status, told = readiness(office)
    assert (status, told["ready"]) == (503, False)
    assert told["parts"]["modules"] == {name: why}
    assert told["parts"]["database"] == "ok"
    assert figure(scraped(office), "vms_ready", part="modules") == 0


def test_a_module_whose_clock_is_off_sells_nothing_and_is_not_ready(office, shop, module) -> None:
    from dataclasses import replace  # noqa: PLC0415 - here alone

    off = timedelta(minutes=3)  # two are borne (SALE.md 6)
    module.always("status", lambda call: replace(told := call(), time_utc=told.time_utc - off))
    status, told = readiness(office)
    assert (status, list(told["parts"]["modules"].values())) == (503, ["clock"])


def test_an_installation_without_modules_is_ready_to_be_set_up(office, shop) -> None:
    shop.change(lambda session: session.execute(text("DELETE FROM sm_algorithm")))
    assert readiness(office)[1]["parts"]["modules"] == {}
    assert readiness(office)[0] == 200


@BOTH
@pytest.mark.parametrize(("revision", "status", "said"), [
    ("0001", 503, "behind"),
    (None, 503, "behind"),
    ("9999", 200, "ok"),  # a later release has upgraded it: this one sells on meanwhile
])  # fmt: skip
def test_a_database_of_an_earlier_release_is_not_ready(
    office, shop, backend, revision, status, said
) -> None:
    def stamp(session):
        session.execute(text("DELETE FROM alembic_version"))
        if revision:
            first = {"0001": first_revision()}.get(revision, revision)
            session.execute(text("INSERT INTO alembic_version VALUES (:one)"), {"one": first})

    with shop.session() as session:
        before = session.scalar(text("SELECT version_num FROM alembic_version"))
    shop.change(stamp)
    try:
        code, told = readiness(office)
    finally:
        shop.change(lambda s: s.execute(text("DELETE FROM alembic_version")))
        again = text("INSERT INTO alembic_version VALUES (:one)")
        shop.change(lambda s: s.execute(again, {"one": before}))
    assert (code, told["parts"]["migrations"]) == (status, said)


def first_revision() -> str:
    from alembic.script import ScriptDirectory  # noqa: PLC0415 - here alone

    return ScriptDirectory(str(parts.ROOT / "migrations")).get_base()


def test_a_database_that_is_away_is_told_without_a_word_of_its_address(
    office, monkeypatch, caplog
) -> None:
    @contextmanager
    def away(*_):
        raise OperationalError("SELECT 1", {}, Exception("postgresql://vms:s3cret@10.9.8.7/vms"))
        yield

    monkeypatch.setattr(parts, "bounded", away)
    monkeypatch.setattr(figures.condition, "bounded", away)
    office.extensions["vms_watch"].forget()
    answer = office.test_client().get("/readyz")
    assert answer.status_code == 503
    assert answer.json["parts"]["database"] == "no_answer"
    assert answer.json["parts"]["migrations"] == "no_answer"
    assert answer.json["parts"]["broker"] == "ok"
    told = scraped(office)
    assert figure(told, "vms_figures_known", part="sales") == 0
    assert figure(told, "vms_figures_known", part="queue") == 1
    assert figure(told, "vms_ready", part="database") == 0
    assert some(told, "vms_pending_sales") == []
    assert figure(told, "vms_sales_total", state="issued") >= 0, "what was counted is told"
    monkeypatch.undo()
    office.extensions["vms_watch"].forget()
    for secret in ("s3cret", "10.9.8.7"):
        assert secret not in answer.text
        assert secret not in caplog.text


def test_a_broker_that_is_away_is_told(office, monkeypatch) -> None:
    def away():
        raise ConnectionRefusedError("amqp://vms:s3cret@10.9.8.7//")

    probe = office.extensions["vms_watch"]._parts.broker
    monkeypatch.setattr(probe, "_ask", away)
    status, told = readiness(office)
    assert (status, told["parts"]["broker"], told["parts"]["database"]) == (503, "no_answer", "ok")
    assert figure(scraped(office), "vms_figures_known", part="queue") == 0
    monkeypatch.undo()
    office.extensions["vms_watch"].forget()


def test_messages_no_worker_took_are_counted(office) -> None:
    def empty() -> None:
        with celery.connection_for_write() as connection:
            connection.default_channel.queue_purge(celery.conf.task_default_queue)

    empty()
    assert figure(scraped(office), "vms_queue_messages") == 0
    for job_id in (1, 2):
        celery.send_task(background.RUN, args=[job_id])
    assert figure(scraped(office), "vms_queue_messages") == 2
    empty()


@pytest.mark.parametrize(
    "url", ["redis://:s3cret@127.0.0.1:{}/0", "amqp://vms:s3cret@127.0.0.1:{}//"]
)
def test_a_server_that_listens_nowhere_is_no_broker(office, monkeypatch, caplog, url) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # taken, and nobody listens
        monkeypatch.setitem(celery.conf, "broker_url", url.format(nobody.getsockname()[1]))
        status, told = readiness(office)
    assert (status, told["parts"]["broker"], told["parts"]["database"]) == (503, "no_answer", "ok")
    assert "s3cret" not in caplog.text
    monkeypatch.undo()
    office.extensions["vms_watch"].forget()
    assert celery.conf.broker_url == "vmsfiles://"


@pytest.mark.redis
def test_a_redis_server_is_asked_how_many_messages_wait(office, monkeypatch, tmp_path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = subprocess.Popen(
        ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", ""],
        cwd=tmp_path, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        monkeypatch.setitem(celery.conf, "broker_url", f"redis://127.0.0.1:{port}/0")
        until = time.monotonic() + 120
        while readiness(office)[0] != 200 and time.monotonic() < until:
            time.sleep(0.1)
        assert figure(scraped(office), "vms_queue_messages") == 0, "nobody has sent anything yet"
        with celery.connection_for_write() as connection:
            celery.send_task(background.RUN, args=[1], connection=connection)
        assert figure(scraped(office), "vms_queue_messages") == 1
    finally:
        server.terminate()
        server.wait(timeout=60)


def test_nobody_waits_for_a_part_that_never_answers(office, monkeypatch) -> None:
    release, asked = threading.Event(), []

    def hangs():
        asked.append(1)
        release.wait(60)

    probe = office.extensions["vms_watch"]._parts.broker
    monkeypatch.setattr(probe, "_ask", hangs)
    monkeypatch.setattr(parts, "PATIENCE", 0.3)
    began = time.monotonic()
    for _ in range(3):
        assert readiness(office)[1]["parts"]["broker"] == "no_answer"
    assert time.monotonic() - began < 30
    assert asked == [1], "it is asked once, however many want to know"
    release.set()
    while probe._under_way is not None:
        time.sleep(0.01)
    monkeypatch.undo()
    assert readiness(office)[1]["parts"]["broker"] == "ok"


# What is told


def grown(before: Samples, after: Samples, name: str, /, **labels: str) -> float:
    return figure(after, name, **labels) - before.get((name, frozenset(labels.items())), 0.0)


@BOTH
def test_a_sale_is_counted_in_each_state_and_each_phase_is_timed(
    office, operator, utility, shop, backend
) -> None:
    before = scraped(office)
    assert operator.buy(utility).status_code == 302
    after = scraped(office)
    assert grown(before, after, "vms_sales_total", state="pending") == 1
    assert grown(before, after, "vms_sales_total", state="issued") == 1
    assert grown(before, after, "vms_sales_total", state="failed") == 0
    for phase in ("reserve", "module", "complete"):
        assert grown(before, after, "vms_sale_phase_seconds_count", phase=phase) == 1
        assert grown(before, after, "vms_sale_phase_seconds_sum", phase=phase) > 0
    module = {"module": str(utility.module_id), "call": "credit", "outcome": "answered"}
    assert grown(before, after, "vms_module_seconds_count", **module) == 1
    # the form and its price; what leads to the form with a key of its own, and to the receipt
    assert grown(before, after, "vms_web_seconds_count", kind="page", status="2xx") == 2
    assert grown(before, after, "vms_web_seconds_count", kind="page", status="3xx") == 2


def test_a_sale_whose_answer_is_lost_is_pending_until_the_worker_settles_it(
    office, operator, utility, shop, module
) -> None:
    before = scraped(office)
    module.once("issue_credit", answer_lost)
    operator.buy(utility)
    shop.clock.forward(minutes=5)
    after = scraped(office)
    assert grown(before, after, "vms_sales_total", state="issued") == 0
    assert figure(after, "vms_pending_sales") == 1
    assert figure(after, "vms_pending_oldest_seconds") == 300
    asked = {"module": str(utility.module_id), "call": "credit", "outcome": "timeout"}
    assert grown(before, after, "vms_module_seconds_count", **asked) == 1
    shop.reconcile()
    settled = scraped(office)
    assert grown(before, settled, "vms_sales_total", state="issued") == 1
    assert figure(settled, "vms_pending_sales") == 0
    assert figure(settled, "vms_pending_oldest_seconds") == 0


def test_a_refused_sale_fails_and_a_sealed_one_is_issued_and_reversed(
    office, operator, utility, shop, module
) -> None:
    before = scraped(office)
    module.refuse("key_closed")
    operator.buy(utility)
    failed = scraped(office)
    assert grown(before, failed, "vms_sales_total", state="failed") == 1
    asked = {"module": str(utility.module_id), "call": "credit", "outcome": "refused"}
    assert grown(before, failed, "vms_module_seconds_count", **asked) == 1
    module.once("issue_credit", answer_lost)
    module.always("fetch_result", down)
    sale = shop.sell()
    shop.clock.forward(minutes=1)
    shop.reconcile()
    shop.seal(shop.rows(Sale, Sale.id == sale.id)[0])
    module.always("fetch_result", lambda call: call())
    shop.reconcile()
    sealed = scraped(office)
    assert grown(failed, sealed, "vms_sales_total", state="issued") == 1
    assert grown(failed, sealed, "vms_sales_total", state="reversed") == 1


def test_errors_of_ours_are_counted_apart(office, operator, monkeypatch) -> None:
    before = scraped(office)
    assert operator.get("/nowhere").status_code == 404
    counter, _ = office.url_map.bind("localhost").match("/counter/")
    monkeypatch.setitem(office.view_functions, counter, lambda: 1 / 0)
    monkeypatch.setitem(office.config, "PROPAGATE_EXCEPTIONS", False)
    assert operator.get("/counter/").status_code == 500
    assert operator.get(f"{office.static_url_path}/none.css").status_code == 404
    after = scraped(office)
    assert grown(before, after, "vms_web_seconds_count", kind="page", status="4xx") == 1
    assert grown(before, after, "vms_web_seconds_count", kind="page", status="5xx") == 1
    assert grown(before, after, "vms_web_seconds_count", kind="file", status="4xx") == 1


@BOTH
def test_sums_lag_until_what_was_sold_is_added(office, operator, utility, shop, backend) -> None:
    assert figure(scraped(office), "vms_roll_up_lag_seconds") == 0
    operator.buy(utility)
    shop.clock.forward(minutes=2)
    behind = scraped(office)
    assert figure(behind, "vms_roll_up_transfers") == 1
    assert figure(behind, "vms_roll_up_lag_seconds") == 120
    with shop.session() as session, seen_by(SYSTEM):
        merge(session)
    after = scraped(office)
    assert figure(after, "vms_roll_up_transfers") == 0
    assert figure(after, "vms_roll_up_lag_seconds") == 0


@BOTH
def test_modules_are_told_as_the_worker_last_heard(office, shop, module, backend) -> None:
    (row,) = shop.rows(SecurityModule)
    labels = {"module": str(row.id), "name": row.name}
    assert figure(scraped(office), "vms_module_up", **labels) == 0, "nobody has asked yet"
    with shop.session() as session, seen_by(SYSTEM):
        look_at_all(session, shop.registry)
    shop.change(lambda s: s.query(ModuleHealth).update({"tokens_left": 812, "drift_seconds": -7}))
    shop.clock.forward(minutes=1)
    told = scraped(office)
    assert figure(told, "vms_module_up", **labels) == 1
    assert figure(told, "vms_module_serves", **labels) == 1
    assert figure(told, "vms_module_locked", **labels) == 0
    assert figure(told, "vms_module_tokens_left", **labels) == 812
    assert figure(told, "vms_module_drift_seconds", **labels) == -7
    assert figure(told, "vms_module_seen_seconds", **labels) == 60
    assert figure(told, "vms_module_ping_seconds", **labels) >= 0
    module.always("ping", down)
    with shop.session() as session, seen_by(SYSTEM):
        look_at_all(session, shop.registry)
    assert figure(scraped(office), "vms_module_up", **labels) == 0


def test_a_key_that_ends_is_told_with_the_meters_that_need_it(office, shop) -> None:
    def ends(session):
        key = session.query(VendingKey).filter_by(sgc=LEGACY_SGC).one()
        key.issue_until = NOW + timedelta(days=10, hours=1)

    shop.change(ends)
    (key,) = shop.rows(VendingKey, VendingKey.sgc == LEGACY_SGC)
    labels = {"sgc": LEGACY_SGC, "krn": "1", "kt": "2", "dkga": key.dkga}
    told = scraped(office)
    assert some(told, "vms_key_days_left", **labels) == [10]
    (meters,) = some(told, "vms_key_meters", **labels)
    assert meters > 0
    shop.clock.forward(days=11)
    assert some(scraped(office), "vms_key_days_left", **labels) == [-1]


def test_faults_of_the_books_are_told(office, shop) -> None:
    assert figure(scraped(office), "vms_ledger_faults") == 0
    shop.change(
        lambda s: s.add(
            LedgerProof(started_at=NOW, sales=1, tokens=1, transfers=1, faults=3, findings=[])
        )
    )
    told = scraped(office)
    assert figure(told, "vms_ledger_faults") == 3
    assert figure(told, "vms_audit_fault") == 0
    assert figure(told, "vms_journal_findings", kind="not_sold") == 0


def test_no_figure_names_a_person_a_meter_or_a_token(office, operator, utility, shop) -> None:
    operator.buy(utility)
    (sale,) = shop.rows(Sale)
    text_told = office.test_client().get("/metrics").text
    for secret in (shop.digits(sale), sale.meter_pan, sale.meter_pan[6:-1]):
        assert secret not in text_told


# What the log says of it


def test_the_log_of_a_sale_names_request_and_sale_and_no_digits(
    office, operator, utility, shop
) -> None:
    said = StringIO()
    handler = logging.StreamHandler(said)
    handler.setFormatter(Json())
    logging.getLogger().addHandler(handler)
    try:
        sold = operator.buy(utility)
    finally:
        logging.getLogger().removeHandler(handler)
    (sale,) = shop.rows(Sale)
    lines = [json.loads(line) for line in said.getvalue().splitlines()]
    ours = [line for line in lines if line["logger"].startswith("vmsapp.")]
    about = [line for line in ours if line.get("sale_id") == sale.id]
    assert [line["message"] for line in about] == [f"sale {sale.id}: issued"]
    assert {line["request_id"] for line in about} == {sold.headers["X-Request-ID"]}
    assert about[0]["level"] == "INFO"
    assert about[0]["logger"] == "vmsapp.services.vending.settle"
    digits = shop.digits(sale)
    for form in (digits, " ".join(digits[n : n + 4] for n in range(0, 20, 4))):
        assert form not in said.getvalue()


@pytest.mark.parametrize(("sent", "kept"), [
    ("5f2c9a1b03d7", True), ("a7d1c55e-0b2f-4c11-9a6e-2f3b8d1c0e7a", True),
    ("short", False), ("with space and more", False), ("x" * 65, False),
    ("56493153725450313471", False), ("5649-3153-7254-5031-3471", False),
    ("t56493153725450313471", False), ("../../etc/passwd", False), ('"quoted-id"', False),
])  # fmt: skip
def test_a_request_keeps_its_number_if_it_is_one(client, sent, kept) -> None:
    answer = client.get("/login/", headers={"X-Request-ID": sent})
    number = answer.headers["X-Request-ID"]
    assert (number == sent) is kept
    assert kept or (len(number) == 12 and set(number) <= set("0123456789abcdef"))


def test_the_reference_on_an_error_page_is_the_number_of_the_request(operator, caplog) -> None:
    caplog.set_level(logging.INFO)
    page = operator.get("/nowhere", headers={"X-Request-ID": "support-4711"})
    assert page.headers["X-Request-ID"] == "support-4711"
    assert "Reference for support: support-4711" in page.text
    assert "error page support-4711: 404" in caplog.text


def test_each_request_has_a_number_of_its_own(client) -> None:
    numbers = {client.get("/login/").headers["X-Request-ID"] for _ in range(20)}
    assert len(numbers) == 20
