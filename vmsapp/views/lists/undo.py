"""Undoing by a press what was just done to many rows: the toast that offers it, and its answer."""

from datetime import UTC, datetime
from typing import Any, cast

from flask import flash, request

from vmsapp.errors import NotFound
from vmsapp.services.registration.many import UndoneTooLate


def offer_undo(text: str, url: str, at: datetime) -> None:
    """Say what was done, with a button that undoes it."""
    said = {"text": text, "undo": url, "at": at.isoformat()}
    flash(cast("Any", said), "success")  # kept as JSON, drawn by the toast


def moment_named() -> datetime:
    """The same, for what is undone by its id: without a moment nothing is found.

    Raises:
        NotFound: What was sent names none.
    """
    try:
        return moment_to_undo()
    except UndoneTooLate as error:
        raise NotFound from error


def moment_to_undo() -> datetime:
    """The moment of the deed that is to be undone.

    Raises:
        UndoneTooLate: What was sent names none.
    """
    try:
        moment = datetime.fromisoformat(request.form.get("at", ""))
        if moment.tzinfo is None:
            raise UndoneTooLate
        return moment.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise UndoneTooLate from error
