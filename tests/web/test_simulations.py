"""A plan tried over real sales in the browser: asked for, run, stopped, gone on with, read."""

import csv
import io

import pytest
from sqlalchemy import update

from tests.factories import (
    DOMESTIC,
    LEGACY_11,
    MARKET,
    OPERATOR,
    SOUTH_OPERATOR,
    SOUTHERN,
    STS6_11,
)
from tests.web.office import ADMIN, LANGUAGES, main_part, said
from tests.web.records import read
from vmsapp.clock import now_utc
from vmsapp.models import AuditEvent, Job, Meter, TariffPlan, TariffSimulation
from vmsapp.services.tariffs import simulating
from vmsapp.tasks import background


@pytest.fixture
def drafted(shop):
    """Flat at 0.10 until now; from June on 0.05 up to 60 units a month, then 0.20."""
    shop.sell(LEGACY_11, units="50")
    shop.sell(LEGACY_11, units="30")
    shop.sell(STS6_11, units="20")
    shop.sell(SOUTHERN, units="60", point=MARKET, by=SOUTH_OPERATOR)
    (meter,) = shop.rows(Meter, Meter.id == shop.utility.meters[LEGACY_11])
    rules = (
        '{"name": "Draft", "accumulation": "month", "steps": [{"start": "0", "end": "60",'
        ' "price": "0.05"}, {"start": "60", "price": "0.20"}]}'
    )
    made = {}

    def add(session):
        old = session.query(TariffPlan).filter_by(tariff_id=meter.tariff_id).first()
        from datetime import date
        row = TariffPlan(tariff_id=meter.tariff_id, name="Draft", effective_on=date(2026, 6, 1),
                         rules=old.rules)  # fmt: skip
        session.add(row)
        session.flush()
        made["id"] = row.id

    shop.change(add)
    return meter.tariff_id, made["id"], rules
