"""A meter by its whole number: what a program shows before it sells."""

from typing import Final

from vmsapp.api.asking import session, utility
from vmsapp.api.operations import Asked, Operation, Reply
from vmsapp.api.schemas import UNIT_OF, ConsumerTold, MeterPath, MeterTold
from vmsapp.clock import now_utc
from vmsapp.models import BearerScope
from vmsapp.security import COUNTER
from vmsapp.services import meters
from vmsapp.services.meter_search import whole_number


def get_meter(asked: Asked) -> Reply:
    """Tell of one meter: whose it is, and whether it can be sold to."""
    found = whole_number(session(), asked.path.number)
    card = meters.meter_card(session(), utility(), found.meter.id, now_utc())
    meter, consumer = card.meter, card.consumer
    return Reply(
        MeterTold(
            meter_number=meter.drn,
            meter_pan=meter.meter_pan,
            meter_type=meter.meter_type,
            state=meter.state,
            unit=None if card.in_money else UNIT_OF[meter.meter_type],
            sold_by=["amount"] if card.in_money else ["amount", "units"],
            can_sell=card.can_sell,
            tariff=meter.tariff.name if meter.tariff else None,
            consumer=ConsumerTold(number=consumer.number, name=consumer.name) if consumer else None,
        )
    )


GET_METER: Final = Operation(
    name="getMeter",
    method="GET",
    address="/meters/{number}",
    summary="Look a meter up by its whole number.",
    door=get_meter,
    answers={200: MeterTold},
    scope=BearerScope.METERS_READ,
    needs=frozenset({("can_find", COUNTER)}),
    path=MeterPath,
    conflicts=(404,),
)
