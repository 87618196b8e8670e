"""Whatever was sold, given and changed, and wherever a backup cuts it: nothing is given out twice.

A history is lived by an instance, whose database is copied in its middle. The copy goes on from
there beside the module's own record: ``after-restore``, what a person books, more selling. Then
both lives are laid side by side.

Source of what must hold: SALE.md 16 "Restore, promotion, standby", 4 "Idempotency", 5 "TID",
14 "Ledger".
"""

import shutil
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import create_engine, func, select
from sqlalchemy.event import listen

from tests.engineer import Engineer
from tests.factories import HARBOUR, LEGACY_11, NOW, STS6_11, SUPERVISOR
from tests.faults import FaultyModule, answer_lost, down, request_lost, works
from tests.keyring import KeyShop, soft_module
from tests.services.gifts import Gifts
from tests.services.pair import Pair, make_pair, permitted
from tests.services.restored import Site, given_twice, settings_of
from tests.shop import Shop
from tests.steps.beginning import careless
from vmsapp.errors import Conflict, Refused
from vmsapp.hsm.registry import Registry
from vmsapp.models import (
    EngineeringToken,
    Installation,
    JournalFinding,
    KeyChange,
    KeyChangeToken,
    LedgerEntry,
    OfficeUser,
    Sale,
    SaleState,
    SpentTid,
    Token,
)
from vmsapp.scope import SYSTEM, seen_by, unscoped
from vmsapp.services.backup.databases import copy_sqlite
from vmsapp.services.restore import booking
from vmsapp.services.restore.booking import Booking
from vmsapp.services.security_modules import journal_check
from vmsapp.services.vending import new_key
from vmsapp.services.vending.errors import FormOutdated

METERS = (LEGACY_11, STS6_11)
FAULTS = {"": works, "lost": answer_lost, "unheard": request_lost, "down": down}
"""What may come between product and module while a sale is made."""
LEAST, MOST = 2, 6
"""Deeds of each part of a history."""
EXAMPLES = 10

METER = st.sampled_from(METERS)
DEED = st.one_of(
    st.tuples(st.just("sale"), METER, st.integers(1, 40), st.sampled_from(sorted(FAULTS))),
    st.tuples(st.just("tender"), METER, st.integers(200, 4000)),
    st.tuples(st.just("free"), METER, st.integers(1, 9)),
    st.tuples(st.just("key"), METER),
    st.tuples(st.just("engineering"), METER),
    st.tuples(st.just("wait"), st.integers(1, 40)),
)
HISTORY = st.tuples(st.lists(DEED, max_size=MOST), st.lists(DEED, min_size=LEAST, max_size=MOST))
"""What is in the backup, and what is lost."""


class Life:
    """An instance and its people; every deed is one that a person or the worker does."""

    def __init__(self, site: Site, module: FaultyModule, pair: Pair) -> None:
        self.site, self.shop, self.module = site, site.shop, module
        self.pair = Pair(self.shop, pair.group_id, pair.ids)
        self.gifts = Gifts(self.shop, self.pair)
        self.engineer = Engineer.__new__(Engineer)
        self.engineer.shop, self.engineer.pair = self.shop, self.pair
        self.keys = KeyShop.__new__(KeyShop)
        self.keys.shop, self.keys.by = self.shop, SUPERVISOR
        self.epoch = self.shop.rows(Installation)[0].epoch
        self.forms = 0

    def form(self) -> str:
        """A key for a form, as a browser makes one."""
        return new_key(self.epoch)

    def live(self, deeds) -> None:
        """Do one deed after the other; a rule may say no to any."""
        for name, *of in deeds:
            with suppress(Refused, Conflict):
                getattr(self, name)(*of)
            self.shop.clock.forward(seconds=20)

    def sale(self, meter, units, fault) -> None:
        self.module.always("issue_credit", FAULTS[fault])
        try:
            self.shop.sell(meter, units=str(units), key=self.form())
        finally:
            self.module.always("issue_credit", works)

    def tender(self, meter, minor) -> None:
        self.shop.sell(meter, tender=minor, key=self.form())

    def free(self, meter, units) -> None:
        self.gifts.approve(self.gifts.ask(meter, key=self.form(), units=str(units)))

    def key(self, meter) -> None:
        krn = 3 - self.shop.meter(meter).krn
        self.keys.start(meter, self.form(), krn=krn)

    def engineering(self, meter) -> None:
        self.engineer.make(meter, "clear_tamper", form=self.form())

    def wait(self, minutes) -> None:
        self.shop.clock.forward(minutes=minutes)
        self.shop.reconcile()

    def findings(self) -> list[JournalFinding]:
        with self.shop.session() as session, seen_by(SYSTEM):
            return list(booking.to_book(session))

    def book(self, finding, **said) -> Sale:
        with self.shop.session() as session:
            with seen_by(SYSTEM):
                actor = booking.booker(session, SUPERVISOR)
            with seen_by(actor):
                wish = Booking(finding.id, HARBOUR, note="receipt seen", **said)
                return booking.book(session, self.shop.registry, actor, wish)

    def settle(self, finding) -> None:
        with self.shop.session() as session, seen_by(SYSTEM):
            journal_check.settle(session, SYSTEM, finding.id, "given without money")


@pytest.fixture
def staffed(template_of, tmp_path) -> tuple[Path, Pair]:
    """A utility whose people may do all of it, to copy."""
    template, path = template_of("sqlite"), tmp_path / "staffed"
    shutil.copyfile(template.url.removeprefix("sqlite:///"), path)
    engine = create_engine(f"sqlite:///{path}")
    shop = Shop(engine, Registry((), {}), template.utility, lambda: NOW)

    def add_clerk(session):
        user = session.get_one(OfficeUser, template.utility.users[SUPERVISOR].id)
        user.roles = [permitted(session, "Accounts", booking.MAY_BOOK)]
        user.region, user.region_id, user.all_regions = None, None, True

    pair = make_pair(shop)
    shop.change(add_clerk)
    engine.dispose()
    return path, pair


@pytest.fixture
def lives(staffed, template_of, ring, blank_record, tmp_path, clock):
    """Make a life of its own for each history, and its second one from a copy.

    The engines are the same for all, for they keep the statements they compiled.
    """
    template, (path, pair) = template_of("sqlite"), staffed
    files = [tmp_path / "vms.sqlite", tmp_path / "older.sqlite"]
    engines = {file: create_engine(f"sqlite:///{file}", hide_parameters=True) for file in files}
    for engine in engines.values():
        listen(engine, "connect", careless)

    @contextmanager
    def begin() -> Iterator[tuple[Life, Callable[[], Life]]]:
        clock.now = NOW
        folder = tmp_path / "instance"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        for file in files:
            engines[file].dispose()
            for old in tmp_path.glob(f"{file.name}*"):
                old.unlink()

        with soft_module(ring, blank_record, folder) as module:
            registry = Registry((), {"soft": lambda _: module.inner}, wrap=lambda _: module)

            def on(file: Path) -> Life:
                shop = Shop(engines[file], registry, template.utility, clock)
                return Life(Site(shop, settings_of(folder, f"sqlite:///{file}")), module, pair)

            def copied() -> Life:
                copy_sqlite(files[0], files[1])
                return on(files[1])

            shutil.copyfile(path, files[0])
            first = on(files[0])
            KeyShop(first.shop, SUPERVISOR)  # which has the list of keys copied
            yield first, copied
        for engine in engines.values():
            engine.dispose()

    return begin


def identifiers_given_twice(*shops) -> list:
    """Token identifiers of a meter that several requests got, of whichever kind."""
    given = defaultdict(set)
    for shop in shops:
        for row in shop.rows(SpentTid):
            given[row.meter_pan, row.base_date, row.tid].add(row.request_id)
        for row in shop.rows(EngineeringToken, EngineeringToken.tid.is_not(None)):
            given[row.meter_pan, row.base_date, row.tid].add(row.request_id)
    return [key for key, requests in given.items() if len(requests) > 1]


def sums_that_are_not_zero(shop) -> list:
    with shop.session() as session, unscoped("the test adds the ledger up"):
        total = func.sum(LedgerEntry.amount_minor)
        by_transfer = select(LedgerEntry.transfer_id, total).group_by(LedgerEntry.transfer_id)
        return session.execute(by_transfer.having(total != 0)).all()


def sets_of(shop) -> dict[str, list[str]]:
    """The digits of key changes, by request."""
    found = defaultdict(list)
    with shop.session() as session, unscoped("the test compares the sets"):
        rows = select(KeyChange.request_id, KeyChangeToken.digits).join(
            KeyChangeToken, KeyChangeToken.key_change_id == KeyChange.id
        )
        for request_id, digits in session.execute(rows):
            found[request_id].append(digits)
    return {name: sorted(digits) for name, digits in found.items()}


def digits_of(shop) -> dict[str, str]:
    """The digits of sales, by request."""
    with shop.session() as session, unscoped("the test compares the digits"):
        rows = select(Sale.request_id, Token.digits).join(Token, Token.sale_id == Sale.id)
        return dict(session.execute(rows).all())


def lives_twice(lives, history, seen) -> None:
    """Live a history, restore its middle, book what is lost, go on; then compare both lives."""
    kept, lost = history
    with lives() as (first, copied):
        first.live(kept)
        second = copied()
        first.live(lost)
        sold = {row.request_id: row for row in first.shop.rows(Sale)}
        before = {row.request_id for row in second.shop.rows(Sale)}
        first.shop.clock.forward(minutes=3)

        second.site.after_restore(anyway=True)
        second.epoch = second.shop.rows(Installation)[0].epoch
        for finding in second.findings():
            was = sold.get(finding.request_id)
            if was is None or was.kind != "sale":
                second.settle(finding)
                seen["settled"] += 1
                continue
            paid = was.received_minor if was.mode == "amount" else None
            again = second.book(finding, paid_minor=paid)
            seen["booked"] += 1
            (made,) = second.module.inner.fetch_result(finding.request_id)
            assert second.shop.digits(again) == made.digits
            assert (again.tid, again.units, again.rnd) == (was.tid, was.units, was.rnd)
        assert second.findings() == []

        second.live([("sale", meter, 5, "") for meter in METERS])
        second.live(lost)
        second.shop.clock.forward(minutes=30)
        second.shop.reconcile()
        for row in sold.values():
            if row.request_id not in before:
                with pytest.raises(FormOutdated):
                    second.shop.sell(key=row.idempotency_key)

        assert given_twice(first.shop, second.shop) == {}
        assert identifiers_given_twice(first.shop, second.shop) == []
        theirs, ours = digits_of(first.shop), digits_of(second.shop)
        assert {name: ours[name] for name in theirs if name in ours} == {
            name: theirs[name] for name in theirs if name in ours
        }
        there, here = sets_of(first.shop), sets_of(second.shop)
        assert {name: here[name] for name in there if name in here} == {
            name: there[name] for name in there if name in here
        }
        assert sums_that_are_not_zero(second.shop) == []
        assert second.site.faults() == {}
        assert SaleState.PENDING not in {row.state for row in second.shop.rows(Sale)}


@pytest.mark.ring
def test_nothing_of_a_lost_interval_is_given_again(lives):
    seen = Counter()

    @settings(
        max_examples=EXAMPLES, derandomize=True, database=None, print_blob=False,
        phases=(Phase.generate,),
    )  # fmt: skip
    @given(HISTORY)
    def compared(history):
        lives_twice(lives, history, seen)

    compared()
    assert seen["booked"] > 2, seen
    assert seen["settled"] > 2, seen
