"""What stands on a slip of key change tokens that go to the customer by themselves."""

from collections.abc import Iterator

from flask_babel import force_locale, gettext

from vmsapp.i18n import _, moment_text
from vmsapp.models import Setup
from vmsapp.services.key_changes.printing import Handed
from vmsapp.services.slips import Fact, Slip, TokenBlock
from vmsapp.views.counter.slips import KEY_STEPS
from vmsapp.views.engineering.slips import plain_slip
from vmsapp.views.words import meter_type_name


def slip_of(
    handed: Handed, utility: Setup, language: str, *, paper: str, copy: int, by: str
) -> Slip:
    """Write the slip of a set in a language.

    Args:
        handed: The set, and who gets it.
        utility: Whose it is.
        language: One of the product's.
        paper: Of whoever prints.
        copy: Number of the copy; 0 is the original.
        by: Who makes the copy.
    """
    change = handed.change
    with force_locale(language):
        marks = [_("COPY %(count)s · %(who)s", count=copy, who=by)] if copy else []
        count = len(change.tokens)
        return plain_slip(
            utility, language,
            paper=paper,
            number=change.number,
            at=change.completed_at or change.reserved_at,
            marks=[*map(gettext, handed.marks), *marks],
            steps=[gettext(step) for step in KEY_STEPS[:-1]],
            tokens=[
                TokenBlock(
                    _("Token %(number)s of %(total)s: key change", number=number, total=count),
                    token.digits,
                )
                for number, token in enumerate(change.tokens, 1)
            ],
            units=_("Key change"),
            facts=list(_facts(handed, utility)),
            closing=[
                _("%(mark)s: this token has no value.", mark=gettext(mark))
                for mark in handed.marks
            ],
        )  # fmt: skip


def _facts(handed: Handed, utility: Setup) -> Iterator[Fact]:
    change, meter, consumer = handed.change, handed.meter, handed.consumer
    made_at = change.completed_at or change.reserved_at
    yield Fact(_("Record"), change.number, ltr=True)
    yield Fact(_("Operation time"), moment_text(made_at, utility.time_zone))
    if consumer is not None:
        yield Fact(_("Consumer number"), consumer.number, ltr=True)
        yield Fact(_("Consumer"), consumer.name)
    yield Fact(_("Region"), meter.region.name)
    yield Fact(_("Meter type"), meter_type_name(meter.meter_type))
    yield Fact(_("Meter number"), meter.drn, ltr=True)
    yield Fact(_("New SGC"), change.new_sgc, ltr=True)
    yield Fact(_("New KRN"), str(change.new_krn), ltr=True)
    yield Fact(_("New TI"), change.new_ti, ltr=True)
