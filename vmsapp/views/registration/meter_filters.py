"""What meters can be narrowed by besides their columns."""

import re
from dataclasses import dataclass
from typing import Final

from sqlalchemy import ColumnElement, and_

from vmsapp.models import Meter, MeterState
from vmsapp.views.lists.filters import Arguments, Filter
from vmsapp.views.numbers import ascii_digits

KEY_NAMED: Final = re.compile(r"\s*([0-9]{6})\s*/\s*([1-9])\s*/\s*([0-3])\s*")
"""A key as keys are named: supply group, revision, type."""


@dataclass(frozen=True, kw_only=True)
class UnderKey(Filter):
    """Meters in use that need one key: of a supply group, revision and type."""

    kind = "typed"

    def read(self, arguments: Arguments) -> tuple[str, int, int] | None:
        """Take it as keys are named, in the digits of any script."""
        named = KEY_NAMED.fullmatch(ascii_digits(arguments.get(self.name, "")))
        return (named[1], int(named[2]), int(named[3])) if named else None

    def rows(self, value: tuple[str, int, int]) -> ColumnElement[bool]:
        """Rows that need it; retired meters need none."""
        sgc, krn, kt = value
        named = and_(Meter.sgc == sgc, Meter.krn == krn, Meter.kt == kt)
        return and_(named, Meter.state != MeterState.RETIRED)

    def said(self, value: tuple[str, int, int]) -> str:
        """The key as it is named."""
        return "/".join(map(str, value))
