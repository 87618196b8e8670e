"""The rules, in the order of the page: what each looks for, in words and with its thresholds.

A new rule is one more entry here and the function that looks.
"""

from collections.abc import Mapping
from typing import Final

from vmsapp.errors import N_
from vmsapp.services.revenue_protection import meters, selling
from vmsapp.services.revenue_protection.looking import About, Number, Rule

STOPPED: Final = "stopped"
"""The rule about meters that buy nothing any more."""

REST: Final = Number("rest", N_("Days that a decided finding rests"), 90, 1, 730)
"""What was decided is not found again so soon, as long as it goes on."""


def _days(default: int, word: str = N_("Days looked at")) -> Number:
    return Number("days", word, default, 1, 366)


def _percent(default: int, word: str) -> Number:
    return Number("percent", word, default, 1, 99)


def _least(default: int, word: str) -> Number:
    return Number("least", word, default, 1, 1000)


_MONTHS: Final = Number("months", N_("Months of history"), 6, 2, 24)
_REGULAR: Final = Number("least", N_("Months with a purchase"), 4, 1, 24)

ALL: Final = (
    Rule(
        STOPPED, N_("Stopped buying"),
        N_("An active meter whose consumer bought for it in at least %(least)s of %(months)s"
           " calendar months, and then nothing for %(days)s days or more."),
        N_("Bought in %(months)s of %(of)s months, last on %(last_on)s."),
        About.METER,
        (Number("days", N_("Days without a purchase"), 60, 7, 730), _MONTHS, _REGULAR),
        meters.stopped, by_meter=True,
    ),
    Rule(
        "dropped", N_("Buys much less"),
        N_("An active meter that still buys, and in the last %(recent)s full months less than"
           " %(percent)s of what it used to: of the same months of the year before, where"
           " its consumer bought in all of them, else of its own mean of the %(months)s months"
           " before these, where its consumer bought in at least %(least)s of them."),
        N_("%(now)s in %(months)s months instead of %(expected)s."),
        About.METER,
        (
            Number("recent", N_("Full months looked at"), 2, 1, 6),
            _percent(50, N_("Percent of what it used to buy")), _MONTHS, _REGULAR,
        ),
        meters.dropped, by_meter=True,
    ),
    Rule(
        "hours", N_("Tokens outside the hours"),
        N_("An operator who in the last %(days)s days made at least %(least)s tokens before"
           " %(opens)s:00 or from %(closes)s:00 on, in the utility's time zone."),
        N_("%(outside)s of %(tokens)s tokens outside the hours."),
        About.OPERATOR,
        (
            Number("opens", N_("Opens at this hour"), 6, 0, 23),
            Number("closes", N_("Closes at this hour"), 22, 1, 24),
            _days(30), _least(5, N_("Tokens at least")),
        ),
        selling.outside_hours,
    ),
    Rule(
        "given_operator", N_("Many tokens without money: operator"),
        N_("An operator who in the last %(days)s days gave at least %(least)s tokens without"
           " money, and more than %(percent)s of all tokens made."),
        N_("%(given)s of %(tokens)s tokens without money."),
        About.OPERATOR,
        (_days(30), _least(3, N_("Tokens at least")), _percent(5, N_("More than so many percent"))),
        selling.gave,
    ),
    Rule(
        "given_meter", N_("Many tokens without money: meter"),
        N_("A meter that in the last %(days)s days was given %(least)s or more tokens without"
           " money that stand."),
        N_("%(tokens)s tokens without money, worth %(worth)s."),
        About.METER,
        (_days(90), _least(3, N_("Tokens at least"))),
        meters.given,
    ),
    Rule(
        "copies_sale", N_("Many copies of one receipt"),
        N_("A sale of the last %(days)s days of whose receipt there are more than %(copies)s"
           " copies besides the original."),
        N_("%(copies)s copies."),
        About.SALE,
        (_days(30), Number("copies", N_("More copies than"), 3, 1, 100)),
        selling.copied,
    ),
    Rule(
        "copies_operator", N_("Many copies of receipts"),
        N_("An operator who made at least %(least)s copies of receipts of the last %(days)s days,"
           " and for each own sale more than %(times)s times as many as all others together."),
        N_("%(copies)s copies and %(sales)s sales; the others %(others_copies)s copies and"
           " %(others_sales)s sales."),
        About.OPERATOR,
        (_days(30), _least(10, N_("Copies at least")),
         Number("times", N_("More times the share of the others"), 3, 1, 100)),
        selling.copies_much,
    ),
    Rule(
        "back_operator", N_("Many sales taken back: operator"),
        N_("An operator of whose sales of the last %(days)s days at least %(least)s were taken"
           " back, and more than %(percent)s."),
        N_("%(back)s of %(sales)s sales taken back."),
        About.OPERATOR,
        (_days(30), _least(3, N_("Sales at least")), _percent(5, N_("More than so many percent"))),
        selling.taken_back,
    ),
    Rule(
        "back_point", N_("Many sales taken back: vending point"),
        N_("A vending point of whose sales of the last %(days)s days at least %(least)s were"
           " taken back, and more than %(percent)s."),
        N_("%(back)s of %(sales)s sales taken back."),
        About.POINT,
        (_days(30), _least(5, N_("Sales at least")), _percent(3, N_("More than so many percent"))),
        selling.taken_back_at,
    ),
    Rule(
        "smallest", N_("Smallest purchases again and again"),
        N_("A meter for which in the last %(days)s days %(least)s or more purchases of the"
           " smallest amount of the setup were made. Without such an amount nothing is found."),
        N_("%(sales)s purchases of the smallest amount."),
        About.METER,
        (_days(7), _least(4, N_("Purchases at least"))),
        meters.smallest,
    ),
    Rule(
        "tamper", N_("Tamper status cleared again and again"),
        N_("A meter for which in the last %(days)s days %(least)s or more tokens were made that"
           " clear its tamper status."),
        N_("Cleared by %(tokens)s tokens."),
        About.METER,
        (_days(180), _least(2, N_("Tokens at least"))),
        meters.cleared,
    ),
)  # fmt: skip

RULES: Final[Mapping[str, Rule]] = {rule.code: rule for rule in ALL}
"""By code, in the order of the page."""
