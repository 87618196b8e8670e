"""The content of a receipt: its words and figures in the consumer's language, in their order.

Whoever shows it decides where things stand and how large, never what they are.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Fact:
    """A name and its value; numbers and codes run from left to right in every language."""

    label: str
    value: str
    ltr: bool = False


@dataclass(frozen=True, slots=True)
class Amount:
    """A line of the calculation, or of what was paid."""

    label: str
    value: str
    total: bool = False


@dataclass(frozen=True, slots=True)
class TokenBlock:
    """Twenty digits, without spaces, and what they are."""

    title: str
    digits: str = field(repr=False)

    @property
    def groups(self) -> list[str]:
        """Five groups of four digits."""
        return [self.digits[start : start + 4] for start in range(0, len(self.digits), 4)]


@dataclass(frozen=True, slots=True)
class Slip:
    """A receipt, from top to bottom.

    Attributes:
        paper: A ``PaperSize``.
        direction: ``ltr`` or ``rtl``.
        number: The receipt number.
        logo: Digest of the utility's picture, if there is one.
        heading: Lines below the utility's name: address, tax number.
        marks: Words in a frame: ``DEMO``, ``TEST``, which copy it is and whose.
        steps: What to do with several tokens, in sentences; the first says why there are several.
        tokens: In the order in which they are entered.
        units: What the last token carries.
        facts: When, who, where, which meter.
        lines: The calculation.
        sums: What was bought and paid.
        many: The tokens are a choice, not a sequence: they stand side by side where there is room.
        closing: The last lines: where and by whom it was sold, what was bought this month.
    """

    paper: str
    language: str
    direction: str
    number: str
    sold_at: datetime
    utility: str
    logo: str | None
    heading: Sequence[str]
    header: str
    marks: Sequence[str]
    steps: Sequence[str]
    tokens: Sequence[TokenBlock]
    units: str
    facts: Sequence[Fact]
    lines: Sequence[Amount]
    sums: Sequence[Amount]
    closing: Sequence[str]
    footer: str
    many: bool = False
