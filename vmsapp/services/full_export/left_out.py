"""What a full export leaves out, each with its reason; the export repeats them.

Whatever the metadata has and does not stand here is exported. Token digits are exported where
they have left already: of others nobody could say any more that they were never handed out.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from sqlalchemy import ColumnElement, case, exists, null

from vmsapp.models import (
    ChangeState,
    EngineeringState,
    EngineeringToken,
    KeyChange,
    Sale,
    SaleState,
)

IN_THE_TRAIL: Final = "It stands in audit_trail.jsonl, each event with its place in the chain."
UNUSED: Final = "The framework's own; this product never writes it."
SUMS: Final = "Sums that are made of sale.csv and can be made anew of it."
HASH: Final = "A hash that lets somebody in."

TABLES: Final[Mapping[str, str]] = {
    "ab_api_key": "Hashes of keys that let programs in.",
    "ab_group": UNUSED,
    "ab_group_role": UNUSED,
    "ab_register_user": UNUSED,
    "ab_user_group": UNUSED,
    "audit_event": IN_THE_TRAIL,
    "audit_seal": IN_THE_TRAIL,
    "audit_unsealed": IN_THE_TRAIL,
    "ledger_unsummed": "A list of what a worker has still to add up.",
    "module_health": "How security modules were a moment ago.",
    "recovery_code": "Hashes of codes that let users in.",
    "sales_by_hour": SUMS,
    "sales_by_point": SUMS,
    "sales_by_product": SUMS,
    "sales_by_tariff": SUMS,
    "training_meter": "A sealed meter to practise with, gone when it rested for a while.",
}
"""Tables that have no file of their own, by name."""

COLUMNS: Final[Mapping[str, str]] = {
    "ab_user.password": HASH,
    "ab_user.code_hash": HASH,
    "ab_user.totp_secret": "The sealed secret of a second factor.",
    "ab_user.totp_step": "The last code of a second factor that was used.",
    "bearer.bearer_hash": HASH,
    "consumer.search_key": "Made of the other columns, to search by.",
    "import_batch.stored": "The name of a file on this machine.",
    "job.stored": "The name of a file on this machine.",
    "region.name_key": "Made of the name, to search by.",
    "security_module.params": "How a module is reached in this network.",
    "setup.mail_password": "A sealed password.",
    "user_session.ticket_hash": HASH,
}
"""Columns that no file has, by table and name."""

Expression = Callable[[Any], ColumnElement[Any]]
"""Makes what is exported of a column."""


def _of_sale(digits: Any) -> ColumnElement[Any]:  # noqa: ANN401 - a column of whatever table
    sale = Sale.__table__.c
    left = exists().where(
        sale.id == digits.table.c.sale_id,
        sale.state == SaleState.ISSUED,
        sale.shown_at.is_not(None),
    )
    return case((left, digits), else_=null())


def _of_engineering(digits: Any) -> ColumnElement[Any]:  # noqa: ANN401 - the same
    token = EngineeringToken.__table__.c
    left = exists().where(
        token.id == digits.table.c.token_id,
        token.state == EngineeringState.ISSUED,
        token.shown_at.is_not(None),
    )
    return case((left, digits), else_=null())


def _of_change(digits: Any) -> ColumnElement[Any]:  # noqa: ANN401 - the same
    change = KeyChange.__table__.c
    left = exists().where(
        change.id == digits.table.c.key_change_id,
        change.completed_at.is_not(None),
        change.state != ChangeState.WITHDRAWN,
    )
    return case((left, digits), else_=null())


ONLY_WHAT_LEFT: Final[Mapping[str, Expression]] = {
    "token.digits": _of_sale,
    "engineering_digits.digits": _of_engineering,
    "key_change_token.digits": _of_change,
}
"""Columns that are empty where a token's digits have not left, or may not any more."""
