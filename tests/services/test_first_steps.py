"""What a new instance lacks: the steps in the order of the manual, section 3."""

import pytest
from sqlalchemy import delete, update

from tests.web.office import statements
from vmsapp.extensions import atomic
from vmsapp.models import (
    Meter,
    MeterInstallation,
    Region,
    ServicePoint,
    Setup,
    SmAlgorithm,
    TariffPlan,
    VendingKey,
)
from vmsapp.scope import NOTHING, Actor, seen_by
from vmsapp.services import first_steps as steps_module
from vmsapp.services.first_steps import first_steps, is_ready

ORDER = ["region", "product", "vending_point", "tariff", "security_module", "setup", "consumer",
         "meter"]  # fmt: skip
NOBODY = Actor(user_id=None, name="nobody", sight=NOTHING)


def steps(shop) -> dict[str, str]:
    with shop.session() as session, seen_by(NOBODY):
        return {step.name: step.state for step in first_steps(session)}


def ready(shop) -> bool:
    with shop.session() as session, seen_by(NOBODY):
        return is_ready(session)


def without(shop, *models) -> None:
    def deed(session):
        for model in models:
            session.execute(delete(model))

    shop.change(deed)


def test_a_utility_that_sells_lacks_nothing(shop):
    assert list(steps(shop)) == ORDER
    assert set(steps(shop).values()) == {"done"}
    assert ready(shop)


@pytest.mark.parametrize(("gone", "missing"), [
    ([Setup], "setup"), ([TariffPlan], "tariff"),
    ([VendingKey], "security_module"), ([SmAlgorithm], "security_module"),
])  # fmt: skip
def test_the_first_that_is_missing_is_next(shop, gone, missing):
    without(shop, *gone)
    assert [name for name, state in steps(shop).items() if state != "done"] == [missing]
    assert steps(shop)[missing] == "next"
    assert not ready(shop)


@pytest.mark.parametrize("lacking", [
    update(Meter).values(tariff_id=None),
    update(ServicePoint).values(consumer_id=None),
    update(MeterInstallation).values(removed_at=MeterInstallation.installed_at),
], ids=["tariff", "consumer", "place"])  # fmt: skip
def test_a_meter_that_nothing_can_be_sold_to_is_a_step_that_was_begun(shop, lacking):
    shop.change(lambda session: session.execute(lacking))
    with shop.session() as session, seen_by(NOBODY):
        last = first_steps(session)[-1]
    assert (last.name, last.state, last.begun) == ("meter", "next", True)
    assert last.count > 0
    assert not ready(shop)


def test_a_step_waits_for_what_it_needs_and_another_is_next(shop):
    without(shop, Setup, TariffPlan)
    with shop.session() as session:
        found = {step.name: step for step in first_steps(session)}
    assert (found["tariff"].state, found["tariff"].waits_for) == ("later", "setup")
    assert (found["setup"].state, found["setup"].waits_for) == ("next", None)
    assert found["meter"].waits_for is None


def test_a_step_that_cannot_be_done_here_is_never_next(shop):
    without(shop, VendingKey, Setup)
    with shop.session() as session:
        found = {step.name: step.state for step in first_steps(session, ["region", "setup"])}
    assert (found["security_module"], found["setup"]) == ("later", "next")


def test_what_is_missing_after_the_next_comes_later(shop):
    without(shop, VendingKey, Setup)
    found = steps(shop)
    assert (found["security_module"], found["setup"]) == ("next", "later")
    assert (found["tariff"], found["meter"]) == ("done", "done")


def test_rows_are_counted_as_far_as_somebody_reads(shop, monkeypatch):
    monkeypatch.setattr(steps_module, "MOST", 2)
    with shop.session() as session:
        counts = {step.name: step.count for step in first_steps(session)}
    assert counts == dict.fromkeys(ORDER, 3) | {"vending_point": 2, "setup": 1}
    assert shop.count(Region) == 3


def test_it_takes_one_statement(shop, engine):
    with shop.session() as session, atomic(session), statements(session.get_bind()) as seen:
        first_steps(session)
        is_ready(session)
    assert len([text for text in seen if not text.startswith("BEGIN")]) == 2
