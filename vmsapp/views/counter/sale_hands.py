"""What sales can be narrowed by besides: who took them back, who printed them again, why given.

Figures of reports on these lead to the list of sales by them.
"""

from dataclasses import dataclass
from datetime import date
from typing import Final

from sqlalchemy import ColumnElement, select

from vmsapp.i18n import _l
from vmsapp.models import FreeToken, LedgerTransfer, OfficeUser, ReceiptPrint, Sale
from vmsapp.services.free_tokens.reserve import REASONS
from vmsapp.services.reports.second_looks import who_took_back
from vmsapp.views.counter.sale_filters import PEOPLE, SoldBy
from vmsapp.views.lists.filters import Choice, Days

WHY: Final = {
    f"{kind}.{reason}": word for kind, words in REASONS.items() for reason, word in words.items()
}
"""Why tokens are given, in words, by kind and reason."""


@dataclass(frozen=True, kw_only=True)
class CopiedOn(Days):
    """Sales whose receipt was printed again from a day to a day."""

    def rows(self, value: tuple[date | None, date | None]) -> ColumnElement[bool]:
        """Rows with such a copy."""
        copies = select(ReceiptPrint.sale_id).where(ReceiptPrint.nth > 1, super().rows(value))
        return Sale.id.in_(copies)


@dataclass(frozen=True, kw_only=True)
class CopiedBy(SoldBy):
    """Sales whose receipt somebody printed again."""

    def rows(self, value: str) -> ColumnElement[bool]:
        """Rows with such a copy."""
        copies = select(ReceiptPrint.sale_id).where(ReceiptPrint.nth > 1)
        return Sale.id.in_(copies.where(ReceiptPrint.printed_by_id == int(value)))


@dataclass(frozen=True, kw_only=True)
class BackBy(SoldBy):
    """Sales that somebody asked to take back, or gave the money back for."""

    def rows(self, value: str) -> ColumnElement[bool]:
        """Rows that this person answered."""
        back = select(LedgerTransfer.sale_id).where(LedgerTransfer.kind == "reversal")
        took: ColumnElement[bool] = who_took_back() == int(value)
        return Sale.id.in_(back) & took


@dataclass(frozen=True, kw_only=True)
class GivenFor(Choice):
    """Tokens given for a reason of a kind."""

    def rows(self, value: str) -> ColumnElement[bool]:
        """Rows given for it."""
        kind, _dot, reason = value.partition(".")
        given = select(FreeToken.sale_id).where(FreeToken.kind == kind, FreeToken.reason == reason)
        return Sale.id.in_(given)


COPIED: Final = CopiedOn(
    name="copied", label=_l("Copy printed on"), column=ReceiptPrint.printed_at
)  # fmt: skip
COPIED_BY: Final = CopiedBy(
    name="copied_by", label=_l("Copy printed by"), column=ReceiptPrint.printed_by_id,
    model=OfficeUser, text=PEOPLE,
)  # fmt: skip
BACK_BY: Final = BackBy(
    name="back_by", label=_l("Taken back by"), column=Sale.sealed_by_id, model=OfficeUser,
    text=PEOPLE,
)  # fmt: skip
GIVEN_FOR: Final = GivenFor(
    name="given_for", label=_l("Given for"), column=FreeToken.reason, words=WHY
)  # fmt: skip

HANDS: Final = (BACK_BY, COPIED, COPIED_BY, GIVEN_FOR)
