"""What the commands of ``flask tariffs`` take: a plan file, figures, and a meter's counters."""

import json
import sys
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, Final

import click

from vmsapp.clock import now_utc
from vmsapp.money import Currency, MoneyFormatError
from vmsapp.tariffs.arrears import DatedFee, fees_due, period_start
from vmsapp.tariffs.figures import GRID, fits
from vmsapp.tariffs.plan import Accumulation, FeePeriod, FixedFee, Settlement, Span
from vmsapp.tariffs.plan_file import PlanFile
from vmsapp.tariffs.terms import Debt, FeeDue, Standing, Used

MAX_FILE_BYTES: Final = 1024 * 1024
MAX_PERIODS: Final = 1000
FIRST_YEAR: Final = 1990
LAST_YEAR: Final = 2199
BY_MONTH: Final = (Accumulation.MONTH, Accumulation.FIRST_OF_MONTH)


class PlanText(click.ParamType[str]):
    """The text of a plan file; "-" is standard input."""

    name = "PLAN"

    def convert(self, value: Any, param: Any, ctx: Any) -> str:
        """Read it, in whatever Unicode an editor has saved it."""
        content = self._content(value, param, ctx)
        if len(content) > MAX_FILE_BYTES:
            self.fail(f"{value} is larger than a plan file may be, 1 MB.", param, ctx)
        if not content.strip():
            self.fail(f"{value} is empty.", param, ctx)
        try:
            text = content.decode(json.detect_encoding(content))
        except UnicodeDecodeError:
            self.fail(f"{value} is not a text file in UTF-8.", param, ctx)
        return text.removeprefix("\ufeff")

    def _content(self, value: str, param: Any, ctx: Any) -> bytes:
        if value == "-":
            return sys.stdin.buffer.read(MAX_FILE_BYTES + 1)
        try:
            with Path(value).open("rb") as file:
                return file.read(MAX_FILE_BYTES + 1)
        except (OSError, ValueError) as error:  # a name may hold what no name of a file may
            why = error.strerror if isinstance(error, OSError) else "no such name"
            self.fail(f"{value} cannot be read: {why}.", param, ctx)


class Figure(click.ParamType[Decimal]):
    """An exact number, written plainly."""

    name = "N"

    def convert(self, value: Any, param: Any, ctx: Any) -> Decimal:
        """Read one."""
        try:
            number = Decimal(value)
        except InvalidOperation:
            number = Decimal("NaN")
        if not number.is_finite():
            self.fail(f"{value} is not a number.", param, ctx)
        return number


class Day(click.ParamType[date]):
    """A date."""

    name = "DATE"

    def convert(self, value: Any, param: Any, ctx: Any) -> date:
        """Read one."""
        try:
            day = date.fromisoformat(value)
        except ValueError:
            self.fail(f"{value} is not a date like 2026-01-31.", param, ctx)
        if not FIRST_YEAR <= day.year <= LAST_YEAR:
            self.fail(f"The year must be from {FIRST_YEAR} to {LAST_YEAR}.", param, ctx)
        return day


def money(text: str, currency: Currency, option: str) -> int:
    """Read an amount in the plan's currency; gives minor units.

    Raises:
        click.UsageError: It is none, or below 0.
    """
    try:
        minor = currency.parse(text).minor
    except MoneyFormatError:
        minor = -1
    if minor < 0:
        decimals = currency.exponent
        places = f"at most {decimals} decimals" if decimals else "no decimals"
        raise click.UsageError(
            f"{option}: {text} is not an amount of {currency.code}, 0 or more with {places}."
        )
    return minor


def units(number: Decimal, option: str) -> Decimal:
    """Check a counter of units.

    Raises:
        click.UsageError: Below 0, or off the grid.
    """
    if number < 0 or not fits(number, GRID):
        raise click.UsageError(f"{option}: units are 0 or more, in steps of {GRID}.")
    return number


def as_sold(file: PlanFile, given: dict[str, Any]) -> PlanFile:
    """Put the settlement and the coin of the options in place of the file's."""
    if given["settlement"] is not None:
        file = replace(file, settlement=Settlement(given["settlement"]))
    if given["coin"] is not None:
        coin = money(given["coin"], file.currency, "--coin")
        if coin < 1:
            raise click.UsageError("--coin: the smallest coin is more than 0.")
        file = replace(file, currency=replace(file.currency, coin_minor=coin))
    return file


def standing(file: PlanFile, given: dict[str, Any]) -> Standing:
    """Make the counters of a service point from the options."""
    today = given["date"] or now_utc().date()
    bought = units(given["bought"] or Decimal(0), "--bought")
    return Standing(
        bought=bought,
        fees_due=_fees(file, given, bought, today),
        today=today,
        debts=tuple(_debt(text, file.currency) for text in given["debt"]),
        used=_used(file, given, bought),
    )


def _debt(text: str, currency: Currency) -> Debt:
    name, sign, amount = text.rpartition("=")
    if not sign or not name.strip():
        raise click.UsageError(f"--debt: {text} is not like Connection=25.00.")
    minor = money(amount, currency, "--debt")
    if not minor:
        raise click.UsageError("--debt: what is taken of a debt is more than 0.")
    return Debt(name.strip(), minor)


def _used(file: PlanFile, given: dict[str, Any], bought: Decimal) -> dict[Span, Used]:
    """Count what was bought today and this month; the steps' counter may be one of the two."""
    by = file.plan.accumulation
    plain = {
        Span.DAY: bought if by is Accumulation.DAY else Decimal(0),
        Span.MONTH: bought if by in BY_MONTH else Decimal(0),
    }
    used = {}
    for span, word in ((Span.DAY, "today"), (Span.MONTH, "month")):
        number, spent = given[f"bought_{word}"], given[f"spent_{word}"]
        used[span] = Used(
            plain[span] if number is None else units(number, f"--bought-{word}"),
            0 if spent is None else money(spent, file.currency, f"--spent-{word}"),
        )
    return used


def _fees(
    file: PlanFile, given: dict[str, Any], bought: Decimal, today: date
) -> tuple[FeeDue, ...]:
    """List the periods of the fixed fee that are due."""
    fee, number = file.plan.fixed_fee, given["fees_due"]
    by_dates = given["attached"] is not None or given["paid_until"] is not None
    if by_dates and number is not None:
        raise click.UsageError("Give --fees-due or the dates, not both.")
    if fee is None:
        if by_dates or number:
            raise click.UsageError("The plan has no fixed fee.")
        return ()
    if by_dates:
        return _fees_by_dates(file, fee, given, today)
    if number is None:
        # A purchase in the period has paid its fee; one for each sale is never paid ahead.
        number = 0 if bought and fee.period is not FeePeriod.SALE else 1
    return _fees_by_number(fee, number, today)


def _fees_by_dates(
    file: PlanFile, fee: FixedFee, given: dict[str, Any], today: date
) -> tuple[FeeDue, ...]:
    paid_until = given["paid_until"]
    attached = given["attached"] or paid_until
    for option, day in (("--attached", attached), ("--paid-until", paid_until)):
        if day is not None and day > today:
            raise click.UsageError(f"{option}: {day} is later than the purchase, {today}.")
    # A quote asks what the plan would cost, also before it is in force.
    since = min(file.effective_on or date.min, today)
    due = fees_due(
        [DatedFee(since, fee)], attached_on=attached, paid=(), today=today, paid_until=paid_until
    )
    if len(due) > MAX_PERIODS:
        raise click.UsageError(f"{len(due)} periods of the fee are due; at most {MAX_PERIODS} are.")
    return due


def _fees_by_number(fee: FixedFee, number: int, today: date) -> tuple[FeeDue, ...]:
    """Take the current period and the ones before it."""
    most = MAX_PERIODS if fee.max_periods is None else min(fee.max_periods, MAX_PERIODS)
    if fee.period is FeePeriod.SALE or not fee.recover_missed:
        most = 1
    if number > most:
        raise click.UsageError(f"--fees-due: under this plan at most {most} can be due.")
    starts = [period_start(today, fee.period)]
    while len(starts) < number:
        starts.append(period_start(starts[-1] - timedelta(days=1), fee.period))
    return tuple(
        FeeDue(fee.period, start, fee.amount_minor, missed=start != starts[0])
        for start in reversed(starts[:number])
    )
