"""Every line of tests/vectors through the conformance door, and through the meter's own eyes."""

import json
from collections import Counter
from pathlib import Path

import pytest

from vmsapp.sts import conformance
from vmsapp.sts.codec import decode
from vmsapp.sts.conformance import OPERATIONS, check
from vmsapp.sts.meter_reader import read

FILE = Path(__file__).parents[2] / "vectors" / "vectors.jsonl"
LINES = FILE.read_text(encoding="utf-8").splitlines()
VECTORS = [json.loads(line) for line in LINES]
TOKENS = [v for v in VECTORS if v["op"] in ("credit", "management", "test", "key_change")]


@pytest.mark.parametrize("line", LINES, ids=[f"{v['op']}-{v['id']}" for v in VECTORS])
def test_engine_gives_the_published_value_both_ways(line):
    (outcome,) = check([line])
    assert outcome.failures == ()


@pytest.mark.parametrize("vector", TOKENS, ids=[f"{v['op']}-{v['id']}" for v in TOKENS])
def test_meter_reads_the_published_digits_as_the_engine_does(vector):
    key = None if vector["op"] == "test" else conformance._key_of(vector)[0]
    expected = vector["expected"]
    for digits in [expected] if isinstance(expected, str) else expected:
        plain = read(digits, key.reveal() if key else bytes(8))
        token = decode(digits, key)
        assert (plain.token_class, plain.subclass, plain.data) == (
            token.token_class,
            token.subclass,
            token.data,
        )


def test_the_file_is_whole():
    # VECTORS.md: what the file that was handed over holds.
    assert Counter(v["op"] for v in VECTORS) == {
        "credit": 244, "management": 113, "test": 48, "key_change": 44, "encrypt_block": 13,
        "decoder_key": 12, "tid": 8, "amount_field": 8, "amount_from_decimal": 6, "drn_valid": 5,
        "pan": 5, "key_usable": 4, "crc": 3, "pan_block": 1,
    }  # fmt: skip
    assert set(OPERATIONS) == {v["op"] for v in VECTORS}
    assert len({v["id"] for v in VECTORS}) == len(VECTORS)


def test_every_vector_names_its_source():
    assert all(v["source"] for v in VECTORS)
