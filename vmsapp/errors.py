"""The families of errors, and ``N_``.

An error is named for the rule it guards, carries the values of the case, and holds an
English message id. It is translated at the door, where the reader's language is known.
Which HTTP status a family has is the doors' affair too.
"""

from typing import ClassVar, Literal


def N_(message: str) -> str:  # noqa: N802 - the usual name of the marker
    """Mark a message id for extraction and hand it back unchanged."""
    return message


class VmsError(Exception):
    """What the product says when it does not do what was asked.

    Attributes:
        code: Stable name for logs and the API.
        message: English message id with named holes.
        params: The values for the holes.
        retry: Whether asking again may help: ``no``, ``yes`` or, for a sale whose
            outcome is open, ``reconcile``.
    """

    code: ClassVar[str] = "error"
    message: ClassVar[str] = N_("The request could not be carried out.")
    retry: ClassVar[Literal["no", "yes", "reconcile"]] = "no"

    def __init__(self, **params: object) -> None:
        super().__init__(params)
        self.params = params

    def __str__(self) -> str:
        return self.message % self.params if self.params else self.message


class InvalidInput(VmsError):
    """A field can be put right by the person who typed it.

    ``field`` names the form field the sentence belongs beside.
    """

    code = "invalid_input"
    field: ClassVar[str | None] = None


class NotFound(VmsError):
    """Absent, or outside the asker's scope: the same answer."""

    code = "not_found"
    message = N_("Nothing here under that number.")


class NotAllowed(VmsError):
    """The role does not permit this."""

    code = "not_allowed"
    message = N_("Your user group does not allow this. Ask an administrator.")


class Refused(VmsError):
    """A rule says no."""

    code = "refused"


class Conflict(VmsError):
    """Another change came first."""

    code = "conflict"


class Unavailable(VmsError):
    """Surely not done by this call; asking again may help."""

    code = "unavailable"
    retry = "yes"


class Uncertain(VmsError):
    """May have been done: only reconciliation may decide."""

    code = "uncertain"
    retry = "reconcile"
