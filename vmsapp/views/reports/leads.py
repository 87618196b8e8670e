"""Where the sales stand that the figures of a line count."""

from collections.abc import Callable, Mapping
from typing import Any

from vmsapp.services.reports import By
from vmsapp.services.reports.lines import Line
from vmsapp.views.reports.asked import Asked


class Sales:
    """The ways from one report's lines to their sales.

    Args:
        narrowed: By which filters of the sales, besides a line's key, and to what.
    """

    def __init__(self, narrowed: Callable[[Line[Any]], Mapping[str, str | None]]) -> None:
        self._narrowed = narrowed

    def sold(self, asked: Asked, line: Line[Any]) -> str | None:
        """To those sold in these days."""
        return self._url("sold", asked, line)

    def back(self, asked: Asked, line: Line[Any]) -> str | None:
        """To those taken back in them; None for an hour: the list cannot be asked for one."""
        return None if _in_an_hour(asked, line) else self._url("back", asked, line)

    def counted(self, asked: Asked, line: Line[Any]) -> str | None:
        """To both, which a net figure counts; None for an hour, as of those taken back."""
        return None if _in_an_hour(asked, line) else self._url("counted", asked, line)

    def _url(self, days: str, asked: Asked, line: Line[Any]) -> str | None:
        return asked.sales_url(days, line.key, **self._narrowed(line))


def _in_an_hour(asked: Asked, line: Line[Any]) -> bool:
    return asked.by == By.HOUR and line.key is not None
