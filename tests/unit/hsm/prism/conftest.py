"""A PrismToken stub with the keys of published examples, and the driver that speaks to it."""

import pytest

from tests.prism_stub import PASSWORD, Identity, PrismStub
from tests.unit.hsm.prism.prism_cases import ENTERED, LOADED, open_module
from vmsapp.sts.secret import SecretBytes


@pytest.fixture(scope="session")
def identity(tmp_path_factory):
    return Identity.make(tmp_path_factory.mktemp("prism") / "server.pem")


@pytest.fixture
def run_stub(identity):
    """Start stubs; every one is closed at the end."""
    started = []

    def build(**options):
        started.append(PrismStub(options.pop("identity", identity), list(LOADED), **options))
        return started[-1]

    yield build
    for stub in started:
        stub.close()


@pytest.fixture
def stub(run_stub):
    return run_stub()


@pytest.fixture
def open_prism(tmp_path):
    """Open the driver on a stub and the one record; every one is closed at the end."""
    opened = []

    def build(stub, **options):
        password = options.pop("password", SecretBytes(PASSWORD.encode()))
        opened.append(open_module(stub, tmp_path / "record", password=password, **options))
        return opened[-1]

    yield build
    for module in opened:
        module.close()


@pytest.fixture
def prism(open_prism, stub):
    module = open_prism(stub)
    for key in ENTERED:
        module.register_key(key, actor="ann")
    return module
