"""What was sent too late: by somebody signed out meanwhile, or from a page of an earlier session.

Nothing of it was done. Browsers do not bring typed text back on pages that are kept nowhere, as
ours are, so the page that says so holds it, to be sent again by a press.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import SplitResult, urlsplit

from flask import request

TOKEN: Final = "csrf_token"  # noqa: S105 - a field's name
SECRET: Final = re.compile("password|passphrase|secret")
"""In the names of fields that no page shows again."""

OPEN_DOORS: Final = frozenset({"AuthDBView", "LocaleView"})
"""Who stands there is not signed in, and was not sent away."""


@dataclass(frozen=True, slots=True)
class Sent:
    """What was sent, as far as it is kept.

    Attributes:
        action: The address it was sent to; a path of ours.
        fields: Names and values, in their order, without tokens, files and secrets.
        partly: Files or secrets were sent, too.
    """

    action: str
    fields: Sequence[tuple[str, str]]
    partly: bool


def sent_too_late() -> Sent | None:
    """What this request sent; nothing where no field was filled in, or a stranger's page sent it.

    Another site must not have people send, by a press on a page of ours, what it made up.
    """
    if request.method != "POST" or request.blueprint in OPEN_DOORS or own_referrer() is None:
        return None
    sent = [(k, v) for k, v in request.form.items(multi=True) if k != TOKEN]
    fields = [(k, v) for k, v in sent if not SECRET.search(k)]
    files = [file for file in request.files.values() if file.filename]
    if not any(value for _name, value in fields):
        return None
    secrets = [k for k, v in sent if v and SECRET.search(k)]
    return Sent(_own_address(), fields, bool(files or secrets))


def own_referrer() -> SplitResult | None:
    """The page that led here, if it is one of ours."""
    try:
        came = urlsplit(request.referrer or "")
    except ValueError:
        return None
    return came if came.netloc == request.host and came.path.startswith("/") else None


def _own_address() -> str:
    """Where this was sent to: a path alone, never one that names another host."""
    address = (request.script_root + request.full_path).rstrip("?")
    return "/" + address.lstrip("/\\")
