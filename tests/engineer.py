"""An engineer at work: has tokens made that manage meters, and looks at what was written."""

from tests.factories import EPOCH
from tests.services.pair import CHECKER, MAKER, Pair, make_pair
from tests.shop import Shop
from vmsapp.extensions import atomic
from vmsapp.models import EngineeringDigits, EngineeringRefusal, EngineeringToken, PrintKind
from vmsapp.scope import SYSTEM, seen_by
from vmsapp.services.approvals import deciding
from vmsapp.services.approvals.deed import Means
from vmsapp.services.doubt import Patience
from vmsapp.services.engineering import printing
from vmsapp.services.engineering.errors import MeterAway
from vmsapp.services.engineering.functions import FUNCTIONS, Function
from vmsapp.services.engineering.meter_tests import make_card
from vmsapp.services.engineering.reconcile import reconcile_engineering
from vmsapp.services.engineering.refusals import note_refusal
from vmsapp.services.engineering.reserve import new_request_id, reserve
from vmsapp.services.engineering.rows import read
from vmsapp.services.engineering.settle import issue
from vmsapp.services.engineering.showing import shown
from vmsapp.services.engineering.start import start
from vmsapp.services.engineering.wish import Wish
from vmsapp.services.licence.standing import GRACE_DAYS
from vmsapp.sts.nmse import MeterTest

FORM = f"{EPOCH}-form-1"


class Engineer:
    """Makes engineering tokens in a shop, with a session of its own for each deed."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self.pair: Pair = make_pair(shop)

    def wish(self, meter: str, function: str, value: int = 0, **said) -> Wish:
        """What is wished for; the last digits are right unless others are said."""
        row = self.shop.meter(meter)
        asks = function in FUNCTIONS and FUNCTIONS[Function(function)].asks_number
        plain = {"reason": "asked on site", "last_digits": row.drn[-4:] if asks else ""}
        return Wish(row.id, function, value, **plain | said)

    def make(
        self, meter: str, function: str, value: int = 0, *, form: str = FORM, by: str = MAKER,
        weather=(), **said,
    ):  # fmt: skip
        """Have a token made; the token, or the request that waits."""
        wish = self.wish(meter, function, value, **said)
        actor = self.pair.actor(by)
        with self.shop.session() as session, seen_by(actor):
            session.weather = list(weather)
            return start(session, self.shop.registry, actor, wish, form)

    def approve(self, request, by: str = CHECKER):
        """Approve a request as a second person, and do what follows, as the door does."""
        actor = self.pair.actor(by)
        with self.shop.session() as session, seen_by(actor):
            means = Means(self.shop.registry, GRACE_DAYS)
            done, _ = deciding.carry_out(session, means, actor, request.id, request.hash)
            return done

    def reconcile(self, patience=Patience()):  # noqa: B008 - frozen
        with self.shop.session() as session, seen_by(SYSTEM):
            return reconcile_engineering(session, self.shop.registry, patience)

    def tokens(self, *where) -> list[EngineeringToken]:
        return self.shop.rows(EngineeringToken, *where)

    def again(self, token) -> EngineeringToken:
        return self.tokens(EngineeringToken.id == token.id)[0]

    def digits(self, token) -> str:
        """The twenty digits of a token."""
        return self.shop.rows(EngineeringDigits, EngineeringDigits.token_id == token.id)[0].digits

    def refusals(self) -> list[tuple[str, str]]:
        """What was refused: function and code."""
        return [(one.function, one.code) for one in self.shop.rows(EngineeringRefusal)]


def engineered(shop: Shop, meter: str, who: str) -> tuple[int, int, int]:
    """A token shown and printed, a refusal and a test token, of somebody with a vending point.

    Returns:
        Their ids.
    """
    actor = shop.actor(who)
    wish = Wish(shop.utility.meters[meter], "clear_tamper", 0, "x")
    with shop.session() as session, seen_by(actor):
        with atomic(session, durable=True):
            number = reserve(
                session, actor, wish, form_key=f"{EPOCH}-{who}", request_id=new_request_id()
            ).id
        issue(session, shop.registry, actor, read(session, number))
        shown(session, actor, number, digits=True)
        printing.note_print(
            session, actor, number, nth=1, kind=PrintKind.PAPER, language="en", may_reprint=False
        )
        note_refusal(session, actor, wish, MeterAway(drn="x"))
        card = make_card(session, actor, who, [MeterTest.TI], four_digits=False)
    refusal = shop.rows(EngineeringRefusal)[-1].id
    return number, refusal, card
