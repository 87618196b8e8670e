"""Which meters a campaign chooses, as conditions, and how they are looked at kind by kind.

A *kind* is everything about a meter that a plan reads. What holds for one meter of a kind holds
for all, so the rules are asked once for each kind and not once for each of a million meters.
"""

from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, Select, exists, or_, select
from sqlalchemy.orm import Session

from vmsapp.models import (
    CHANGES_MADE,
    OPEN_CHANGES,
    Campaign,
    CampaignMeter,
    EngineeringState,
    EngineeringToken,
    KeyChange,
    Meter,
    Product,
    Region,
    Sale,
    SaleState,
)
from vmsapp.scope import below
from vmsapp.services.campaigns.terms import Kind, Selection
from vmsapp.services.rows import among_named

change = KeyChange.__table__.c  # past the scope: a meter has one key, whoever asks


KIND: Final = (
    Product.can_become_sts6, Meter.algorithm, Meter.sgc, Meter.krn, Meter.kt, Meter.ti, Meter.ea,
    Meter.tct,
)  # fmt: skip
"""The columns of a ``Kind``."""


class Alike(NamedTuple):
    """Meters that stand alike under the locks: as columns, for a campaign has a million of them.

    Attributes:
        ids, pans: The meters, in the order of their ids.
    """

    state: str
    in_change: bool
    busy: bool
    kind: Kind
    ids: list[int]
    pans: list[str]


def chosen(session: Session, campaign: Campaign) -> list[ColumnElement[bool]]:
    """State which meters a campaign chooses and has not changed, beside the asker's scope."""
    found = selected(session, campaign)
    return found if campaign.begun_at is None else [*found, ~changed_by(campaign)]


def selected(session: Session, campaign: Campaign) -> list[ColumnElement[bool]]:
    """State which meters a campaign chooses, those it has changed included."""
    selection = Selection.read(campaign.selection)
    narrowed = (
        (Meter.product_id, selection.product_ids),
        (Meter.sgc, selection.sgcs),
        (Meter.krn, selection.krns),
        (Meter.base_date, selection.base_dates),
        (Meter.algorithm, selection.algorithms),
    )
    found: list[ColumnElement[bool]] = [
        column.in_(values) for column, values in narrowed if values
    ]  # fmt: skip
    if campaign.region_id is not None:
        path = session.scalar(select(Region.path).where(Region.id == campaign.region_id))
        found.append(Meter.region_id.in_(_regions_below(session, path)))
    if campaign.listed:
        listed = CampaignMeter.__table__.c
        in_list = select(listed.meter_id).where(
            listed.campaign_id == campaign.id, listed.meter_id.is_not(None)
        )
        found.append(Meter.id.in_(in_list))
    return found


def changed_by(campaign: Campaign) -> ColumnElement[bool]:
    """State which meters a campaign made a set for, or is making it."""
    return exists().where(
        change.meter_id == Meter.id, change.campaign_id == campaign.id,
        change.state.in_(CHANGES_MADE),
    )  # fmt: skip


def in_change() -> ColumnElement[bool]:
    """State which meters have an open change."""
    return exists().where(change.meter_pan == Meter.meter_pan, change.state.in_(OPEN_CHANGES))


def being_settled() -> ColumnElement[bool]:
    """State to which meters a sale or an engineering token is being made."""
    return or_(*(Meter.meter_pan.in_(pans) for pans in _pans_being_settled()))


def in_change_among(dialect: str, name: str) -> Select[str]:
    """Ask which of the MeterPANs bound under a name have an open change, by their index."""
    return select(change.meter_pan).where(
        among_named(dialect, change.meter_pan, name), change.state.in_(OPEN_CHANGES)
    )


def being_settled_among(dialect: str, name: str) -> list[Select[str]]:
    """Ask to which of them a sale is being made, and to which an engineering token."""
    return [
        wanted.where(among_named(dialect, wanted.selected_columns[0], name))
        for wanted in _pans_being_settled()
    ]


def _pans_being_settled() -> tuple[Select[str], ...]:
    sale, token = Sale.__table__.c, EngineeringToken.__table__.c
    return (
        select(sale.meter_pan).where(sale.state == SaleState.PENDING, sale.sealed_at.is_(None)),
        select(token.meter_pan).where(token.state == EngineeringState.RESERVED),
    )


def _regions_below(session: Session, path: str | None) -> list[Any]:
    """List regions beforehand: so the meters are found by their own index, and in one order."""
    return list(session.scalars(select(Region.id).where(below(Region.path, path))))
