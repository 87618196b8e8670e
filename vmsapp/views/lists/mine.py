"""A filter for what the reader did: of all people it offers one."""

from dataclasses import dataclass, field

from sqlalchemy import ColumnElement

from vmsapp.errors import N_
from vmsapp.views.base import actor
from vmsapp.views.lists.filters import Choice


@dataclass(frozen=True, kw_only=True)
class Mine(Choice):
    """Rows of the reader's own, by who did it."""

    words: dict[str, str] = field(default_factory=lambda: {"me": N_("Me")})

    def rows(self, value: str) -> ColumnElement[bool]:
        """Those whose column names the reader."""
        mine: ColumnElement[bool] = self.column == actor().user_id
        return mine
