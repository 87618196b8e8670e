"""A utility whose every deed may go wrong: the real services, and who uses them.

A step of ``tests/services/test_model_steps.py`` is a call of one of these methods. What people
were told and what left the server is noted as it happens; ``tests/steps/checks.py`` compares it
with what stands in the tables and in the module's record.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any, Final

from tests.factories import DOMESTIC, STS6_11
from tests.keyring import KeyShop, meter_in_the_field
from tests.services.pair import MAKER, Pair
from tests.shop import Shop
from tests.steps.halts import Died, Halts
from tests.steps.line import Line
from tests.steps.people import Customer, Payment
from vmsapp.clock import now_utc
from vmsapp.errors import VmsError
from vmsapp.models import (
    OPEN_CHANGES,
    ApprovalRequest,
    ChangeState,
    Debt,
    KeyChange,
    Sale,
    SaleState,
    ServicePoint,
)
from vmsapp.scope import SYSTEM, seen_by
from vmsapp.services import receipts
from vmsapp.services.key_changes.planning import Wish
from vmsapp.services.key_changes.reconcile import reconcile_changes
from vmsapp.services.key_changes.start import start
from vmsapp.services.vending.errors import OutcomeUnknown
from vmsapp.services.vending.give_back import GIVE_BACK, give_back_for
from vmsapp.services.vending.reversal import REVERSE, reversal_for

METERS: Final = (DOMESTIC, STS6_11)
"""Of one consumer: one with steps and a monthly fee, and one with a flat price."""

KEYS: Final = {
    DOMESTIC: ({"krn": 1, "ti": "01"}, {"krn": 2, "ti": "07"}),
    STS6_11: ({"krn": 1, "ti": "01"}, {"krn": 2, "ti": "02"}),
}
"""The key each meter has, and the one it may be changed to and back."""

MEANWHILE: Final = (
    "the worker runs", "the worker runs later", "the worker cancels", "the same form again",
    "the money goes back", "the receipt is opened", "a set is asked for", "a set is withdrawn",
    "an old request arrives",
)  # fmt: skip
"""What others may do in the middle of somebody's deed."""


class StepWorld:
    """The utility, its people, and all that is under way between them."""

    def __init__(self, shop: Shop, line: Line, halts: Halts, pair: Pair, keys: KeyShop) -> None:
        self.shop, self.line, self.halts, self.pair, self.keys = shop, line, halts, pair, keys
        self.clock = shop.clock
        self.newest = self.clock.now
        self.payments: list[Payment] = []
        self.customers = {name: Customer(meter_in_the_field(shop.meter(name))) for name in METERS}
        self.wishes: list[tuple[str, Wish]] = []
        self.asked: list[tuple[int, ApprovalRequest]] = []
        self.seen: Counter[str] = Counter()
        self._forms = 0

    # the counter

    def pay(self, meter: str, units: str) -> Payment | None:
        """A customer pays; the operator fills in a form, with a key of its own."""
        try:
            form = self.shop.form(meter, units=units)
        except VmsError as refusal:
            self.seen[f"no quote: {refusal.code}"] += 1
            return None
        payment = Payment(len(self.payments), form, meter)
        self.payments.append(payment)
        return payment

    def press(self, payment: Payment, weather: Sequence[str] = ()) -> None:
        """Send a form, for the first time or again, and obey what the page says."""
        if payment.back:
            return
        try:
            sale = self.shop.submit(payment.form, weather=weather)
        except Died:
            self.seen["seller died"] += 1
            return
        except OutcomeUnknown:
            self.seen["outcome unknown"] += 1
            return
        except VmsError as refusal:
            self.seen[f"refused: {refusal.code}"] += 1
            if payment.sale_id is None:
                payment.told = refusal.code
            return
        self.seen[f"sale {sale.state}"] += 1
        assert payment.sale_id in {None, sale.id}, "two sales for one payment"
        payment.sale_id = sale.id
        if sale.state == SaleState.ISSUED and not payment.back:
            self.show(payment)
        elif sale.state in {SaleState.FAILED, SaleState.REVERSED}:
            payment.told = payment.told or f"{sale.state} {sale.failure or ''}"

    def show(self, payment: Payment) -> None:
        """Open the receipt of a sale: its digits leave where there are some."""
        if payment.sale_id is None:
            return
        made = self.shop.do(receipts.receipt, payment.sale_id)
        if made.digits is None:
            return
        stands = self.shop.again(made.sale)
        assert stands.state == SaleState.ISSUED, "digits left without a committed sale"
        assert stands.shown_at is not None, "digits left unmarked"
        assert [token.digits for token in self.shop.tokens(stands)] == [made.digits]
        assert not payment.back, f"money given back ({payment.told}), digits left"
        if not payment.left and not made.set_refused:
            self.customers[payment.meter].get(made)
        payment.left.add(made.digits)

    # the worker

    def work(self, weather: Sequence[str] = ()) -> None:
        """Run the worker once, for sales and for key changes."""
        try:
            for state, count in self.shop.reconcile(weather=weather).items():
                self.seen[f"worker: {state}"] += count
            with self.shop.session() as session, seen_by(SYSTEM):
                for state, count in reconcile_changes(session, self.shop.registry).items():
                    self.seen[f"worker: set {state}"] += count
        except Died:
            self.seen["worker died"] += 1

    # supervisors

    def give_back(self, payment: Payment) -> None:
        """Give the money back while the sale is in doubt: its digits are sealed."""
        if payment.sale_id is None or payment.back:
            return

        def deed() -> None:
            with self.shop.session() as session, seen_by(SYSTEM):
                params = give_back_for(session, payment.sale_id or 0)
            assert self.pair.ask(GIVE_BACK, self.form_key(), params=params) is None
            payment.told = "given back in doubt"

        self.attempt("money given back in doubt", deed)

    def ask_reversal(self, payment: Payment, reason: str) -> None:
        """One person asks to take a sale back."""
        if payment.sale_id is None or payment.back:
            return

        def deed() -> None:
            with self.shop.session() as session, seen_by(SYSTEM):
                params = reversal_for(session, payment.sale_id or 0, reason, "said so")
            request = self.pair.ask(REVERSE, self.form_key(), params=params)
            assert request is not None, "one person alone took a sale back"
            self.asked.append((payment.number, request))

        self.attempt(f"reversal asked for: {reason}", deed)

    def decide_reversal(self, number: int, by: str) -> None:
        """Somebody approves: the second person, or the first, who may not."""
        payment_number, request = self.asked[number % len(self.asked)]
        payment = self.payments[payment_number]

        def deed() -> None:
            decided = self.pair.approve(request, by)
            self.seen[f"reversal {decided.state}"] += 1
            assert by != MAKER, "approved by who asked for it"
            if decided.state == "approved":
                unseen = request.params["reason"] == "not_handed_out"
                assert not (unseen and payment.left), "never handed out, though digits left"
                payment.told = payment.told or "taken back"

        self.attempt(f"reversal decided by {'the same' if by == MAKER else 'another'}", deed)

    # keys

    def change_key(self, meter: str, weather: Sequence[str] = ()) -> None:
        """Give a meter its other key; what was sold under the present one is handed out first."""
        for payment in self.payments:
            if payment.meter == meter and not payment.left:
                self.show(payment)
        row = self.shop.meter(meter)
        to = next(to for to in KEYS[meter] if to["krn"] != row.krn)
        self.wishes.append((self.form_key(), self.keys.wish(meter, **to)))
        self.send_wish(len(self.wishes) - 1, weather)

    def send_wish(self, number: int, weather: Sequence[str] = ()) -> None:
        """Send the form of a key change, or send it again."""
        key, wish = self.wishes[number % len(self.wishes)]

        def deed() -> None:
            change = self.keys.do(
                lambda session, actor: start(
                    session, self.shop.registry, actor, wish, key, table_set="production"
                ),
                weather=weather,
            )  # fmt: skip
            self.seen[f"set {change.state}"] += 1

        self.attempt("key change", deed)

    def answer_change(self, meter: str, answer: str, weather: Sequence[str] = ()) -> None:
        """Withdraw, confirm or refuse a meter's open change, by what the meter shows now."""
        change = self.open_change(meter)
        if change is None:
            return
        customer = self.customers[meter]
        if answer == "confirm":
            # after a set back the meter shows the old key before both sets as after both: whoever
            # confirms has every slip entered first
            while customer.enter_next():
                self.seen["slip entered"] += 1
        krn, ti = customer.meter.krn, f"{customer.meter.ti:02d}"

        if answer == "confirm by a credit" and not customer.taken_with[change.id]:
            return

        def deed() -> None:
            if answer == "withdraw":
                self.keys.withdraw(change)
            elif answer == "confirm":
                self.keys.confirm(change, "test_tokens", krn, ti)
            elif answer == "confirm by a credit":
                assert customer.taken_with[change.id], "nobody says so untruly"
                self.keys.confirm(change, "credit_taken")
            else:
                made = self.keys.refuse(change, krn, ti, key=self.form_key())
                self.seen[f"set back {made.state}"] += 1
            self.seen[f"{answer}: done"] += 1

        self.attempt(answer, deed)

    def open_change(self, meter: str) -> KeyChange | None:
        """The newest change of a meter that is reserved or completed."""
        mine = KeyChange.meter_id == self.shop.utility.meters[meter]
        found = self.shop.rows(KeyChange, mine, KeyChange.state.in_(OPEN_CHANGES))
        return found[-1] if found else None

    def sell_again(self, meter: str) -> None:
        """Ask to take back the credits of a set the meter refused."""
        mine = KeyChange.meter_id == self.shop.utility.meters[meter]
        refused = self.shop.rows(KeyChange, mine, KeyChange.state == ChangeState.REFUSED)
        ids = {change.id for change in refused}
        for payment in self.payments:
            sale = self.sale_of(payment)
            if sale is not None and sale.key_change_id in ids:
                self.ask_reversal(payment, "other" if payment.left else "not_handed_out")

    # what goes wrong

    def plan(
        self,
        moment: tuple[str, str] | None,
        faults: Sequence[str] = (),
        meter: str | None = None,
        payment: Payment | None = None,
    ) -> None:
        """Plan what becomes of the next requests, and what happens at a point."""
        self.line.plan(*faults)
        self.seen.update(f"planned: {fault}" for fault in faults)
        if moment is None:
            return
        what, point = moment
        if what == "dies":
            self.halts.die(point)
        else:
            self.halts.meanwhile(point, lambda: self.act(what, meter, payment))

    def act(self, what: str, meter: str | None, payment: Payment | None) -> None:
        """Do one of the deeds of ``MEANWHILE``, about a meter or a payment if there is one."""
        self.seen[f"meanwhile: {what}"] += 1
        if what.startswith("the worker"):
            self.tick(seconds={"the worker runs": 0, "the worker runs later": 40}.get(what, 700))
            self.work()
        elif what == "an old request arrives":
            self.arrives(len(self.line.sent) - 1)
        elif what == "a set is asked for" and meter:
            self.change_key(meter)
        elif what == "a set is withdrawn" and meter:
            self.answer_change(meter, "withdraw")
        elif payment is not None:
            deeds = {"the same form again": self.press, "the money goes back": self.give_back}
            deeds.get(what, self.show)(payment)

    def arrives(self, number: int) -> None:
        """Let an old request reach the module, with nobody to hear the answer."""
        if self.line.sent:
            self.line.arrives_again(number)

    # what happens by itself

    def tick(self, **by: int) -> None:
        """Move the clock on; backwards, but never by so much that no sale may be made."""
        moment = self.clock.now + timedelta(**by)
        if moment < self.newest - timedelta(seconds=110):
            return
        self.clock.now = moment
        self.newest = max(self.newest, moment)

    def owe(self, amount: int, share: int | None, fixed: int | None) -> None:
        """A debt of the consumer is entered."""
        point = self.shop.rows(ServicePoint, ServicePoint.id == self.shop.point_of(DOMESTIC))[0]
        debt = Debt(
            consumer_id=point.consumer_id, name=f"Debt {share or fixed}", amount_minor=amount,
            recovered_minor=0, share_percent=share, sum_minor=fixed, reason="x",
            entered_at=now_utc(), key=self.form_key(),
        )  # fmt: skip
        self.shop.change(lambda session: session.add(debt))
        self.seen["debt entered"] += 1

    # helpers

    def form_key(self) -> str:
        """A key for a new form."""
        self._forms += 1
        return f"form-{self._forms}"

    def attempt(self, what: str, deed: Callable[[], Any]) -> None:
        """Do a deed that may be refused, or be the last of its process."""
        try:
            deed()
        except Died:
            self.seen[f"{what}: died"] += 1
        except VmsError as refusal:
            self.seen[f"{what}: {refusal.code}"] += 1
        else:
            self.seen[what] += 1

    def sale_of(self, payment: Payment) -> Sale | None:
        """The sale of a payment as it stands, found by its key."""
        found = self.shop.rows(
            Sale,
            Sale.vending_point_id == payment.form.vending_point_id,
            Sale.idempotency_key == payment.form.key,
        )
        assert len(found) <= 1, "two sales for one key"
        return found[0] if found else None

    def calm(self) -> None:
        """End a step: whatever was planned and did not happen is forgotten."""
        self.seen.update(f"at {name}" for name in self.halts.seen)
        self.halts.seen.clear()
        self.line.forget()
        self.halts.forget()

    def settle(self) -> None:
        """Let faults stop and time go on, until the worker has nothing left to do."""
        self.calm()
        self.clock.now = self.newest
        for minutes in (1, 11, 1, 1):
            self.tick(minutes=minutes)
            self.work()
        for payment in self.payments:
            self.press(payment)
            with suppress(VmsError):
                self.show(payment)
            sale = self.sale_of(payment)
            if sale is not None:
                self.seen[f"ends: {sale.state} {sale.failure or ''}".strip()] += 1
                self.seen["ends: asked twice"] += sale.attempt == 2
