"""Errors kept, so that they can be said later in any reader's language."""

from typing import Any

from vmsapp.errors import VmsError
from vmsapp.money import Money


def outcome_of(error: VmsError) -> dict[str, Any]:
    """Keep an error so that it can be said in any reader's language."""
    kept = {
        name: {"minor": value.minor, "currency": value.currency}
        if isinstance(value, Money) else value if isinstance(value, int | str) else str(value)
        for name, value in error.params.items()
    }  # fmt: skip
    return {"code": error.code, "message": error.message, "params": kept}


def said_again(outcome: dict[str, Any]) -> VmsError:
    """Make the error again that an outcome keeps."""
    params = {
        name: Money(**value) if isinstance(value, dict) else value
        for name, value in outcome["params"].items()
    }
    error = VmsError(**params)
    error.message = outcome["message"]  # type: ignore[misc]
    return error
