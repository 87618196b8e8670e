"""Installing a licence, and returning to the open edition.

What was installed stays recorded: the file it came from may go, and the licence counts
as it stood.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from vmsapp.clock import business_day, now_utc
from vmsapp.errors import N_, Conflict, InvalidInput, Refused
from vmsapp.extensions import atomic
from vmsapp.models import Installation, LicenceChange, LicenceDeed
from vmsapp.scope import Actor
from vmsapp.services import audit
from vmsapp.services.licence.file import DIGITS_SAID, Licence, LicenceFault, read_trusted
from vmsapp.services.licence.standing import Standing, count_meters, history, holding, in_force
from vmsapp.services.rows import lock
from vmsapp.services.vending.tids import newest_sale

SHOWN: Final = 20
"""Changes shown of the history."""
REASON_LENGTH: Final = 255


class NoTrustedKey(Refused):
    """The settings name no key whose licences are taken."""

    code = "no_trusted_key"
    message = N_(
        "No licence can be installed here yet. You need one only if your seller gave you one."
        " Then ask the seller for the public key, too: whoever runs the server writes it into the"
        " setting VMS_LICENCE_KEY and starts VMS again."
    )


class LicenceOfOtherInstallation(LicenceFault):
    """The licence is for one installation, and that is another."""

    code = "licence_of_other_installation"
    message = N_(
        "This licence was made for another installation, whose ID begins with %(theirs)s;"
        " that of this one begins with %(ours)s. Ask for one made for it."
    )

    def __init__(self, *, theirs: str, ours: str) -> None:
        super().__init__(theirs=theirs[:DIGITS_SAID], ours=ours[:DIGITS_SAID])


class LicenceExpired(LicenceFault):
    """The licence was over before it was installed."""

    code = "licence_expired"
    message = N_("This licence ended on %(valid_until)s. Ask for a new one.")

    def __init__(self, *, valid_until: date) -> None:
        super().__init__(valid_until=valid_until)


class LicenceInForce(Conflict):
    """The same licence holds already."""

    code = "licence_in_force"
    message = N_("This licence is installed already; nothing was changed.")


class NoLicence(Conflict):
    """There is nothing to return from."""

    code = "no_licence"
    message = N_("This is the open edition already; nothing was changed.")


class ReasonMissing(InvalidInput):
    """Whoever gives a licence up says why."""

    code = "reason_missing"
    message = N_("Say why the licence is given up.")
    field = "reason"


@dataclass(frozen=True, slots=True)
class Rules:
    """By what licences are judged: which are taken, and how their days are counted.

    Attributes:
        key: The public key whose licences are trusted, in hexadecimal; ``None`` is no key.
        zone: The utility's time zone.
        grace_days: Days of grace after the last one.
    """

    key: str | None
    zone: str
    grace_days: int


@dataclass(frozen=True, slots=True)
class Overview:
    """The licence, what is used of it, and the last changes, the newest first."""

    standing: Standing
    meters: int
    history: Sequence[LicenceChange]


def today(session: Session, zone: str) -> date:
    """Name the day licences are judged on: of the later of the clock and the newest sale.

    A sale that an administrator accepted as made under a wrong clock does not count.
    """
    now = now_utc()
    return business_day(max(now, newest_sale(session) or now), zone)


def overview(session: Session, rules: Rules) -> Overview:
    """Gather what there is to know of the licence today."""
    changes = history(session, most=SHOWN)
    standing = Standing(holding(changes), today(session, rules.zone), rules.grace_days)
    return Overview(standing, count_meters(session), changes)


def install(session: Session, actor: Actor, content: bytes, rules: Rules) -> LicenceChange:
    """Install a licence; from now on it holds, whatever held before.

    Raises:
        NoTrustedKey: The settings trust nobody.
        LicenceFault: The file is damaged, changed, foreign or over.
        LicenceInForce: It holds already.
    """
    licence = _trusted(content, rules)
    with atomic(session):
        ours = lock(session, Installation, Installation.id == 1).instance_id
        terms = licence.terms
        if terms.installation not in {None, ours}:
            raise LicenceOfOtherInstallation(theirs=str(terms.installation), ours=ours)
        if terms.valid_until < today(session, rules.zone):
            raise LicenceExpired(valid_until=terms.valid_until)
        before = in_force(session)
        if before is not None and before.number == terms.number:
            raise LicenceInForce
        return _add(session, actor, licence, content)


def take_up(session: Session, actor: Actor, content: bytes, rules: Rules) -> LicenceChange | None:
    """Install a licence that lies in its place at a start, unless it was installed before.

    So a file that stays where it is neither comes back after a return to the open edition
    nor displaces a licence installed later.

    Returns:
        The change, ``None`` if the licence is known.

    Raises:
        NoTrustedKey, LicenceFault: As ``install``.
    """
    number = _trusted(content, rules).terms.number
    known = select(LicenceChange.id).where(LicenceChange.number == number).limit(1)
    if session.scalar(known) is not None:
        return None
    return install(session, actor, content, rules)


def return_to_open_edition(session: Session, actor: Actor, reason: str) -> LicenceChange:
    """Give the licence up: from now on nothing is limited.

    Raises:
        ReasonMissing: Nothing was said.
        NoLicence: None holds.
    """
    reason = reason.strip()[:REASON_LENGTH]
    if not reason:
        raise ReasonMissing
    with atomic(session):
        lock(session, Installation, Installation.id == 1)
        before = in_force(session)
        if before is None:
            raise NoLicence
        change = _change(actor, LicenceDeed.RETURNED, reason=reason)
        session.add(change)
        session.flush()
        audit.record(
            session, actor, "licence.returned", "licence", change.id,
            number=before.number, holder=before.holder, reason=reason,
        )  # fmt: skip
        return change


def _trusted(content: bytes, rules: Rules) -> Licence:
    if rules.key is None:
        raise NoTrustedKey
    return read_trusted(content, rules.key)


def _add(session: Session, actor: Actor, licence: Licence, content: bytes) -> LicenceChange:
    terms = licence.terms
    change = _change(
        actor, LicenceDeed.INSTALLED, number=terms.number, holder=terms.holder,
        issued_on=terms.issued_on, valid_until=terms.valid_until, meter_limit=terms.meter_limit,
        installation=terms.installation, file=content.decode("utf-8-sig"),
    )  # fmt: skip
    session.add(change)
    session.flush()
    audit.record(
        session, actor, "licence.installed", "licence", change.id,
        number=terms.number, holder=terms.holder, issued_on=terms.issued_on.isoformat(),
        valid_until=terms.valid_until.isoformat(), meter_limit=terms.meter_limit,
        installation=terms.installation, key=licence.signed_with,
    )  # fmt: skip
    return change


def _change(actor: Actor, deed: LicenceDeed, **what: object) -> LicenceChange:
    return LicenceChange(
        deed=deed, changed_at=now_utc(), changed_by_id=actor.user_id,
        changed_by_name=actor.name, **what,
    )  # fmt: skip
