"""A receipt's words as they are sent: a mail with the file, a text message with the tokens."""

from collections.abc import Iterator
from typing import Final

from flask import Flask
from flask_babel import force_locale, get_locale, gettext
from sqlalchemy.orm import Session

from vmsapp.i18n import _, groups_in_order, money_text
from vmsapp.models import Channel, Logo
from vmsapp.services import mail
from vmsapp.services.campaigns.messages import Parcel as SetParcel
from vmsapp.services.delivery import Message
from vmsapp.services.delivery.sms_text import sms_of
from vmsapp.services.delivery.states import Parcel
from vmsapp.services.receipts import Receipt
from vmsapp.services.slips import Slip, write_pdf
from vmsapp.views.counter.line_words import on_token_text
from vmsapp.views.counter.slips import LEFT_TO_RIGHT, slip_of
from vmsapp.views.words import token_groups

PDF: Final = "application/pdf"

LONGEST_NAME: Final = 40
"""Characters of the utility's name in a text message."""


def init_app(app: Flask) -> None:
    """Leave the writer where the worker finds it."""
    app.extensions["vms_letters"] = letter
    app.extensions["vms_campaign_letters"] = set_letter
    app.extensions["vms_say"] = gettext


def letter(session: Session, receipt: Receipt, parcel: Parcel, to: str) -> Message:
    """Write what is sent of a receipt.

    Raises:
        SmsTooLong: It does not fit into a text message.
    """
    copy = parcel.copy
    if parcel.channel == Channel.MAIL:
        return _mail(session, receipt, parcel, to, copy)
    with force_locale(parcel.language):
        text = sms_of(list(_sms_lines(receipt, copy)))
    return Message(to=to, text=text, reference=parcel.reference)


def set_letter(parcel: SetParcel, to: str) -> Message:
    """Write the text message with the set of a campaign.

    Raises:
        SmsTooLong: It does not fit into a text message.
    """
    with force_locale(parcel.language):
        text = sms_of(list(_set_lines(parcel)))
    return Message(to=to, text=text, reference=parcel.reference)


def _set_lines(parcel: SetParcel) -> Iterator[str]:
    locale = get_locale()
    mark = LEFT_TO_RIGHT if locale and locale.text_direction == "rtl" else ""
    yield parcel.utility[:LONGEST_NAME]
    yield _("Meter %(number)s", number=f"{mark}{parcel.drn}")
    yield _("First enter older tokens. Skip the key change if the meter already took it.")
    count = len(parcel.tokens)
    for number, digits in enumerate(parcel.tokens, 1):
        yield _("Token %(number)s of %(total)s: key change", number=number, total=count)
        yield mark + " ".join(token_groups(digits))


def file_of(session: Session, slip: Slip) -> bytes:
    """Write a receipt as a PDF file, with the utility's picture."""
    logo = session.get(Logo, slip.logo) if slip.logo else None
    return write_pdf(slip, logo.content if logo else None)


def _mail(session: Session, receipt: Receipt, parcel: Parcel, to: str, copy: int) -> Message:
    slip = slip_of(receipt, parcel.language, copy, parcel.asked_by)
    assert slip is not None, "there are tokens to send"
    file = mail.Attachment(f"{slip.number}.pdf", PDF, file_of(session, slip))
    with force_locale(parcel.language):
        words = {"number": groups_in_order(slip.number), "name": slip.utility}
        return Message(
            to=to,
            subject=_("Receipt %(number)s from %(name)s", **words),
            text=_("Your receipt %(number)s from %(name)s is attached.", **words),
            reference=parcel.reference,
            attached=[file],
        )


def _sms_lines(receipt: Receipt, copy: int) -> Iterator[str]:
    """Whose, which meter, what was bought, and the tokens in the order they are entered.

    Digits stand in lines of their own, which run from left to right in every language.
    """
    sale, kind = receipt.sale, receipt.meter.meter_type
    locale = get_locale()
    mark = LEFT_TO_RIGHT if locale and locale.text_direction == "rtl" else ""
    marks = [*map(gettext, receipt.marks), *([_("COPY %(count)s", count=copy)] if copy else [])]
    yield " ".join([receipt.utility.utility_name[:LONGEST_NAME], *marks])
    yield _("Meter %(number)s", number=f"{mark}{receipt.meter.drn}")
    paid = money_text(sale.charged_minor, sale.currency, sale.exponent)
    bought = on_token_text(sale, kind)
    yield paid if sale.in_money else _("%(bought)s, %(paid)s", bought=bought, paid=paid)
    if receipt.key_tokens:
        yield _("First enter older tokens. Skip the key change if the meter already took it.")
    count = len(receipt.tokens)
    for number, digits in enumerate(receipt.tokens, 1):
        if count > 1 and number < count:
            yield _("Token %(number)s of %(total)s: key change", number=number, total=count)
        elif count > 1:
            yield _("Token %(number)s of %(total)s: credit", number=number, total=count)
        yield mark + " ".join(token_groups(digits))
