"""Meters that a campaign leaves out, by reason: a list that can be narrowed and taken away."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flask import current_app, g, request
from flask_babel import gettext
from sqlalchemy import ColumnElement, Select, false
from sqlalchemy.orm import joinedload

from vmsapp.i18n import _l
from vmsapp.models import Campaign, Meter, Region
from vmsapp.security import CAMPAIGNS
from vmsapp.services.campaigns.behind import left_out_for
from vmsapp.services.campaigns.preview import preview
from vmsapp.services.campaigns.progress import left_out
from vmsapp.services.campaigns.terms import Conflict
from vmsapp.sts import identifiers
from vmsapp.views.base import session
from vmsapp.views.campaigns.words import CAMPAIGN_DEEDS, campaign_url, conflict_said
from vmsapp.views.lists.cells import Coded
from vmsapp.views.lists.exports import Exported
from vmsapp.views.lists.filters import Choice, Searched
from vmsapp.views.lists.listing import row_of
from vmsapp.views.lists.pages import OfficeInterface, names, view_named
from vmsapp.views.look import digits
from vmsapp.views.registration.meter_forms import BASE_YEARS
from vmsapp.views.words import METER_STATES


def left_out_url(row: Campaign, code: str | None = None) -> str:
    """Where the meters are listed that a campaign leaves out, for a reason or for any."""
    view = view_named(current_app.extensions["appbuilder"], "CampaignLeftOut")
    return view.url("list", campaign=row.id, reason=code)


def _campaign() -> Campaign | None:
    """The campaign that the address names, in the asker's scope, read once."""
    if "left_out_of" not in g:
        number = request.args.get("campaign", type=int)
        g.left_out_of = None if number is None else row_of(session(), Campaign, number)
    found: Campaign | None = g.left_out_of
    return found


def _reasons() -> Mapping[str, str]:
    """Why the campaign of the address leaves meters out: codes and sentences, read once."""
    if "left_out_reasons" not in g:
        g.left_out_reasons = {one.code: conflict_said(one) for one in _conflicts()}
    found: Mapping[str, str] = g.left_out_reasons
    return found


def _conflicts() -> Sequence[Conflict]:
    """What the campaign of the address leaves out, counted once."""
    if "left_out_conflicts" not in g:
        g.left_out_conflicts = _counted(_campaign())
    found: Sequence[Conflict] = g.left_out_conflicts
    return found


def _counted(row: Campaign | None) -> Sequence[Conflict]:
    if row is None:
        return ()
    if row.begun_at is not None:
        return left_out(session(), row.id)
    return preview(session(), row.id).conflicts


@dataclass(frozen=True, kw_only=True)
class OfCampaign(Searched):
    """The meters that a campaign leaves out; which of them, the reason says."""

    def read(self, arguments: Any) -> Any:  # noqa: ANN401
        """Take a campaign the asker sees: of an address the one that was read already."""
        return _campaign() if arguments is request.args else super().read(arguments)

    def rows(self, value: Any) -> ColumnElement[bool]:  # noqa: ANN401
        """All it leaves out, or those for the reason in the address."""
        wanted = request.args.get("reason")
        code = wanted if wanted in _reasons() else None
        return left_out_for(session(), value, _conflicts(), code)

    def said(self, value: Any) -> str:  # noqa: ANN401
        """What its planner called it."""
        return str(value.name)


@dataclass(frozen=True, kw_only=True)
class Reason(Choice):
    """Why; the campaign narrows by it, see above."""

    def read(self, arguments: Any) -> str | None:  # noqa: ANN401
        """Take a reason that the campaign of the address has."""
        code = arguments.get(self.name)
        return code if code in _reasons() else None

    def rows(self, value: str) -> ColumnElement[bool]:
        """Narrow nothing more."""
        return Meter.id.is_not(None)

    def said(self, value: str) -> str:
        """Its sentence."""
        return _reasons()[value]

    def options(self) -> list[tuple[str, str]]:
        """The reasons there are."""
        return list(_reasons().items())


class CampaignLeftOut(Exported):
    """The meters the asker sees that a campaign leaves out."""

    datamodel = OfficeInterface(Meter)
    route_base = "/campaign-left-out"
    class_permission_name = CAMPAIGNS
    base_permissions = CAMPAIGN_DEEDS
    exclude_route_methods = Exported.exclude_route_methods | {"show"}
    list_template = "campaigns/members.html"
    export_subject = "campaign_left_out"

    list_title = _l("Meters left out")
    list_columns = names("drn region product sgc krn ti base_date state")
    show_columns = list_columns
    order_columns = names("drn")
    base_order = ("drn", "asc")
    label_columns = {
        "drn": _l("Meter number"), "region": _l("Region"), "product": _l("Product"),
        "sgc": _l("Supply group code (SGC)"), "krn": _l("Key revision number (KRN)"),
        "ti": _l("Tariff index (TI)"), "base_date": _l("Base date"), "state": _l("State"),
    }  # fmt: skip
    filters = (
        OfCampaign(name="campaign", label=_l("Campaign"), column=Meter.id, model=Campaign,
                   endpoint="Campaigns.lookup"),
        Reason(name="reason", label=_l("Why left out"), column=Meter.id, words={}),
        Searched(name="region", label=_l("Region"), column=Meter.region_id, model=Region,
                 endpoint="Regions.lookup"),
    )  # fmt: skip
    loads = (joinedload(Meter.region), joinedload(Meter.product))
    cells = {
        "drn": lambda row: digits(identifiers.drn.format(row.drn)),
        "region": lambda row: row.region.name,
        "product": lambda row: row.product.model,
        "base_date": Coded("base_date", lambda code: BASE_YEARS.get(code, code)),
        "state": Coded("state", lambda code: gettext(METER_STATES[code])),
    }
    export_cells = {"drn": lambda row: row.drn}
    empty = _l("Open a campaign, and from there the meters behind a reason.")

    def statement(self) -> Select[Any]:
        """No meter without a campaign: this is no second list of meters."""
        whole: Select[Any] = super().statement()
        return whole if _campaign() is not None else whole.where(false())

    def of_campaign(self) -> tuple[str, str] | None:
        """The campaign of the list: its name and page."""
        row = _campaign()
        return None if row is None else (row.name, campaign_url(row))
