"""The module server, asked by clients that mean well and by some that do not."""

import socket
import ssl
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import timedelta

import pytest

from tests.unit.hsm.authority import Authority
from tests.unit.hsm.hsm_cases import DIGITS, NOW, TID, change_of, meter, request_of
from tests.unit.hsm.serving import QUICK, Impostor, Stranger, Watched, served
from vmsapp.hsm.answers import NotExecuted
from vmsapp.hsm.drivers import tcp_link
from vmsapp.hsm.errors import HsmTimeout, HsmUnavailable, RequestReused
from vmsapp.hsm.policy import Limits
from vmsapp.hsm.requests import KeyChangeBatch, VerifyRequest
from vmsapp.hsm.server import desk
from vmsapp.hsm.server.desk import Client
from vmsapp.hsm.server.identity import identity_in
from vmsapp.hsm.server.service import CONNECTIONS_MAX
from vmsapp.hsm.wire import frames
from vmsapp.hsm.wire.codec import write
from vmsapp.hsm.wire.ops import OPERATIONS, Role
from vmsapp.sts.identifiers import luhn, meter_pan
from vmsapp.sts.secret import SecretBytes

SECRET = SecretBytes(b"another secret of at least 32 bytes")


@pytest.fixture
def watched(soft):
    return Watched(soft)


@pytest.fixture
def running(watched, tmp_path):
    with served(watched, tmp_path / "server") as server:
        yield server


@pytest.fixture
def stranger(running):
    with closing(Stranger(running.account)) as met:
        yield met


def unavailable(call, *args):
    with pytest.raises(HsmUnavailable) as error:
        call(*args)
    return error.value


def ask(op, args=None, n=1):
    return {"t": "req", "n": n, "op": op, "args": args or {}}


# who may come in


def test_a_client_that_proves_itself_is_told_what_it_may_do(stranger):
    welcome = stranger.come_in()
    assert welcome["t"] == "ok"
    assert welcome["roles"] == ["admin", "auditor", "issuer"]
    stranger.say(ask("ping"))
    answer = stranger.hear()
    assert (answer["n"], answer["res"]["protocol"]) == (1, "VSM/1")


def test_a_wrong_secret_is_refused_and_asks_the_module_nothing(running, watched):
    before = list(watched.asked)
    error = unavailable(running.module(secret=SECRET).status)
    assert (error.why, error.sent) == ("secret", False)
    error = unavailable(running.module(client="nobody").status)
    assert (error.why, error.sent) == ("secret", False)
    assert watched.asked == before


def test_a_proof_of_an_earlier_greeting_is_worth_nothing(running):
    with closing(Stranger(running.account)) as first:
        proof = first.proof()
        first.say(proof)
        assert first.hear()["t"] == "ok"
    with closing(Stranger(running.account)) as second:
        second.say(proof)
        assert second.hear() == {"t": "no", "why": "secret"}
        assert second.ended()


def test_a_client_sees_through_another_certificate(running, tmp_path):
    identity = identity_in(tmp_path / "impostor", name="module")
    with closing(Impostor(identity, running.account)) as impostor:
        error = unavailable(running.module(port=impostor.port).ping)
    assert (error.why, error.sent) == ("certificate", False)


def test_a_proof_passed_on_under_another_certificate_is_worth_nothing(running, tmp_path):
    """Even of a client that was told to trust the impostor's certificate."""
    identity = identity_in(tmp_path / "impostor", name="module")
    with closing(Impostor(identity, running.account)) as impostor:
        fooled = running.module(port=impostor.port, fingerprint=identity.fingerprint)
        assert unavailable(fooled.ping).why == "secret"


def test_wrong_proofs_shut_nobody_out_who_has_the_right_one(running):
    """Our own web server may share the address of whoever tries."""
    inside = running.module()
    inside.status()
    for _ in range(5):
        assert unavailable(running.module(secret=SECRET).ping).why == "secret"
        assert running.module().status().keys == 2
    assert inside.status().keys == 2


def test_after_three_wrong_proofs_the_next_waits_longer(soft, tmp_path):
    with served(soft, tmp_path / "server", times=replace(QUICK, delay=0.05)) as running:
        took = []
        for _ in range(4):
            began = time.monotonic()
            unavailable(running.module(secret=SECRET).ping)
            took.append(time.monotonic() - began)
        assert took[3] >= 0.25


def test_a_wrong_proof_is_answered_late(soft, tmp_path):
    with served(soft, tmp_path / "server", times=replace(QUICK, delay=0.3)) as running:
        began = time.monotonic()
        unavailable(running.module(secret=SECRET).ping)
        assert time.monotonic() - began >= 0.3


def test_whoever_asks_before_proving_anything_is_hung_up_on(running, stranger, watched):
    before = list(watched.asked)
    stranger.say(ask("listKeys"))
    assert stranger.ended()
    assert watched.asked == before


@pytest.mark.parametrize("odd", [{"nc": b"short"}, {"how": "none"}, {"mac": b""}])
def test_an_odd_proof_is_refused(stranger, odd):
    stranger.say(replace(stranger.proof(), **odd))
    if "mac" in odd:
        assert stranger.hear() == {"t": "no", "why": "secret"}
    assert stranger.ended()


def test_nothing_older_than_tls_1_3_is_spoken(running):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    account = running.account
    with (
        socket.create_connection((account.host, account.port)) as plain,
        pytest.raises((ssl.SSLError, ConnectionError)),
    ):
        context.wrap_socket(plain)


def test_a_client_has_only_so_many_connections(soft, tmp_path):
    with served(soft, tmp_path / "server") as running:
        several = [Stranger(running.account) for _ in range(CONNECTIONS_MAX)]
        try:
            assert all(each.come_in()["t"] == "ok" for each in several)
            assert unavailable(running.module().ping).why == "busy"
        finally:
            for each in several:
                each.close()


# certificates of clients


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path / "authority")


def test_a_client_may_show_a_certificate_instead(soft, tmp_path, authority):
    gate = Client("gate-1", frozenset({Role.AUDITOR}), how="mtls")
    both = {"more": (gate,), "client_ca": authority.certificate}
    with served(soft, tmp_path / "server", **both) as running:
        ours = running.module(client="gate-1", secret=None, certificate=authority.issue("gate-1"))
        assert ours.ping().protocol == "VSM/1"
        assert unavailable(ours.issue_credit, request_of()).why == "permission"
        assert running.module().ping().protocol == "VSM/1"


@pytest.mark.parametrize("name", ["gate-2", "web-1"])
def test_a_certificate_speaks_for_its_own_name_alone(soft, tmp_path, authority, name):
    gate = Client("gate-1", frozenset({Role.AUDITOR}), how="mtls")
    both = {"more": (gate,), "client_ca": authority.certificate}
    with served(soft, tmp_path / "server", **both) as running:
        shown = authority.issue(name)
        for claimed in ("gate-1", name):
            other = running.module(client=claimed, secret=None, certificate=shown)
            assert unavailable(other.ping).why == "secret"
        bare = running.module(client="gate-1", secret=None)
        assert unavailable(bare.ping).why == "secret"


def test_a_certificate_of_another_authority_is_refused(soft, tmp_path, authority):
    gate = Client("gate-1", frozenset({Role.AUDITOR}), how="mtls")
    other = Authority(tmp_path / "other").issue("gate-1")
    both = {"more": (gate,), "client_ca": authority.certificate}
    with served(soft, tmp_path / "server", **both) as running:
        theirs = running.module(client="gate-1", secret=None, certificate=other)
        error = unavailable(theirs.ping)
    assert error.why in {"secret", "broken_off"}
    assert error.sent is False


# what a client may ask

ROLES = {
    "ping": "aim", "status": "aim", "listKeys": "aim",
    "inspectKeys": "m", "importKeys": "m", "removeKey": "m",
    "issueCredit": "i", "issueEngineering": "i", "issueDisplay": "i", "issueKeyChange": "i",
    "issueKeyChanges": "i", "verify": "i", "fetchResult": "i", "cancel": "i",
    "journal": "a", "tags": "a", "signHead": "a", "lastHead": "a",
    "requestOf": "a", "beginEpoch": "i",
}  # fmt: skip
"""Who may ask what: auditor, issuer, adMin."""


@pytest.mark.parametrize("role", list(Role))
def test_each_role_may_ask_its_own_and_no_more(watched, tmp_path, role):
    one = Client("one", frozenset({role}), secret=SECRET)
    letter = {Role.AUDITOR: "a", Role.ISSUER: "i", Role.ADMIN: "m"}[role]
    assert set(ROLES) == set(OPERATIONS)
    with served(watched, tmp_path / "server", more=(one,)) as running:
        account = replace(running.account, client="one", secret=SECRET)
        with closing(Stranger(account)) as known:
            known.come_in()
            before = list(watched.asked)
            for n, (name, may) in enumerate(ROLES.items(), 1):
                known.say(ask(name, {"odd": 1}, n))
                code = known.hear()["err"]["code"]
                # Whoever may ask is told that the arguments are none; the others that they may not.
                expected = "protocol" if letter in may else "permission"
                assert code == f"unavailable.{expected}", name
            assert watched.asked == before


def test_what_is_asked_too_often_waits(soft, tmp_path):
    with served(soft, tmp_path / "server", per_second=0.1) as running:
        module = running.module()
        module.status()
        error = unavailable(module.status)
        assert (error.why, error.sent) == ("client_rate", False)
        assert 0 < error.wait_seconds <= 10


def test_signs_of_life_and_verifications_are_few(soft, tmp_path, monkeypatch):
    assert desk.NARROW == {"ping": 5.0, "verify": 10.0}
    monkeypatch.setattr(desk, "NARROW", {"ping": 0.1, "verify": 0.1})
    asked = VerifyRequest(meter(), DIGITS, "production")
    with served(soft, tmp_path / "server") as running:
        module = running.module()
        module.ping()
        assert unavailable(module.ping).why == "client_rate"
        module.verify(asked)
        assert unavailable(module.verify, asked).why == "client_rate"
        assert module.status().locked is False


def test_an_operation_nobody_knows_is_told_so(stranger):
    stranger.come_in()
    stranger.say(ask("sellEverything"))
    assert stranger.hear()["err"]["code"] == "unavailable.protocol"
    stranger.say(ask("ping", n=2))
    assert stranger.hear()["t"] == "rep"


# one id, one answer


def test_one_id_gets_one_answer_and_other_values_are_refused(running, watched):
    one, other = running.module(), running.module()
    token = one.issue_credit(request_of())
    assert token.digits == DIGITS
    assert other.issue_credit(request_of(asked_at=NOW + timedelta(seconds=9))) == token
    with pytest.raises(RequestReused):
        other.issue_credit(request_of(tid=TID + 1))
    assert watched.asked.count("issue_credit") == 3


def test_a_clock_that_is_off_says_nothing_but_the_answer_given_before_is_given(running):
    module = running.module()
    late = request_of(asked_at=NOW + timedelta(seconds=121))
    error = unavailable(module.issue_credit, late)
    assert (error.why, error.sent) == ("clock", True)
    assert module.fetch_result("sale-1-1") == NotExecuted()
    token = module.issue_credit(request_of())
    assert module.issue_credit(late) == token


def test_limits_of_the_module_are_told(keystore, open_soft, soft, tmp_path):
    with served(open_soft(limits=Limits(1, 1)), tmp_path / "server") as running:
        module = running.module()
        module.issue_credit(request_of())
        assert unavailable(module.issue_credit, request_of("sale-2", tid=TID + 1)).why == "rate"


def pan_of(number):
    twelve = f"{number:012d}"
    return meter_pan.of_drn(twelve + luhn.check_digit(twelve))


def test_fifty_clients_at_once_get_their_own_answers(running, soft, monkeypatch):
    monkeypatch.setattr(tcp_link, "CONNECT_SECONDS", 30)  # however busy the machine is
    requests = [request_of(f"sale-{i}", meter=meter(pan=pan_of(i))) for i in range(150)]
    together = threading.Barrier(50)

    def sell(number):
        module = running.module(connections=1)
        together.wait(30)
        return {r.request_id: module.issue_credit(r).digits for r in requests[number::50]}

    with ThreadPoolExecutor(50) as clients:
        sold = {k: v for part in clients.map(sell, range(50)) for k, v in part.items()}
    assert len(sold) == len(set(sold.values())) == 150
    assert sold == {r.request_id: soft.issue_credit(r).digits for r in requests}
    assert len(soft.journal(0, 1000)) == 150


def test_a_fault_of_ours_leaves_the_outcome_open_and_the_server_up(running, watched, caplog):
    def break_down():
        raise ValueError(DIGITS)

    watched.before["issue_credit"] = break_down
    module = running.module()
    with pytest.raises(HsmTimeout):
        module.issue_credit(request_of())
    assert module.status().locked is False
    assert "ValueError" in caplog.text
    assert DIGITS not in caplog.text


def test_a_campaign_goes_through_and_back(running):
    rows = (change_of(new=meter(ti="02")).change,) * 300
    module = running.module()
    batch = KeyChangeBatch("campaign", rows, "production", NOW)
    assert len(write(batch)) > frames.SMALL
    sets = module.issue_key_changes(batch)
    assert (len(sets), len(sets[0])) == (300, 2)
    assert module.fetch_result("campaign") == tuple(token for one in sets for token in one)
    assert len(module.journal(0, 10)) == 300


@pytest.mark.parametrize(("changed", "said"), [
    ({"secret": SECRET},
     "it has not the secret of web-1, or sees another certificate of ours"),
    ({"client": "nobody"}, "no client is called nobody"),
])  # fmt: skip
def test_the_log_says_whom_a_wrong_proof_named_and_what_was_wrong(running, caplog, changed, said):
    unavailable(running.module(**changed).status)
    for _ in range(100):  # the server writes its line after it has answered
        lines = [one.getMessage() for one in caplog.records if "did not prove" in one.getMessage()]
        if lines:
            break
        time.sleep(0.05)
    assert lines == [f"127.0.0.1 did not prove who it is: {said}"]


def test_a_name_that_no_client_can_have_stays_out_of_the_log(stranger, caplog):
    stranger.say(replace(stranger.proof(), client="web-1\n127.0.0.1 is trusted"))
    assert stranger.hear() == {"t": "no", "why": "secret"}
    assert stranger.ended()
    assert "a name that no client can have" in caplog.text
    assert "is trusted" not in caplog.text
