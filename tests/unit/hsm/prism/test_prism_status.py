"""Digits that the service reads, how it says it is, and how a descriptor opens it."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.prism_stub import Change, Code
from tests.unit.hsm.hsm_cases import (
    NOW,
    REF02,
    TID,
    VK02,
    change_of,
    engineering_of,
    meter,
    request_of,
)
from tests.unit.hsm.prism.prism_cases import meter_of, refused, unavailable
from vmsapp.hsm.answers import Verified
from vmsapp.hsm.drivers.prism import health
from vmsapp.hsm.drivers.prism.frames import api
from vmsapp.hsm.requests import DisplayRequest, VerifyRequest
from vmsapp.sts.meter import Result

PANS = [
    "600727000000000009", "600727858282770056", "600727000000000017", "600727000000000025",
]  # fmt: skip
DISPLAY = DisplayRequest("show-1", 0, 1 << 15, 0, NOW)


# --- reading digits ---


def verdict(prism, digits, config=None):
    return prism.verify(VerifyRequest(config or meter(), digits, "production"))


def test_digits_are_read_by_the_service(prism):
    credit = prism.issue_credit(request_of(amount_field=0x4001)).digits
    assert verdict(prism, credit) == Verified("valid", 0, 0, TID, 0x4001)
    assert verdict(prism, f"{credit[:4]} {credit[4:]}") == Verified("valid", 0, 0, TID, 0x4001)
    other = meter(pan=PANS[1])
    assert verdict(prism, credit, other) == Verified("not_of_this_meter")
    show = prism.issue_display(DISPLAY).digits
    assert verdict(prism, show) == Verified("valid", 1, 0, control=1 << 15)
    first = prism.issue_key_change(change_of())[0].digits
    assert verdict(prism, first) == Verified("valid", 2, 3)


@pytest.mark.parametrize("digits", ["", "1234", "x" * 20, "9" * 20])
def test_what_is_no_token_is_not_asked_about(prism, stub, digits):
    assert verdict(prism, digits) == Verified("not_a_token")
    assert stub.calls == []


@pytest.mark.parametrize(
    ("said", "outcome"), [("EVerify.DdtkCredit", "key_type"), ("EVerify.KeyExpired", "key_expired")]
)
def test_a_token_its_key_may_not_make_is_told_apart(prism, stub, said, outcome):
    digits = prism.issue_credit(request_of()).digits

    def by(result):
        result.validationResult = said
        return result

    stub.next("verifyToken", Change(by))
    assert verdict(prism, digits) == Verified(outcome, 0, 0, TID, 1)
    stub.next("verifyToken", Change(lambda _: api.VerifyResult(validationResult=said)))
    assert verdict(prism, digits) == Verified(outcome)


@pytest.mark.parametrize("said", ["EVerify.SomethingNew", "", "EVerify.Ok"])
def test_a_verdict_nobody_knows_is_none(prism, stub, said):
    stub.next("verifyToken", Change(lambda _: api.VerifyResult(validationResult=said)))
    assert unavailable(verdict, prism, "0" * 20) == ("protocol", True)


@pytest.mark.parametrize(
    ("code", "why"), [("EUnheardOf", "protocol"), ("ESm", "hardware"), ("EService", "hardware")]
)
def test_a_question_that_fails_makes_nothing_uncertain(prism, stub, code, why):
    stub.next("verifyToken", Code(code))
    assert unavailable(verdict, prism, "0" * 20) == (why, True)
    stub.next("getStatus", Code(code))
    assert unavailable(prism.status) == (why, True)


def test_a_meter_the_service_does_not_know_is_refused(prism, stub):
    stub.next("verifyToken", Code("EKeystore.NotFound"))
    assert refused(verdict, prism, "0" * 20) == "key_not_found"
    assert refused(verdict, prism, "0" * 20, meter(ti="xx")) == "parameters"


# --- how it is ---


def test_ping_says_who_answered_and_how_fast(prism, stub):
    ping = prism.ping()
    assert (ping.driver, ping.protocol) == ("prism", "PrismToken 1.1")
    assert 0 < ping.latency_ms < 2000
    assert ping.module_id == "TSM250-0042"
    prism.ping()
    assert (stub.count("ping"), stub.count("getStatus")) == (2, 1)


def test_an_echo_that_is_none_is_seen(prism, stub):
    stub.next("ping", Change(lambda _: "something else"))
    assert unavailable(prism.ping) == ("protocol", True)
    stub.next("ping", Code("EService"))
    assert unavailable(prism.ping) == ("hardware", True)


def test_the_status_is_told(prism, stub):
    stub.info |= {
        "TxCounter": "5000", "smpd.FwVer": "1.4.2", "smqd.ex.RtcDriftSeconds": "-120",
        "smcq.ex.InhibitVendDateUtc": "2027-06-30T00:00:00Z",
    }  # fmt: skip
    status = prism.status()
    assert (status.driver, status.module_id, status.firmware) == ("prism", "TSM250-0042", "1.4.2")
    assert (status.tokens_left, status.per_second, status.keys) == (5000, 3.0, 3)
    assert status.inhibited_from == datetime(2027, 6, 30, tzinfo=UTC)
    assert status.time_utc == NOW - timedelta(seconds=120)
    assert (status.protection, status.locked, status.head_key) == ("hsm", False, None)
    assert status.alerts == ()


@pytest.mark.parametrize(
    ("info", "alerts"),
    [
        ({"smqd.ex.RtcDriftSeconds": "-2450"}, ("clock_drift",)),
        ({"smqd.ex.RtcDriftSeconds": "301"}, ("clock_drift",)),
        ({"smqd.ex.RtcDriftSeconds": "300"}, ()),
        ({"TxCounter": "2"}, ("tokens_left",)),
        ({"TxCounter": "0"}, ("tokens_left",)),
        ({"TxCounter": "3"}, ()),
        ({"smcq.ex.InhibitVendDateUtc": "2026-12-21"}, ("inhibit_date",)),
        ({"smcq.ex.InhibitVendDateUtc": "20261222T120000Z"}, ()),
        ({"smcq.ex.InhibitVendDateUtc": "2020-01-01 00:00:00"}, ("inhibit_date",)),
        ({"smcq.ex.InhibitVendDateUtc": "<script>", "TxCounter": "many"}, ()),
    ],
)
def test_what_somebody_should_see_to_is_an_alert(prism, stub, info, alerts):
    for n in range(2):
        prism.issue_credit(request_of(f"sale-{n}", tid=TID + n))
    stub.info |= info
    assert prism.status().alerts == alerts


def test_the_services_own_alerts_are_codes_and_nothing_else(prism, stub):
    stub.alerts = [
        api.Alert(eCode=code, eMsgEn="a sentence")
        for code in ("ESm.Tampered", "ESm.Tampered", "<b>600727000000000009</b>", "")
    ]
    assert prism.status().alerts == ("ESm.Tampered", "unknown")
    stub.alerts = [api.Alert(eCode=f"E{n}", eMsgEn="") for n in range(500)]
    assert len(prism.status().alerts) == 20


def test_of_several_nodes_the_worst_is_told():
    nodes = [
        api.NodeStatus(info=info, alerts=[])
        for info in (
            {"smpd.Tps": "3", "TxCounter": "50", "ModuleId": "one", "smqd.ex.RtcDriftSeconds": "4"},
            {"smpd.Tps": "5", "TxCounter": "40", "smqd.ex.RtcDriftSeconds": "-9"},
        )
    ]
    said = health.read(nodes)
    assert (said.module_id, said.per_second, said.tokens_left) == ("one", 8.0, 40)
    assert said.drift == timedelta(seconds=-9)
    nothing = health.read([])
    assert (nothing.module_id, nothing.per_second, nothing.drift, nothing.at_once) == (
        "", None, None, 1,
    )  # fmt: skip


# --- its files ---


def test_all_files_are_there_from_the_first_moment(open_prism, stub, tmp_path):
    open_prism(stub)
    made = {path.name for path in (tmp_path / "record").iterdir()}
    assert made >= {"results.sqlite", "messages.sqlite", "secret"}


@pytest.mark.parametrize("lost", ["results.sqlite", "messages.sqlite"])
def test_a_record_that_is_lost_is_not_made_anew(open_prism, stub, tmp_path, lost):
    open_prism(stub).close()
    (tmp_path / "record" / lost).unlink()
    assert unavailable(lambda: open_prism(stub, make=False))[0] == "storage"
    assert not (tmp_path / "record" / lost).exists()


def test_dkga02_meters_are_served_too(prism):
    config = meter(REF02, pan=PANS[1], ti="02")
    token = prism.issue_engineering(engineering_of(meter=config))
    assert token.kcv == "7915C8"
    assert meter_of(config, VK02).enter(token.digits) is Result.ACCEPT
