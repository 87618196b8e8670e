"""Currencies and time zones, and times that the clocks of a zone leave out.

Decimals after ISO 4217, table A.1; daylight saving of 2026 after the IANA database:
Europe/Paris puts its clocks forward on 29 March at 02:00, back on 25 October at 03:00.
"""

from datetime import UTC, datetime

import pytest

from vmsapp.clock import NoSuchLocalTime, moment_of
from vmsapp.services.world import COMMON, currencies, decimals_of, zones, zones_fitting


@pytest.mark.parametrize(("code", "decimals"), [
    ("USD", 2), ("EUR", 2), ("CNY", 2), ("JPY", 0), ("KWD", 3), ("TND", 3), ("XOF", 0),
    ("KES", 2), ("QQQ", None), ("usd", None),
])  # fmt: skip
def test_decimals_are_those_of_the_currency(code, decimals):
    assert decimals_of(code) == decimals


@pytest.mark.parametrize("language", ["en", "zh", "fr", "ar"])
def test_the_common_currencies_come_first_and_each_once(language):
    codes = [code for code, _name in currencies(language)]
    assert tuple(codes[:3]) == COMMON == ("USD", "EUR", "CNY")
    assert len(codes) == len(set(codes)) > 140
    assert {"KES", "INR", "ZAR", "XAF"} <= set(codes)
    assert not {"FRF", "DEM", "XAU"} & set(codes)  # not paid with any more, or not money


def test_time_zones_are_those_of_places():
    assert zones()["africa/nairobi"] == "Africa/Nairobi"
    assert {"UTC", "Asia/Kolkata", "America/Argentina/Buenos_Aires"} <= set(zones().values())
    assert not any(name.startswith(("Etc/", "posix", "right")) for name in zones().values())


@pytest.mark.parametrize(("typed", "meant"), [
    ("nairobi", ["Africa/Nairobi"]), ("AFRICA/NAIROBI", ["Africa/Nairobi"]),
    ("nairo", ["Africa/Nairobi"]), ("africa/nair", ["Africa/Nairobi"]), ("utc", ["UTC"]),
    ("los angeles", ["America/Los_Angeles"]), ("Aden", ["Asia/Aden"]),
    ("adela", ["Australia/Adelaide"]), ("Mars", []), ("", []), ("africa", []),
    ("louisville", ["America/Kentucky/Louisville", "America/Louisville"]),
])  # fmt: skip
def test_a_part_of_a_city_names_its_time_zone(typed, meant):
    assert zones_fitting(typed) == meant


@pytest.mark.parametrize(("local", "zone", "utc"), [
    ("2026-07-01T12:00", "Africa/Nairobi", "2026-07-01T09:00"),
    ("2026-07-01T00:00", "Asia/Kathmandu", "2026-06-30T18:15"),
    ("2026-03-29T01:59", "Europe/Paris", "2026-03-29T00:59"),
    ("2026-03-29T03:00", "Europe/Paris", "2026-03-29T01:00"),
    ("2026-10-25T02:30", "Europe/Paris", "2026-10-25T00:30"),  # the first of two
])  # fmt: skip
def test_a_local_time_is_a_moment(local, zone, utc):
    moment = moment_of(datetime.fromisoformat(local), zone)
    assert moment == datetime.fromisoformat(utc).replace(tzinfo=UTC)


@pytest.mark.parametrize("local", ["2026-03-29T02:00", "2026-03-29T02:30", "2026-03-29T02:59"])
def test_a_time_the_clocks_leave_out_is_no_moment(local):
    with pytest.raises(NoSuchLocalTime):
        moment_of(datetime.fromisoformat(local), "Europe/Paris")
