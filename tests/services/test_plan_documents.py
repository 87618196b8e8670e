"""Migration 0014: rows become documents and rows again, and counters their days and months."""

from datetime import date
from decimal import Decimal

import pytest
from flask_migrate import downgrade, upgrade
from sqlalchemy import create_engine, text, update

from config import Settings
from tests import factories
from tests.factories import DOMESTIC, LEGACY_11, MONEY, NOW
from tests.faults import down
from tests.shop import Shop
from vmsapp import create_app
from vmsapp.extensions import atomic, db
from vmsapp.models import LedgerAccount, Meter, SaleState, ServicePoint, TariffPlan
from vmsapp.scope import unscoped
from vmsapp.services.tariffs import as_plan, rules_text
from vmsapp.tariffs.levies import PercentLevy
from vmsapp.tariffs.plan import (
    Accumulation,
    FeePeriod,
    FixedFee,
    Limits,
    Most,
    Penalty,
    Plan,
    Span,
)

BEFORE = "0013"

PLANS = [
    (9001, "Block", date(2024, 1, 1), 250, "year", False, 3, "sale"),
    (9002, "Plain", date(2025, 7, 1), 0, "month", True, None, "month"),
]
STEPS = [
    (9001, 1, 0, 50_000, 100_000, 0),
    (9001, 2, 50_000, 100_500, 123_456, 5_000_000),
    (9001, 3, 100_500, None, 3_000_000, 12_345_600),
    (9002, 1, 0, None, 0, 0),
]
PENALTIES = [(9001, 1, 60_000, 100_000, 100), (9001, 2, 100_000, None, 300)]
"""Units in thousandths, prices and percents in millionths, money in cents: as 0001 has them."""

DOCUMENTS = {
    9001: Plan(
        "Block",
        (
            factories.step("0", "50", "0.1"),
            factories.step("50", "100.5", "0.123456", "5"),
            factories.step("100.5", None, "3", "12.3456"),
        ),
        FixedFee(250, FeePeriod.YEAR, recover_missed=False, max_periods=3),
        (Penalty(Decimal(60), Decimal(100), 100), Penalty(Decimal(100), None, 300)),
        Accumulation.SALE,
    ),
    9002: Plan("Plain", (factories.step("0", None, "0"),), None),
}


@pytest.fixture
def shop(backend, request, tmp_path, keystore, registry, clock):
    """The utility in a database of its own, whose tables may change."""
    url = f"sqlite:///{tmp_path / 'own.sqlite'}"
    if backend == "postgres":
        url = request.getfixturevalue("new_postgres_database")()
    app = create_app(
        Settings.from_environ({"VMS_INSTANCE": str(tmp_path), "DATABASE_URL": url, "DEMO": "0"})
    )
    with app.app_context():
        upgrade()
        session = db.session()
        with unscoped("the utility is built"), atomic(session):
            utility = factories.build(session, keystore)
        db.session.remove()
        db.engine.dispose()
        engine = create_engine(url, hide_parameters=True)
        yield Shop(engine, registry, utility, clock)
        engine.dispose()
        db.engine.dispose()


def rows(shop, statement):
    with shop.engine.connect() as connection:
        return [tuple(row) for row in connection.execute(text(statement))]


def write(shop, statement, values):
    with shop.engine.begin() as connection:
        for row in values:
            named = {f"p{place}": value for place, value in enumerate(row)}
            marks = ", ".join(f":{name}" for name in named)
            connection.execute(text(f"INSERT INTO {statement} VALUES ({marks})"), named)


PLAN = (
    "id, name, effective_on, fixed_fee_minor, fee_period, recover_missed, max_periods, accumulation"
)
STEP = "plan_id, position, start_units, end_units, price, tax_percent"
BAND = "plan_id, position, low_units, high_units, fine_minor"


def plan_rows(shop):
    """Plans with their steps and bands, as the version before keeps them."""
    tables = {"tariff_plan": PLAN, "tariff_step": STEP, "tariff_penalty": BAND}
    return [
        rows(shop, f"SELECT {columns} FROM {table} ORDER BY 1, 2")
        for table, columns in tables.items()
    ]


def test_plans_come_back_from_their_documents_as_they_went_in(shop):
    sold = shop.sell(DOMESTIC, units="60")
    downgrade(revision=BEFORE)
    tariff_id = rows(shop, "SELECT min(id) FROM tariff")[0][0]
    write(shop, f"tariff_plan ({PLAN}, tariff_id)", [(*plan, tariff_id) for plan in PLANS])
    write(shop, f"tariff_step ({STEP})", STEPS)
    write(shop, f"tariff_penalty ({BAND})", PENALTIES)
    before = plan_rows(shop)
    upgrade()
    made = {row.id: as_plan(row, MONEY) for row in shop.rows(TariffPlan)}
    assert {plan_id: made[plan_id] for plan_id in DOCUMENTS} == DOCUMENTS
    assert shop.again(sold).plan_id in made
    downgrade(revision=BEFORE)
    assert plan_rows(shop) == before


def test_a_plan_with_more_than_rows_can_say_stops_the_way_back_by_name(shop, caplog):
    step = factories.step("0", None, "0.10")
    more = {
        "levies": {"levies": (PercentLevy("Fuel", Decimal(2)),)},
        "tax_inclusive": {"tax_inclusive": True},
        "accumulation": {"accumulation": Accumulation.WEEK},
        "limits": {"limits": Limits(most=(Most(Span.DAY, Decimal(5)),))},
        "arrears_share": {"fixed_fee": factories.fee(100, arrears_share=Decimal(40))},
    }
    plan = shop.rows(TariffPlan)[0]
    for word, fields in more.items():
        rules = rules_text(Plan("Summer", (step,), **{"fixed_fee": None} | fields), MONEY)
        becomes = update(TariffPlan).where(TariffPlan.id == plan.id).values(rules=rules)
        shop.change(lambda s, becomes=becomes: s.execute(becomes.values(name="Summer")))
        caplog.clear()
        with pytest.raises(SystemExit):
            downgrade(revision=BEFORE)
        assert f"plan 'Summer' uses {word}:" in caplog.text
        assert shop.count(TariffPlan) == 3, "nothing was changed"


@pytest.mark.parametrize("what", ["credited in currency", "fees paid", "of debts", "long names"])
def test_what_the_version_before_would_get_wrong_stops_the_way_back(shop, caplog, what):
    till = LedgerAccount(vending_point_id=next(iter(shop.utility.points.values())))
    deeds = {
        "credited in currency": lambda s: s.execute(update(Meter).values(credit_mode="currency")),
        "fees paid": lambda s: s.execute(
            update(ServicePoint).values(fees_paid_until=date(2026, 1, 1))
        ),
        "of debts": lambda s: s.add(_with(till, kind="debt", detail="Meter")),
        "long names": lambda s: s.add(_with(till, kind="tax", detail="A levy with a long name")),
    }
    shop.change(deeds[what])
    with pytest.raises(SystemExit):
        downgrade(revision=BEFORE)
    assert what in caplog.text
    assert shop.count(TariffPlan) == 3, "nothing was changed"


def _with(row, **values):
    for name, value in values.items():
        setattr(row, name, value)
    return row


def test_counters_become_months_and_get_the_money_of_the_sales_that_count(shop, module):
    shop.at(NOW.replace(day=3)).sell(DOMESTIC, units="60")  # 6.00 and the fee of 2.00
    shop.at(NOW)
    shop.sell(DOMESTIC, units="10")
    module.once("issue_credit", down)
    assert shop.sell(DOMESTIC, units="20").state == SaleState.FAILED
    kept = shop.sell(LEGACY_11, units="50")
    point, other = shop.point_of(DOMESTIC), shop.point_of(LEGACY_11)
    downgrade(revision=BEFORE)
    found = rows(shop, "SELECT service_point_id, CAST(period_start AS text), units FROM counter")
    assert sorted(found) == sorted([(point, "2026-03-01", 70_000), (other, "2026-03-01", 50_000)])
    assert rows(shop, "SELECT DISTINCT CAST(counter_period AS text) FROM sale") == [("2026-03-01",)]
    upgrade()
    charged = "SELECT service_point_id, charged_minor FROM counter"
    assert sorted(rows(shop, charged)) == sorted([(point, 900), (other, 500)])
    assert shop.again(kept).counter_period == date(2026, 3, 1)
