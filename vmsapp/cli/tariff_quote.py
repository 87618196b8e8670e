"""How a quote is shown: line by line for people, as JSON for programs.

JSON holds every figure as text, money in units of the currency, so that nothing is rounded
on the way; a figure that no decimal writes, such as a third, is a fraction, ``1/3``.
"""

from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final

from vmsapp.errors import VmsError
from vmsapp.money import Currency, Money
from vmsapp.sts.amount import MAX_TENTHS, decode_units, encode_units
from vmsapp.tariffs.cost import Cost
from vmsapp.tariffs.figures import GRID
from vmsapp.tariffs.plan import Accumulation
from vmsapp.tariffs.plan_file import MeterType, PlanFile
from vmsapp.tariffs.prices import tenths
from vmsapp.tariffs.quote import Line, LineKind, Quote
from vmsapp.tariffs.terms import FeeDue

FORMAT: Final = "vms-tariff-quote/1"
MAX_UNITS: Final = MAX_TENTHS * GRID
"""Most one token carries: 1 820 162.4."""

SHOWN_DECIMALS: Final = 6
SYMBOLS: Final = {
    MeterType.ELECTRICITY: "kWh",
    MeterType.WATER: "m³",
    MeterType.GAS: "m³",
    MeterType.TIME: "min",
}
COUNTED: Final = {
    Accumulation.MONTH: "bought before in this month",
    Accumulation.SALE: "bought before, which the steps do not count",
    Accumulation.FIRST_OF_MONTH: "bought before in this month",
    Accumulation.DAY: "bought before on this day",
    Accumulation.WEEK: "bought before in this week",
    Accumulation.YEAR: "bought before in this year",
    Accumulation.EVER: "bought before",
}


def carried(quote: Quote) -> Decimal:
    """Give the units a token for this quote really carries, never fewer than sold."""
    return decode_units(encode_units(quote.units))


# --- for programs ---


def as_json(file: PlanFile, quote: Quote, by: str) -> dict[str, Any]:
    """Write a quote as JSON values; see docs/tariffs.md."""
    currency = file.currency

    def money(minor: int) -> str:
        return _money(minor, currency)

    exact = Cost.of(quote.terms, quote.standing, quote.fees).exact_minor(tenths(quote.units))
    return {
        "format": FORMAT,
        "plan": file.plan.name,
        "tariff": file.tariff,
        "meter_type": file.meter_type.value,
        "currency": currency.code,
        "coin": money(currency.coin_minor),
        "settlement": file.settlement.value,
        "date": quote.standing.today.isoformat(),
        "by": by,
        "units": _plain(quote.units),
        "token_units": _plain(carried(quote)),
        "exact": _exact(exact, currency),
        "payable": money(quote.payable_minor),
        "charged": money(quote.charged_minor),
        "received": money(quote.received_minor),
        "change": money(quote.change_minor),
        "bought_before": _plain(quote.bought_before),
        "bought_after": _plain(quote.bought_after),
        "starts_at": _plain(quote.starts_at),
        "fees_left": [
            _fee(fee, currency) for fee in quote.standing.fees_due if fee not in quote.fees
        ],
        "lines": [_line(line, currency) for line in quote.lines],
    }


def _fee(fee: FeeDue, currency: Currency) -> dict[str, Any]:
    return {
        "period": fee.period.value,
        "period_start": fee.start.isoformat(),
        "amount": _money(fee.amount_minor, currency),
    }


def _line(line: Line, currency: Currency) -> dict[str, Any]:
    base = line.base_minor_exact
    return {
        "kind": line.kind.value,
        "name": line.name,
        "step": line.step,
        "units": None if line.units is None else _plain(line.units),
        "rate": None if line.rate is None else _plain(line.rate),
        "is_percent": line.is_percent,
        "base": None if base is None else _exact(base, currency),
        "amount": _money(line.amount_minor, currency),
        "period_start": line.period_start.isoformat() if line.period_start else None,
    }


def refusal(error: VmsError, currency: Currency, message: str) -> dict[str, Any]:
    """Write a refusal as JSON values: its code, its sentence, and the figures in it."""
    figures = {name: _figure(value, currency) for name, value in error.params.items()}
    return {"error": {"code": error.code, "message": message} | figures}


def sentence(error: VmsError, currency: Currency) -> str:
    """Say a refusal in English, with amounts in the currency's units."""
    shown = {
        name: f"{currency.format(value)} {currency.code}" if isinstance(value, Money) else value
        for name, value in error.params.items()
    }
    return error.message % shown if shown else error.message


def _figure(value: object, currency: Currency) -> object:
    if isinstance(value, Money):
        return currency.format(value)
    return _plain(value) if isinstance(value, Decimal) else value


def _money(minor: int, currency: Currency) -> str:
    return currency.format(Money(minor, currency.code))


def _plain(number: Decimal) -> str:
    """Write a number in digits, without zeros that say nothing."""
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _exact(minor: Fraction, currency: Currency) -> str:
    """Write minor units in units of the currency, exactly."""
    value = minor / currency.minor_per_unit
    decimals = _decimals(value.denominator)
    return str(value) if decimals is None else _plain(_decimal(value, decimals))


def _decimals(denominator: int) -> int | None:
    """Count the decimals a fraction needs; ``None`` where none are enough."""
    for decimals in range(denominator.bit_length()):
        if 10**decimals % denominator == 0:
            return decimals
    return None


def _decimal(value: Fraction, decimals: int) -> Decimal:
    """Write a fraction with so many decimals, half-up."""
    scaled = value * 10**decimals
    return Decimal((2 * scaled.numerator + scaled.denominator) // (2 * scaled.denominator)).scaleb(
        -decimals
    )


# --- for people ---

Row = tuple[str, str, str]
"""What it is, how it is worked out, the amount."""


def as_text(file: PlanFile, quote: Quote) -> Iterator[str]:
    """Write a quote for people, line by line, amounts under one another."""
    symbol = SYMBOLS[file.meter_type]
    unit = f" {symbol}"
    way = f"{file.currency.code}, settled {file.settlement.value}"
    yield f"{file.plan.name}, {quote.standing.today}, {way}"
    yield f"{_plain(quote.bought_before)}{unit} {COUNTED[file.plan.accumulation]}"
    yield ""
    lines = [_row(line, file) for line in quote.lines]
    totals = [
        ("Charged", "", _money(quote.charged_minor, file.currency)),
        ("Received", "", _money(quote.received_minor, file.currency)),
        ("Change", "", _money(quote.change_minor, file.currency)),
    ]
    widths = [max(len(row[place]) for row in [*lines, *totals]) for place in range(3)]
    yield from _columns(lines, widths)
    yield f"{'':{widths[0]}}  {'':{widths[1]}}  {'-' * widths[2]}"
    yield from _columns(totals, widths)
    yield ""
    yield f"Units     {quote.units:.1f}{unit}"
    if carried(quote) != quote.units:
        yield f"The token carries {carried(quote)}{unit}: above 1638.3 its steps are coarser."
    if left := sum(fee not in quote.fees for fee in quote.standing.fees_due):
        yield f"Fees of earlier periods that stay due: {left}"


def _columns(rows: list[Row], widths: list[int]) -> Iterator[str]:
    for what, working, amount in rows:
        yield f"{what:<{widths[0]}}  {working:<{widths[1]}}  {amount:>{widths[2]}}"


def _row(line: Line, file: PlanFile) -> Row:
    return _what(line), _working(line, file), _money(line.amount_minor, file.currency)


def _what(line: Line) -> str:
    if line.kind is LineKind.ENERGY:
        return f"Step {line.step}"
    if line.kind is LineKind.TAX:
        return f"Tax of step {line.step}"
    if line.kind is LineKind.FEE_ARREARS:
        return f"Fixed fee of {line.period_start}, missed"
    if line.kind is LineKind.FEE:
        return f"Fixed fee of {line.period_start}"
    if line.kind is LineKind.DEBT:
        return f"Debt: {line.name}"
    return line.name or line.kind.value.capitalize()


def _working(line: Line, file: PlanFile) -> str:
    """Write how a figure comes about; empty where it is what the plan says."""
    if line.rate is None:
        return ""
    if line.is_percent:
        base = Fraction(line.base_minor_exact or 0) / file.currency.minor_per_unit
        return f"{_shown(base, file.currency)} × {_plain(line.rate)} %"
    rate = _shown(Fraction(line.rate), file.currency)
    return f"{line.units:.1f} {SYMBOLS[file.meter_type]} × {rate}"


def _shown(value: Fraction, currency: Currency) -> str:
    """Write a figure with as many decimals as it needs, or say that it has more."""
    decimals = _decimals(value.denominator)
    if decimals is not None and decimals <= SHOWN_DECIMALS:
        return f"{_decimal(value, max(decimals, currency.exponent)):f}"
    return f"{_decimal(value, SHOWN_DECIMALS):f}…"
