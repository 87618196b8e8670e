"""Keys, meters and calls for the tests of the PrismToken driver."""

from dataclasses import replace

import pytest

from tests.prism_stub import PASSWORD, USER, StubKey
from tests.unit.hsm.hsm_cases import NOW, REF02, REF04, VK02, VK04, meter
from vmsapp.hsm.answers import KeyInfo
from vmsapp.hsm.drivers.prism.book import Book
from vmsapp.hsm.drivers.prism.link import Link, Login
from vmsapp.hsm.drivers.prism.messages import Messages
from vmsapp.hsm.drivers.prism.module import PrismModule
from vmsapp.hsm.drivers.prism.wire import Endpoint
from vmsapp.hsm.errors import HsmUnavailable, ModuleRefused
from vmsapp.hsm.policy import Limits
from vmsapp.hsm.results import Results
from vmsapp.sts.dkga import derive
from vmsapp.sts.identifiers import BaseDate
from vmsapp.sts.keys import VendingKey
from vmsapp.sts.meter import VirtualMeter
from vmsapp.sts.secret import SecretBytes

SECOND = replace(REF04, krn=2)
SECOND_VALUE = VK04[::-1]
LOADED = (
    StubKey("201457", 1, "04", VK04, "AB12CD"),
    StubKey("201457", 2, "04", SECOND_VALUE, "0F1E2D"),
    StubKey("758513", 7, "02", VK02, "7915C8"),
)
ENTERED = (
    KeyInfo(
        REF04, BaseDate.Y2014, 255, "AB12CD", "Riverside", demo=False,
        changes_to=(("201457", 2),), protection="hsm",
    ),
    KeyInfo(SECOND, BaseDate.Y2014, 255, "0F1E2D", "Riverside", demo=False, protection="hsm"),
    KeyInfo(REF02, BaseDate.Y2014, 255, "7915C8", "Hillside", demo=False, protection="hsm"),
)  # fmt: skip
NO_RATES = Limits(None, None)
SECONDS = 1.0
"""How long the driver under test waits for an answer."""


def open_module(
    stub, folder, *, password=None, seconds=SECONDS, limits=NO_RATES, make=True, **endpoint
):
    """Open the driver on a stub; ``endpoint`` changes how it is known."""
    folder.mkdir(exist_ok=True)
    known = {"fingerprint": stub.identity.fingerprint} | endpoint
    login = Login(USER, password or SecretBytes(PASSWORD.encode()))
    return PrismModule(
        Link(Endpoint("127.0.0.1", stub.port, **known), login, call_seconds=seconds),
        Book(Results(folder / "results.sqlite", make=make), folder / "secret"),
        Messages(folder / "messages.sqlite", make=make),
        limits=limits,
        clock=lambda: NOW,
        sleep=lambda _: None,
    )


def meter_of(config=None, value=VK04):
    """A virtual meter with the key that a description names."""
    config = config or meter()
    with VendingKey(config.key.dkga, bytes.fromhex(value)) as key:
        return VirtualMeter(SecretBytes(derive(key, config.parameters()).reveal()))


def refused(call, *args):
    with pytest.raises(ModuleRefused) as error:
        call(*args)
    return error.value.reason


def unavailable(call, *args):
    with pytest.raises(HsmUnavailable) as error:
        call(*args)
    return error.value.why, error.value.sent


WIDE = meter(ea=11)
