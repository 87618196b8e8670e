"""The lines of a price, as programs are told them."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from vmsapp.api.schemas import LineTold, Money


def lines_told(lines: Iterable[Mapping[str, Any]], money: Callable[[int], Money]) -> list[LineTold]:
    """Write the lines of a quote or a sale, as the price engine wrote them down."""
    return [
        LineTold(kind=line["kind"], name=line.get("name"), amount=money(line["amount_minor"]))
        for line in lines
    ]
