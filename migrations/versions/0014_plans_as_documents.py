"""Plans as documents; counters of a day, with the money charged; what meters are credited with.

The rows of steps and penalty bands become the plan's document. On the way back they become
rows again, and the days of a counter its month; what the version before cannot say stops the
way back, by name.

Revision: 0014
Follows: 0013
"""

import json
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
KINDS = ("cash", "float", "energy", "tax", "fee", "fee_arrears", "penalty", "rounding")
FEE_COLUMNS = ("fixed_fee_minor", "fee_period", "recover_missed", "max_periods", "accumulation")
BEFORE: dict[str, Any] = {
    "accumulation": ("month", "sale"),
    "levies": ([],),
    "tax_inclusive": (False,),
}
"""What rows could say of what documents can."""


def upgrade() -> None:
    op.add_column("tariff_plan", sa.Column("rules", sa.Text(), nullable=True))
    _write_documents()
    with op.batch_alter_table("tariff_plan") as table:
        for check in ("accumulation", "period", "fee"):
            table.drop_constraint(f"ck_tariff_plan_{check}", type_="check")
        for column in FEE_COLUMNS:
            table.drop_column(column)
        table.alter_column("rules", existing_type=sa.Text(), nullable=False)
        table.create_check_constraint("ck_tariff_plan_rules", "rules LIKE '{%}'")
    op.drop_table("tariff_step")
    op.drop_table("tariff_penalty")
    with op.batch_alter_table("counter") as table:
        table.add_column(
            sa.Column("charged_minor", sa.BigInteger(), nullable=False, server_default="0")
        )
        table.create_check_constraint("ck_counter_charged", "charged_minor >= 0")
    _count_charges()
    op.add_column("service_point", sa.Column("fees_paid_until", sa.Date(), nullable=True))
    _account_kinds((*KINDS, "debt"), was=20, becomes=120)
    with op.batch_alter_table("meter") as table:
        table.add_column(
            sa.Column("credit_mode", sa.String(8), nullable=False, server_default="units")
        )
        table.create_check_constraint(
            "ck_meter_credit_mode", "credit_mode IN ('units', 'currency')"
        )


def downgrade() -> None:
    plans = _read_documents()
    _refuse_what_is_new()
    with op.batch_alter_table("meter") as table:
        table.drop_constraint("ck_meter_credit_mode", type_="check")
        table.drop_column("credit_mode")
    _account_kinds(KINDS, was=120, becomes=20)
    op.drop_column("service_point", "fees_paid_until")
    _count_months()
    with op.batch_alter_table("counter") as table:
        table.drop_constraint("ck_counter_charged", type_="check")
        table.drop_column("charged_minor")
    _make_row_tables()
    with op.batch_alter_table("tariff_plan") as table:
        table.drop_constraint("ck_tariff_plan_rules", type_="check")
        table.drop_column("rules")
        for column in _fee_columns():
            table.add_column(column)
        table.create_check_constraint(
            "ck_tariff_plan_accumulation", "accumulation IN ('month', 'sale')"
        )
        table.create_check_constraint(
            "ck_tariff_plan_period", "fee_period IN ('sale', 'day', 'week', 'month', 'year')"
        )
        table.create_check_constraint("ck_tariff_plan_fee", "fixed_fee_minor >= 0")
    _write_rows(plans)


def _fee_columns() -> list[sa.Column[Any]]:
    return [
        sa.Column("fixed_fee_minor", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("fee_period", sa.String(length=8), nullable=False, server_default="month"),
        sa.Column("recover_missed", sa.Boolean(), nullable=False, server_default=sa.true()),
        sa.Column("max_periods", sa.Integer(), nullable=True),
        sa.Column("accumulation", sa.String(length=8), nullable=False, server_default="month"),
    ]


def _account_kinds(kinds: Sequence[str], *, was: int, becomes: int) -> None:
    listed = ", ".join(f"'{kind}'" for kind in kinds)
    with op.batch_alter_table("ledger_account") as table:
        table.drop_constraint("ck_ledger_account_kind", type_="check")
        table.alter_column(
            "detail", existing_type=sa.String(was), type_=sa.String(becomes), existing_nullable=False
        )
        table.create_check_constraint("ck_ledger_account_kind", f"kind IN ({listed})")


def _count_charges() -> None:
    """Give each counter the money of the sales that count there."""
    op.execute(
        "UPDATE counter SET charged_minor = counted.charged FROM ("
        "SELECT service_point_id, counter_period, sum(charged_minor) AS charged FROM sale "
        "WHERE state IN ('pending', 'issued') GROUP BY service_point_id, counter_period"
        ") AS counted WHERE counter.service_point_id = counted.service_point_id "
        "AND counter.period_start = counted.counter_period"
    )


def _count_months() -> None:
    """Add the days of each month up on its first, and have sales given back there."""
    if op.get_bind().dialect.name == "sqlite":
        month = "date({0}, 'start of month')"
    else:
        month = "CAST(date_trunc('month', {0}) AS date)"
    day, of_sale = month.format("period_start"), month.format("counter_period")
    op.execute(
        "INSERT INTO counter (service_point_id, period_start, units, charged_minor) "  # noqa: S608
        f"SELECT DISTINCT service_point_id, {day}, 0, 0 FROM counter WHERE true "
        "ON CONFLICT DO NOTHING"
    )
    op.execute(
        "UPDATE counter SET units = summed.units FROM ("  # noqa: S608
        f"SELECT service_point_id, {day} AS first_day, sum(units) AS units FROM counter "
        f"GROUP BY service_point_id, {day}"
        ") AS summed WHERE counter.service_point_id = summed.service_point_id "
        "AND counter.period_start = summed.first_day"
    )
    op.execute(f"DELETE FROM counter WHERE period_start <> {day}")  # noqa: S608
    op.execute(
        f"UPDATE sale SET counter_period = {of_sale} "  # noqa: S608
        f"WHERE counter_period <> {of_sale}"
    )


def _refuse_what_is_new() -> None:
    """Stop where the version before would sell or charge something else than this one."""
    for what, rows in (
        ("meters credited in currency", "meter WHERE credit_mode = 'currency'"),
        ("service points with fees paid elsewhere", "service_point WHERE fees_paid_until IS NOT NULL"),
        ("ledger accounts of debts", "ledger_account WHERE kind = 'debt'"),
        ("ledger accounts with long names", "ledger_account WHERE length(detail) > 20"),
    ):
        count = op.get_bind().scalar(sa.text(f"SELECT count(*) FROM {rows}"))  # noqa: S608
        if count:
            msg = f"there are {count} {what}: the version before knows no such thing"
            raise RuntimeError(msg)


def _exponent() -> int:
    """Decimals of the utility's currency; they are the same in every setup with plans."""
    found = op.get_bind().scalar(sa.text("SELECT exponent FROM setup ORDER BY effective_at LIMIT 1"))
    return 2 if found is None else int(found)


def _write_documents() -> None:
    bind, exponent = op.get_bind(), _exponent()
    for plan in bind.execute(sa.text("SELECT * FROM tariff_plan")).mappings().all():
        rules = {
            "name": plan["name"],
            "accumulation": plan["accumulation"],
            "tax_inclusive": False,
            "fixed_fee": _fee(plan, exponent),
            "steps": [
                {
                    "start": _plain(row["start_units"], 3),
                    "end": _plain(row["end_units"], 3),
                    "price": _plain(row["price"], 6),
                    "tax_percent": _plain(row["tax_percent"], 6),
                }
                for row in _rows_of(plan["id"], "tariff_step")
            ],
            "penalties": [
                {
                    "low": _plain(row["low_units"], 3),
                    "high": _plain(row["high_units"], 3),
                    "fine": _money(row["fine_minor"], exponent),
                }
                for row in _rows_of(plan["id"], "tariff_penalty")
            ],
            "levies": [],
            "limits": {},
        }
        bind.execute(
            sa.text("UPDATE tariff_plan SET rules = :rules WHERE id = :id"),
            {"rules": json.dumps(rules, ensure_ascii=False), "id": plan["id"]},
        )


def _fee(plan: Any, exponent: int) -> dict[str, Any] | None:
    if not plan["fixed_fee_minor"]:
        return None
    return {
        "amount": _money(plan["fixed_fee_minor"], exponent),
        "period": plan["fee_period"],
        "recover_missed": bool(plan["recover_missed"]),
        "max_periods": plan["max_periods"],
        "arrears_share": "100",
    }


def _rows_of(plan_id: int, table: str) -> Sequence[Any]:
    rows = sa.text(f"SELECT * FROM {table} WHERE plan_id = :id ORDER BY position")  # noqa: S608
    return op.get_bind().execute(rows, {"id": plan_id}).mappings().all()


def _plain(whole: int | None, scale: int) -> str | None:
    """Write a whole number of small parts in digits, without empty decimals."""
    if whole is None:
        return None
    text = f"{Decimal(whole).scaleb(-scale):f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _money(minor: int, exponent: int) -> str:
    return f"{Decimal(minor).scaleb(-exponent):f}"


def _read_documents() -> dict[int, dict[str, Any]]:
    """Read the documents, and refuse those that rows cannot say."""
    plans = op.get_bind().execute(sa.text("SELECT id, name, rules FROM tariff_plan")).all()
    documents = {}
    for plan_id, name, text in plans:
        rules = json.loads(text)
        more = [key for key, known in BEFORE.items() if rules[key] not in known]
        more += ["limits"] if any((rules["limits"] or {}).values()) else []
        more += ["arrears_share"] if _shared(rules["fixed_fee"]) else []
        if more:
            msg = f"plan {name!r} uses {', '.join(more)}: the version before knows no such thing"
            raise RuntimeError(msg)
        documents[plan_id] = rules
    return documents


def _shared(fee: dict[str, Any] | None) -> bool:
    return fee is not None and Decimal(fee["arrears_share"]) != 100


def _make_row_tables() -> None:
    op.create_table(
        "tariff_penalty",
        sa.Column("plan_id", BIG, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("low_units", sa.BigInteger(), nullable=False),
        sa.Column("high_units", sa.BigInteger(), nullable=True),
        sa.Column("fine_minor", sa.Integer(), nullable=False),
        sa.CheckConstraint("fine_minor >= 0", name="ck_tariff_penalty_fine"),
        sa.CheckConstraint("position BETWEEN 1 AND 5", name="ck_tariff_penalty_position"),
        sa.ForeignKeyConstraint(["plan_id"], ["tariff_plan.id"]),
        sa.PrimaryKeyConstraint("plan_id", "position"),
    )
    op.create_table(
        "tariff_step",
        sa.Column("plan_id", BIG, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("start_units", sa.BigInteger(), nullable=False),
        sa.Column("end_units", sa.BigInteger(), nullable=True),
        sa.Column("price", sa.BigInteger(), nullable=False),
        sa.Column("tax_percent", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "end_units IS NULL OR end_units > start_units", name="ck_tariff_step_span"
        ),
        sa.CheckConstraint("price >= 0", name="ck_tariff_step_price"),
        sa.CheckConstraint("tax_percent >= 0", name="ck_tariff_step_tax"),
        sa.ForeignKeyConstraint(["plan_id"], ["tariff_plan.id"]),
        sa.PrimaryKeyConstraint("plan_id", "position"),
    )


def _write_rows(plans: dict[int, dict[str, Any]]) -> None:
    bind, exponent = op.get_bind(), _exponent()
    for plan_id, rules in plans.items():
        fee = rules["fixed_fee"] or {}
        bind.execute(
            sa.text(
                "UPDATE tariff_plan SET fixed_fee_minor = :amount, fee_period = :period, "
                "recover_missed = :recover, max_periods = :most, accumulation = :counts "
                "WHERE id = :id"
            ),
            {
                "amount": _whole(fee.get("amount", "0"), exponent),
                "period": fee.get("period", "month"),
                "recover": fee.get("recover_missed", True),
                "most": fee.get("max_periods"),
                "counts": rules["accumulation"],
                "id": plan_id,
            },
        )
        for position, step in enumerate(rules["steps"], 1):
            bind.execute(
                sa.text(
                    "INSERT INTO tariff_step (plan_id, position, start_units, end_units, price, "
                    "tax_percent) VALUES (:id, :position, :start, :end, :price, :tax)"
                ),
                {
                    "id": plan_id,
                    "position": position,
                    "start": _whole(step["start"], 3),
                    "end": _whole(step["end"], 3),
                    "price": _whole(step["price"], 6),
                    "tax": _whole(step["tax_percent"], 6),
                },
            )
        for position, band in enumerate(rules["penalties"], 1):
            bind.execute(
                sa.text(
                    "INSERT INTO tariff_penalty (plan_id, position, low_units, high_units, "
                    "fine_minor) VALUES (:id, :position, :low, :high, :fine)"
                ),
                {
                    "id": plan_id,
                    "position": position,
                    "low": _whole(band["low"], 3),
                    "high": _whole(band["high"], 3),
                    "fine": _whole(band["fine"], exponent),
                },
            )


def _whole(text: str | None, scale: int) -> int | None:
    return None if text is None else int(Decimal(text).scaleb(scale))
