"""Every line of tests/vectors through the codec, in both directions where there are two."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from vmsapp.sts.amount import decode_tenths, decode_units, encode_tenths, encode_units
from vmsapp.sts.crc import token_crc
from vmsapp.sts.credit import CreditToken, decode_credit, encode_credit
from vmsapp.sts.dkga import derive
from vmsapp.sts.ea07 import TABLE_SETS, decrypt, encrypt
from vmsapp.sts.errors import StsError
from vmsapp.sts.identifiers import drn_of_pan, meter_pan, validate_drn
from vmsapp.sts.keys import pan_block
from vmsapp.sts.tid import BaseDate, key_usable, skip_reserved, tid_from_datetime

FOLDER = Path(__file__).parents[2] / "vectors"
BASES = {base.year: base for base in BaseDate}


def load(folder):
    for path in sorted(folder.glob("*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            yield json.loads(line)


VECTORS = list(load(FOLDER))


def tid_of(issue, base_year):
    moment = datetime.fromisoformat(issue).replace(tzinfo=UTC)
    return skip_reserved(tid_from_datetime(moment, BASES[base_year]))


def key_of(meter):
    return derive(
        f"{meter['dkga']:02d}",
        bytes.fromhex(meter["vk"]),
        meter_pan=meter["pan"],
        sgc=meter["sgc"],
        krn=meter["krn"],
        kt=meter["kt"],
        ti=meter["ti"],
        base_date=BASES[meter.get("base_date", 1993)],
        ea=meter["ea"],
    )


def check_pan(v):
    assert meter_pan(v["drn"]) == v["expected"]
    assert drn_of_pan(v["expected"]) == v["drn"]


def check_drn_valid(v):
    try:
        valid = validate_drn(v["drn"]) == v["drn"]
    except StsError:
        valid = False
    assert valid is v["expected"]


def check_pan_block(v):
    pan = meter_pan(v["drn"])
    assert pan.startswith(v["iin"])
    assert pan_block(pan, v["kt"]).hex() == v["expected"]


def check_crc(v):
    assert f"{token_crc(int(v['data'], 16)):04x}" == v["expected"]


def check_tid(v):
    assert tid_of(v["issue"], v["base_date"]) == v["expected"]


def check_amount_field(v):
    assert encode_tenths(v["units"]) == v["expected"]
    assert decode_tenths(v["expected"]) >= v["units"]


def check_amount_from_decimal(v):
    assert encode_units(Decimal(v["amount"])) == v["expected"]
    assert decode_units(v["expected"]) >= Decimal(v["amount"])


def check_key_usable(v):
    assert key_usable(v["tid"], v["ken"]) is v["expected"]


def check_decoder_key(v):
    assert key_of(v["meter"]).hex() == v["expected"]


def check_encrypt_block(v):
    assert v["ea"] == 7
    tables = TABLE_SETS[v.get("tables", "production")]
    block, key, cipher = (int(v[name], 16) for name in ("block", "key", "expected"))
    assert encrypt(block, key, tables) == cipher
    assert decrypt(cipher, key, tables) == block


def check_credit(v):
    meter = v.get("meter", {})
    key = key_of(meter) if meter else bytes.fromhex(v["key"])
    tids = {v["tid"]} if "tid" in v else set()
    if "issue" in v:
        tids.add(tid_of(v["issue"], meter.get("base_date") or v["base_date"]))
    (tid,) = tids
    token = CreditToken(v["subclass"], v["rnd"], tid, encode_tenths(v["units"]))
    ea = meter.get("ea") or v["ea"]
    assert encode_credit(token, key, ea=ea) == v["expected"]
    assert decode_credit(v["expected"], key, ea=ea) == token


CHECKS = {
    name.removeprefix("check_"): check
    for name, check in list(globals().items())
    if name.startswith("check_")
}


@pytest.mark.parametrize("vector", VECTORS, ids=[f"{v['op']}-{v['id']}" for v in VECTORS])
def test_codec_gives_the_published_value(vector):
    CHECKS[vector["op"]](vector)


def test_every_operation_of_the_codec_has_vectors():
    assert {v["op"] for v in VECTORS} == set(CHECKS)


def test_every_vector_names_its_source_and_no_protected_document():
    for vector in VECTORS:
        assert vector["source"]
        assert "531" not in vector["source"], vector["id"]
