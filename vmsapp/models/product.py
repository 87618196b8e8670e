"""Products: the kinds of meters a utility has."""

from enum import StrEnum

from sqlalchemy import CheckConstraint, String, false
from sqlalchemy.orm import Mapped, mapped_column

from vmsapp.models.base import Model
from vmsapp.models.types import Id, Name


class MeterType(StrEnum):
    """What a meter measures."""

    ELECTRICITY = "electricity"
    WATER = "water"
    GAS = "gas"
    TIME = "time"


METER_TYPE_CHECK = "meter_type IN ('electricity', 'water', 'gas', 'time')"


class Product(Model):
    """A meter model of a manufacturer.

    ``manufacturer_code`` is the STS manufacturer code, 2 digits for meters with DRNs
    of 11 digits and 4 for those with 13.

    Attributes:
        can_become_sts6: Its Legacy meters can be taken to STS6 by key change tokens.
    """

    __tablename__ = "product"
    __table_args__ = (CheckConstraint(METER_TYPE_CHECK, name="ck_product_meter_type"),)

    id: Mapped[Id]
    model: Mapped[str] = mapped_column(String(60), unique=True)
    name: Mapped[Name]
    meter_type: Mapped[str] = mapped_column(String(12))
    manufacturer: Mapped[Name]
    manufacturer_code: Mapped[str] = mapped_column(String(4))
    can_become_sts6: Mapped[bool] = mapped_column(default=False, server_default=false())

    def __repr__(self) -> str:
        return self.model
