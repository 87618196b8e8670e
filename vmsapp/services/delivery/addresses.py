"""Where a receipt may go: to the consumer's recorded address, and only once that is settled.

Who could enter an address and send there at once could have receipts sent to anybody. So an
address that was entered or changed counts after a day, or once somebody else confirmed it. What
was on record before this was noted counts.
"""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy.orm import Session

from vmsapp.clock import now_utc
from vmsapp.errors import N_, Conflict, Refused
from vmsapp.extensions import atomic
from vmsapp.models import Channel, Consumer
from vmsapp.scope import Actor
from vmsapp.services import audit
from vmsapp.services.registration.consumers import ConsumerAnonymised, locked

SETTLES_AFTER: Final = timedelta(hours=24)

COLUMN: Final = {Channel.MAIL: "email", Channel.SMS: "phone"}
"""Where a consumer's address for each way stands."""

LEAST_DIGITS: Final = 5
MOST_DIGITS: Final = 15
"""Of a telephone number with its country. Source: ITU-T E.164, 6.1 "International ITU-T E.164
number length"; short ones are those within a small network."""

TAIL: Final = 3
"""Characters of a masked address that are shown."""

DOTS: Final = "•••"


class NoAddress(Refused):
    """The consumer has no e-mail address."""

    code = "no_address"
    message = N_("This consumer has no e-mail address on record.")


class NoPhone(Refused):
    """The consumer has no telephone number."""

    code = "no_phone"
    message = N_("This consumer has no telephone number on record.")


class PhoneNotSendable(Refused):
    """What stands there is more than a number, or less."""

    code = "phone_not_sendable"
    message = N_(
        "No text message can be sent to what is recorded as this consumer's telephone: it must be"
        " one number of 5 to 15 digits."
    )


class AddressTooFresh(Refused):
    """It was entered or changed a short while ago, and nobody confirmed it."""

    code = "address_too_fresh"
    message = N_(
        "The e-mail address was entered or changed less than 24 hours ago. Somebody else must"
        " confirm it on the consumer's page, or you wait until %(until)s."
    )


class PhoneTooFresh(AddressTooFresh):
    """The same of a telephone number."""

    code = "phone_too_fresh"
    message = N_(
        "The telephone number was entered or changed less than 24 hours ago. Somebody else must"
        " confirm it on the consumer's page, or you wait until %(until)s."
    )


class NothingToConfirm(Conflict):
    """There is no such address, or it counts already."""

    code = "address_not_open"
    message = N_("There is nothing to confirm here: this address counts already, or was removed.")


class ConfirmedByItsWriter(Refused):
    """Four eyes: who wrote it does not vouch for it."""

    code = "address_own"
    message = N_("You entered this address yourself. Somebody else must confirm it.")


@dataclass(frozen=True, slots=True)
class Fresh:
    """An address that does not count yet, until when, and who wrote it."""

    channel: Channel
    until: datetime
    by_id: int | None


def fresh(consumer: Consumer, channel: Channel, now: datetime) -> Fresh | None:
    """Tell whether an address does not count yet."""
    name = COLUMN[channel]
    changed = getattr(consumer, f"{name}_changed_at")
    confirmed = getattr(consumer, f"{name}_confirmed_at")
    if not getattr(consumer, name) or changed is None or confirmed is not None:
        return None
    until = changed + SETTLES_AFTER
    if now >= until:
        return None
    return Fresh(channel, until, getattr(consumer, f"{name}_changed_by_id"))


def address_of(consumer: Consumer, channel: Channel, now: datetime) -> str:
    """Read where a receipt goes; of a telephone its digits alone.

    Raises:
        NoAddress, NoPhone: There is none.
        PhoneNotSendable: It is no single number.
        AddressTooFresh: It does not count yet.
    """
    address = getattr(consumer, COLUMN[channel])
    if channel == Channel.SMS:
        address = _dialled(address)
    elif not address:
        raise NoAddress
    found = fresh(consumer, channel, now)
    if found is not None:
        error = PhoneTooFresh if channel == Channel.SMS else AddressTooFresh
        raise error(until=found.until)
    return str(address)


def masked(address: str, channel: Channel) -> str:
    """Show enough of an address to tell it from others.

    >>> masked("ada@example.org", Channel.MAIL), masked("+25420123456", Channel.SMS)
    ('a•••@example.org', '•••456')
    """
    if channel == Channel.SMS:
        return DOTS + address[-TAIL:]
    name, _, host = address.partition("@")
    return f"{name[:1]}{DOTS}@{host}"[:120]


def confirm(session: Session, actor: Actor, consumer_id: int, channel: Channel) -> None:
    """Let an address count from now on.

    Raises:
        NotFound: Nobody there, as far as the actor sees.
        ConsumerAnonymised: Nothing is known of them any more.
        NothingToConfirm: There is none, or it counts.
        ConfirmedByItsWriter: The actor wrote it.
    """
    now = now_utc()
    with atomic(session):
        row = locked(session, [consumer_id])[consumer_id]
        if row.anonymised_at is not None:
            raise ConsumerAnonymised
        found = fresh(row, channel, now)
        if found is None:
            raise NothingToConfirm
        if found.by_id is not None and found.by_id == actor.user_id:
            raise ConfirmedByItsWriter
        setattr(row, f"{COLUMN[channel]}_confirmed_at", now)
        audit.record(session, actor, "consumer.address_confirmed", "consumer", row.id,
                     number=row.number, address=COLUMN[channel])  # fmt: skip


def _dialled(phone: str) -> str:
    if not phone:
        raise NoPhone
    digits = re.sub(r"[ ()./-]", "", phone)
    if not re.fullmatch(rf"\+?[0-9]{{{LEAST_DIGITS},{MOST_DIGITS}}}", digits):
        raise PhoneNotSendable
    return digits
