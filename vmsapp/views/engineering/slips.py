"""What stands on the slip of an engineering token, and on a card of test tokens."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final

from flask import current_app
from flask_babel import force_locale, get_locale, gettext

from vmsapp.errors import N_
from vmsapp.i18n import _, labelled, moment_text
from vmsapp.models import Consumer, PaperSize, Setup, TestToken
from vmsapp.services.engineering.showing import Shown
from vmsapp.services.slips import Fact, Slip, TokenBlock
from vmsapp.views.counter.slips import KEY_STEPS
from vmsapp.views.engineering.words import carried_said, function_name, test_name, value_said
from vmsapp.views.words import meter_type_name

STEPS: Final = (*KEY_STEPS[:-1], N_("At last enter the token that manages the meter."))
"""What is done with several tokens, in the order it is done."""


def language_of(consumer: Consumer | None, wanted: str | None = None) -> str:
    """Choose a slip's language: the one asked for, the consumer's, the screen's."""
    offered = current_app.config["LANGUAGES"]
    spoken = consumer.language if consumer else None
    for language in (wanted, spoken):
        if language in offered:
            return str(language)
    return str(get_locale() or "en")


def slip_of(shown: Shown, utility: Setup, language: str, copy: int, by: str) -> Slip | None:
    """Write the slip of a token in a language; there is none without digits.

    Args:
        shown: The token, with its digits.
        utility: Whose it is.
        language: One of the product's.
        copy: Number of the copy; 0 is the original.
        by: Who makes the copy.
    """
    if shown.digits is None:
        return None
    with force_locale(language):
        token, point = shown.token, shown.token.vending_point
        marks = [_("COPY %(count)s · %(who)s", count=copy, who=by)] if copy else []
        return plain_slip(
            utility, language,
            paper=point.paper_size if point else PaperSize.A4,
            number=token.number,
            at=token.reserved_at,
            marks=[*map(gettext, shown.marks), *marks],
            steps=[gettext(step) for step in STEPS] if shown.key_tokens else [],
            tokens=list(_tokens(shown)),
            units=_does(shown),
            facts=list(_facts(shown, utility)),
            closing=[
                *([labelled(_("Vending point"), point.name)] if point else []),
                labelled(_("Made by"), token.reserved_by or ""),
                *(
                    _("%(mark)s: this token has no value.", mark=gettext(mark))
                    for mark in shown.marks
                ),
            ],
        )  # fmt: skip


def card_of(tokens: Sequence[TestToken], utility: Setup, language: str, paper: str) -> Slip:
    """Write a card of test tokens in a language."""
    first = tokens[0]
    with force_locale(language):
        width = (
            _("For meters with a four-digit manufacturer code") if first.four_digits
            else _("For meters with a two-digit manufacturer code")
        )  # fmt: skip
        return plain_slip(
            utility, language,
            paper=paper,
            number=_("Test tokens"),
            at=first.made_at,
            marks=[],
            steps=[
                _("Any meter of this kind takes these tokens, as often as they are entered."),
            ],
            tokens=[
                TokenBlock(f"{row.test}. {test_name(row.test)}", row.digits) for row in tokens
            ],
            units=width,
            facts=[Fact(_("Made at"), moment_text(first.made_at, utility.time_zone))],
            closing=[labelled(_("Made by"), first.made_by or "")],
            many=True,
        )  # fmt: skip


def plain_slip(
    utility: Setup,
    language: str,
    *,
    paper: str,
    number: str,
    at: datetime,
    marks: Sequence[str],
    steps: Sequence[str],
    tokens: Sequence[TokenBlock],
    units: str,
    facts: Sequence[Fact],
    closing: Sequence[str],
    many: bool = False,
) -> Slip:
    """Write a slip that takes no money, in the language that is in force."""
    locale = get_locale()
    return Slip(
        paper=paper,
        language=language,
        direction=locale.text_direction if locale else "ltr",
        number=number,
        sold_at=at,
        utility=utility.utility_name,
        logo=utility.logo,
        heading=[line for line in (utility.utility_address,) if line],
        header=utility.receipt_header,
        marks=marks,
        steps=steps,
        tokens=tokens,
        units=units,
        facts=facts,
        lines=[],
        sums=[],
        closing=closing,
        footer=utility.receipt_footer,
        many=many,
    )


def _tokens(shown: Shown) -> Iterator[TokenBlock]:
    """The token, after the key change that it needs."""
    count = len(shown.key_tokens) + 1
    for number, digits in enumerate(shown.key_tokens, 1):
        yield TokenBlock(
            _("Token %(number)s of %(total)s: key change", number=number, total=count), digits
        )
    if shown.digits is not None:
        name = function_name(shown.token.function)
        last = _("Token %(number)s of %(total)s: %(name)s", number=count, total=count, name=name)
        yield TokenBlock(last if count > 1 else name, shown.digits)


def _does(shown: Shown) -> str:
    """What the meter does with it, with the value it carries."""
    token = shown.token
    said = carried_said(token) or value_said(token.function, token.wanted)
    name = function_name(token.function)
    return labelled(name, said) if said else name


def _facts(shown: Shown, utility: Setup) -> Iterator[Fact]:
    token, meter = shown.token, shown.token.meter
    yield Fact(_("Record"), token.number, ltr=True)
    yield Fact(_("Operation time"), moment_text(token.reserved_at, utility.time_zone))
    if shown.consumer is not None:
        yield Fact(_("Consumer number"), shown.consumer.number, ltr=True)
        yield Fact(_("Consumer"), shown.consumer.name)
    yield Fact(_("Region"), meter.region.name)
    yield Fact(_("Meter type"), meter_type_name(meter.meter_type))
    yield Fact(_("Meter number"), meter.drn, ltr=True)
    yield Fact("SGC", token.sgc, ltr=True)
    yield Fact("KRN", str(token.krn), ltr=True)
    yield Fact("TI", token.ti, ltr=True)
    yield Fact(_("Reason"), token.reason)
