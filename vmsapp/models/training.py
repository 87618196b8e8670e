"""Training meters: virtual ones, each of one signed-in browser, that nobody sells to.

The whole meter is sealed, its key with it, so that no table and no copy of one shows what could
be mistaken for a meter's key or for a token.
"""

from datetime import datetime

from sqlalchemy import ForeignKey, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from vmsapp.models.base import Model
from vmsapp.models.types import BigId, Moment, UtcDateTime


class TrainingMeter(Model):
    """The training meter of a session; it goes when it rested for too long.

    Attributes:
        session_id: Whose browser: a row of ``user_session``.
        sealed: Its state, as ``services.training.keeping`` seals it.
        expires_at: From then on it counts no more.
    """

    __tablename__ = "training_meter"

    session_id: Mapped[int] = mapped_column(
        BigId, ForeignKey("user_session.id"), primary_key=True, autoincrement=False
    )
    sealed: Mapped[bytes] = mapped_column(LargeBinary)
    begun_at: Mapped[Moment]
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
