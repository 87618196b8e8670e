"""What went wrong, kept in a row until somebody reads it: code, English sentence, values."""

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from vmsapp.errors import N_, VmsError
from vmsapp.money import Money


class KeptError(VmsError):
    """An error that was kept, to be put into the reader's language like any other."""

    code = "kept_error"

    def __init__(self, message: str, code: str, params: Mapping[str, object]) -> None:
        super().__init__(**params)
        self.message = message  # type: ignore[misc]  # as it was when it was kept
        self.code = code  # type: ignore[misc]


class Broken(VmsError):
    """A mistake of ours."""

    code = "broken"
    message = N_(
        "Something went wrong on our side. Try again; if it stays so, tell an administrator."
    )


def problem_of(error: VmsError) -> dict[str, Any]:
    """Write an error as JSON can hold it."""
    return kept(error.code, error.message, error.params)


def kept(code: str, message: str, params: Mapping[str, object]) -> dict[str, Any]:
    """Write a code, a sentence and its values as JSON can hold them."""
    values = {name: _written(value) for name, value in params.items()}
    return {"code": code, "message": message, "params": values}


def error_of(problem: Mapping[str, Any]) -> KeptError:
    """Read what ``problem_of`` wrote."""
    params = {name: _read(value) for name, value in problem["params"].items()}
    return KeptError(problem["message"], problem["code"], params)


def _written(value: object) -> object:
    match value:
        case None | bool() | int() | float() | str():
            return value
        case Decimal():
            return {"decimal": str(value)}
        case datetime():
            return {"moment": value.isoformat()}
        case date():
            return {"day": value.isoformat()}
        case Money():
            return {"money": value.minor, "currency": value.currency}
        case _:
            return str(value)


def _read(value: object) -> object:
    match value:
        case {"decimal": str(text)}:
            return Decimal(text)
        case {"moment": str(text)}:
            return datetime.fromisoformat(text)
        case {"day": str(text)}:
            return date.fromisoformat(text)
        case {"money": int(minor), "currency": str(currency)}:
            return Money(minor, currency)
        case _:
            return value
