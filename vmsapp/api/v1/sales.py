"""Selling, and what became of a sale: by the same service as the counter, and its rules.

The key of a sale is the product's own idempotency key: sent again with the same body it makes
no second token and gives the same digits; with another body it is refused.
"""

from typing import Final

from flask import Response, current_app, request
from sqlalchemy import select
from sqlalchemy.exc import DBAPIError

from vmsapp.api import errors
from vmsapp.api.asking import modules, session, utility
from vmsapp.api.operations import Asked, Operation, Reply, settling
from vmsapp.api.paths import ROOT
from vmsapp.api.schemas import (
    KeyHeader,
    KeyPath,
    Money,
    Place,
    SalePath,
    SaleTold,
    SaleWanted,
    SettlingTold,
    TokenTold,
    Unit,
    Units,
    plain,
)
from vmsapp.api.v1.lines import lines_told
from vmsapp.api.v1.quotes import purchase_of, quote
from vmsapp.errors import NotFound
from vmsapp.models import BearerScope, Sale, SaleState
from vmsapp.security import COUNTER
from vmsapp.security.away import is_away
from vmsapp.services import receipts, vending
from vmsapp.services.bearers import Client
from vmsapp.services.meter_search import whole_number
from vmsapp.services.receipts import Receipt
from vmsapp.services.vending import SaleRequest
from vmsapp.services.vending.errors import (
    IdempotencyConflict,
    NoVendingPoint,
    OutcomeUnknown,
    QuoteChanged,
    SaleUnderway,
    UnknownMeter,
)

UNIT_OF_CLASS: Final[tuple[Unit, ...]] = ("kWh", "m3", "m3", "min")
"""Units by the sub-class of a credit token; of 4 to 7, which carry money, those less 4."""


def make_sale(asked: Asked) -> Reply | Response:
    """Sell one token, or tell what became of the sale this key made before."""
    key, wanted = asked.headers.idempotency_key, asked.body
    fetch = f"{ROOT}/sales/by-key/{key}"
    try:
        sale = _sell(asked.client, key, wanted)
    except QuoteChanged as error:
        return errors.show(error, quote=quote(wanted).model_dump(mode="json"))
    except OutcomeUnknown as error:
        return settling(None, _sentence(error), fetch)
    if sale.state == SaleState.PENDING:
        return settling(sale.id, _sentence(SaleUnderway(sale_id=sale.id)), fetch)
    if sale.state == SaleState.FAILED:
        return errors.show(errors.SaleFailed(sale_id=sale.id), failure=sale.failure)
    try:
        told = sale_told(asked, sale.id)
    except DBAPIError as error:
        if not is_away(error):
            raise
        return settling(sale.id, _sentence(SaleUnderway(sale_id=sale.id)), fetch)
    status = 201 if sale.state == SaleState.ISSUED else 200
    return Reply(told, status, {"Location": f"{ROOT}/sales/{sale.id}"})


def _sell(client: Client, key: str, wanted: SaleWanted) -> Sale:
    """Hand the purchase to the service that sells at the counter.

    Raises:
        VmsError: Nothing was written, or its outcome is not known; the error says which.
    """
    point_id = client.actor.sight.vending_point_id
    if point_id is None:
        raise NoVendingPoint
    try:
        found = whole_number(session(), wanted.meter_number)
    except UnknownMeter:
        made = _made_by(point_id, key)
        if made is None:
            raise
        raise IdempotencyConflict(sale_id=made) from None  # sold to a meter that moved away since
    settings = current_app.extensions["vms_settings"]
    return vending.sell(
        session(),
        modules(),
        client.actor,
        SaleRequest(
            vending_point_id=point_id,
            key=key,
            purchase=purchase_of(found.meter, wanted, utility()),
            quote_shown=wanted.figures,
            repeat_confirmed=wanted.repeat,
            into_drawer=False,
        ),
        table_set=settings.sta_tables,
        grace_days=settings.licence_grace_days,
        show=BearerScope.TOKENS_READ in client.scopes,
    )


def get_sale(asked: Asked) -> Reply:
    """Tell a sale as it stands."""
    return Reply(sale_told(asked, asked.path.id))


def get_sale_by_key(asked: Asked) -> Reply:
    """Tell the sale that a key made at the account's vending point."""
    point_id = asked.client.actor.sight.vending_point_id
    if point_id is None:
        raise NoVendingPoint
    sale_id = _made_by(point_id, asked.path.key)
    if sale_id is None:
        raise NotFound
    return Reply(sale_told(asked, sale_id))


def _made_by(point_id: int, key: str) -> int | None:
    """Find the sale that a key made at a vending point."""
    made = select(Sale.id).where(Sale.vending_point_id == point_id, Sale.idempotency_key == key)
    return session().scalar(made)


def sale_told(asked: Asked, sale_id: int) -> SaleTold:
    """Write a sale down; its digits only for a bearer that may have them, and then as shown."""
    client = asked.client
    if BearerScope.TOKENS_READ in client.scopes and request.method != "HEAD":
        receipt = receipts.receipt(session(), client.actor, sale_id)
    else:
        receipt = receipts.without_digits(session(), sale_id)
    return _told(receipt)


def _told(receipt: Receipt) -> SaleTold:
    sale = receipt.sale

    def money(minor: int) -> Money:
        return Money(minor=minor, currency=sale.currency, exponent=sale.exponent)

    unit = UNIT_OF_CLASS[sale.subclass % len(UNIT_OF_CLASS)]
    return SaleTold(
        id=sale.id,
        state=sale.state,
        kind=sale.kind,
        in_doubt=sale.state == SaleState.PENDING and sale.doubt_at is not None,
        money_given_back=sale.money_given_back,
        failure=sale.failure,
        idempotency_key=sale.idempotency_key,
        vending_point=Place(id=receipt.point.id, name=receipt.point.name),
        meter_number=receipt.meter.drn,
        receipt_number=receipt.number,
        sold_at=sale.sold_at,
        issued_at=sale.issued_at,
        business_date=sale.business_date,
        charged=money(sale.charged_minor),
        units=None if sale.in_money else Units(value=plain(sale.units), unit=unit),
        credit=None if sale.credit_minor is None else money(sale.credit_minor),
        lines=lines_told(receipt.lines, money),
        tokens=_tokens(receipt),
        marks=list(receipt.marks),
    )


def _tokens(receipt: Receipt) -> list[TokenTold] | None:
    """The tokens in the order they are entered; none where the digits may not be told."""
    if receipt.digits is None:
        return None
    before = [TokenTold(kind="key_change", digits=digits) for digits in receipt.key_tokens]
    return [*before, TokenTold(kind="credit", digits=receipt.digits)]


def _sentence(error: Exception) -> str:
    return str(current_app.extensions["vms_sentence"](error))


MAKE_SALE: Final = Operation(
    name="makeSale",
    method="POST",
    address="/sales",
    summary="Sell one token at the price that was quoted. Sent again it gives the same sale.",
    door=make_sale,
    answers={200: SaleTold, 201: SaleTold, 202: SettlingTold},
    scope=BearerScope.SALES_WRITE,
    needs=frozenset({("can_sell", COUNTER), ("can_receipt", COUNTER)}),
    headers=KeyHeader,
    body=SaleWanted,
    conflicts=(404, 409),
)
GET_SALE: Final = Operation(
    name="getSale",
    method="GET",
    address="/sales/{id}",
    summary="A sale as it stands.",
    door=get_sale,
    answers={200: SaleTold},
    scope=BearerScope.SALES_READ,
    needs=frozenset({("can_receipt", COUNTER)}),
    path=SalePath,
    conflicts=(404,),
)
GET_SALE_BY_KEY: Final = Operation(
    name="getSaleByKey",
    method="GET",
    address="/sales/by-key/{key}",
    summary="The sale that an idempotency key made at the account's vending point.",
    door=get_sale_by_key,
    answers={200: SaleTold},
    scope=BearerScope.SALES_READ,
    needs=frozenset({("can_receipt", COUNTER)}),
    path=KeyPath,
    conflicts=(404, 409),
)
