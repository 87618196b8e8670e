"""What a tariff asks of a meter's key: its index, where the meter carries another.

Giving a meter another tariff changes no key by itself. It is offered, until somebody has the
tokens made or gives the meter another tariff; sales go on meanwhile.

Source: SALE.md, "10. Key change".
"""

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from vmsapp.extensions import end_reading
from vmsapp.hsm.registry import Registry
from vmsapp.models import Algorithm, KeyChange, Meter, MeterState, Tariff
from vmsapp.scope import Actor
from vmsapp.services.key_changes.errors import IndexMoved, NoSuchChange
from vmsapp.services.key_changes.planning import Wish, tokens_of_set
from vmsapp.services.key_changes.start import start


@dataclass(frozen=True, slots=True)
class Offer:
    """A key change that a tariff asks for.

    Attributes:
        wanted: The tariff's index.
        present: The one in the meter's key.
        tokens: How many the meter takes for it.
    """

    wanted: str
    present: str
    tokens: int


def offer_for(meter: Meter, tariff: Tariff | None, change: KeyChange | None) -> Offer | None:
    """Tell what a meter's tariff asks of its key; nothing while a change of it is open.

    Args:
        meter: Any.
        tariff: Its tariff.
        change: Its open key change.
    """
    wanted = tariff.tariff_index if tariff is not None else None
    if wanted is None or wanted == meter.ti:
        return None
    if change is not None or meter.state == MeterState.RETIRED:
        return None
    return Offer(wanted, meter.ti, tokens_of_set(meter.ea))


def follow(
    session: Session,
    registry: Registry,
    actor: Actor,
    meter_id: int,
    wanted: str,
    reason: str,
    form_key: str,
    *,
    table_set: str,
) -> KeyChange:
    """Have the set made that a meter's tariff asks for, under the vending key it has.

    Args:
        session: Outside any transaction but one that only read.
        registry: The security modules.
        actor: Who wants it.
        meter_id: Which meter.
        wanted: The index that was offered.
        reason: Why, for the record.
        form_key: Made with the offer: pressed twice it makes one set.
        table_set: Name of the STA tables in use.

    Raises:
        NoSuchChange: The meter is out of sight.
        IndexMoved: The tariff asks for another index now, or for none.
        VmsError: As ``start`` says.
    """
    row = session.execute(
        select(Meter, Tariff.tariff_index)
        .outerjoin(Tariff, Tariff.id == Meter.tariff_id)
        .where(Meter.id == meter_id)
        .execution_options(populate_existing=True)
    ).one_or_none()
    if row is None:
        raise NoSuchChange
    meter, index = row
    if index != wanted:
        raise IndexMoved
    wish = Wish(
        meter_id=meter.id, sgc=meter.sgc, krn=meter.krn, kt=meter.kt,
        dkga=Algorithm(meter.algorithm).dkga, ti=wanted, reason=reason,
    )  # fmt: skip
    end_reading(session)
    return start(session, registry, actor, wish, form_key, table_set=table_set)
