"""Step statistics: of each step of a block tariff the units sold in it, and their energy's price.

The steps stand in the calculation that each sale stored, with their bounds and price of that
day: a step whose price changed has a line of its own.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, NamedTuple

from sqlalchemy import BigInteger, Numeric, case, cast, func, literal_column, select
from sqlalchemy.orm import Session

from vmsapp.models import LedgerTransfer, Sale, Tariff, TariffPlan
from vmsapp.services.reports.calculated import SIGN, moved, stored_lines
from vmsapp.services.reports.lines import Answer, answered
from vmsapp.services.reports.narrowing import TYPES, key_of
from vmsapp.services.reports.question import Figures, Key, Question
from vmsapp.sts.credit import CURRENCY

FINEST: Final = Decimal("0.001")
"""Units are added up as thousandths, which are whole: one database would sum them as floats."""

WITHOUT_END: Final = Decimal("Infinity")


class Step(NamedTuple):
    """A step of a tariff, at one price.

    Attributes:
        low, high: Units it begins after and ends with; ``Infinity`` for a last one without end.
        price: The currency's units per unit, without taxes.
    """

    meter_type: str
    tariff: str
    number: int
    low: Decimal
    high: Decimal
    price: Decimal

    @property
    def bounds(self) -> tuple[Decimal, Decimal]:
        """From where to where it goes."""
        return self.low, self.high


@dataclass(frozen=True, slots=True)
class StepFigures(Figures):
    """What was sold in a step, less what was taken back.

    Attributes:
        sold: Purchases that reached it, whatever became of them.
        energy_minor: Their energy in it, without taxes.
    """

    sold: int = 0
    units: Decimal = Decimal(0)
    energy_minor: int = 0


def step_report(session: Session, question: Question) -> Answer[StepFigures]:
    """Answer a question about the steps of tariffs, as far as the asker sees the sales."""
    return answered(session, question, _found)


def _found(session: Session, question: Question) -> Iterator[tuple[Key, Step, StepFigures]]:
    line = stored_lines(session)
    plans, tariffs = TariffPlan.__table__.c, Tariff.__table__.c
    key = key_of(question, LedgerTransfer.business_date)
    tariff = (
        select(tariffs.name)
        .join(TariffPlan.__table__, plans.tariff_id == tariffs.id)
        .where(plans.id == Sale.plan_id)
        .scalar_subquery()
    )
    told = [line[name].as_string() for name in ("low", "high", "rate")]
    step = line["step"].as_integer()
    thousandths = func.round(cast(line["units"].as_string(), Numeric) * literal_column("1000"))
    statement = moved(
        select(
            key, Sale.subclass, tariff, step, *told,
            func.sum(case((LedgerTransfer.kind == "sale", 1), else_=0)),
            func.sum(cast(thousandths, BigInteger) * SIGN),
            func.sum(line["amount_minor"].as_integer() * SIGN),
        ),
        question,
    ).where(line["kind"].as_string() == "energy", step.is_not(None))  # fmt: skip
    for about, subclass, name, number, low, high, price, sold, units, minor in session.execute(
        statement.group_by(key, Sale.subclass, tariff, step, *told)
    ):
        apart = Step(
            TYPES[subclass % CURRENCY].value, name, number, Decimal(low or 0),
            WITHOUT_END if high is None else Decimal(high), Decimal(price),
        )  # fmt: skip
        yield about, apart, StepFigures(int(sold), int(units) * FINEST, int(minor))
