"""``flask vms audit``: what it prints, and how it ends."""

import pytest

from tests.faults import down
from vmsapp.models import AuditEvent, AuditHead, Job
from vmsapp.scope import SYSTEM, seen_by
from vmsapp.services import audit
from vmsapp.tasks.audit import seal_events, sign_head, verify_trail


@pytest.fixture
def backend():
    """SQLite: what differs between databases is tested with the services."""
    return "sqlite"


@pytest.fixture
def run(app, shop):
    """Run a command on a trail of three events, sealed and signed."""
    for action in ("one", "two", "three"):
        shop.change(lambda s, a=action: audit.record(s, SYSTEM, a, "test"))
    runner = app.test_cli_runner()

    def run(*words):
        return runner.invoke(args=["vms", "audit", *words])

    assert run("seal").output == "3 events sealed, signed up to place 3.\n"
    return run


def test_a_sound_trail_is_told_in_figures(run, shop):
    shop.change(lambda s: audit.record(s, SYSTEM, "four", "test"))
    shop.clock.forward(seconds=90)
    answer = run("verify")
    assert answer.exit_code == 0
    assert answer.output.splitlines() == [
        "Events checked: 3 (places 1 to 3)",
        "Signatures checked: 1",
        "Signed up to: place 3, 2026-03-17 09:30 UTC",
        "Not sealed yet: 1, the oldest for 90 s",
    ]


def test_a_broken_trail_ends_with_the_first_place_that_is_wrong(run, shop):
    def tamper(session):
        connection = session.connection()
        connection.exec_driver_sql("DROP TRIGGER audit_event_no_update")
        connection.exec_driver_sql("UPDATE audit_event SET actor_name = 'x' WHERE action <> 'one'")

    shop.change(tamper)
    answer = run("verify")
    assert answer.exit_code == 1
    assert "BROKEN: The event in place 2, or its hash, is not what was sealed." in answer.output


def test_without_the_module_the_answer_is_not_confirmed(run, module):
    module.always("status", down)
    answer = run("verify")
    assert answer.exit_code == 2
    assert "NOT CONFIRMED" in answer.output


def test_a_check_may_begin_at_a_day(run, shop):
    shop.clock.forward(days=3)
    assert "Events checked: 0 (places 4 to 3)" in run("verify", "--since", "2026-03-19").output
    assert run("verify", "--since", "yesterday").exit_code == 2


def test_the_public_key_is_the_modules(run, shop, module):
    (head,) = shop.rows(AuditHead)
    name, key = run("public-key").output.split()
    assert (name, key) == (head.module_name, head.public_key)
    assert key == module.status().head_key.hex()


def test_a_restore_is_accepted_with_a_reason(run, shop):
    assert run("accept-restore").exit_code == 2
    assert "Say why" in run("accept-restore", "--reason", " ").output
    answer = run("accept-restore", "--reason", "disk failure")
    assert answer.output == "Signed anew up to place 4.\n"
    event = max(shop.rows(AuditEvent), key=lambda row: row.id)
    assert event.details["reason"] == "disk failure"
    assert "Begun anew after a restore: 1 times" in run("verify").output


def test_the_worker_seals_signs_and_checks(app, run, shop):
    shop.change(lambda s: audit.record(s, SYSTEM, "four", "test"))
    with app.app_context():
        seal_events()
        sign_head()
        verify_trail()
    kept = {job.kind: (job.state, job.result) for job in shop.rows(Job)}
    assert kept["audit.sign"] == ("done", {"place": 4})
    state, found = kept["audit.verify"]
    assert (state, found["events"], found["fault"], found["confirmed"]) == ("done", 4, None, True)


def test_the_worker_is_told_when_to_do_so(app):
    schedule = app.extensions["celery"].conf.beat_schedule
    tasks = {entry["task"] for entry in schedule.values()}
    assert {f"vmsapp.tasks.audit.{deed}" for deed in ("seal", "sign", "verify")} <= tasks
    assert schedule["seal"]["schedule"] <= 5


def test_nobody_but_who_sees_everything_reads_an_event(run, shop):
    with shop.session() as session, seen_by(shop.actor()):
        assert session.query(AuditEvent).count() == 0
