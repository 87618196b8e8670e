"""What a key change would be: checked by the rules of the standard, the key file and ours.

Nothing is written here. The page shows a plan before anything is done, and ``reserve`` makes it
again under the locks.

Source: SALE.md, "10. Key change"; IEC 62055-41:2018, 6.5.2 "Key change".
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from vmsapp.clock import now_utc
from vmsapp.models import Algorithm, KeyChange, Meter, Product, SmAlgorithm, VendingKey
from vmsapp.models.key_change import DKGAS
from vmsapp.services.key_changes import errors as wrong
from vmsapp.services.security_modules.finding import key_for, module_for
from vmsapp.services.security_modules.health import WARN_DAYS, ends_at
from vmsapp.sts.errors import TidRangeError
from vmsapp.sts.identifiers import BaseDate, KeyType
from vmsapp.sts.rules import CHANGES
from vmsapp.sts.tid import key_usable, ordinary_tid

LONG_KEY_EA: Final = 11
SET_OF_LONG_KEY: Final = 4
SOON: Final = timedelta(days=WARN_DAYS[0])
"""How long before its end a key is warned of."""


class Warned(StrEnum):
    """What to think of before a change, each once."""

    OLDER_TOKENS = "older_tokens"
    """Tokens under the old key are lost once the meter has the new one."""
    ROLL_OVER = "roll_over"
    """The base date changes: the meter forgets the tokens it has taken."""
    NO_WAY_BACK = "no_way_back"
    """No set leads back."""
    NO_CREDIT = "no_credit"
    """Under the new key type no credit can be sold to it."""
    DEFAULT_KEY = "default_key"
    """The new key type is the manufacturer's default."""
    ENDS_SOON = "ends_soon"
    """No token can be made under the new key before long."""
    NO_DISPLAY = "no_display"
    """KRN and TI stay the same, so the meter's display does not tell which key it has."""


@dataclass(frozen=True, slots=True)
class Wish:
    """The key a meter is to have.

    Attributes:
        meter_id: Which meter.
        sgc, krn, kt, dkga: Name of the vending key.
        ti: Tariff index, 2 digits.
        three_tokens: Send the supply group code of a 64-bit key, too.
        reason: Why.
    """

    meter_id: int
    sgc: str
    krn: int
    kt: int
    dkga: str
    ti: str
    reason: str
    three_tokens: bool = False

    def body_hash(self) -> str:
        """Digest of all of it: 64 hex digits."""
        text = json.dumps(asdict(self), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Side:
    """A meter's key as it is, or as it is to be."""

    sgc: str
    krn: int
    kt: int
    ti: str
    base_date: str
    ken: int
    dkga: str

    @classmethod
    def of(cls, key: VendingKey, ti: str) -> "Side":
        """The side of a vending key and a tariff index."""
        return cls(key.sgc, key.krn, key.kt, ti, key.base_date, key.ken, key.dkga)


@dataclass(frozen=True, slots=True)
class Plan:
    """A change that may be made.

    Attributes:
        old, new: The keys.
        ea, tct: Of the meter.
        module_id: Which module makes the set.
        warned: What to think of.
    """

    meter_id: int
    old: Side
    new: Side
    ea: int
    tct: int
    three_tokens: bool
    module_id: int
    warned: tuple[Warned, ...]

    @property
    def token_count(self) -> int:
        """How many tokens the set has."""
        return tokens_of_set(self.ea, three_tokens=self.three_tokens)


def tokens_of_set(ea: int, *, three_tokens: bool = False) -> int:
    """How many tokens a set for a meter of this cipher has."""
    return SET_OF_LONG_KEY if ea == LONG_KEY_EA else 3 if three_tokens else 2


def plan(session: Session, meter: Meter, wish: Wish) -> Plan:
    """Check a wish against the meter as it stands, and say what would be made.

    Raises:
        VmsError: One of ``key_changes.errors``, or no module holds the meter's key.
    """
    if not wish.reason.strip():
        raise wrong.ReasonMissing
    if len(wish.ti) != 2 or not (wish.ti.isascii() and wish.ti.isdigit()):
        raise wrong.TiUnreadable
    if wish.dkga not in DKGAS:
        raise wrong.NewKeyMissing
    if wish.three_tokens and meter.ea == LONG_KEY_EA:
        raise wrong.TokensOfLongKey
    old = present_key(session, meter)
    new = _new_key(session, wish, old.module_id)
    check(old, new, now_utc(), sts6=becomes_sts6(session, meter))
    before, after = Side.of(old, meter.ti), Side.of(new, wish.ti)
    if before == after:
        raise wrong.NothingChanges
    return Plan(
        meter_id=meter.id, old=before, new=after, ea=meter.ea, tct=meter.tct,
        three_tokens=wish.three_tokens, module_id=old.module_id,
        warned=tuple(warnings(old, new, before, after, meter)),
    )  # fmt: skip


def present_key(session: Session, meter: Meter) -> VendingKey:
    """Fetch the public side of the vending key a meter has.

    Raises:
        NoModule, MeterWithoutKey: Nothing can be made for it.
    """
    algorithm = Algorithm(meter.algorithm)
    module = module_for(session, algorithm)
    return key_for(
        session, module.id, sgc=meter.sgc, krn=meter.krn, kt=meter.kt, dkga=algorithm.dkga
    )


def way_back(session: Session, change: KeyChange) -> tuple[VendingKey, VendingKey] | None:
    """Tell between which vending keys a set would take back what a change brought.

    Returns:
        The new key, which the set is entered under, and the old one; None where no set is
        allowed: from DITK, over base dates, or by the key file.
    """
    module_id = module_for(session, DKGAS[change.new_dkga]).id  # another may serve since
    new, old = (
        _key(
            session, module_id=module_id, sgc=getattr(change, f"{which}_sgc"),
            krn=getattr(change, f"{which}_krn"), kt=getattr(change, f"{which}_kt"),
            dkga=getattr(change, f"{which}_dkga"),
        )
        for which in ("new", "old")
    )  # fmt: skip
    if new is None or old is None or not _leads(new, old):
        return None
    return new, old


def _new_key(session: Session, wish: Wish, module_id: int) -> VendingKey:
    """Find the key that is wished for, in the module that makes the set.

    Raises:
        NewKeyMissing, TwoModules, NotServed: It is not there.
    """
    key = _key(session, module_id=module_id, sgc=wish.sgc, krn=wish.krn, kt=wish.kt, dkga=wish.dkga)
    serving = session.scalar(
        select(SmAlgorithm.module_id).where(SmAlgorithm.algorithm == DKGAS[wish.dkga])
    )
    check_served(serving, module_id)
    if key is None:
        raise wrong.NewKeyMissing
    return key


def check_served(serving: int | None, module_id: int) -> None:
    """Ask that the module which makes the set serves meters of the new key, too.

    Raises:
        NotServed, TwoModules: It does not.
    """
    if serving is None:
        raise wrong.NotServed
    if serving != module_id:
        raise wrong.TwoModules


def _key(
    session: Session, *, module_id: int, sgc: str, krn: int, kt: int, dkga: str
) -> VendingKey | None:
    return session.scalars(
        select(VendingKey).where(
            VendingKey.module_id == module_id, VendingKey.sgc == sgc, VendingKey.krn == krn,
            VendingKey.kt == kt, VendingKey.dkga == dkga,
        )
    ).first()  # fmt: skip


def becomes_sts6(session: Session, meter: Meter) -> bool:
    """Tell whether the meter's hardware can be taken from Legacy to STS6."""
    product = select(Product.can_become_sts6).where(Product.id == meter.product_id)
    return meter.ea != LONG_KEY_EA and bool(session.scalar(product))


def check(old: VendingKey, new: VendingKey, now: datetime, *, sts6: bool) -> None:
    """Refuse what the standard, the key file or the meter's hardware does not allow.

    The module asks all of this again, but of the hardware it knows nothing.
    """
    becomes = (old.dkga, new.dkga) == (Algorithm.LEGACY.dkga, Algorithm.STS6.dkga)
    if old.dkga != new.dkga and not (becomes and sts6):
        raise wrong.AlgorithmOfHardware
    if new.kt not in CHANGES[KeyType(old.kt)]:
        raise wrong.TypeNotReached(old=old.kt, new=new.kt)
    years = BaseDate(old.base_date).year, BaseDate(new.base_date).year
    if years[1] < years[0]:
        raise wrong.BackOverBaseDate(old=years[0], new=years[1])
    if not _by_the_list(old, new):
        raise wrong.NotByTheList(sgc=new.sgc, krn=new.krn)
    early = new.active_from is not None and now < new.active_from
    late = new.issue_until is not None and now > new.issue_until
    if early or late or not _usable(new, now):
        raise wrong.NewKeyUnusable


def _by_the_list(old: VendingKey, new: VendingKey) -> bool:
    """Tell whether the key file of a key lets its meters go to another."""
    if old.id == new.id:
        return True
    leaves_its_group = new.kt == KeyType.DDTK and old.kt not in (KeyType.DITK, KeyType.DDTK)
    return [new.sgc, new.krn] in old.changes_to and not leaves_its_group


def _leads(old: VendingKey, new: VendingKey) -> bool:
    """Tell whether a set may lead from one key to the other within a base date."""
    return (
        old.base_date == new.base_date
        and new.kt in CHANGES[KeyType(old.kt)]
        and _by_the_list(old, new)
    )


def _usable(key: VendingKey, now: datetime) -> bool:
    try:
        return key_usable(ordinary_tid(now, BaseDate(key.base_date)), key.ken)
    except TidRangeError:
        return False


def warnings(
    old: VendingKey, new: VendingKey, before: Side, after: Side, meter: Meter
) -> Iterator[Warned]:
    """Tell what to think of before a change."""
    if old.id != new.id or before.ti != after.ti:
        yield Warned.OLDER_TOKENS
    if old.base_date != new.base_date:
        yield Warned.ROLL_OVER
    elif not _leads(new, old):
        yield Warned.NO_WAY_BACK
    yield from key_warnings(new, meter)
    if (before.krn, before.ti) == (after.krn, after.ti):
        yield Warned.NO_DISPLAY


def key_warnings(key: VendingKey, meter: Meter) -> Iterator[Warned]:
    """Tell what to think of a key, whichever the meter has now."""
    if key.kt == KeyType.DDTK:
        yield Warned.DEFAULT_KEY
    if key.kt == KeyType.DDTK or (key.kt == KeyType.DCTK and meter.tct != 1):
        yield Warned.NO_CREDIT
    if ends_at(key) - now_utc() < SOON:
        yield Warned.ENDS_SOON
