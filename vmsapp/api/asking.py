"""Who asks: the program whose bearer a request shows, and how often it may.

Nothing of a browser counts here: no cookie, no session, no address in the place of a bearer.
"""

import time
from functools import cache
from typing import Final

from flask import Response, abort, current_app, g, request
from limits import RateLimitItem, parse
from limits.strategies import RateLimiter
from sqlalchemy.orm import Session

from vmsapp.api.errors import BearerNeeded, TooOften
from vmsapp.clock import now_utc
from vmsapp.extensions import begin_reading, db
from vmsapp.hsm.registry import Registry
from vmsapp.models import Setup
from vmsapp.scope import NOTHING, Actor, take_on
from vmsapp.security.asking import ADDRESS_LENGTH
from vmsapp.services import bearers
from vmsapp.services.audit.notes import BEARER_USED, Note
from vmsapp.services.bearers import Client
from vmsapp.services.setup import setup_at

LONGEST_BODY: Final = 16 * 1024
"""Bytes of a request; none of ours has a tenth of that."""

COUNTED: Final = "api"
REFUSED: Final = "api refused"


def session() -> Session:
    """The request's database session."""
    current: Session = db.session()
    return current


def modules() -> Registry:
    """The security modules."""
    registry: Registry = current_app.extensions["vms_modules"]
    return registry


def utility() -> Setup:
    """The utility's settings as they are now, read once a request."""
    if "utility" not in g:
        g.utility = setup_at(session(), now_utc())
    settings: Setup = g.utility
    return settings


def current_client() -> Client:
    """The program that asks."""
    client: Client = g.client
    return client


def begin() -> None:
    """Find out who asks, and take on the scope; count the request.

    Raises:
        BearerNeeded: Nobody who may.
        TooOften: Somebody, and too often.
    """
    address = request.remote_addr and request.remote_addr[:ADDRESS_LENGTH]
    g.actor = Actor(user_id=None, name="anonymous", sight=NOTHING, address=address)
    take_on(NOTHING)
    request.max_content_length = LONGEST_BODY
    if any("\0" in value for _, value in request.args.items(multi=True)):
        abort(400)  # no database takes it as text
    begin_reading(session())
    client = bearers.client_of(session(), _shown(), address)
    if client is None:
        _count(_limit_of("login_rate"), REFUSED, address or "")
        raise BearerNeeded
    g.client, g.actor = client, client.actor
    take_on(client.actor.sight)
    _count(_limit_of("api_rate"), COUNTED, str(client.bearer_id))


def note_use(response: Response) -> Response:
    """Have it written down that the bearer was used, when the answer is out."""
    client: Client | None = g.get("client")
    if client is not None:
        ids = (("bearer_id", client.bearer_id),)
        noted = Note(BEARER_USED, client.actor, request.endpoint or "", ids=ids)
        notes, engine = current_app.extensions["vms_notes"], db.engine
        response.call_on_close(lambda: notes.write(engine, noted))
        if client.notes_use:
            response.call_on_close(lambda: bearers.note_use(engine, client.bearer_id))
    return response


def _shown() -> str:
    """The bearer a request shows; empty if it shows none."""
    kind, _space, text = request.headers.get("Authorization", "").partition(" ")
    return text.strip() if kind.lower() == "bearer" else ""


def _count(limit: RateLimitItem, *whose: str) -> None:
    """Count a request.

    Raises:
        TooOften: There were as many as are allowed.
    """
    counter: RateLimiter = current_app.extensions["appbuilder"].sm.limiter.limiter
    if counter.hit(limit, *whose):
        return
    again_at = counter.get_window_stats(limit, *whose).reset_time
    g.retry_after = max(1, round(again_at - time.time()))
    raise TooOften


def _limit_of(setting: str) -> RateLimitItem:
    return _parsed(str(getattr(current_app.extensions["vms_settings"], setting)))


@cache
def _parsed(text: str) -> RateLimitItem:
    return parse(text)
