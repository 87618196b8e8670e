"""What the commands of ``flask sts`` take: keys, what names them, and times."""

import sys
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final, TypeVar

import click

from vmsapp.clock import now_utc
from vmsapp.sts import identifiers
from vmsapp.sts.tid import TID_MAX, ordinary_tid
from vmsapp.sts.workbench import (
    bare_key,
    decoder_key,
    derived_key,
    parameters_of,
    read_table_set,
    table_set,
)

F = TypeVar("F", bound=Callable[..., Any])

DERIVES: Final = ("meter", "sgc", "krn", "ti", "dkga")
"""What a decoder key that is given as such makes no use of."""

SHORT_KEY_DIGITS: Final = 16
"""A vending key of so many hexadecimal digits is a DES key, for DKGA02."""


class Number(click.ParamType[Decimal]):
    """An exact decimal number."""

    name = "N"

    def convert(self, value: Any, param: Any, ctx: Any) -> Decimal:
        """Read one."""
        try:
            return Decimal(value)
        except InvalidOperation:
            self.fail(f"{value} is not a number.", param, ctx)


class Moment(click.ParamType[datetime]):
    """A time, UTC unless it says otherwise."""

    name = "TIME"

    def convert(self, value: Any, param: Any, ctx: Any) -> datetime:
        """Read one."""
        try:
            moment = datetime.fromisoformat(value)
            return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
        except (ValueError, OverflowError):
            self.fail(f"{value} is not like 2026-11-24 13:00.", param, ctx)


class SmallFile(click.ParamType[str]):
    """The text of a file; "-" is standard input."""

    name = "FILE"

    def convert(self, value: Any, param: Any, ctx: Any) -> str:
        """Read it."""
        try:
            with click.open_file(value, encoding="utf-8-sig") as file:
                text = str(file.read(SMALL_FILE_MAX + 1))
        except OSError as error:
            self.fail(f"{value} cannot be read: {error.strerror}.", param, ctx)
        except UnicodeDecodeError:
            self.fail(f"{value} is not a text file.", param, ctx)
        if len(text) > SMALL_FILE_MAX:
            self.fail(f"{value} is larger than any key or table set.", param, ctx)
        if not text.strip():
            self.fail(f"{value} is empty.", param, ctx)
        return text


class Tables(click.ParamType[Any]):
    """Tables of EA 07, by name or from a file."""

    name = "NAME|FILE"

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        """Find them."""
        if value in SHIPPED_TABLES:
            return table_set(value)
        return read_table_set(SmallFile().convert(value, param, ctx))


SMALL_FILE_MAX: Final = 64 * 1024
SHIPPED_TABLES: Final = ("production", "sample")


def _options(*options: Callable[[F], F]) -> Callable[[F], F]:
    """Put several options on a command, in the order its help lists them."""

    def decorate(command: F) -> F:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


def _text(name: str, metavar: str, help_: str, default: str | None = None) -> Callable[[F], F]:
    return click.option(
        name, metavar=metavar, help=help_, default=default, show_default=default is not None
    )


def _file(name: str, help_: str) -> Callable[[F], F]:
    return click.option(name, type=SmallFile(), help=help_)


KEY_OPTIONS: Final = _options(
    _file("--decoder-key-file", "The meter's own key; asked for if no key is given."),
    _file("--vending-key-file", "The supply group's key; needs --meter and --sgc."),
    _text("--meter", "NUMBER", "DRN (11 or 13 digits) or MeterPAN (18 digits)."),
    _text("--sgc", "DIGITS", "Supply group code, 6 digits."),
    _text("--krn", "N", "Key revision number, 1 to 9; 1 if not given."),
    _text("--ti", "DIGITS", "Tariff index, 2 digits; 01 if not given."),
    _text("--kt", "N", "Key type: 0 DITK, 1 DDTK, 2 DUTK.", "2"),
    _text("--ken", "N", "Key expiry number, 0 to 255.", "255"),
    _text("--base-date", "YEAR", "1993, 2014 or 2035.", "2014"),
    _text("--ea", "CODE", "Cipher: 07 STA, 11 MISTY1.", "07"),
    _text("--dkga", "CODE", "02 or 04; by default what fits the vending key's length."),
    click.option(
        "--tables",
        type=Tables(),
        default="production",
        show_default=True,
        help="Tables of EA 07: production, sample, or a JSON file.",
    ),
)
AT_OPTION: Final = click.option(
    "--at",
    type=Moment(),
    help='Time of issue, UTC, like "2026-11-24 13:00"; by default now. A second token for a meter '
    "needs another minute, or its own --tid: of two with one TID the meter takes the first.",
)
TIME_OPTIONS: Final = _options(
    AT_OPTION,
    _text("--tid", "N", "Token identifier, instead of --at."),
    _text("--rnd", "N", "The 4 random bits, 0 to 15; by default random."),
)
NEW_KEY_OPTIONS: Final = _options(
    _text("--new-ti", "DIGITS", "Tariff index; this and what follows as it was if not given."),
    _text("--new-ken", "N", "Key expiry number."),
    _file("--new-vending-key-file", "Another vending key; what follows needs it."),
    _text("--new-sgc", "DIGITS", "Supply group code."),
    _text("--new-krn", "N", "Key revision number."),
    _text("--new-kt", "N", "Key type."),
    _text("--new-base-date", "YEAR", "A later one rolls the meter over."),
    _text("--new-dkga", "CODE", "02 or 04; by default what fits the new vending key's length."),
)


class Key:
    """The key a command works with, and what is known of it.

    Args:
        given: The options of ``KEY_OPTIONS``.
        old_of_a_change: What names the key counts even if the key itself is given.

    Attributes:
        parameters: What names the key; None where meter or supply group are not given.
        tables: Tables of EA 07.
        kt: Key type.
        ken: Key expiry number.
        ea: Cipher.
        base_date: What its TIDs count from.
    """

    def __init__(self, given: dict[str, Any], *, old_of_a_change: bool = False) -> None:
        self._given = given
        self.vending_text: str | None = given["vending_key_file"]
        self.tables = given["tables"]
        self.base_date = identifiers.base_date.validate(given["base_date"])
        if self.vending_text and given["decoder_key_file"]:
            raise click.UsageError("Give --decoder-key-file or --vending-key-file, not both.")
        if self.vending_text and not (given["meter"] and given["sgc"]):
            raise click.UsageError("A vending key needs --meter and --sgc.")
        if bool(given["meter"]) is not bool(given["sgc"]):
            raise click.UsageError("--meter and --sgc go together.")
        for name in () if self.vending_text or old_of_a_change else DERIVES:
            if given[name] is not None:
                raise click.UsageError(
                    f"--{name} says how a key is derived, and goes with --vending-key-file."
                )
        self.kt = identifiers.kt.validate(given["kt"])
        self.ken = identifiers.ken.validate(given["ken"])
        self.ea = identifiers.ea.validate(given["ea"])
        if self.ea is not identifiers.EncryptionAlgorithm.STA and self.tables.name != "production":
            raise click.UsageError("--tables are those of EA 07.")
        self.parameters = None
        if given["meter"] and given["sgc"]:
            self.parameters = parameters_of(
                given["meter"], given["sgc"], given["krn"] or "1", given["ti"] or "01",
                kt=given["kt"], ken=given["ken"], base_date=given["base_date"], ea=given["ea"],
                algorithm=given["dkga"] or algorithm_of(self.vending_text or ""),
            )  # fmt: skip

    def get(self) -> Any:
        """Derive, read or ask for the decoder key."""
        if self.vending_text and self.parameters:
            return derived_key(self.vending_text, self.parameters)
        text = self._given["decoder_key_file"] or ask("Decoder key")
        return decoder_key(text, self._given["ea"])

    def changed(self, given: dict[str, Any]) -> "Key":
        """Give the key that the options of ``NEW_KEY_OPTIONS`` make of this one."""
        if given["new_vending_key_file"] is None:
            for name in ("new_sgc", "new_krn", "new_kt", "new_base_date", "new_dkga"):
                if given[name] is not None:
                    option = f"--{name.replace('_', '-')}"
                    raise click.UsageError(
                        f"{option} means another vending key: give --new-vending-key-file."
                    )
        elif bare_key(given["new_vending_key_file"]) == bare_key(self.vending_text or ""):
            raise click.UsageError("--new-vending-key-file holds the old vending key.")
        changes = {
            name.removeprefix("new_"): value
            for name, value in given.items()
            if name.startswith("new_") and value is not None
        }
        blank = {"decoder_key_file": None, "dkga": None, "vending_key_file": self.vending_text}
        return Key(self._given | blank | changes, old_of_a_change=True)


def algorithm_of(vending_text: str) -> str:
    """Tell the DKGA that fits a vending key's length."""
    digits = len(bare_key(vending_text))
    return "02" if 0 < digits <= SHORT_KEY_DIGITS else "04"


def ask(what: str) -> str:
    """Ask for a key without showing it; without a terminal it is the next line of the input."""
    if not sys.stdin.isatty():
        text = sys.stdin.readline()
        if not text.strip():
            raise click.UsageError(f"{what}: none was given, neither as a file nor as input.")
        return text
    return str(click.prompt(f"{what} in hexadecimal (not shown)", hide_input=True, err=True))


def tid_of(given: dict[str, Any], key: Key) -> int:
    """Take the TID given, or that of the time given, or of now."""
    if given["tid"] is not None:
        if given["at"] is not None:
            raise click.UsageError("Give --at or --tid, not both.")
        return identifiers.shape.number("TID", given["tid"], 0, TID_MAX)
    return ordinary_tid(given["at"] or now_utc(), key.base_date)
