"""``flask sts``: tokens and keys by hand, without a database, settings or an instance.

Keys come from a file or a prompt, never from arguments: those are seen by everybody on the
machine and kept in the shell's history.
"""

import os
import secrets
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import click

from vmsapp.cli.sts_options import (
    AT_OPTION,
    KEY_OPTIONS,
    NEW_KEY_OPTIONS,
    TIME_OPTIONS,
    Key,
    Number,
    SmallFile,
    algorithm_of,
    ask,
    tid_of,
)
from vmsapp.cli.terminal import printable
from vmsapp.clock import now_utc
from vmsapp.sts import identifiers, mse, nmse
from vmsapp.sts.conformance import check
from vmsapp.sts.credit import CreditToken, CurrencyToken, Service
from vmsapp.sts.describe import describe
from vmsapp.sts.errors import KeyMissing, StsError
from vmsapp.sts.identifiers import BaseDate
from vmsapp.sts.token import format_token
from vmsapp.sts.workbench import (
    change_tokens,
    check_value,
    derived_key,
    make_token,
    read_token,
)

RND_VALUES: Final = 16
"""How many values the 4 random bits of a token have."""


class Spoken(click.Group):
    """Commands whose refusals are a sentence, not a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command."""
        try:
            return super().invoke(ctx)
        except StsError as error:
            message = str(error)
            raise click.ClickException(f"{message[:1].upper()}{message[1:]}.") from None


@click.group(
    "sts",
    cls=Spoken,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 96},
)
def sts() -> None:
    """Read and make STS tokens by hand (IEC 62055-41).

    Works on any machine, without a database or an instance. Keys are read from a file or asked
    for, never given as arguments; a file holds one key in hexadecimal (a vending key of 8 bytes
    with odd parity for DKGA02, of 20 for DKGA04), "-" is standard input. Times are UTC.

    The commands that make tokens refuse on a production system, and where a production keystore
    is configured: a token without a sale is ghost vending.
    """


def _rnd(given: dict[str, Any]) -> int:
    if given["rnd"] is not None:
        return identifiers.shape.number("RND", given["rnd"], 0, RND_VALUES - 1)
    return secrets.randbelow(RND_VALUES)


def _refuse_where_tokens_are_sold() -> None:
    """Keep these commands from making tokens beside a system that sells them.

    Raises:
        click.ClickException: Production settings, or a keystore with keys in earnest.
    """
    if why := _sells_tokens():
        ghost = "a token without a sale is ghost vending. Tokens are made at the counter."
        raise click.ClickException(f"{why}; {ghost}")


def _sells_tokens() -> str | None:
    """Say why this is, or may be, a system that sells tokens; None if it is none."""
    from config import Settings, SettingsError  # noqa: PLC0415 - reading tokens needs no settings

    try:
        settings = Settings.from_environ(os.environ)
    except SettingsError as error:
        if os.environ.get("VMS_ENV") == "production" or "VMS_HOST" in os.environ:
            return "This is a production system"
        return f"The settings here may be those of a production system ({error})"
    if settings.production:
        return "This is a production system"
    return _holds_keys(settings.keystore, settings.keystore_path)


def _holds_keys(named: Path | None, path: Path) -> str | None:
    from vmsapp.hsm.keystore_file import holds_real_keys  # noqa: PLC0415 - see above

    try:
        if named is not None and not named.exists():
            return "VMS_KEYSTORE names a file that is not there, perhaps a production keystore"
        if holds_real_keys(path):
            return "A production keystore is configured here, or one that cannot be read"
    except OSError:
        return "A keystore is configured here that cannot be looked at"
    return None


def _show(lines: list[tuple[str, str]]) -> None:
    for name, value in lines:
        click.echo(printable(f"{name:<12} {value}"))


def _digits(token: Any, key: Key) -> str:
    return make_token(token, key.get(), kt=key.kt, ken=key.ken, tables=key.tables)


def _made(token: Any, digits: str, key: Key | None) -> None:
    """Print a token as made, and what it really carries."""
    base_date = key.base_date if key else BaseDate.Y2014
    _show([("token", format_token(digits)), *describe(token, base_date), *_tables(key)])


def _tables(key: Key | None) -> list[tuple[str, str]]:
    """Say which tables, where they are not those of real meters."""
    if key is None or key.tables.name == "production":
        return []
    if key.tables.name == "sample":
        return [("tables", "TEST: the sample tables, which no real meter takes")]
    return [("tables", key.tables.name)]


# --- commands ---


@sts.command("decode")
@click.argument("digits", nargs=-1)
@KEY_OPTIONS
def decode_command(digits: tuple[str, ...], **given: Any) -> None:
    """Say what twenty DIGITS mean, or which check they fail.

    One token at a time. Test tokens need no key. Without DIGITS the first line of standard input
    is read; a key that is not given as a file is its next line.
    """
    text = "".join(digits) or sys.stdin.readline()
    key = Key(given)
    try:
        token = read_token(text, None)
    except KeyMissing:
        token = read_token(text, key.get(), key.tables)
        _show(_tables(key))
    _show(describe(token, key.base_date))


@sts.command(
    "credit",
    epilog="For example: flask sts credit --units 25.6 --vending-key-file vk.txt "
    "--meter 12345678903 --sgc 123456",
)
@click.option(
    "--service",
    type=click.Choice([service.name.lower() for service in Service]),
    default="electricity",
    show_default=True,
)
@click.option(
    "--units", type=Number(), help="kWh, m³ or minutes; rounded up to what a token can carry."
)
@click.option(
    "--currency", type=Number(), help="Money instead of units, for a meter with its own tariff."
)
@TIME_OPTIONS
@KEY_OPTIONS
def credit_command(
    service: str, units: Decimal | None, currency: Decimal | None, **given: Any
) -> None:
    """Make a credit token, and say what it really carries."""
    _refuse_where_tokens_are_sold()
    if (units is None) is (currency is None):
        raise click.UsageError("Give --units or --currency, one of them.")
    key = Key(given)
    what, tid = Service[service.upper()], tid_of(given, key)
    token: CreditToken | CurrencyToken
    if currency is not None and given["rnd"] is not None:
        raise click.UsageError("A currency token has no RND.")
    if units is not None:
        token = CreditToken.of_units(what, units, tid=tid, rnd=_rnd(given))
    else:
        assert currency is not None, "one of them is given"
        token = CurrencyToken.of_amount(what, currency, tid=tid)
    _made(token, _digits(token, key), key)


MANAGEMENT: Final = {
    "power-limit": ("watts", mse.set_maximum_power_limit),
    "clear-credit": ("register", mse.clear_credit),
    "tariff-rate": ("rate", mse.set_tariff_rate),
    "clear-tamper": (None, lambda _value, **rest: mse.clear_tamper_condition(**rest)),
    "unbalance-limit": ("watts", mse.set_maximum_phase_power_unbalance_limit),
    "water-factor": ("factor", mse.set_water_meter_factor),
}


@sts.command("manage")
@click.argument("function", type=click.Choice(list(MANAGEMENT)))
@click.argument("value", required=False)
@TIME_OPTIONS
@KEY_OPTIONS
def manage_command(function: str, value: str | None, **given: Any) -> None:
    """Make a management token.

    VALUE is watts for a limit, 0 to 7 or "all" for the register to clear, the 16 bits of a
    tariff rate or water meter factor; clearing the tamper condition has none.
    """
    _refuse_where_tokens_are_sold()
    wanted, make = MANAGEMENT[function]
    if (wanted is None) is not (value is None):
        says = f"needs its {wanted}" if wanted else "takes no value"
        raise click.UsageError(f"{function} {says}.")
    number = 0
    if value is not None:
        everything = wanted == "register" and value.lower() == "all"
        number = mse.Register.ALL if everything else _whole(value, wanted or "value")
    key = Key(given)
    token = make(number, tid=tid_of(given, key), rnd=_rnd(given))
    _made(token, _digits(token, key), key)


@sts.command(
    "keychange",
    epilog="For example a roll-over: flask sts keychange --vending-key-file old.txt "
    "--meter 12345678903 --sgc 123456 --base-date 1993 --new-vending-key-file new.txt --new-krn 2 "
    "--new-base-date 2014",
)
@NEW_KEY_OPTIONS
@click.option("--three-tokens", is_flag=True, help="Send the SGC of a 64-bit key in a third token.")
@AT_OPTION
@KEY_OPTIONS
def keychange_command(*, three_tokens: bool, **given: Any) -> None:
    """Make the key change tokens that take a meter to another key.

    The options without "new" say what the meter has, those with "new" what is to become
    different. The new key is derived from a vending key.
    """
    _refuse_where_tokens_are_sold()
    old = Key(given, old_of_a_change=True)
    if old.parameters is None:
        raise click.UsageError("A key change needs --meter and --sgc of the key the meter has.")
    new = old.changed(given)
    if new.vending_text is None or new.parameters is None:
        raise click.UsageError("The new key is derived: give --new-vending-key-file.")
    tokens = change_tokens(
        old.get(),
        derived_key(new.vending_text, new.parameters),
        old.parameters,
        new.parameters,
        moment=given["at"] or now_utc(),
        three_tokens=three_tokens,
        tables=old.tables,
    )
    _show([(f"KCT {number}", format_token(each)) for number, each in enumerate(tokens, start=1)])
    of = new.parameters
    terms = (
        f"SGC {of.sgc}, KRN {of.krn}, TI {of.ti}, KT {of.kt:d} {of.kt.name}, KEN {of.ken}, "
        f"base date {of.base_date.year}, DKGA{of.dkga}, EA{of.ea:02d}"
    )
    _show([("new key", terms), *_tables(old)])
    if new.base_date is not old.base_date:
        click.echo("Roll-over: the meter forgets its TIDs; credit it under the new key only.")


@sts.command("test")
@click.argument("tests", nargs=-1, metavar="TEST...")
@click.option("--four-digits", is_flag=True, help="For a meter with a 4-digit manufacturer code.")
@click.option("--list", "list_them", is_flag=True, help="List the tests and leave.")
def test_command(tests: tuple[str, ...], *, four_digits: bool, list_them: bool) -> None:
    """Make a test or display token, which any meter obeys.

    TEST is a number, 0 to 18, or a name such as "tamper-status"; several may be given.
    """
    if list_them:
        _show([(f"{test:d}", f"{_test_name(test):<30} {test.title}") for test in nmse.MeterTest])
        return
    _refuse_where_tokens_are_sold()
    if not tests:
        raise click.UsageError("Name a test; --list shows them all.")
    token = nmse.run_tests(*map(_test, tests), four_digits=four_digits)
    _made(token, make_token(token, None), None)


def _test_name(test: nmse.MeterTest) -> str:
    return test.name.lower().replace("_", "-")


def _test(text: str) -> nmse.MeterTest:
    for test in nmse.MeterTest:
        if text in (str(int(test)), _test_name(test)):
            return test
    raise click.UsageError(f"There is no test {text}; --list shows them all.")


def _whole(text: str, wanted: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise click.UsageError(f"{text} is not a whole number; {wanted} must be one.") from None


@sts.command("kcv")
@click.option("--vending-key-file", type=SmallFile(), help="Asked for if it is not given.")
@click.option("--dkga", metavar="CODE", help="02 or 04; by default what fits the key's length.")
def kcv_command(vending_key_file: str | None, dkga: str | None) -> None:
    """Show the check value of a vending key, which tells that two keys are one."""
    text = vending_key_file or ask("Vending key")
    click.echo(check_value(text, dkga or algorithm_of(text)))


@sts.command("conformance")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, allow_dash=True))
def conformance_command(file: str) -> None:
    """Check the engine against FILE ("-" for standard input): vectors, one JSON object a line.

    Each has an id, an op, its inputs and what is expected. Prints each failure with what it
    got, then "N passed, M failed"; exits 1 if any failed. The operations: pan, drn_valid,
    pan_block, crc, tid, amount_field, amount_from_decimal, key_usable, decoder_key,
    encrypt_block, credit, management, test, key_change. Their inputs stand in
    docs/conformance.md.
    """
    passed = failed = 0
    secretive = _sells_tokens() is not None
    with click.open_file(file, encoding="utf-8-sig", errors="replace") as lines:
        for outcome in check(lines):
            passed += outcome.passed
            failed += not outcome.passed
            # Beside a system that sells, what came out may be a token nobody paid for.
            hidden = ("failed; what it got is not shown here",) if outcome.failures else ()
            for failure in hidden if secretive else outcome.failures:
                click.echo(printable(f"{outcome.name}: {failure}"))
    click.echo(f"{passed} passed, {failed} failed")
    if failed:
        sys.exit(1)
