"""The page that explains an amount: of a sale from what it stored, of a quote from its price."""

from dataclasses import replace
from typing import Any

from flask import current_app, url_for

from vmsapp.models import Meter, Sale
from vmsapp.security import TARIFFS
from vmsapp.services.explanations import (
    Explanation,
    consumer_named,
    explain,
    explained_sale,
    tariff_of,
)
from vmsapp.services.vending.pricing import Priced
from vmsapp.services.vending.request import Mode
from vmsapp.views.base import OfficeView, session, utility, zone
from vmsapp.views.counter.why_words import VERSION_SHOWN, counted, rows, settled, unit_of


def sale_explained(view: Any, sale_id: int, back: str) -> str:  # noqa: ANN401 - either kind
    """Show why a sale cost what it did.

    Args:
        view: Whose page it is.
        sale_id: Which sale.
        back: Address of the sale's own page.

    Raises:
        NotFound: No such sale in the asker's scope.
    """
    sale, meter, why = explained_sale(session(), sale_id)
    return _page(view, why, sale=sale, meter=meter, back=back)


def quote_explained(
    view: OfficeView, meter: Meter, priced: Priced, mode: Mode, shown: int | None, back: str
) -> str:
    """Show why a quote comes to what it does.

    Args:
        view: Whose page it is.
        meter: What is bought for.
        priced: The quote as it is now.
        mode: What was asked for.
        shown: What was to pay when the page was asked for, minor units.
        back: Address of the purchase.
    """
    why = explain(
        priced.calculation,
        currency=priced.currency.code,
        exponent=priced.currency.exponent,
        meter_type=priced.meter_type,
        mode=mode,
        carried=priced.on_token.carried,
    )
    if priced.handed_minor is not None:
        why = replace(why, received_minor=priced.received_minor, change_minor=priced.change_minor)
    changed = shown is not None and shown != why.charged_minor
    return _page(view, why, sale=None, meter=meter, back=back, changed=changed)


def _page(
    view: Any,  # noqa: ANN401 - either kind
    why: Explanation,
    *,
    sale: Sale | None,
    **context: Any,  # noqa: ANN401 - the template's
) -> str:
    return str(
        view.render_template(
            "counter/why.html",
            why=why,
            rows=list(rows(why)),
            counted=list(counted(why)),
            settled=settled(why),
            unit=unit_of(why),
            zone=zone(),
            version=(why.version or "")[:VERSION_SHOWN],
            plan_url=plan_url(why.plan_id),
            sale=sale,
            utility_name=utility().utility_name,
            consumer=consumer_named(session(), sale.consumer_id) if sale else "",
            **context,
        )
    )


def plan_url(plan_id: int | None) -> str | None:
    """Find the page of a plan, for who may see tariffs; none while there is no such page."""
    builder = current_app.extensions["appbuilder"]
    if plan_id is None or not builder.sm.has_access("can_show", TARIFFS):
        return None
    tariff_id = tariff_of(session(), plan_id)
    return url_for("Tariffs.plan", pk=tariff_id, plan_id=plan_id) if tariff_id else None
