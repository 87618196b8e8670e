"""Keys that a campaign leads to and whose time ends soon."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from vmsapp.clock import now_utc
from vmsapp.models import VendingKey
from vmsapp.services.campaigns.terms import Route
from vmsapp.sts.identifiers import BaseDate
from vmsapp.sts.tid import key_expires_at

SOON: Final = timedelta(days=2 * 365)
"""A key that ends before that is hardly worth taking many meters to."""


@dataclass(frozen=True, slots=True)
class Ending:
    """A key that ends soon: its supply group, its revision, and from when on it makes no token."""

    sgc: str
    krn: int
    at: datetime


def ending_soon(session: Session, routes: Sequence[Route]) -> Sequence[Ending]:
    """List the new keys of a preview that end within ``SOON``.

    Args:
        session: Any; keys have no region.
        routes: Of a preview; each names its new key ``990001 KRN 2 ...``.
    """
    named = {(sgc, int(krn)) for sgc, _krn, krn, *_rest in (one.new.split() for one in routes)}
    keys = session.scalars(
        select(VendingKey)
        .where(VendingKey.sgc.in_([sgc for sgc, _krn in named]))
        .order_by(VendingKey.sgc, VendingKey.krn)
    )
    ends = {
        (key.sgc, key.krn): _end(key) for key in keys if (key.sgc, key.krn) in named
    }  # fmt: skip
    limit = now_utc() + SOON
    return [Ending(sgc, krn, at) for (sgc, krn), at in ends.items() if at < limit]


def _end(key: VendingKey) -> datetime:
    """Tell from when on a key makes no token: by its expiry number, or its file's word."""
    expires = key_expires_at(key.ken, BaseDate(key.base_date))
    return min(expires, key.issue_until) if key.issue_until else expires
