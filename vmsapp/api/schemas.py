"""What programs send and are sent, as data: each form is checked by it and described from it.

Money is whole minor units, with the currency's code and decimals beside them, so that nobody
takes one for the other. Units are decimals as text, with their unit. Times are RFC 3339 in
UTC. A token is text of twenty digits.
"""

import re
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, WithJsonSchema

from vmsapp.models import BearerScope, MeterState, MeterType, SaleKind, SaleState
from vmsapp.money import MAX_MINOR
from vmsapp.tariffs.engine import LineKind

KEY: Final = r"^[1-9][0-9]{0,8}-[A-Za-z0-9_-]{16,50}$"
"""An idempotency key: the installation's epoch, a hyphen, and a text of the program's own."""

METER_NUMBER: Final = r"^([0-9]{11}|[0-9]{13}|[0-9]{18})$"

MOST_RECORDS: Final = 100

Unit = Literal["kWh", "m3", "min"]
UNIT_OF: Final[dict[str, Unit]] = {
    "electricity": "kWh", "water": "m3", "gas": "m3", "time": "min",
}  # fmt: skip
"""The unit of a meter that is credited with units, by its type."""


def _written(form: str, what: str) -> BeforeValidator:
    """Refuse what the library would read, too, and nobody writes."""

    def check(value: object) -> object:
        if isinstance(value, str) and not re.fullmatch(form, value, re.ASCII):
            msg = f"no {what}"
            raise ValueError(msg)
        return value

    return BeforeValidator(check)


def _one_of(*codes: str) -> Any:  # noqa: ANN401 - the library's
    """Say which codes a text may be: rows hold it as text."""
    return Field(json_schema_extra={"enum": [str(code) for code in codes]})


Time = Annotated[
    datetime,
    PlainSerializer(lambda moment: f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}"),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
Day = Annotated[date, _written(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", "day")]
WHOLE: Final = _written(r"0|-?[1-9][0-9]{0,19}", "whole number")
LARGEST_ID: Final = 2**63 - 1
RowId = Annotated[int, Field(ge=1, le=LARGEST_ID), WHOLE]
Figures = Annotated[
    dict[
        Annotated[str, Field(max_length=40)],
        Annotated[str, Field(max_length=40)] | Annotated[int, Field(ge=-MAX_MINOR, le=MAX_MINOR)],
    ],
    Field(
        max_length=40,
        description="The figures of a quote, to be sent back as they came: what the customer"
        " said yes to.",
    ),
]


class Sent(BaseModel):
    """What a program sends: no more than is described, and of the very type."""

    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)


class InAddress(BaseModel):
    """What stands in an address, where all is text."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class Told(BaseModel):
    """What a program is told."""

    model_config = ConfigDict(extra="forbid")


class Money(Sent):
    """Money: 20.00 dollars are 2000 with 2 decimals."""

    minor: Annotated[int, Field(ge=-MAX_MINOR, le=MAX_MINOR, description="Whole minor units.")]
    currency: Annotated[str, Field(pattern="^[A-Z]{3}$", description="ISO 4217 code.")]
    exponent: Annotated[int, Field(ge=0, le=4, description="Decimals of the minor unit.")]


class Units(Sent):
    """Units of energy, water, gas or time."""

    value: Annotated[
        str, Field(pattern=r"^[0-9]{1,9}(\.[0-9]{1,3})?$", description="A decimal, as text.")
    ]
    unit: Unit


class MeterPath(InAddress):
    """Which meter."""

    number: Annotated[
        str,
        Field(pattern=METER_NUMBER, description="The number on the meter, or its MeterPAN."),
    ]


class ByAmount(Sent):
    """For an amount of money: the units it buys are worked out."""

    by: Literal["amount"]
    amount: Money


class ByUnits(Sent):
    """Units: what they cost is worked out."""

    by: Literal["units"]
    units: Units


Wanted = Annotated[ByAmount | ByUnits, Field(discriminator="by")]


class QuoteWanted(Sent):
    """What is to be priced."""

    meter_number: Annotated[str, Field(pattern=METER_NUMBER)]
    purchase: Wanted


class SaleWanted(QuoteWanted):
    """What is to be sold, at the price that was quoted."""

    figures: Figures
    repeat: Annotated[
        bool,
        Field(
            description="The customer wants the same once more, less than two minutes after"
            " the first."
        ),
    ] = False


class KeyHeader(InAddress):
    """The header that makes a sale happen once."""

    idempotency_key: Annotated[
        str,
        Field(
            alias="Idempotency-Key",
            pattern=KEY,
            description="The epoch that getClient tells, a hyphen, and 16 to 50 letters, digits,"
            " hyphens or underscores of your own. The same for each retry of one purchase,"
            " another for the next.",
        ),
    ]


class SalePath(InAddress):
    """Which sale."""

    id: RowId


class KeyPath(InAddress):
    """Which sale, by the key it was asked for with."""

    key: Annotated[str, Field(pattern=KEY)]


class RecordsQuery(InAddress):
    """Which records of tokens."""

    meter_number: Annotated[str | None, Field(pattern=METER_NUMBER)] = None
    since: Annotated[Day | None, Field(description="First business date.")] = None
    until: Annotated[Day | None, Field(description="Last business date.")] = None
    after: Annotated[
        int,
        Field(ge=0, le=LARGEST_ID, description="“next” of the page before; 0 for the first."),
        WHOLE,
    ] = 0
    limit: Annotated[int, Field(ge=1, le=MOST_RECORDS), WHOLE] = 50


class Place(Told):
    """A vending point."""

    id: int
    name: str


class ClientTold(Told):
    """Who asks, as the product sees it."""

    account: str
    scopes: list[BearerScope]
    bearer_expires_at: Time
    vending_point: Annotated[
        Place | None, Field(description="Where it sells; without one it sells nothing.")
    ]
    epoch: Annotated[int, Field(description="How idempotency keys begin.")]
    currency: str
    exponent: int
    time_zone: Annotated[str, Field(description="Of business dates; IANA name.")]


class ConsumerTold(Told):
    """Who lives where a meter hangs."""

    number: str
    name: str


class MeterTold(Told):
    """A meter."""

    meter_number: str
    meter_pan: str
    meter_type: Annotated[str, _one_of(*MeterType)]
    state: Annotated[str, _one_of(*MeterState)]
    unit: Annotated[Unit | None, Field(description="Of what it is credited with; of money none.")]
    sold_by: Annotated[
        list[Literal["amount", "units"]],
        Field(description="How it can be sold to; a meter credited with money by amount alone."),
    ]
    can_sell: Annotated[
        bool, Field(description="Whether it can be sold to at all; the sale itself checks again.")
    ]
    tariff: str | None
    consumer: ConsumerTold | None


class LineTold(Told):
    """One figure of a price."""

    kind: Annotated[str, _one_of(*LineKind)]
    name: str | None
    amount: Money


class QuoteTold(Told):
    """A price: shown, not promised."""

    meter_number: str
    charged: Money
    units: Annotated[Units | None, Field(description="What the token gives; of money none.")]
    credit: Annotated[Money | None, Field(description="Money on the token of such a meter.")]
    lines: list[LineTold]
    figures: Figures
    epoch: Annotated[int, Field(description="How idempotency keys begin.")]


class TokenTold(Told):
    """A token to be entered, in the order told."""

    kind: Literal["key_change", "credit"]
    digits: Annotated[str, Field(pattern=r"^[0-9]{20}$")]


class SaleTold(Told):
    """A sale as it stands."""

    id: int
    state: Annotated[
        str,
        _one_of(*SaleState),
        Field(description="“pending” goes to “issued” or “failed”, “issued” to “reversed”."),
    ]
    kind: Annotated[
        str,
        _one_of(*SaleKind),
        Field(description="Whether it was paid for; the others were given without money."),
    ]
    in_doubt: Annotated[
        bool, Field(description="Nobody knows yet whether the token was made; being settled.")
    ]
    money_given_back: Annotated[
        bool, Field(description="A person gave the money back while it was in doubt.")
    ]
    failure: Annotated[str | None, Field(description="A code, of a sale that failed.")]
    idempotency_key: str
    vending_point: Place
    meter_number: str
    receipt_number: str | None
    sold_at: Time
    issued_at: Time | None
    business_date: date
    charged: Money
    units: Units | None
    credit: Money | None
    lines: list[LineTold]
    tokens: Annotated[
        list[TokenTold] | None,
        Field(
            description="In the order they are entered. None where there are none, the sale was"
            " taken back, or the bearer lacks tokens:read."
        ),
    ]
    marks: Annotated[
        list[Annotated[str, _one_of("DEMO", "TEST")]],
        Field(description="Must be shown beside the digits: no real meter takes them."),
    ]


class SettlingTold(Told):
    """A sale whose outcome is not known yet: keep the money, sell nothing again, ask later."""

    state: Literal["pending"]
    sale_id: Annotated[int | None, Field(description="None where not even that is known.")]
    detail: str
    fetch: Annotated[str, Field(description="Where what becomes of it is told.")]


class RecordTold(Told):
    """The record of a token that was sold or given."""

    sale_id: int
    kind: Annotated[str, _one_of(*SaleKind)]
    state: Annotated[str, _one_of(SaleState.ISSUED, SaleState.REVERSED)]
    made_at: Time | None
    business_date: date
    meter_number: Annotated[str | None, Field(description="None outside the account's region.")]
    receipt_number: str | None
    digits: Annotated[
        str | None,
        Field(pattern=r"^[0-9]{20}$", description="None where nobody was handed them yet, or the"
              " sale was taken back."),
    ]  # fmt: skip


class RecordsTold(Told):
    """A page of records, the oldest first."""

    records: list[RecordTold]
    next: Annotated[
        int | None, Field(description="“after” of the next page; none behind the last.")
    ]


class FieldFault(Told):
    """What does not fit."""

    at: Annotated[str, Field(description="Where it stands: body, path, query or header.")]
    pointer: Annotated[str, Field(description="JSON pointer (RFC 6901) of the value there.")]
    code: str


class Problem(Told):
    """What went wrong (RFC 9457)."""

    model_config = ConfigDict(extra="allow")

    type: str
    title: str
    status: int
    detail: Annotated[str, Field(description="A sentence, in the language of Accept-Language.")]
    code: Annotated[str, Field(description="A name that stays as it is.")]
    reference: Annotated[str, Field(description="The number under which it stands in the log.")]
    retry: Annotated[
        Literal["no", "yes", "reconcile"] | None,
        Field(description="Whether the same request may come to another end when sent again."),
    ] = None
    sale_id: Annotated[int | None, Field(description="Which sale it is about.")] = None
    quote: Annotated[QuoteTold | None, Field(description="The price as it is now.")] = None
    errors: list[FieldFault] | None = None


def plain(value: Decimal) -> str:
    """Write units as text, with at least one decimal and no idle zeros behind it."""
    text = f"{value:.3f}"
    return text[:-2] + text[-2:].rstrip("0")


def told(model: Told) -> dict[str, Any]:
    """Write what is told as JSON has it."""
    return model.model_dump(mode="json")
