"""Who the program is to the product, and how its idempotency keys begin."""

from typing import Final

from sqlalchemy import select

from vmsapp.api.asking import session, utility
from vmsapp.api.operations import Asked, Operation, Reply
from vmsapp.api.schemas import ClientTold, Place
from vmsapp.models import VendingPoint
from vmsapp.services.setup import installation


def get_client(asked: Asked) -> Reply:
    """Tell a program who it is."""
    client, settings = asked.client, utility()
    point_id = client.actor.sight.vending_point_id
    named = select(VendingPoint.name).where(VendingPoint.id == point_id)
    name = session().scalar(named) if point_id is not None else None
    return Reply(
        ClientTold(
            account=client.actor.name,
            scopes=sorted(client.scopes),
            bearer_expires_at=client.expires_at,
            vending_point=Place(id=point_id, name=name) if point_id and name else None,
            epoch=installation(session()).epoch,
            currency=settings.currency,
            exponent=settings.exponent,
            time_zone=settings.time_zone,
        )
    )


GET_CLIENT: Final = Operation(
    name="getClient",
    method="GET",
    address="/client",
    summary="Who asks: account, vending point, scopes, and the epoch that keys begin with.",
    door=get_client,
    answers={200: ClientTold},
)
