"""The one clock, and the families of errors."""

import inspect
from datetime import UTC, date, datetime

import pytest

from vmsapp import errors
from vmsapp.clock import business_day, clock_reads, now_utc
from vmsapp.errors import VmsError
from vmsapp.hsm import errors as hsm_errors
from vmsapp.services.vending import errors as sale_errors
from vmsapp.tariffs import errors as tariff_errors

MOMENT = datetime(2026, 3, 17, 21, 30, tzinfo=UTC)


def test_the_clock_is_aware_and_in_utc():
    assert now_utc().tzinfo is UTC


def test_another_clock_counts_inside_its_block_alone():
    with clock_reads(lambda: MOMENT):
        assert now_utc() == MOMENT
        with clock_reads(lambda: MOMENT.replace(year=2030)):
            assert now_utc().year == 2030
        assert now_utc() == MOMENT
    assert now_utc() != MOMENT


DAYS = [  # offsets as the IANA zones have them in March
    ("UTC", date(2026, 3, 17)),
    ("Africa/Nairobi", date(2026, 3, 18)),
    ("America/Bogota", date(2026, 3, 17)),
    ("Asia/Kathmandu", date(2026, 3, 18)),
    ("Pacific/Kiritimati", date(2026, 3, 18)),
]


@pytest.mark.parametrize(("zone", "day"), DAYS)
def test_a_moment_belongs_to_the_day_of_the_utilitys_zone(zone, day):
    assert business_day(MOMENT, zone) == day


FAMILIES = {  # the table of HOUSE.md
    errors.InvalidInput: "no",
    errors.NotFound: "no",
    errors.NotAllowed: "no",
    errors.Refused: "no",
    errors.Conflict: "no",
    errors.Unavailable: "yes",
    errors.Uncertain: "reconcile",
}


@pytest.mark.parametrize(("family", "retry"), FAMILIES.items())
def test_a_family_says_whether_asking_again_may_help(family, retry):
    assert family.retry == retry


ALL = [
    cls
    for module in (sale_errors, hsm_errors, tariff_errors)
    for _, cls in inspect.getmembers(module, inspect.isclass)
    if issubclass(cls, VmsError) and cls.__module__ == module.__name__
]


@pytest.mark.parametrize("cls", ALL)
def test_an_error_belongs_to_one_family_and_keeps_its_retry(cls):
    assert sum(issubclass(cls, family) for family in FAMILIES) == 1
    assert cls.message


def test_every_error_has_a_code_of_its_own():
    codes = [cls.code for cls in ALL]
    assert len(codes) == len(set(codes))


def test_a_sentence_is_filled_with_the_values_of_the_case():
    error = sale_errors.MeterBlocked(drn="07000000010", reason="seal 100% broken")
    assert str(error) == "Meter 07000000010 is blocked: seal 100% broken"
    assert error.params == {"drn": "07000000010", "reason": "seal 100% broken"}
    assert str(sale_errors.NoVendingPoint()) == sale_errors.NoVendingPoint.message
