"""A training meter with the tokens made for it and those that were entered.

All of it is one JSON text, which ``keeping`` seals: the key is in it.
"""

import json
import secrets
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from vmsapp.services.registration.meter_numbers import TRAINING
from vmsapp.sts import identifiers
from vmsapp.sts.identifiers import BaseDate, KeyType
from vmsapp.sts.keys import DecoderKey
from vmsapp.sts.meter import VirtualMeter
from vmsapp.sts.secret import SecretBytes
from vmsapp.sts.tid import ordinary_tid

BASE: Final = BaseDate.Y2014
KEY_BYTES: Final = {7: 8, 11: 16}
"""By encryption algorithm."""

GROUP: Final = 999_999
"""Supply group code of training meters; no utility's, and no key of it is anywhere."""
KEN: Final = 200
"""Their keys expire in 2039, so that a token of a later minute can be tried."""
ELECTRICITY: Final = frozenset({0, 4})
OLDER: Final = timedelta(days=60)
"""How long before it was begun a training meter was made: tokens from before are too old."""
KEPT: Final = 30
"""So many entries and offered tokens are kept."""
SERIAL_DIGITS: Final = 6

_OF_METER: Final = (
    "krn", "ti", "ken", "sgc", "drn", "manufacturer", "manufactured_tid", "remembered",
    "maximum_power_limit", "phase_power_unbalance_limit", "tariff_rate", "water_meter_factor",
    "tampered", "_last_section_at",
)  # fmt: skip
_NUMBERED: Final = ("registers", "extended", "_sections")
"""Attributes of the meter whose names are numbers, which JSON would make texts of."""


@dataclass(frozen=True, slots=True)
class Offered:
    """Tokens made for the training meter, in the order they are entered.

    Attributes:
        lesson: Code of what they are for.
        digits: One token, or a whole set.
        value: What they carry, as text without a unit; empty for nothing.
    """

    lesson: str
    digits: tuple[str, ...]
    value: str = ""

    def __repr__(self) -> str:
        return f"Offered(lesson={self.lesson!r}, digits=…)"


@dataclass(frozen=True, slots=True)
class Entry:
    """What was entered, and what the meter answered.

    Attributes:
        digits: As typed, twenty of them or not.
        result: Number of the answer, as meters display it.
        word: The standard's name for it.
        changes: What it changed: name, before, after; as texts.
        shown: What a test token made it show: name and value.
    """

    digits: str
    result: int
    word: str
    changes: tuple[tuple[str, str, str], ...] = ()
    shown: tuple[tuple[str, str], ...] = ()

    def __repr__(self) -> str:
        return f"Entry(result={self.result}, digits=…)"


@dataclass(slots=True)
class Training:
    """The meter and what lies beside it; its ``repr`` shows neither key nor tokens.

    Attributes:
        ea: Encryption algorithm, 7 or 11.
        last_tid: The last token identifier given out.
        former_key: The key it had before the last key change.
        offered, entered: The newest first.
    """

    meter: VirtualMeter
    ea: int
    last_tid: int
    former_key: bytes | None = None
    offered: list[Offered] = field(default_factory=list)
    entered: list[Entry] = field(default_factory=list)

    def __repr__(self) -> str:
        return f"Training(drn={self.meter.drn!r})"

    @property
    def meter_pan(self) -> str:
        """Its number with its issuer, 18 digits."""
        return identifiers.meter_pan.of_drn(self.meter.drn)

    @property
    def key(self) -> DecoderKey:
        """The key the meter has now."""
        return DecoderKey(self.ea, self.meter.key.reveal())

    def offer(self, offered: Offered) -> None:
        """Lay tokens beside it."""
        self.offered = [offered, *self.offered][:KEPT]

    def note(self, entry: Entry) -> None:
        """Remember what was entered."""
        self.entered = [entry, *self.entered][:KEPT]

    def written(self) -> bytes:
        """Write all of it down, the key with it."""
        meter: dict[str, Any] = {name: getattr(self.meter, name) for name in _OF_METER}
        for name in _NUMBERED:
            meter[name] = list(getattr(self.meter, name).items())
        kept = {
            "meter": meter,
            "key": self.meter.key.reveal().hex(),
            "ea": self.ea,
            "last_tid": self.last_tid,
            "former_key": self.former_key.hex() if self.former_key else None,
            "offered": [asdict(one) for one in self.offered],
            "entered": [asdict(one) for one in self.entered],
        }
        return json.dumps(kept, separators=(",", ":")).encode()

    @classmethod
    def read(cls, text: bytes, clock: Callable[[], float]) -> "Training":
        """Read what ``written`` wrote."""
        kept = json.loads(text)
        told = kept["meter"] | {name: dict(kept["meter"][name]) for name in _NUMBERED}
        meter = VirtualMeter(
            SecretBytes(bytes.fromhex(kept["key"])), kt=KeyType.DUTK, services=ELECTRICITY,
            clock=clock, **told,
        )  # fmt: skip
        former = kept["former_key"]
        return cls(
            meter, kept["ea"], kept["last_tid"], bytes.fromhex(former) if former else None,
            [Offered(one["lesson"], tuple(one["digits"]), one["value"]) for one in kept["offered"]],
            [_entry(one) for one in kept["entered"]],
        )  # fmt: skip


def new(ea: int, now: datetime, clock: Callable[[], float]) -> Training:
    """Make a training meter, with a key and a number of its own.

    It begins with its cover noted as opened, so that there is something to clear.

    Args:
        ea: Encryption algorithm, 7 or 11.
        now: The present moment.
        clock: Seconds that only go forward.
    """
    made = ordinary_tid(now - OLDER, BASE)
    body = f"{TRAINING}{secrets.randbelow(10**SERIAL_DIGITS):0{SERIAL_DIGITS}d}"
    meter = VirtualMeter(
        SecretBytes(secrets.token_bytes(KEY_BYTES[ea])), ken=KEN, sgc=GROUP, services=ELECTRICITY,
        drn=body + identifiers.luhn.check_digit(body), manufactured_tid=made, tampered=True,
        clock=clock,
    )  # fmt: skip
    return Training(meter, ea, last_tid=made)


def _entry(one: dict[str, Any]) -> Entry:
    return Entry(
        one["digits"], one["result"], one["word"],
        tuple((name, before, after) for name, before, after in one["changes"]),
        tuple((name, value) for name, value in one["shown"]),
    )  # fmt: skip
