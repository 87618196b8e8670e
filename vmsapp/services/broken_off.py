"""What the database broke off, and how often it is worth another try.

Source: PostgreSQL, appendix A "PostgreSQL Error Codes".
"""

from typing import Final

from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError

from vmsapp.statements import STALE

TRIES: Final = 3
"""How often a transaction is tried that the database breaks off."""

_RETRYABLE: Final = frozenset({"40001", "40P01", "55P03", STALE})
"""Serialisation failure, deadlock, lock timeout; a plan from before an upgrade."""


def is_weather(error: DBAPIError) -> bool:
    """Tell whether the database's weather broke a transaction off, and not our own mistake."""
    state = getattr(error.orig, "sqlstate", None)
    return isinstance(error, OperationalError) or state in _RETRYABLE


def is_worth_a_try(error: DBAPIError) -> bool:
    """Tell whether trying again may help: it was weather, or the same form twice at once."""
    return isinstance(error, IntegrityError) or is_weather(error)
