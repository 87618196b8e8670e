"""Tariffs and their plans: reading them for a price."""

from vmsapp.services.tariffs.reading import (
    MAX_UNITS,
    NoPlanInForce,
    as_plan,
    plans_between,
    rules_text,
    terms_of,
)

__all__ = ["MAX_UNITS", "NoPlanInForce", "as_plan", "plans_between", "rules_text", "terms_of"]
