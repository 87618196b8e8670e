"""What a refusal is in HTTP, for pages and programs alike."""

from typing import Final

from vmsapp.errors import (
    Conflict,
    InvalidInput,
    NotAllowed,
    NotFound,
    Refused,
    Unavailable,
    Uncertain,
    VmsError,
)

STATUS: Final[tuple[tuple[type[VmsError], int], ...]] = (
    (InvalidInput, 422),
    (NotFound, 404),
    (NotAllowed, 403),
    (Refused, 409),
    (Conflict, 409),
    (Unavailable, 503),
    (Uncertain, 202),
)
"""Families of errors and the HTTP status each has."""
