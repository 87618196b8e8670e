"""Figures that are asked for while others sell: they end in time, and hold nothing up."""

import time

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from tests.factories import NOW
from vmsapp.extensions import after_commit, atomic
from vmsapp.models import Job
from vmsapp.scope import SYSTEM, seen_by
from vmsapp.services import condition
from vmsapp.services.condition import Waiting, bounded

ENDLESS = {
    "sqlite": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)"
    " SELECT count(*) FROM n WHERE i < 0",
    "postgres": "SELECT pg_sleep(60)",
}


def test_a_statement_that_takes_too_long_is_ended(backend, shop) -> None:
    began = time.monotonic()
    with shop.session() as session:
        with pytest.raises(OperationalError), bounded(session, 0.2):
            session.execute(text(ENDLESS[backend]))
        assert time.monotonic() - began < 30
        with bounded(session, 20):  # the connection is as good as before, and so is the next bound
            assert session.scalar(text("SELECT 1")) == 1


def test_a_bound_ends_with_its_block(backend, shop) -> None:
    with shop.session() as session:
        with bounded(session, 0.05):
            pass
        time.sleep(0.1)
        if backend == "postgres":
            assert session.scalar(text("SHOW statement_timeout")) == "0"
        slow = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300000)"
        assert session.scalar(text(f"{slow} SELECT count(*) FROM n")) == 300_000


def test_reading_takes_no_lock_a_seller_waits_for(backend, shop) -> None:
    with shop.session() as watching, seen_by(SYSTEM), bounded(watching, 20):
        assert condition.pending_sales(watching) == Waiting(0, None)
        assert shop.sell().state == "issued"


def test_jobs_that_wait_are_counted_by_state_and_recurring_ones_are_not(backend, shop) -> None:
    def ask(session):
        for n, state in enumerate(("waiting", "waiting", "running", "done")):
            session.add(Job(kind="x", state=state, made_at=NOW, params={}, result={}))
            shop.clock.forward(minutes=n and 1)
        session.add(
            Job(kind="reconcile", recurring=True, state="waiting", made_at=NOW, finished_at=NOW,
                params={}, result={})
        )  # fmt: skip

    shop.change(ask)
    with shop.session() as session, seen_by(SYSTEM):
        jobs = condition.open_jobs(session)
        assert {state: waiting.count for state, waiting in jobs.items()} == {
            "waiting": 2, "running": 1,
        }  # fmt: skip
        assert jobs["waiting"].seconds() == 180
        assert condition.last_runs(session) == {"reconcile": 180}


def test_what_begins_in_the_future_is_no_age(shop) -> None:
    assert condition.age(NOW) == 0
    shop.clock.forward(minutes=-5)  # the clock was set back
    assert condition.age(NOW) == 0


def breaks_off(session, call) -> None:
    with atomic(session):
        after_commit(session, call)
        raise LookupError


def test_what_waits_for_a_commit_is_done_after_it_and_never_without_it(backend, shop) -> None:
    done: list[str] = []
    with shop.session() as session, seen_by(SYSTEM):
        with atomic(session):
            with atomic(session):
                after_commit(session, lambda: done.append("inner"))
            after_commit(session, lambda: done.append("outer"))
            assert done == []
        assert done == ["inner", "outer"]
        with pytest.raises(LookupError):
            breaks_off(session, lambda: done.append("never"))
        with atomic(session):
            pass
        assert done == ["inner", "outer"]
        with pytest.raises(AssertionError):
            after_commit(session, lambda: done.append("outside"))
