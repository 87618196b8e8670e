"""Who sees what, without a database: the rules themselves."""

import threading

import pytest
from sqlalchemy import create_engine, event, insert, select
from sqlalchemy.orm import Session

from vmsapp.models import Region
from vmsapp.models.base import Model
from vmsapp.scope import (
    EVERYTHING,
    NOTHING,
    SYSTEM,
    Actor,
    Sight,
    current_sight,
    seen_by,
    take_on,
    unscoped,
)

NORTH = Sight(region_path="1.2.", vending_point_id=5)
CLERK = Actor(7, "clerk", NORTH, frozenset({("can_sell", "Counter")}))


@pytest.fixture(autouse=True)
def nobody():
    """Begin and end as nobody."""
    take_on(NOTHING)
    yield
    take_on(NOTHING)


def test_nobody_set_means_nothing_seen():
    assert current_sight() == NOTHING
    assert not NOTHING.everything
    assert NOTHING.region_path is None


def test_an_actors_scope_counts_inside_the_block_alone():
    with seen_by(CLERK):
        assert current_sight() == NORTH
        with seen_by(SYSTEM):
            assert current_sight() == EVERYTHING
        assert current_sight() == NORTH
    assert current_sight() == NOTHING


def test_the_scope_is_left_when_the_block_raises():
    with pytest.raises(RuntimeError), seen_by(CLERK):
        raise RuntimeError
    with pytest.raises(RuntimeError), unscoped("a test"):
        raise RuntimeError
    assert current_sight() == NOTHING


def test_leaving_the_scope_needs_a_reason():
    with pytest.raises(AssertionError, match="reason"), unscoped(""):
        pass
    with unscoped("nightly reconciliation"):
        assert current_sight() == EVERYTHING


def test_a_scope_does_not_leak_into_another_thread():
    seen = []
    with seen_by(SYSTEM):
        thread = threading.Thread(target=lambda: seen.append(current_sight()))
        thread.start()
        thread.join()
    assert seen == [NOTHING]


def test_an_actor_may_do_what_the_user_group_permits_and_no_more():
    assert CLERK.may("can_sell", "Counter")
    assert not CLERK.may("can_sell", "Clock")
    assert not CLERK.may("can_give_back", "Counter")


def test_one_compiled_statement_serves_each_scope_with_its_own_values(tmp_path):
    engine = create_engine(f"sqlite:///{tmp_path / 'regions.sqlite'}")
    Model.metadata.create_all(engine, [Region.__table__])
    paths = ("1.", "1.2.", "1.2.4.", "1.3.")
    with Session(engine) as session:
        session.execute(insert(Region.__table__), [
            {"id": n, "name": path, "name_key": path, "level": "city", "path": path}
            for n, path in enumerate(paths, start=1)
        ])  # fmt: skip
        session.commit()
        sent = []
        event.listen(engine, "after_cursor_execute", lambda *args: sent.append(args[2]))
        sights = (("1.2.", 5), ("1.3.", 6), ("1.", 7), ("1.2.", 8), ("9.", 9))
        seen = []
        for path, user_id in sights:
            with seen_by(Actor(user_id, "clerk", Sight(region_path=path, user_id=user_id))):
                seen.append(session.scalars(select(Region.path).order_by(Region.path)).all())
        with seen_by(Actor(5, "nobody", Sight(region_path="", user_id=5))):
            seen.append(session.scalars(select(Region.path)).all())
    engine.dispose()
    assert seen == [
        ["1.2.", "1.2.4."], ["1.3."], [*paths], ["1.2.", "1.2.4."], [], [],
    ]  # fmt: skip
    assert len(set(sent) - {"BEGIN"}) == 2  # the last one sees nothing, whatever the values
