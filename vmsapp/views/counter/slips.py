"""A receipt's words: what it says, in the language it is written in."""

from collections.abc import Iterator
from typing import Final

from flask import current_app
from flask_babel import force_locale, get_locale, gettext

from vmsapp.errors import N_
from vmsapp.i18n import _, labelled, moment_text, money_text
from vmsapp.models import FreeToken, PrintKind, SaleKind
from vmsapp.services.free_tokens.reserve import KINDS as KINDS_GIVEN
from vmsapp.services.free_tokens.reserve import REASONS
from vmsapp.services.prints import Printed
from vmsapp.services.receipts import Receipt
from vmsapp.services.slips import Amount, Fact, Slip, TokenBlock
from vmsapp.views.counter.line_words import line_name, on_token_text, sold_text, to_date
from vmsapp.views.words import masked, meter_type_name, unit_name

LEFT_TO_RIGHT: Final = "\u200e"
"""Before a number with hyphens, which would run the other way behind Arabic words."""

KINDS: Final = {
    PrintKind.PAPER: N_("On paper"),
    PrintKind.PDF: N_("As a PDF file"),
    PrintKind.MAIL: N_("By e-mail"),
    PrintKind.SMS: N_("By text message"),
}
"""How a receipt left."""

FREE_MARKS: Final = {SaleKind.FREE: N_("FREE"), SaleKind.COMPENSATION: N_("COMPENSATION")}
"""What stands in a frame on the receipt of a token without money."""

KEY_STEPS: Final = (
    N_("This meter gets a new key. Enter the tokens one after the other, each whole."),
    N_(
        "First enter older tokens you still have: afterwards the meter does not take them any more."
    ),
    N_(
        "Then enter the key change tokens, in this order. Skip them if the meter already took them."
    ),
    N_("At last enter the credit token."),
)
"""What the customer does with several tokens, in the order it is done."""


def language_of(receipt: Receipt, wanted: str | None = None) -> str:
    """Choose a receipt's language: the one asked for, the consumer's, the screen's."""
    offered = current_app.config["LANGUAGES"]
    for language in (wanted, receipt.consumer.language):
        if language in offered:
            return str(language)
    return str(get_locale() or "en")


def slip_of(receipt: Receipt, language: str, copy: int = 0, by: str = "") -> Slip | None:
    """Write a receipt in a language; there is none of a sale whose token is not shown.

    Args:
        receipt: What was sold, to whom.
        language: One of the product's.
        copy: Number of the copy; 0 is the original.
        by: Who makes the copy.
    """
    if receipt.digits is None:
        return None
    with force_locale(language):
        return _written(receipt, language, copy, by)


def slip_printed(receipt: Receipt, printed: Printed) -> Slip | None:
    """Write a receipt as it was confirmed for printing."""
    return slip_of(receipt, printed.language, printed.copy, printed.by)


def _written(receipt: Receipt, language: str, copy: int, by: str) -> Slip:
    sale, utility = receipt.sale, receipt.utility
    unit = unit_name(receipt.meter.meter_type)
    locale = get_locale()
    direction = locale.text_direction if locale else "ltr"
    mark = LEFT_TO_RIGHT if direction == "rtl" else ""
    tax = [f"{_('Tax number')} {mark}{utility.tax_number}"] if utility.tax_number else []
    marks = [_("COPY %(count)s · %(who)s", count=copy, who=by)] if copy else []
    return Slip(
        paper=receipt.point.paper_size,
        language=language,
        direction=direction,
        number=receipt.number or "",
        sold_at=sale.sold_at,
        utility=utility.utility_name,
        logo=utility.logo,
        heading=[line for line in (utility.utility_address, *tax) if line],
        header=utility.receipt_header,
        marks=[*_free_marks(receipt), *map(gettext, receipt.marks), *marks],
        steps=[gettext(step) for step in KEY_STEPS] if receipt.key_tokens else [],
        tokens=list(_tokens(receipt)),
        units=on_token_text(sale, receipt.meter.meter_type),
        facts=list(_facts(receipt)),
        lines=list(_lines(receipt, unit)),
        sums=list(_sums(receipt)),
        closing=list(_closing(receipt, unit)),
        footer=utility.receipt_footer,
    )


def _lines(receipt: Receipt, unit: str) -> Iterator[Amount]:
    """What was paid for; below each debt, what is still owed of it."""
    for line in receipt.lines:
        yield Amount(line_name(line, unit), _money(receipt, line["amount_minor"], symbol=False))
        owed = line.get("balance_minor")
        if owed is not None:
            said = _("Still owed: %(name)s", name=line["name"])
            yield Amount(said, _money(receipt, owed, symbol=False))


def _tokens(receipt: Receipt) -> Iterator[TokenBlock]:
    """The credit token, after the key change that it needs."""
    count = len(receipt.tokens)
    for number, digits in enumerate(receipt.key_tokens, 1):
        title = _("Token %(number)s of %(total)s: key change", number=number, total=count)
        yield TokenBlock(title, digits)
    if receipt.digits is not None:
        last = _("Token %(number)s of %(total)s: credit", number=count, total=count)
        yield TokenBlock(last if count > 1 else _("Token"), receipt.digits)


def free_said(free: FreeToken | None) -> tuple[str, str] | None:
    """Say what was given without money, and why; nothing of a purchase."""
    if free is None:
        return None
    return gettext(KINDS_GIVEN[free.kind]), gettext(REASONS[free.kind][free.reason])


def _free_marks(receipt: Receipt) -> list[str]:
    return [] if receipt.free is None else [gettext(FREE_MARKS[SaleKind(receipt.free.kind)])]


def _facts(receipt: Receipt) -> Iterator[Fact]:
    sale, consumer, meter = receipt.sale, receipt.consumer, receipt.meter
    yield Fact(_("Receipt"), receipt.number or "", ltr=True)
    yield Fact(_("Operation time"), moment_text(sale.sold_at, receipt.utility.time_zone))
    yield Fact(_("Consumer number"), consumer.number, ltr=True)
    yield Fact(_("Consumer"), consumer.name)
    if consumer.id_number:
        yield Fact(_("ID number"), masked(consumer.id_number), ltr=True)
    yield Fact(_("Region"), consumer.region.name)
    if consumer.address:
        yield Fact(_("Address"), consumer.address)
    yield Fact(_("Meter type"), meter_type_name(meter.meter_type))
    yield Fact(_("Meter number"), meter.drn, ltr=True)
    yield Fact("SGC", sale.sgc, ltr=True)
    yield Fact("KRN", str(sale.krn), ltr=True)
    yield Fact("TI", sale.ti, ltr=True)
    said = free_said(receipt.free)
    if said:
        yield Fact(_("Reason"), said[1])


def _sums(receipt: Receipt) -> Iterator[Amount]:
    sale, kind = receipt.sale, receipt.meter.meter_type
    yield Amount(_what(receipt), sold_text(sale, kind))
    if receipt.carries_more:
        yield Amount(_("The token carries"), on_token_text(sale, kind))
    yield Amount(_("Total"), _money(receipt, sale.charged_minor), total=True)
    if receipt.free:
        return  # nothing was received, and nothing goes back
    yield Amount(_("Received"), _money(receipt, sale.received_minor))
    yield Amount(_("Change"), _money(receipt, sale.change_minor))


def _what(receipt: Receipt) -> str:
    if receipt.free:
        return str(_("Credit given") if receipt.sale.in_money else _("Units given"))
    return str(_("Credit bought") if receipt.sale.in_money else _("Units bought"))


def _closing(receipt: Receipt, unit: str) -> Iterator[str]:
    sale = receipt.sale
    yield labelled(_("Vending point"), receipt.point.name)
    yield labelled(_("Operator"), receipt.operator)
    bought = to_date(sale.calculation.get("accumulation"), sale.bought_after)
    if bought and not sale.in_money:
        yield f"{bought} {unit}"
    for mark in receipt.marks:
        yield _("%(mark)s: this token has no value.", mark=gettext(mark))


def _money(receipt: Receipt, minor: int, *, symbol: bool = True) -> str:
    sale = receipt.sale
    return money_text(minor, sale.currency, sale.exponent, symbol=symbol)
