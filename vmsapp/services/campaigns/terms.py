"""What a campaign is told: which meters, to which key, how fast and until when."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any, Final, NamedTuple

CHUNK: Final = 4_000
"""Meters that a module is asked for together at most, and that are locked together."""
CHUNK_SECONDS: Final = 2
"""A paced chunk takes no longer than this: while it is made, nothing is sold to its meters."""
MOST_LISTED: Final = 1_000_000
"""Numbers in a list."""

MAKE: Final = "campaign.make"
SEND: Final = "campaign.send"
REPORT: Final = "campaign.report"
KINDS: Final = (MAKE, SEND, REPORT)
"""The jobs of a campaign; ``params`` holds ``campaign_id``."""


@dataclass(frozen=True, slots=True)
class Selection:
    """What narrows the meters of a region, or of a list; empty for no bound.

    Attributes:
        product_ids: Of their products.
        sgcs: Supply group codes they are in, 6 digits each.
        krns: Key revisions they have.
        base_dates: Codes of the base dates they have: ``93``, ``14``, ``35``.
        algorithms: ``legacy``, ``sts6``.
    """

    product_ids: tuple[int, ...] = ()
    sgcs: tuple[str, ...] = ()
    krns: tuple[int, ...] = ()
    base_dates: tuple[str, ...] = ()
    algorithms: tuple[str, ...] = ()

    def stored(self) -> dict[str, Any]:
        """Write it as JSON holds it."""
        return {name: list(value) for name, value in asdict(self).items()}

    @classmethod
    def read(cls, stored: Mapping[str, Any]) -> "Selection":
        """Read what was stored."""
        return cls(**{name: tuple(value) for name, value in stored.items()})


@dataclass(frozen=True, slots=True)
class Target:
    """What is to be new; whatever is None stays as each meter has it.

    The key type stays, and so does the cipher: it is the meter's hardware.

    Attributes:
        sgc: Supply group code.
        krn: Key revision, 1 to 9.
        base_date: Code of the base date: ``93``, ``14``, ``35``.
        ti: Tariff index, 2 digits.
        sts6: Legacy meters whose product allows it become STS6; those of other products are
            taken to the new key as Legacy meters.
        three_tokens: Send the supply group code of a 64-bit key, too.
    """

    sgc: str | None = None
    krn: int | None = None
    base_date: str | None = None
    ti: str | None = None
    sts6: bool = False
    three_tokens: bool = False

    def stored(self) -> dict[str, Any]:
        """Write it as JSON holds it."""
        return asdict(self)

    @classmethod
    def read(cls, stored: Mapping[str, Any]) -> "Target":
        """Read what was stored."""
        return cls(**stored)


@dataclass(frozen=True, slots=True)
class Wish:
    """A campaign as somebody wants it.

    Attributes:
        region_id: Whose meters; None for all that the asker sees.
        due_on: Until when all are to be confirmed.
        per_second: Meters in a second at most; None for as many as the module makes.
        numbers: A list of meter numbers (DRN or MeterPAN, as typed); None to choose by the
            selection alone.
    """

    name: str
    reason: str
    selection: Selection
    target: Target
    hand_out: str
    due_on: date
    region_id: int | None = None
    per_second: int | None = None
    numbers: Sequence[str] | None = None


class Kind(NamedTuple):
    """What a plan reads of a meter."""

    can_become_sts6: bool
    algorithm: str
    sgc: str
    krn: int
    kt: int
    ti: str
    ea: int
    tct: int


@dataclass(frozen=True, slots=True)
class Group:
    """Meters of one kind in one state."""

    kind: Kind
    state: str
    in_change: bool
    busy: bool
    meters: int
    meter_id: int
    example: str


@dataclass(frozen=True, slots=True)
class Conflict:
    """A reason why meters would be left out, and how many.

    Attributes:
        code: Of the rule, as it will stand in ``campaign_refusal.code``.
        message: English message id; ``params`` fills it.
        examples: Numbers of some of these meters, as people write them.
        groups: What these meters are, where they were counted: of a draft.
    """

    code: str
    message: str
    params: Mapping[str, Any]
    meters: int
    examples: tuple[str, ...] = ()
    groups: tuple[Group, ...] = ()


@dataclass(frozen=True, slots=True)
class Route:
    """How many meters would go from which key to which, for the preview.

    Attributes:
        tokens: How many each set has.
        warned: What to think of, as ``key_changes.planning.Warned``.
    """

    old: str
    new: str
    ea: int
    meters: int
    tokens: int
    warned: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Preview:
    """What a campaign would do, before anything is made.

    Attributes:
        chosen: Meters that the selection finds.
        meters: Those that would get a set.
        tokens: How many tokens that makes.
        routes: From which keys to which.
        conflicts: Why meters would be left out, most of them first.
        seconds: How long it would take, as far as the module's pace is known.
        digest: What is approved must still be what was looked at.
    """

    chosen: int
    meters: int
    tokens: int
    routes: tuple[Route, ...]
    conflicts: tuple[Conflict, ...]
    seconds: int | None
    digest: str


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a campaign is, in meters.

    Attributes:
        chosen: How many it began with.
        done: Taken or left out so far.
        left_out: Left out in the present round.
        being_made: Asked of the module.
        made: Whose sets were made, whatever became of them since.
        failed: Whose sets the module did not make, or that were withdrawn.
        handed_out: Whose set was printed, sent, or went with a credit.
        confirmed: Of which a person said that they have the new key.
        refused: Of which a person said that they refused it.
        open: Made, and neither confirmed nor refused.
        overdue: Open after the day until which all were to be confirmed.
        seconds_left: Until all are made, as far as that can be told.
    """

    chosen: int
    done: int
    left_out: int
    being_made: int
    made: int
    failed: int
    handed_out: int
    confirmed: int
    refused: int
    open: int
    overdue: int
    seconds_left: int | None


@dataclass(frozen=True, slots=True)
class SheetRow:
    """One meter on a printed sheet. ``tokens`` are digits: the ``repr`` does not show them.

    Attributes:
        route: Region, address and consumer's number, by which the sheet is sorted.
        tokens: In the order they are entered.
        prints: How often it was printed before.
    """

    key_change_id: int
    meter: str
    consumer: str
    consumer_number: str
    address: str
    region: str
    tokens: tuple[str, ...]
    prints: int

    def __repr__(self) -> str:
        return f"SheetRow(change={self.key_change_id}, tokens=…)"


@dataclass(frozen=True, slots=True)
class ReportRow:
    """One meter of a campaign and its state, without digits.

    Attributes:
        state: That of its key change, or ``left_out``, ``unknown`` (a listed number that is
            none), ``waiting``.
        why: Message (English message id) and values, where there is a why.
    """

    meter: str
    region: str
    state: str
    old_key: str = ""
    new_key: str = ""
    made_at: str = ""
    handed_out: str = ""
    closed_at: str = ""
    overdue: bool = False
    why: Mapping[str, Any] | None = None
