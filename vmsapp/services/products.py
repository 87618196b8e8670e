"""Products: what may no longer change once meters of a product are registered."""

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from vmsapp.errors import N_, InvalidInput
from vmsapp.models import Meter, Product
from vmsapp.scope import unscoped


class MeterTypeInUse(InvalidInput):
    """Meters keep the type they were registered with."""

    code = "meter_type_in_use"
    message = N_(
        "Meters of this product are registered, so their type cannot change."
        " Add another product instead."
    )
    field = "meter_type"


class ManufacturerCodeInUse(InvalidInput):
    """Meter numbers begin with the code."""

    code = "manufacturer_code_in_use"
    message = N_(
        "Meters of this product are registered, and their numbers begin with its code."
        " Add another product instead."
    )
    field = "manufacturer_code"


def in_use(session: Session, product_id: int) -> bool:
    """Tell whether a meter of this product is registered anywhere."""
    with unscoped("a product belongs to all regions"):
        found = select(Meter.id).where(Meter.product_id == product_id).limit(1)
        return session.scalar(found) is not None


def model_taken(session: Session, model: str, but: int | None) -> bool:
    """Tell whether another product has this model, be it in capitals or not."""
    found = select(Product.id).where(
        func.lower(Product.model) == model.lower(), Product.id != (but or 0)
    )
    return session.scalar(found) is not None
