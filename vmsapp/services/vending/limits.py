"""The utility's limit of how often a meter gets a token in a day.

Limits of size are part of the price (``services.tariffs.terms_of``), so they show while the
amount is typed. What a meter got in a day is counted once, under the locks of the sale.
"""

from datetime import date

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from vmsapp.models import Meter, Sale, SaleKind, SaleState, Setup
from vmsapp.services.vending.errors import TokensOfTheDay


def check_tokens_of_the_day(session: Session, setup: Setup, meter: Meter, today: date) -> None:
    """Refuse one token more than a meter gets in a day, wherever they were sold.

    Sales that failed made no token. Those taken back did, and it may have been used. What was
    given without money has quotas of its own, and takes nobody a purchase.

    Raises:
        TokensOfTheDay: With the limit.
    """
    most = setup.tokens_a_day
    if most is None:
        return
    sale = Sale.__table__.c  # past the scope: other vending points' sales count, too
    had = session.scalar(
        select(func.count())
        .where(sale.meter_id == meter.id, sale.business_date == today)
        .where(sale.state != SaleState.FAILED, sale.kind == SaleKind.SALE)
    )
    if (had or 0) >= most:
        raise TokensOfTheDay(drn=meter.drn, most=most)
