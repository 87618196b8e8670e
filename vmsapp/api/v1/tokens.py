"""Records of the tokens that were sold, as their list has them."""

from typing import Final

from sqlalchemy import Select, select
from sqlalchemy.orm import defer, joinedload

from vmsapp.api.asking import session
from vmsapp.api.operations import Asked, Operation, Reply
from vmsapp.api.schemas import RecordsQuery, RecordsTold, RecordTold
from vmsapp.models import BearerScope, Meter, Sale
from vmsapp.security import TOKEN_RECORDS
from vmsapp.services.meter_search import whole_number
from vmsapp.services.reports.records import WITH_TOKEN, handed_out


def list_tokens(asked: Asked) -> Reply:
    """Tell the records of tokens, the oldest first, a page at a time."""
    query: RecordsQuery = asked.query
    found = session().scalars(_wanted(query).limit(query.limit + 1)).all()
    page = found[: query.limit]
    more = page[-1].id if len(found) > query.limit else None
    return Reply(RecordsTold(records=[_told(sale) for sale in page], next=more))


def _wanted(query: RecordsQuery) -> Select[Sale]:
    statement = (
        select(Sale)
        .where(Sale.id > query.after, Sale.state.in_(WITH_TOKEN))
        .order_by(Sale.id)
        .options(joinedload(Sale.token), joinedload(Sale.meter), defer(Sale.calculation))
    )
    if query.meter_number is not None:
        meter: Meter = whole_number(session(), query.meter_number).meter
        statement = statement.where(Sale.meter_id == meter.id)
    if query.since is not None:
        statement = statement.where(Sale.business_date >= query.since)
    if query.until is not None:
        statement = statement.where(Sale.business_date <= query.until)
    return statement


def _told(sale: Sale) -> RecordTold:
    return RecordTold(
        sale_id=sale.id,
        kind=sale.kind,
        state=sale.state,
        made_at=sale.issued_at,
        business_date=sale.business_date,
        meter_number=sale.meter.drn if sale.meter else None,
        receipt_number=sale.receipt,
        digits=sale.token.digits if sale.token is not None and handed_out(sale) else None,
    )


LIST_TOKENS: Final = Operation(
    name="listTokens",
    method="GET",
    address="/tokens",
    summary="The records of tokens that were sold or given where the account may see it.",
    door=list_tokens,
    answers={200: RecordsTold},
    scope=BearerScope.TOKENS_READ,
    needs=frozenset({("can_list", TOKEN_RECORDS), ("can_digits", TOKEN_RECORDS)}),
    query=RecordsQuery,
    conflicts=(404,),
)
