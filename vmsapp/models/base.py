"""The declarative base: the framework's, so that there is one metadata and one history."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the framework's base carries no types; this is what it is
    from sqlalchemy.orm import DeclarativeBase

    class Model(DeclarativeBase):
        """A mapped row."""
else:
    from flask_appbuilder import Model

__all__ = ["Model"]
