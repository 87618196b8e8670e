"""Keys, meters and one request of published examples, for the tests of security modules."""

import tempfile
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from unittest import mock

from vmsapp import sealing
from vmsapp.hsm.drivers.soft import SoftModule
from vmsapp.hsm.errors import ModuleRefused
from vmsapp.hsm.keystore import Keystore, NewKey
from vmsapp.hsm.policy import Limits
from vmsapp.hsm.requests import (
    CreditRequest,
    EngineeringRequest,
    KeyChange,
    KeyChangeRequest,
    KeyRef,
    MeterConfig,
)
from vmsapp.hsm.results import Results
from vmsapp.sts.identifiers import BaseDate
from vmsapp.sts.secret import SecretBytes

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
PASSPHRASE = b"correct horse battery staple"
CHEAP_N = 2**14

# SPEC 8.6 "DKGA04", the worked example: key, meter and token.
VK04 = "abababababababab949494949494949401234567"
REF04 = KeyRef("201457", 1, 2, "04")
PAN = "600727000000000009"
TID = 85_740
DIGITS = "70630503470028726114"
# vectors.jsonl s001, DKGA02 on base date 2014.
VK02 = "0dfe450851baf80e"
REF02 = KeyRef("758513", 7, 2, "02")

stretched_once = cache(sealing.keys_of_passphrase)
"""Stretches each passphrase once: that takes 50 ms, and a file is opened hundreds of times."""


def new_keystore(path):
    """Make an empty keystore, with what it takes to stretch its passphrase spent once."""
    path.write_bytes(_empty_keystore())
    path.chmod(0o600)
    return open_keystore(path)


def open_keystore(path):
    """Open a keystore that was made so, and has its passphrase still."""
    with mock.patch.object(sealing, "keys_of_passphrase", stretched_once):
        return Keystore.open(path, SecretBytes(PASSPHRASE))


@cache
def _empty_keystore():
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "keystore.json"
        Keystore.create(path, SecretBytes(PASSPHRASE), scrypt_n=CHEAP_N).close()
        return path.read_bytes()


def key(ref=REF04, value=VK04, *, base_date=BaseDate.Y2014, ken=255, demo=False):
    return NewKey(ref, base_date, ken, "Riverside", demo, SecretBytes(bytes.fromhex(value)))


def meter(ref=REF04, *, pan=PAN, ti="01", base_date=BaseDate.Y2014, ken=255, ea=7, tct=2):
    return MeterConfig(pan, ref, ti, base_date, ken, ea, tct)


def request_of(request_id="sale-1-1", **changed):
    """The request of SPEC 8.6's token, or with some of it changed."""
    fields = {"subclass": 0, "amount_field": 1, "tid": TID, "rnd": 5, "table_set": "production"}
    known = CreditRequest(request_id, meter(), asked_at=NOW, **fields)
    return replace(known, **changed)


def engineering_of(request_id="clear-1", **changed):
    """Clear the tamper condition of SPEC 8.6's meter, or with some of it changed."""
    fields = {"subclass": 5, "value": 0, "tid": TID, "rnd": 5, "table_set": "production"}
    known = EngineeringRequest(request_id, meter(), asked_at=NOW, **fields)
    return replace(known, **changed)


def change_of(request_id="change-1", *, old=None, new=None, three_tokens=False, **changed):
    """Take SPEC 8.6's meter to revision 2, or another change."""
    change = KeyChange(old or meter(), new or meter(replace(REF04, krn=2)), three_tokens)
    return replace(KeyChangeRequest(request_id, change, "production", NOW), **changed)


def ask_from_another_process(store_path, results_path, start, request_id, answers):
    """Open the module anew, wait for the others, ask for SPEC 8.6's token, tell the answer."""
    module = SoftModule(
        Keystore.open(store_path, SecretBytes(PASSPHRASE)),
        Results(results_path),
        limits=Limits(None, None),
        clock=lambda: NOW,
    )
    start.wait(60)
    answers.put(answer_of(module, request_of(request_id)))
    module.close()


def answer_of(module, request):
    """The digits, or the reason of the refusal."""
    try:
        return module.issue_credit(request).digits
    except ModuleRefused as refusal:
        return refusal.reason
