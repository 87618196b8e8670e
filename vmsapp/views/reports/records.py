"""Records of tokens: those of sales and of key changes; the other kinds have lists of their own.

Whoever may see the digits sees them here once they were handed out; everybody else their end.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from flask import current_app, g, url_for
from flask_babel import gettext
from markupsafe import Markup
from sqlalchemy import Select
from sqlalchemy.orm import defer, joinedload, undefer

from vmsapp.i18n import _, _l
from vmsapp.models import Consumer, KeyChange, Meter, Sale, VendingPoint
from vmsapp.scope import current_sight
from vmsapp.security import TOKEN_RECORDS
from vmsapp.services.reports.records import (
    SETS_MADE,
    SETS_TOLD,
    WITH_TOKEN,
    handed_out,
    of_point,
    sets_of,
)
from vmsapp.sts import identifiers
from vmsapp.views.base import session
from vmsapp.views.counter.sales import TONES as SALE_TONES
from vmsapp.views.engineering.meter_key_forms import TONES
from vmsapp.views.lists.filters import Among, Choice, MovingDays, Searched, names_of
from vmsapp.views.lists.mine import Mine
from vmsapp.views.lists.pages import OfficeInterface, names, view_named
from vmsapp.views.look import digits, each_digits, state
from vmsapp.views.reports.lists import ReportList
from vmsapp.views.words import CHANGE_STATES, SALE_KINDS, SALE_STATES, masked, token_groups

KINDS_OF_TOKENS = (
    ("SalesTokens", _l("Sales tokens")),
    ("EngineeringTokens", _l("Engineering tokens")),
    ("KeyChangeTokens", _l("Key change tokens")),
    ("TestTokens", _l("Non-meter-specific tokens")),
    ("EngineeringRefusals", _l("Refused engineering tokens")),
)
"""The lists of tokens that were made, and of what was refused."""


class TokenRecords(ReportList):
    """A list of tokens of one kind, with the ways to the other kinds."""

    class_permission_name = TOKEN_RECORDS
    base_permissions = names("can_list can_digits can_export")
    exclude_route_methods = ReportList.exclude_route_methods | {"show"}
    list_template = "records/tokens.html"

    def kinds(self) -> Sequence[tuple[str, str, bool]]:
        """The lists the reader may open: words, addresses, and which is this one."""
        views = ((view_named(self.appbuilder, name), word) for name, word in KINDS_OF_TOKENS)
        return [(str(word), one.url("list"), one is self) for one, word in views if one.may("list")]

    def told(self, text: str, *, whole: bool) -> str:
        """Write a token in groups, or only its end."""
        return " ".join(token_groups(text)) if whole else masked(text)


def _meter(row: Any) -> Any:  # noqa: ANN401 - a piece of HTML, or words
    return digits(identifiers.drn.format(row.meter.drn)) if row.meter else _("Outside your region")


def _sale(sale: Sale) -> int | Markup:
    """The sale's number; for who may, the way to its page."""
    if not current_app.extensions["appbuilder"].sm.has_access("can_show", "Sales"):
        return sale.id
    return Markup('<a href="{}">{}</a>').format(url_for("Sales.show", pk=sale.id), sale.id)


def _drn(row: Any) -> str | None:  # noqa: ANN401 - a row with a meter
    return row.meter.drn if row.meter else None


class SalesTokens(TokenRecords):
    """The tokens sold or given at the asker's vending point, or at those in the region."""

    datamodel = OfficeInterface(Sale)
    route_base = "/sales-tokens"
    report = export_subject = "sales_tokens"

    list_title = _l("Token records")
    list_columns = names("id issued_at digits meter consumer kind state vending_point"
                         " operator_name")  # fmt: skip
    show_columns = list_columns
    days = "business_date"
    order_columns = names("id")
    base_order = ("id", "desc")
    label_columns = {
        "id": _l("Sale"), "issued_at": _l("Made at"), "digits": _l("Token"),
        "meter": _l("Meter number"), "consumer": _l("Consumer"), "kind": _l("Kind"),
        "state": _l("State"), "vending_point": _l("Vending point"),
        "operator_name": _l("Operator"),
    }  # fmt: skip
    filters = (
        MovingDays(name="sold", label=_l("Business date"), column=Sale.business_date),
        Choice(name="kind", label=_l("Kind"), column=Sale.kind, words=SALE_KINDS),
        Searched(name="meter", label=_l("Meter number"), column=Sale.meter_id, model=Meter,
                 endpoint="Meters.lookup"),
        Searched(name="consumer", label=_l("Consumer"), column=Sale.consumer_id, model=Consumer,
                 endpoint="Consumers.lookup"),
        Mine(name="by", label=_l("Operator"), column=Sale.operator_id),
        Among(name="point", label=_l("Vending point"), column=Sale.vending_point_id,
              model=VendingPoint, text=names_of(VendingPoint, VendingPoint.name)),
    )  # fmt: skip
    loads = (
        joinedload(Sale.consumer), joinedload(Sale.meter), joinedload(Sale.vending_point),
        joinedload(Sale.token), undefer(Sale.operator_name), defer(Sale.calculation),
    )  # fmt: skip
    cells = {
        "id": _sale,
        "consumer": lambda sale: sale.consumer or _("Outside your region"),
        "meter": _meter,
        "kind": lambda sale: _(SALE_KINDS[sale.kind]),
        "state": lambda sale: state(_(SALE_STATES[sale.state]), SALE_TONES.get(sale.state)),
    }
    export_cells: ClassVar[Mapping[str, Any]] = {"id": lambda sale: sale.id, "meter": _drn}
    empty = _l("Tokens stand here as soon as the first one is sold.")

    def statement(self) -> Select[Any]:
        """Sales whose token was made."""
        return super().statement().where(Sale.state.in_(WITH_TOKEN))

    def value(self, row: Sale, column: str) -> Any:  # noqa: ANN401
        """What stands in a cell; of the digits what the reader may see."""
        if column != "digits":
            return super().value(row, column)
        if row.token is None:
            return None
        return digits(self.told(row.token.digits, whole=self.may("digits") and handed_out(row)))

    def name_of(self, row: Sale) -> str:
        """The sale it was made for."""
        return str(_("Sale %(id)s", id=row.id))


class KeyChangeTokens(TokenRecords):
    """The sets of key change tokens made for the meters the asker sees."""

    datamodel = OfficeInterface(KeyChange)
    route_base = "/key-change-tokens"
    report = export_subject = "key_change_tokens"

    list_title = _l("Key change tokens")
    list_columns = names("id completed_at digits meter old new state reserved_by")
    show_columns = list_columns
    order_columns = names("id")
    base_order = ("id", "desc")
    label_columns = {
        "id": _l("Record"), "completed_at": _l("Made at"), "digits": _l("Tokens"),
        "meter": _l("Meter number"), "old": _l("Old key (SGC / KRN / TI)"),
        "new": _l("New key (SGC / KRN / TI)"), "state": _l("State"),
        "reserved_by": _l("Made by"),
    }  # fmt: skip
    filters = (
        MovingDays(name="made", label=_l("Made at"), column=KeyChange.completed_at),
        Choice(name="state", label=_l("State"), column=KeyChange.state,
               words={code: CHANGE_STATES[code] for code in SETS_MADE}),
        Searched(name="meter", label=_l("Meter number"), column=KeyChange.meter_id, model=Meter,
                 endpoint="Meters.lookup"),
        Mine(name="by", label=_l("Made by"), column=KeyChange.reserved_by_id),
    )  # fmt: skip
    loads = (joinedload(KeyChange.meter), undefer(KeyChange.reserved_by))
    cells = {
        "id": lambda change: digits(change.number),
        "meter": _meter,
        "old": lambda row: digits(f"{row.old_sgc} / {row.old_krn} / {row.old_ti}"),
        "new": lambda row: digits(f"{row.new_sgc} / {row.new_krn} / {row.new_ti}"),
        "state": lambda row: state(gettext(CHANGE_STATES[row.state]), TONES.get(row.state)),
    }
    export_cells: ClassVar[Mapping[str, Any]] = {"id": lambda row: row.number, "meter": _drn}
    empty = _l("Sets of key change tokens stand here once one is made.")

    def statement(self) -> Select[Any]:
        """Key changes whose tokens were made, of the asker's vending point if there is one."""
        made = super().statement().where(KeyChange.state.in_(SETS_MADE))
        return made.where(of_point(current_sight()))

    def make_ready(self, rows: Sequence[KeyChange]) -> None:
        """Read the tokens of the sets."""
        g.key_change_sets = sets_of(session(), [row.id for row in rows])

    def value(self, row: KeyChange, column: str) -> Any:  # noqa: ANN401
        """What stands in a cell; of the digits what the reader may see."""
        if column != "digits":
            return super().value(row, column)
        whole = self._reads_sets() and row.state in SETS_TOLD
        tokens = g.key_change_sets.get(row.id, ())
        return each_digits(self.told(one, whole=whole) for one in tokens)

    def _reads_sets(self) -> bool:
        """Whether the asker deals with key changes, as on the page of a meter's key."""
        shows: bool = view_named(self.appbuilder, "Meters").shows_key_tokens()
        return shows and self.may("digits")

    def name_of(self, row: KeyChange) -> str:
        """The number of its record."""
        return str(_("Key change %(id)s", id=row.number))
