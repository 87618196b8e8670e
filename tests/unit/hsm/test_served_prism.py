"""A PrismToken service behind the module server: one link, one queue, for all web servers."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.prism_stub import PASSWORD, USER, Identity, PrismStub
from tests.unit.hsm.hsm_cases import TID, meter, request_of
from tests.unit.hsm.prism.prism_cases import LOADED, meter_of
from tests.unit.hsm.serving import served
from vmsapp.clock import now_utc
from vmsapp.hsm.server.opening import count_needed, opened
from vmsapp.hsm.server.settings import ServerSettings, ServerSettingsError
from vmsapp.sts.meter import Result
from vmsapp.sts.secret import SecretBytes

SETTINGS = """
folder = "{folder}"
tokens_per_meter_minute = 1000
tokens_per_meter_day = 1000
[[clients]]
id = "web-1"
roles = ["issuer", "auditor"]
[prism]
host = "127.0.0.1"
port = {port}
fingerprint = "{fingerprint}"
username = "{user}"
[[prism.keys]]
sgc = "201457"
krn = 1
kt = 2
dkga = "04"
base_date = "14"
ken = 255
kcv = "AB12CD"
name = "Riverside"
changes_to = [["201457", 2]]
"""


@pytest.fixture
def stub(tmp_path):
    running = PrismStub(Identity.make(tmp_path / "server.pem"), list(LOADED))
    yield running
    running.close()


@pytest.fixture
def settings(tmp_path, stub):
    file = tmp_path / "server.toml"
    file.write_text(
        SETTINGS.format(
            folder=tmp_path / "module", port=stub.port, user=USER,
            fingerprint=stub.identity.fingerprint,
        )
    )  # fmt: skip
    return ServerSettings.from_file(file)


@pytest.fixture
def module(settings, tmp_path):
    """What a web server sees; the server's clock is the real one, as its requests are."""
    behind = opened(settings, SecretBytes(PASSWORD.encode()))
    with served(behind, tmp_path / "tls") as running:
        yield running.module()
    behind.close()


def ask(module, number):
    return module.issue_credit(request_of(f"s-{number}", tid=TID + 2 * number, asked_at=now_utc()))


def test_it_is_opened_with_the_services_password_and_the_keys_of_the_settings(settings, module):
    assert count_needed(settings) == 1
    assert [(key.ref.sgc, key.kcv, key.changes_to) for key in module.list_keys()] == [
        ("201457", "AB12CD", (("201457", 2),))
    ]


def test_tokens_come_through_and_are_taken_by_the_meter(module):
    token = ask(module, 0)
    assert meter_of(meter()).enter(token.digits) is Result.ACCEPT
    assert ask(module, 0) == token, "the same request, the same digits"


def test_many_web_servers_use_no_more_of_the_service_than_it_gives(module, stub):
    stub.pause = 0.02
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda number: ask(module, number), range(12)))
    assert len({token.digits for token in made}) == 12
    assert stub.most_at_once <= 3, "what the service says it does a second (smpd.Tps)"


def test_a_service_that_is_down_does_not_keep_the_server_from_starting(settings, stub):
    stub.close()
    module = opened(settings, SecretBytes(PASSWORD.encode()))
    assert [key.kcv for key in module.list_keys()] == ["AB12CD"]
    module.close()


def test_a_token_and_a_service_at_once_are_refused(tmp_path, settings):
    file = tmp_path / "both.toml"
    file.write_text(
        'token = { library = "/x.so", label = "y" }\n' + (tmp_path / "server.toml").read_text()
    )
    with pytest.raises(ServerSettingsError, match="not both"):
        ServerSettings.from_file(file)
