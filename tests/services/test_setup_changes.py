"""The utility's settings: dated, never rewritten, and a change means only what it changes."""

import json
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import delete
from sqlalchemy.exc import IntegrityError

from tests.factories import CURRENCY, NOW, SUPERVISOR, ZONE, add_setup
from tests.shop import Shop, in_threads
from tests.unit.test_pictures import png
from vmsapp.errors import NotFound, VmsError
from vmsapp.extensions import atomic
from vmsapp.models import AuditEvent, Logo, Sale, Setup, TariffPlan
from vmsapp.models.setup import Installation
from vmsapp.scope import SYSTEM, unscoped
from vmsapp.services import setup_changes, setup_rules
from vmsapp.services.pictures import read_picture
from vmsapp.services.setup import setup_at
from vmsapp.services.setup_changes import (
    InForceAlready,
    NothingChanged,
    PlannedAlready,
    StartsInThePast,
)
from vmsapp.services.setup_rules import (
    DecimalsInUse,
    FixedBySales,
    FixedFromNow,
    InvalidCurrency,
    InvalidSymbol,
    LargestBelowSmallest,
    LargestUnitsBelowSmallest,
    PasswordInClear,
    PasswordWanted,
    SenderMissing,
    UnknownTimeZone,
)

MAY, JUNE, JULY = (NOW.replace(month=month) for month in (5, 6, 7))
FIRST = {"utility_name": "Mine", "time_zone": "Asia/Kolkata", "currency": "INR", "exponent": 2}
MAIL = {"mail_host": "mail.example.org", "mail_user": "vms", "mail_sender": "vms@example.org",
        "mail_password": b"sealed"}  # fmt: skip


def change(shop: Shop, starts_at=None, **changes: Any) -> int:
    def deed(session) -> int:
        return setup_changes.change(session, SYSTEM, changes, starts_at).id

    shop.clock.forward(seconds=1)
    return shop.change(deed)


def replan(shop: Shop, plan: int, starts_at, **changes: Any) -> int:
    return shop.change(lambda s: setup_changes.replan(s, SYSTEM, plan, changes, starts_at).id)


def withdraw(shop: Shop, plan: int) -> None:
    shop.change(lambda s: setup_changes.withdraw(s, SYSTEM, plan))


def at(shop: Shop, moment) -> Setup:
    """The settings as every other room reads them."""
    with shop.session() as session, unscoped("a test looks"):
        return setup_at(session, moment)


def names(shop: Shop) -> list[str]:
    """The utility's name now and as it is planned."""
    return [at(shop, moment).utility_name for moment in (shop.clock.now, MAY, JUNE, JULY)]


def notes(shop: Shop) -> list[AuditEvent]:
    found = shop.rows(AuditEvent, AuditEvent.subject == "setup")
    return sorted(found, key=lambda event: event.id)


def refused(shop: Shop, error: type[VmsError], deed: Callable[[], object]) -> VmsError:
    """Nothing is written when something is refused."""
    before, noted = rows(shop), len(notes(shop))
    with pytest.raises(error) as told:
        deed()
    assert (rows(shop), len(notes(shop))) == (before, noted)
    return told.value


def rows(shop: Shop) -> list[str]:
    return sorted(
        repr({name: getattr(row, name) for name in ("id", "effective_at", *setup_rules.NAMES)})
        for row in shop.rows(Setup)
    )


# from now on


def test_a_change_counts_from_now_and_the_time_before_stays_as_it_was(shop):
    before = rows(shop)
    change(shop, utility_name="New Name", settlement="up")
    assert set(before) < set(rows(shop))
    assert at(shop, NOW).utility_name == "Test Utility"
    now = at(shop, shop.clock.now)
    assert (now.utility_name, now.settlement, now.time_zone) == ("New Name", "up", ZONE)


def test_all_settings_but_the_changed_are_copied(shop):
    values = {
        "utility_address": "1 Road", "tax_number": "T-1", "coin_minor": 5,
        "currency_symbol": "KSh", "settlement": "nearest",
        "receipt_header": "Head", "receipt_footer": "Foot", "receipt_copies": 2,
        "shifts_used": True, "shift_hours": 9, "cash_counted": False,
        "shift_tolerance_minor": 250, "smallest_minor": 100,
        "largest_minor": 100_000, "smallest_units": Decimal("0.5"), "largest_units": Decimal(900),
        "tokens_a_day": 3, "quick_amounts": "5 10", "reversal_hours": 12,
        "free_units_a_month": Decimal(20), "free_value_a_month": 50_000, "free_tokens_a_day": 9,
        "mail_port": 465, "mail_security": "tls", **MAIL,
    }  # fmt: skip
    change(shop, **values)
    change(shop, utility_name="Other")
    row = at(shop, shop.clock.now)
    assert {name: getattr(row, name) for name in values} == values
    assert set(setup_rules.NAMES) - set(values) == {
        "utility_name", "time_zone", "logo", "currency", "exponent",
    }  # fmt: skip


def test_every_column_of_the_settings_belongs_to_a_section():
    columns = set(Setup.__table__.columns.keys()) - {"id", "effective_at"}
    assert columns == set(setup_rules.NAMES)
    assert len(setup_rules.NAMES) == len(set(setup_rules.NAMES))


def test_who_changed_what_is_written_down_with_before_and_after(shop):
    shop.clock.forward(seconds=1)
    actor = replace(shop.actor(SUPERVISOR), address="10.0.0.1")
    changes = {"coin_minor": 5, "utility_name": "New", "smallest_units": Decimal("0.5"), **MAIL}
    shop.change(lambda s: setup_changes.change(s, actor, changes))
    (event,) = notes(shop)
    assert (event.action, event.actor_name, event.address) == (
        "setup.changed", SUPERVISOR, "10.0.0.1",
    )  # fmt: skip
    assert event.details["starts_at"] == shop.clock.now.isoformat()
    before, after = event.details["before"], event.details["after"]
    assert before == {
        "coin_minor": "0.01 USD", "utility_name": "Test Utility", "smallest_units": None,
        "mail_host": "", "mail_user": "", "mail_sender": "", "mail_password": False,
    }  # fmt: skip
    assert after == {
        "coin_minor": "0.05 USD", "utility_name": "New", "smallest_units": "0.5",
        "mail_host": "mail.example.org", "mail_user": "vms", "mail_sender": "vms@example.org",
        "mail_password": True,
    }  # fmt: skip
    assert "sealed" not in json.dumps(event.details)


def test_saving_what_is_there_makes_no_row(shop):
    refused(shop, NothingChanged, lambda: change(shop, utility_name="Test Utility"))
    refused(shop, NothingChanged, lambda: change(shop))


@pytest.mark.parametrize(("values", "error"), [
    ({"time_zone": "Africa/Nowhere"}, UnknownTimeZone),
    ({"time_zone": "../../etc/passwd"}, UnknownTimeZone),
    ({"currency": "usd"}, InvalidCurrency),
    ({"smallest_minor": 200, "largest_minor": 100}, LargestBelowSmallest),
    ({"smallest_units": Decimal(2), "largest_units": Decimal(1)}, LargestUnitsBelowSmallest),
    ({"mail_host": "mail.example.org"}, SenderMissing),
    ({**MAIL, "mail_security": "none"}, PasswordInClear),
])  # fmt: skip
def test_values_that_cannot_be_or_do_not_go_together_are_refused(shop, values, error):
    refused(shop, error, lambda: change(shop, **values))


@pytest.mark.parametrize("values", [
    {"exponent": 5}, {"coin_minor": 0}, {"settlement": "sideways"}, {"receipt_copies": 0},
    {"receipt_copies": 6}, {"shift_hours": 0}, {"shift_hours": 49}, {"smallest_minor": 0},
    {"largest_minor": 0}, {"smallest_minor": 2, "largest_minor": 1},
    {"largest_units": Decimal(0)}, {"smallest_units": Decimal(2), "largest_units": Decimal(1)},
    {"tokens_a_day": 0}, {"mail_port": 0}, {"mail_port": 65536}, {"mail_security": "ssl"},
    {"logo": "0" * 64},
])  # fmt: skip
def test_the_database_itself_takes_no_impossible_settings(shop, values):
    with pytest.raises(IntegrityError):
        shop.change(lambda s: add_setup(s, effective_at=MAY, **values))


# the first settings


def empty(shop: Shop) -> Shop:
    shop.change(lambda s: s.execute(delete(Setup)))
    return shop


def test_the_first_settings_count_from_now(shop):
    made = empty(shop).change(lambda s: setup_changes.begin(s, SYSTEM, FIRST))
    assert made.effective_at == NOW
    assert (at(shop, NOW).currency, at(shop, NOW).settlement) == ("INR", "down")
    (event,) = notes(shop)
    assert event.action == "setup.begun"
    assert event.details["after"] == FIRST


def test_only_one_of_two_sets_an_instance_up(shop):
    empty(shop).change(lambda s: setup_changes.begin(s, SYSTEM, FIRST))
    refused(shop, PlannedAlready,
            lambda: shop.change(lambda s: setup_changes.begin(s, SYSTEM, FIRST)))  # fmt: skip


def test_first_settings_that_cannot_be_leave_nothing(shop):
    wrong = FIRST | {"time_zone": "Moon/Base"}
    refused(empty(shop), UnknownTimeZone,
            lambda: shop.change(lambda s: setup_changes.begin(s, SYSTEM, wrong)))  # fmt: skip


# from a day to come


def test_what_is_planned_counts_from_its_moment(shop):
    change(shop, JUNE, utility_name="June")
    assert names(shop) == ["Test Utility", "Test Utility", "June", "June"]
    assert at(shop, JUNE - timedelta(microseconds=1)).utility_name == "Test Utility"


def test_nothing_begins_in_the_past(shop):
    past = NOW - timedelta(minutes=1)
    refused(shop, StartsInThePast, lambda: change(shop, past, utility_name="x"))


def test_two_changes_do_not_begin_at_the_same_moment(shop):
    change(shop, JUNE, utility_name="June")
    refused(shop, PlannedAlready, lambda: change(shop, JUNE, tax_number="1"))


def test_a_change_is_carried_into_what_is_planned_after_it(shop):
    change(shop, JUNE, tax_number="of June")
    change(shop, utility_name="Now")
    assert names(shop) == ["Now"] * 4
    assert [at(shop, moment).tax_number for moment in (MAY, JUNE)] == ["", "of June"]


def test_a_change_is_carried_only_as_far_as_nobody_planned_another(shop):
    change(shop, JUNE, utility_name="June")
    change(shop, MAY, utility_name="May")
    change(shop, utility_name="Now")
    assert names(shop) == ["Now", "May", "June", "June"]


def test_a_change_from_a_day_between_others_stands_on_the_one_before_it(shop):
    change(shop, MAY, utility_name="May")
    change(shop, JULY, tax_number="of July")
    change(shop, JUNE, settlement="up")
    assert names(shop) == ["Test Utility", "May", "May", "May"]
    july = at(shop, JULY)
    assert (july.settlement, july.tax_number) == ("up", "of July")


def test_what_does_not_go_with_something_planned_is_refused(shop):
    change(shop, JUNE, largest_minor=500)
    refused(shop, LargestBelowSmallest, lambda: change(shop, smallest_minor=1000))


def test_withdrawing_takes_back_what_that_change_brought_and_no_more(shop):
    may = change(shop, MAY, utility_name="May", tax_number="of May")
    change(shop, JUNE, tax_number="of June")
    withdraw(shop, may)
    assert names(shop) == ["Test Utility"] * 4
    assert [at(shop, moment).tax_number for moment in (MAY, JUNE)] == ["", "of June"]
    event = notes(shop)[-1]
    assert event.action == "setup.withdrawn"
    assert event.details["before"] == {"utility_name": "May", "tax_number": "of May"}
    assert event.details["after"] == {"utility_name": "Test Utility", "tax_number": ""}


def test_a_planned_change_can_be_put_off_and_changed(shop):
    plan = change(shop, MAY, utility_name="May", tax_number="of May")
    replan(shop, plan, JUNE, utility_name="June")
    assert names(shop) == ["Test Utility", "Test Utility", "June", "June"]
    assert at(shop, JUNE).tax_number == "of May"
    event = notes(shop)[-1]
    assert event.action == "setup.replanned"
    assert event.details["before"] == {"starts_at": MAY.isoformat(), "utility_name": "May"}
    assert event.details["after"] == {"starts_at": JUNE.isoformat(), "utility_name": "June"}


def test_a_planned_change_put_behind_another_keeps_what_it_brings(shop):
    may = change(shop, MAY, utility_name="May")
    change(shop, JUNE, tax_number="of June")
    replan(shop, may, JULY)
    assert names(shop) == ["Test Utility", "Test Utility", "Test Utility", "May"]
    assert [at(shop, moment).tax_number for moment in (JUNE, JULY)] == ["of June", "of June"]


def test_a_planned_change_that_changes_nothing_any_more_must_be_withdrawn(shop):
    plan = change(shop, MAY, utility_name="May")
    refused(shop, NothingChanged, lambda: replan(shop, plan, MAY, utility_name="Test Utility"))
    refused(shop, NothingChanged, lambda: replan(shop, plan, MAY))


def test_what_has_come_into_force_is_neither_changed_nor_withdrawn(shop):
    plan = change(shop, MAY, utility_name="May")
    shop.at(MAY)
    refused(shop, InForceAlready, lambda: replan(shop, plan, JUNE, utility_name="x"))
    refused(shop, InForceAlready, lambda: withdraw(shop, plan))
    change(shop, utility_name="Later")
    refused(shop, NotFound, lambda: withdraw(shop, plan))


def test_a_planned_change_is_not_put_into_the_past(shop):
    plan = change(shop, MAY, utility_name="May")
    refused(shop, StartsInThePast, lambda: replan(shop, plan, NOW, utility_name="x"))


# currency, decimals and time zone

FIXED = [{"currency": "EUR"}, {"exponent": 3}, {"time_zone": "Asia/Kolkata"}]


@pytest.mark.parametrize("fixed", FIXED)
def test_they_cannot_change_once_a_sale_was_made(shop, fixed):
    shop.sell()
    refused(shop, FixedBySales, lambda: change(shop, **fixed))
    refused(shop, FixedBySales, lambda: change(shop, MAY, **fixed))
    change(shop, currency=CURRENCY, exponent=2, time_zone=ZONE, coin_minor=5, settlement="up")


@pytest.mark.parametrize("fixed", FIXED[::2])
def test_before_the_first_sale_they_change_at_once(shop, fixed):
    change(shop, **fixed)
    assert all(getattr(at(shop, shop.clock.now), name) == to for name, to in fixed.items())


@pytest.mark.parametrize("fixed", FIXED)
def test_they_are_never_planned_for_sales_may_come_before(shop, fixed):
    refused(shop, FixedFromNow, lambda: change(shop, MAY, **fixed))
    change(shop, JUNE, utility_name="June")
    refused(shop, FixedFromNow, lambda: change(shop, **fixed))


def test_decimals_stay_while_tariffs_hold_amounts_in_them(shop):
    refused(shop, DecimalsInUse, lambda: change(shop, currency="JPY", exponent=0))
    shop.change(lambda s: s.execute(delete(TariffPlan)))
    change(shop, currency="JPY", exponent=0)
    assert at(shop, shop.clock.now).exponent == 0


# logo and mail


def test_a_logo_is_kept_once_and_stays_for_what_was_printed_with_it(shop):
    picture = read_picture(png())
    for _ in range(2):
        shop.change(lambda s: setup_changes.keep_logo(s, picture))
    change(shop, logo=picture.digest)
    change(shop, logo=None)
    (kept,) = shop.rows(Logo)
    assert (kept.digest, kept.media_type, kept.content) == (picture.digest, "image/png", png())
    assert at(shop, shop.clock.now - timedelta(milliseconds=500)).logo == picture.digest
    assert at(shop, shop.clock.now).logo is None


@pytest.mark.parametrize("elsewhere", [{"mail_host": "other.example.org"}, {"mail_port": 25},
                                       {"mail_user": "root"},
                                       {"mail_security": "tls"}])  # fmt: skip
def test_a_kept_mail_password_does_not_follow_to_another_server(shop, elsewhere):
    change(shop, **MAIL)
    refused(shop, PasswordWanted, lambda: change(shop, **elsewhere))
    change(shop, **elsewhere, mail_password=b"sealed anew")
    assert at(shop, shop.clock.now).mail_password == b"sealed anew"


@pytest.mark.parametrize("gone", [{"mail_user": ""}, {"mail_host": ""}])
def test_without_a_user_or_a_server_no_password_is_kept(shop, gone):
    change(shop, **MAIL)
    change(shop, **gone)
    assert at(shop, shop.clock.now).mail_password is None


# two people


def test_two_changes_at_once_come_one_after_the_other(shop):
    """Each keeps what the other brought, whoever was first."""
    shop.clock.forward(seconds=1)

    def deed(name: str, value: str, starts_at=None):
        with shop.session() as session, unscoped("a test changes"), atomic(session):
            setup_changes.change(session, SYSTEM, {name: value}, starts_at)

    outcomes = in_threads(lambda: deed("utility_name", "One"),
                          lambda: deed("tax_number", "Two", MAY))  # fmt: skip
    assert outcomes == [None, None]
    may = at(shop, MAY)
    assert (may.utility_name, may.tax_number) == ("One", "Two")
    assert shop.rows(Installation)


@pytest.mark.parametrize("waits", ["sale", "change"])
def test_no_first_sale_slips_by_a_change_of_the_currency(shop, waits):
    """Whoever comes second waits, and finds what the first one left."""
    shop.clock.forward(seconds=1)
    first_holds = threading.Event()

    def change_currency():
        if waits == "change":
            first_holds.wait()
        with shop.session() as session, unscoped("a test changes"), atomic(session):
            setup_changes.change(session, SYSTEM, {"currency": "EUR"})
            first_holds.set()
            time.sleep(0.4)

    def sell():
        if waits == "sale":
            first_holds.wait()
        else:
            shop.sell()
            first_holds.set()
            return None
        return shop.sell()

    changed, sale = in_threads(change_currency, sell)
    sold = shop.rows(Sale)
    if waits == "sale":
        assert changed is None
        assert [row.currency for row in sold] == ["EUR"], sale
    else:
        assert isinstance(changed, FixedBySales)
        assert [row.currency for row in sold] == ["USD"]


@pytest.mark.parametrize("symbol", ["", "$", "US$", "KSh", "Rp.", "د.ك", "₦", "元", "Kč", "S/."])
def test_a_symbol_is_letters_or_a_sign(shop, symbol):
    change(shop, currency_symbol=symbol, utility_name="Other")
    assert at(shop, shop.clock.now).currency_symbol == symbol


@pytest.mark.parametrize("symbol", ["1", "K5", "٥", "<b>", "a b", "$\u200e", "\x00", "-", "+"])
def test_what_could_be_taken_for_a_number_is_no_symbol(shop, symbol):
    refused(shop, InvalidSymbol, lambda: change(shop, currency_symbol=symbol))
