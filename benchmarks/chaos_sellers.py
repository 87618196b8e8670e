"""People at the counter while everything breaks: they keep to what the pages tell them."""

import random  # noqa: TID251 - a seed repeats it
import re
import threading
import time
from collections import Counter
from dataclasses import dataclass, field

from benchmarks.estate import Operator
from benchmarks.till import LINK, LOST, Answer, Browser, Door, sale_in

PAUSE_S = 0.3
"""How long somebody waits who was told to try again."""
NEXT_PLEASE_S = 10.0
"""After so long the next customer is served: no module but the one that was asked may answer."""
SETTLING = "is being settled. Do not give the money back"
USED_BEFORE = re.compile(r"This form was already used for sale (\d+)")
CHEAP, DEAR = 20, 90
TRIED_AGAIN = {202, 409, 429, 500, 502, 503, 504}
"""What a seller tries again; anything else was no sale, or is a fault."""


@dataclass
class Deal:
    """One purchase, from its key to its end.

    Attributes:
        sale_id: The sale the seller was led to.
        digits: What was handed out, each token once.
        state: What the seller saw last.
        heard: How often each answer came.
        form: What was sent last, to be sent again.
    """

    key: str
    meter_id: int
    vending_point_id: int
    sale_id: int | None = None
    digits: set[str] = field(default_factory=set)
    state: str | None = None
    heard: Counter[str] = field(default_factory=Counter)
    form: dict[str, str] = field(default_factory=dict)


class Person(threading.Thread):
    """Somebody with a browser, at work until told to stop."""

    def __init__(
        self, where: int | Door, username: str, password: str, chance: random.Random
    ) -> None:
        super().__init__(name=username, daemon=True)
        self.failure: BaseException | None = None
        self._browser = Browser(where)
        self._who = (username, password)
        self._chance = chance
        self._over = threading.Event()

    def sign_in(self) -> None:
        """Sign in, while nothing breaks yet."""
        self._browser.sign_in(*self._who)

    def hang_up(self) -> None:
        """Close the line; a request later on dials again."""
        self._browser.close()

    def stop(self) -> None:
        """Have the person end what was begun."""
        self._over.set()

    def run(self) -> None:
        """Work; what goes wrong beyond what was to be expected is kept."""
        try:
            while not self._over.is_set():
                self.work()
        except BaseException as error:  # noqa: BLE001 - told at the end
            self.failure = error

    def work(self) -> None:
        """Do one thing."""
        raise NotImplementedError

    def until_answered(self, path: str, heard: Counter[str], **query: str) -> Answer:
        """Reload a page until it comes."""
        while True:
            try:
                answer = self._browser.get(path, **query)
            except LOST:
                heard["page lost"] += 1
            else:
                if answer.status < 500 and answer.status != 429:
                    return answer
                heard[f"page {answer.status}"] += 1
            time.sleep(PAUSE_S)


class Seller(Person):
    """Sells to few meters, so that sellers meet."""

    def __init__(
        self, where: int | Door, operator: Operator, meters: list[int], chance: random.Random
    ) -> None:
        super().__init__(where, operator.username, operator.password, chance)
        self.deals: list[Deal] = []
        self.ended = 0
        self._point = operator.vending_point_id
        self._meters = meters

    def work(self) -> None:
        """Sell once."""
        self._sell()
        self.ended += 1

    def _sell(self) -> None:
        meter_id, units = self._chance.choice(self._meters), self._chance.randint(CHEAP, DEAR)
        mode = self._chance.choice(("quantity", "amount"))
        heard: Counter[str] = Counter()
        path = f"/counter/meter/{meter_id}"
        key = self.until_answered(path, heard).location.partition("key=")[2].partition("&")[0]
        deal = Deal(key, meter_id, self._point, heard=heard)
        self.deals.append(deal)
        page = self.until_answered(path, heard, key=key, mode=mode, value=str(units))
        form = {"mode": mode, "value": str(units), **page.fields}
        until = time.monotonic() + NEXT_PLEASE_S
        while deal.sale_id is None:
            deal.form = form
            answer = self._sent(path, form, deal)
            if answer is None:
                heard["lost"] += 1
                time.sleep(PAUSE_S)  # nobody knows: the same form once more
            elif answer.status == 302:
                deal.sale_id = sale_in(answer.location)
            elif answer.status == 422:
                heard["422"] += 1
                return  # less than the fees: the customer goes without
            elif SETTLING in answer.text and time.monotonic() > until:
                heard[str(answer.status)] += 1
                return  # somebody's sale to the meter is open, and stays it
            else:
                heard[str(answer.status)] += 1
                assert answer.status in TRIED_AGAIN, f"{deal.key}: {answer.status}"
                form = self._obeyed(answer, form, deal)
        self._follow(deal)

    def _sent(self, path: str, form: dict[str, str], deal: Deal) -> Answer | None:
        """Send the form; some press the button twice."""
        second = self._browser.twin() if self._chance.random() < 0.15 else None
        try:
            self._browser.send("POST", f"{path}/sell", form)
            if second:
                deal.heard["pressed twice"] += 1
                second.send("POST", f"{path}/sell", form)
                second.receive()
        except LOST:
            pass
        finally:
            if second:
                second.close()
        try:
            return self._browser.receive()
        except LOST:
            return None

    def sent_again(self, deal: Deal) -> set[str]:
        """Send a form that was answered once more, as a browser does that heard nothing.

        Returns:
            The digits that are shown then; none where the sale is another.
        """
        path = f"/counter/meter/{deal.meter_id}/sell"
        while (answer := self._browser.post(path, deal.form)).status in TRIED_AGAIN:
            time.sleep(PAUSE_S)
        if answer.status != 302 or sale_in(answer.location) != deal.sale_id:
            return set()
        return set(self.until_answered(f"/counter/sale/{deal.sale_id}", deal.heard).digits)

    def _obeyed(self, answer: Answer, form: dict[str, str], deal: Deal) -> dict[str, str]:
        """Do what a page says that did not sell; the key stays."""
        used = USED_BEFORE.search(answer.text)
        if used:  # what was thought lost had arrived, at the price of that moment
            deal.sale_id = int(LINK.search(answer.text)[1])  # type: ignore[index]
            return form
        if answer.status >= 500:
            time.sleep(PAUSE_S)
            return form
        again = {"mode": form["mode"], "value": form["value"], **answer.fields}
        if 'name="repeat"' in answer.text:
            again["repeat"] = "yes"
        if "quote" not in again or again["key"] != form["key"]:
            time.sleep(PAUSE_S)
            return form
        if again == form:
            time.sleep(PAUSE_S)
        return again

    def _follow(self, deal: Deal) -> None:
        """Wait for the sale's end, and hand the token out; some look twice."""
        until = time.monotonic() + (0 if self._chance.random() < 0.1 else NEXT_PLEASE_S)
        while True:
            page = self.until_answered(f"/counter/sale/{deal.sale_id}", deal.heard)
            assert page.status == 200, f"sale {deal.sale_id}: {page.status}"
            deal.digits |= set(page.digits)
            deal.state = ("issued" if page.digits else "pending" if 'id="waiting"' in page.text
                          else "ended")  # fmt: skip
            waits = time.monotonic() < until and not self._over.is_set()
            if deal.state != "pending" or not waits:
                return
            deal.heard["waited"] += 1
            time.sleep(PAUSE_S)


class Supervisor(Person):
    """Looks at what is open, and gives money back for some of it."""

    def __init__(
        self, where: int | Door, username: str, password: str, chance: random.Random
    ) -> None:
        super().__init__(where, username, password, chance)
        self.given_back = 0
        self.heard: Counter[str] = Counter()

    def work(self) -> None:
        """Look at the list; give back what may be given back, now and then."""
        time.sleep(self._chance.uniform(0.5, 2))
        page = self.until_answered("/counter/open", self.heard)
        for sale_id in sorted({int(found) for found in LINK.findall(page.text)}):
            if self._chance.random() < 0.3:
                self._give_back(sale_id)

    def _give_back(self, sale_id: int) -> None:
        page = self.until_answered(f"/counter/sale/{sale_id}", self.heard)
        path = f"/counter/sale/{sale_id}/give-back"
        if path not in page.text:
            return
        try:
            answer = self._browser.post(path, page.fields)
        except LOST:
            return  # whether it was noted is read from the books
        self.given_back += answer.status == 302
