"""``flask tariffs``: plans and their prices, from files.

What is here needs no database, settings or instance. Commands that do import the application
inside themselves, so that these stay quick and work where nothing is set up.
"""

import json
from datetime import date
from decimal import Decimal
from typing import Any, Final

import click

from vmsapp.cli.tariff_counters import counters_command
from vmsapp.cli.tariff_files import export_command, import_command
from vmsapp.cli.tariff_options import Day, Figure, PlanText, as_sold, money, standing
from vmsapp.cli.tariff_quote import MAX_UNITS, as_json, as_text, refusal, sentence
from vmsapp.cli.terminal import printable
from vmsapp.errors import InvalidInput
from vmsapp.money import Currency
from vmsapp.tariffs.checks import notes_of
from vmsapp.tariffs.engine import Quote, quote_by_amount, quote_by_quantity
from vmsapp.tariffs.errors import InvalidQuantity, InvalidTender
from vmsapp.tariffs.plan import (
    Accumulation,
    FeePeriod,
    FixedFee,
    Penalty,
    Plan,
    Settlement,
    Step,
)
from vmsapp.tariffs.plan_errors import InvalidPlan
from vmsapp.tariffs.plan_faults import describe_fault, faults_in
from vmsapp.tariffs.plan_file import PlanFile, place_of, read_plan_file, write_plan_file
from vmsapp.tariffs.reader import InvalidDocument

NOT_SOLD: Final = 1
"""Exit status of a purchase that cannot be sold."""

NOT_VALID: Final = 2
"""Exit status of a plan, an option or a figure that is not valid."""

EXAMPLE: Final = PlanFile(
    Plan(
        "Domestic 2026",
        steps=(
            Step(Decimal(0), Decimal(100), Decimal("0.10"), Decimal(0)),
            Step(Decimal(100), Decimal(300), Decimal("0.20"), Decimal(5)),
            Step(Decimal(300), None, Decimal("0.25"), Decimal(5)),
        ),
        fixed_fee=FixedFee(200, FeePeriod.MONTH, recover_missed=True, max_periods=None),
        penalties=(
            Penalty(Decimal(0), Decimal(400), 0),
            Penalty(Decimal(400), Decimal(800), 1200),
            Penalty(Decimal(800), None, 4000),
        ),
        accumulation=Accumulation.MONTH,
    ),
    Currency("USD", 2),
    effective_on=date(2026, 1, 1),
    tariff="Domestic",
)
"""The worked table of docs/tariffs.md."""


class Answering(click.Command):
    """A command that answers in JSON where ``--json`` asks for it, also when it refuses."""

    def make_context(self, info_name: str | None, args: list[str], *more: Any, **rest: Any) -> Any:
        """Read the options."""
        in_json = "--json" in args
        try:
            return super().make_context(info_name, args, *more, **rest)
        except click.UsageError as error:
            if not in_json:
                raise
            raise _Said(_usage(error)) from None

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except click.UsageError as error:
            if not ctx.params.get("as_json"):
                raise
            raise _Said(_usage(error)) from None


class _Said(click.ClickException):
    """A refusal as JSON, on standard output."""

    exit_code = NOT_VALID

    def __init__(self, answer: dict[str, Any], exit_code: int = NOT_VALID) -> None:
        super().__init__(json.dumps(answer, indent=2))
        self.exit_code = exit_code  # type: ignore[misc]

    def show(self, file: Any = None) -> None:
        """Print it."""
        click.echo(self.message)


class _Refused(click.ClickException):
    """A refusal as a sentence, on standard error."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(printable(message))
        self.exit_code = exit_code  # type: ignore[misc]


def _usage(error: click.UsageError) -> dict[str, Any]:
    return {"error": {"code": "usage", "message": error.format_message()}}


@click.group(
    "tariffs",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 96},
)
def tariffs() -> None:
    """Price purchases by plan files, and check the files.

    A plan file is a JSON object; "flask tariffs template" prints one to start from, and
    docs/tariffs.md says what each key means. Only export, import and counters need an
    instance and its database.
    """


for command in (export_command, import_command, counters_command):
    tariffs.add_command(command)


@tariffs.command(
    "quote",
    cls=Answering,
    epilog="For example: flask tariffs quote plan.json --amount 50 --bought 120.5",
)
@click.argument("plan", type=PlanText())
@click.option("--quantity", type=Figure(), help="Price so many units.")
@click.option("--amount", metavar="MONEY", help="Say what so much money buys.")
@click.option(
    "--bought",
    type=Figure(),
    help="Units bought before in the period the steps count (month, day, ...); 0 if not given.",
)
@click.option("--date", type=Day(), help="Day of the purchase; today (UTC) if not given.")
@click.option(
    "--fees-due",
    type=click.IntRange(min=0),
    metavar="N",
    help="Periods of the fixed fee that are due, the current one included; if not given, 1 "
    "when nothing was bought before, else 0.",
)
@click.option("--attached", type=Day(), help="Count the fees due from this day.")
@click.option("--paid-until", type=Day(), help="Fees of periods begun by this day are paid.")
@click.option("--debt", metavar="NAME=MONEY", multiple=True, help="Taken, too; several may be.")
@click.option("--bought-today", type=Figure(), help="Units that count against a day's limit.")
@click.option("--bought-month", type=Figure(), help="Units that count against a month's limit.")
@click.option("--spent-today", metavar="MONEY", help="Money that counts against a day's limit.")
@click.option("--spent-month", metavar="MONEY", help="Money that counts against a month's limit.")
@click.option(
    "--settlement",
    type=click.Choice([way.value for way in Settlement]),
    help="In place of the file's.",
)
@click.option("--coin", metavar="MONEY", help="Smallest payable coin, in place of the file's.")
@click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")
def quote_command(plan: str, **given: Any) -> None:
    """Price a purchase by the file PLAN ("-" for standard input).

    Prints the calculation line by line. Exits 1 if the purchase cannot be sold (too little
    money, above a limit) and 2 if the plan, an option or a figure is not valid.
    """
    if (given["quantity"] is None) is (given["amount"] is None):
        raise click.UsageError("Give --quantity or --amount, one of them.")
    file = as_sold(_read(plan, in_json=given["as_json"]), given)
    quote = _quote(file, given)
    if given["as_json"]:
        by = "quantity" if given["amount"] is None else "amount"
        click.echo(json.dumps(as_json(file, quote, by), indent=2))
        return
    for line in as_text(file, quote):
        click.echo(printable(line).rstrip())


def _read(text: str, *, in_json: bool) -> PlanFile:
    """Read a plan file, or say where it is wrong."""
    try:
        return read_plan_file(text)
    except (InvalidDocument, InvalidPlan) as fault:
        said = describe_fault(fault)
        if in_json:
            where = {"code": fault.code, "message": said, "place": place_of(fault)}
            raise _Said({"error": where}) from None
        raise _Refused(f"The plan: {said}", NOT_VALID) from None


def _quote(file: PlanFile, given: dict[str, Any]) -> Quote:
    """Price the purchase, or say why it cannot be sold."""
    terms, counters = file.terms(MAX_UNITS), standing(file, given)
    try:
        if given["amount"] is None:
            return quote_by_quantity(terms, counters, given["quantity"])
        return quote_by_amount(terms, counters, money(given["amount"], file.currency, "--amount"))
    except InvalidInput as error:
        invalid = isinstance(error, InvalidQuantity | InvalidTender)
        status = NOT_VALID if invalid else NOT_SOLD
        said = sentence(error, file.currency)
        if given["as_json"]:
            raise _Said(refusal(error, file.currency, said), status) from None
        raise _Refused(said, status) from None


@tariffs.command("check")
@click.argument("plan", type=PlanText())
@click.pass_context
def check_command(ctx: click.Context, plan: str) -> None:
    """Find all that is wrong with the file PLAN ("-" for standard input).

    Prints one fault a line, with its place, and exits 2; or says that there is none, after
    what is odd and no fault: a penalty band that no purchase reaches.
    """
    faults = faults_in(plan)
    for fault in faults:
        click.echo(printable(describe_fault(fault)))
    if faults:
        ctx.exit(NOT_VALID)
    found = read_plan_file(plan).plan
    for note in notes_of(found):
        click.echo(printable(describe_fault(note)))
    click.echo(printable(f"{found.name}: in order."))


@tariffs.command("template")
def template_command() -> None:
    """Print a plan file to start from."""
    click.echo(write_plan_file(EXAMPLE), nl=False)
