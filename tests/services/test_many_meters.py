"""Deeds on many meters at once: done to those that allow it, with the reason of every other."""

from datetime import timedelta
from functools import partial

import pytest

from tests.factories import (
    BLOCKED,
    DOMESTIC,
    LEGACY_11,
    NO_TARIFF,
    NOT_INSTALLED,
    NOW,
    RETIRED,
    SOUTHERN,
    STOCK,
    SUPERVISOR,
    TODAY,
    WATER,
)
from tests.faults import request_lost
from vmsapp.models import AuditEvent, Meter, MeterInstallation, ServicePoint, Tariff
from vmsapp.scope import Actor, Sight, seen_by
from vmsapp.services.registration import meter_errors as wrong
from vmsapp.services.registration import meter_states, tariff_assigning
from vmsapp.services.registration.many import UndoneTooLate
from vmsapp.services.vending.errors import NoSuchMeter


@pytest.fixture
def do(shop):
    """Do something as a supervisor, in a session of its own."""
    return partial(shop.do, by=SUPERVISOR)


@pytest.fixture
def ids(shop):
    return lambda *names: [shop.utility.meters[name] for name in names]


def states(shop, *names) -> list[str]:
    return [shop.meter(name).state for name in names]


def reasons(shop, outcome) -> dict[str, str]:
    """Codes of what spoke against it, by the meters' names."""
    names = {number: name for name, number in shop.utility.meters.items()}
    return {names[key]: error.code for key, error in outcome.kept.items()}


def test_what_can_be_blocked_is_blocked_and_of_the_others_the_reason_is_told(shop, do, ids):
    names = (LEGACY_11, STOCK, BLOCKED, RETIRED)
    outcome = do(meter_states.move_many, ids(*names), "block", reason="flood")
    assert sorted(outcome.done) == sorted(ids(LEGACY_11, STOCK))
    assert reasons(shop, outcome) == dict.fromkeys((BLOCKED, RETIRED), "meter_state_moved")
    assert states(shop, *names) == ["blocked", "blocked", "blocked", "retired"]
    assert [shop.meter(name).blocked_reason for name in (LEGACY_11, BLOCKED)] == [
        "flood", "seal broken"
    ]  # fmt: skip
    events = [row for row in shop.rows(AuditEvent) if row.action == "meter.blocked"]
    assert {(row.subject_id, row.details["reason"]) for row in events} == {
        (str(key), "flood") for key in outcome.done
    }


def test_many_are_released_each_to_where_it_belongs(shop, do, ids):
    shop.change(lambda s: setattr(s.get(Meter, ids(NOT_INSTALLED)[0]), "state", "blocked"))
    outcome = do(meter_states.move_many, ids(BLOCKED, NOT_INSTALLED), "unblock")
    assert (len(outcome.done), outcome.kept) == (2, {})
    assert states(shop, BLOCKED, NOT_INSTALLED) == ["active", "stock"]


def test_nothing_is_blocked_without_a_reason(shop, do, ids):
    with pytest.raises(wrong.ReasonMissing):
        do(meter_states.move_many, ids(LEGACY_11, STOCK), "block", reason=" ")
    assert states(shop, LEGACY_11, STOCK) == ["active", "stock"]


def test_a_meter_out_of_sight_stops_the_deed(shop, do, ids, utility):
    user = utility.users[SUPERVISOR]
    north = Actor(user.id, user.username, Sight(region_path=utility.regions["north"].path))
    with shop.session() as session, seen_by(north), pytest.raises(NoSuchMeter):
        meter_states.move_many(session, north, ids(LEGACY_11, SOUTHERN), "block", reason="why")
    assert states(shop, LEGACY_11, SOUTHERN) == ["active", "active"]


def test_a_bound_meter_and_one_with_an_open_sale_are_not_put_away(shop, do, ids, module):
    shop.change(lambda s: s.execute(
        Meter.__table__.update().where(Meter.id.in_(ids(NOT_INSTALLED))).values(state="active")
    ))  # fmt: skip
    outcome = do(meter_states.move_many, ids(NOT_INSTALLED, LEGACY_11), "store")
    assert reasons(shop, outcome) == {LEGACY_11: "meter_still_bound"}
    assert states(shop, NOT_INSTALLED) == ["stock"]


@pytest.fixture
def unbound(shop, ids):
    """Three meters that hang nowhere: active, in stock and blocked."""
    names = (NOT_INSTALLED, STOCK, BLOCKED)

    hanging = MeterInstallation.__table__.update().where(
        MeterInstallation.meter_id.in_(ids(*names))
    )
    shop.change(lambda session: session.execute(hanging.values(removed_at=NOW)))
    return names


def test_retiring_is_undone_and_each_is_what_it_was(shop, do, ids, unbound):
    before = states(shop, *unbound)
    assert before == ["active", "stock", "blocked"]
    outcome = do(meter_states.move_many, ids(*unbound), "retire")
    assert states(shop, *unbound) == ["retired"] * 3
    assert do(meter_states.undo_retiring, outcome.at) == 3
    assert states(shop, *unbound) == before
    again = shop.meter(BLOCKED)
    assert (again.blocked_reason, again.retired_at, again.retired_by_id, again.retired_from) == (
        "seal broken", None, None, None
    )  # fmt: skip
    with pytest.raises(UndoneTooLate):
        do(meter_states.undo_retiring, outcome.at)


def test_retiring_is_undone_by_who_did_it_for_a_while(shop, do, ids, unbound):
    outcome = do(meter_states.move_many, ids(*unbound), "retire")
    with pytest.raises(UndoneTooLate):
        do(meter_states.undo_retiring, outcome.at, by="auditor")
    do(meter_states.move_many, ids(STOCK), "take_back")
    shop.clock.forward(minutes=9)
    assert do(meter_states.undo_retiring, outcome.at) == 2
    outcome = do(meter_states.move_many, ids(*unbound), "retire")
    shop.clock.forward(minutes=11)
    with pytest.raises(UndoneTooLate):
        do(meter_states.undo_retiring, outcome.at)
    with pytest.raises(UndoneTooLate):
        do(meter_states.undo_retiring, shop.clock() + timedelta(minutes=1))
    assert states(shop, *unbound) == ["retired"] * 3


def tariff(shop, name: str) -> Tariff:
    return shop.rows(Tariff, Tariff.name == name)[0]


def test_a_tariff_is_given_to_those_that_can_have_it(shop, do, ids):
    domestic = tariff(shop, "Domestic")
    names = (LEGACY_11, NO_TARIFF, DOMESTIC, WATER, RETIRED)
    outcome = do(tariff_assigning.assign, ids(*names), domestic.id)
    assert reasons(shop, outcome) == {WATER: "meter_tariff_type", RETIRED: "meter_retired"}
    assert {shop.meter(name).tariff_id for name in names[:3]} == {domestic.id}
    assert shop.meter(WATER).tariff_id != domestic.id
    attached = {name: shop.rows(ServicePoint, ServicePoint.id == shop.point_of(name))[0]
                for name in (LEGACY_11, DOMESTIC)}  # fmt: skip
    assert attached[LEGACY_11].plan_attached_on == TODAY
    assert attached[DOMESTIC].plan_attached_on < TODAY  # it had it before
    events = [row for row in shop.rows(AuditEvent) if row.action == "meter.changed"]
    assert {row.subject_id for row in events} == {str(key) for key in ids(LEGACY_11, NO_TARIFF)}
    assert events[0].details["after"]["tariff"] == f"Domestic ({domestic.id})"


def test_a_retired_tariff_is_given_to_nobody_and_an_open_sale_is_waited_for(shop, do, ids, module):
    domestic = tariff(shop, "Domestic")
    module.once("issue_credit", request_lost)
    shop.sell(LEGACY_11)
    outcome = do(tariff_assigning.assign, ids(LEGACY_11, STOCK), domestic.id)
    assert reasons(shop, outcome) == {LEGACY_11: "meter_sale_underway"}
    shop.change(lambda s: setattr(s.merge(domestic), "retired", True))
    outcome = do(tariff_assigning.assign, ids(NO_TARIFF, DOMESTIC), domestic.id)
    assert reasons(shop, outcome) == {NO_TARIFF: "meter_tariff_retired"}
    with pytest.raises(wrong.TariffMissing):
        do(tariff_assigning.assign, ids(STOCK), 999)
