"""Tokens: the twenty digits, as text."""

from sqlalchemy import CheckConstraint, ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from vmsapp.models.base import Model
from vmsapp.models.mixins import PointScoped
from vmsapp.models.types import Id, Moment


class Token(PointScoped, Model):
    """A token a module made, with the field values it really carries.

    ``demo`` and ``table_set`` say whether a real meter would take it.
    """

    __tablename__ = "token"
    __table_args__ = (CheckConstraint("length(digits) = 20", name="ck_token_digits"),)

    id: Mapped[Id]
    sale_id: Mapped[int] = mapped_column(ForeignKey("sale.id"), unique=True)
    meter_id: Mapped[int] = mapped_column(ForeignKey("meter.id"), index=True)
    digits: Mapped[str] = mapped_column(String(20), index=True)
    token_class: Mapped[int]
    subclass: Mapped[int]
    tid: Mapped[int]
    amount_field: Mapped[int]
    kcv: Mapped[str] = mapped_column(String(6))
    module_name: Mapped[str] = mapped_column(String(40))
    table_set: Mapped[str] = mapped_column(String(20))
    demo: Mapped[bool]
    made_at: Mapped[Moment]

    def __repr__(self) -> str:
        return f"Token(id={self.id}, tid={self.tid}, digits=…)"
