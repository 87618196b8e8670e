"""Whatever bytes come as a key file or a keystore: an answer of the family, and soon."""

import gc
import json
import time
from contextlib import contextmanager

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.hsm import vkf_cases as cases
from tests.unit.hsm.hsm_cases import CHEAP_N, PASSPHRASE, key
from tests.unit.hsm.vkf_cases import NOW, blob_of, described, file_of, members_of, signed
from vmsapp.hsm import keystore_file
from vmsapp.hsm.errors import KeyFileRefused, KeystoreError
from vmsapp.hsm.key_file import REFUSALS, VERDICTS, reading
from vmsapp.hsm.key_file.checks import Holding, judge
from vmsapp.hsm.keystore import REASONS, Keystore
from vmsapp.sts.secret import SecretBytes

pytestmark = pytest.mark.usefixtures("cheap_opening")

SOON = 2.0
often = settings(
    max_examples=300, deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip

atoms = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=20),
    st.sampled_from(["VKF", "*", "VSM-3F2A91", "scrypt", "00" * 16, "2014", "02", "04", "\ud800"]),
)  # fmt: skip
json_values = st.recursive(
    atoms,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner, max_size=4)
    ),
    max_leaves=12,
)


@contextmanager
def soon():
    """Asserts that the block takes little of this thread's time.

    What the process held before is kept out of the garbage collector's way from here on: a
    reader that makes many lists sets it going, and it would walk a whole test run's objects.
    """
    gc.freeze()
    began = time.thread_time()
    yield
    assert time.thread_time() - began < SOON


def outcome(blob):
    """What a reader makes of it: the keys, or the code of its refusal."""
    try:
        with soon():
            entries = reading.open_keys(reading.read(blob), SecretBytes(cases.PASSPHRASE))
    except KeyFileRefused as error:
        refusal = error
    else:
        return [entry.key.value.reveal().hex() for entry in entries]
    assert refusal.why in REFUSALS
    assert str(refusal)
    return refusal.why


def everywhere(document, path=()):
    """The places of a JSON value, to put something else there."""
    yield path
    parts = document.items() if isinstance(document, dict) else enumerate(document)
    if isinstance(document, dict | list):
        for name, value in parts:
            yield from (
                everywhere(value, (*path, name))
                if isinstance(value, dict | list)
                else [(*path, name)]
            )


def put(document, path, value):
    if not path:
        return value
    copy = json.loads(json.dumps(document))
    place = copy
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = value
    return copy


@often
@given(st.binary(max_size=300))
def test_any_bytes_as_a_key_file(blob):
    assert isinstance(outcome(blob), str)


@often
@given(json_values)
def test_any_json_as_a_key_file(value):
    assert outcome(blob_of(value)) == "format"


@often
@given(st.data())
def test_any_value_in_any_place_of_a_key_file(data):
    right = data.draw(st.sampled_from([members_of(), signed(members_of())]))
    path = data.draw(st.sampled_from(sorted(everywhere(right), key=str)))
    value = data.draw(json_values)
    altered = put(right, path, value)
    found = outcome(blob_of(altered))
    if isinstance(found, list):
        assert cases.canonical(altered) == cases.canonical(right) or path == ("sig",)
        assert found == [cases.VK04]


@often
@given(st.data())
def test_any_value_in_any_place_of_the_sealed_list(data):
    """Sealed by somebody who has the passphrase, with a preview to match."""
    keys = [described(), described(cases.VK02, krn=2, ulm=5, allow_kct_to=[["600675", 1]])]
    path = data.draw(st.sampled_from([p for p in everywhere(keys) if p]))
    altered = put(keys, path, data.draw(json_values))
    objects = all(isinstance(each, dict) for each in altered)
    public = cases.public_of(altered) if objects else altered
    blob = file_of(payload=cases.canonical({"keys": altered}), public=public)
    try:
        entries = reading.open_keys(reading.read(blob), SecretBytes(cases.PASSPHRASE))
    except KeyFileRefused as refusal:
        assert refusal.why in {"format", "mismatch"}  # noqa: PT017 - or keys
        return
    for verdict in judge(
        entries, Holding({}, {}, lambda value: value.reveal()),
        now=NOW, production=True, replace=False,
    ):  # fmt: skip
        assert verdict.outcome in {"added", "refused"}
        assert verdict.code == "" or VERDICTS[verdict.code] % dict(verdict.params)


@often
@given(st.integers(0, 4000), st.integers(0, 4000), st.binary(max_size=20))
def test_a_key_file_with_a_piece_replaced(start, length, piece):
    right = blob_of(signed(members_of()))
    start = min(start, len(right))
    altered = right[:start] + piece + right[start + length :]
    found = outcome(altered)
    assert isinstance(found, str) or altered == right


@pytest.mark.parametrize(
    "blob",
    [
        b"[" * 262_000, b'{"a":' * 52_000, b"[" * 131_000 + b"]" * 131_000, b"9" * 262_000,
        b"[" + b"1," * 131_000 + b"1]", b"[" + b"[]," * 80_000 + b"[]]\n", b'"' + b"\\" * 262_000,
        b"SMID." + b":" * 262_000, b"SMID." + b"x" * 262_000, b" " * 262_000, b"\n" * 262_000,
        b'{"fmt":"VKF","v":1,"public":[' + b"{}," * 80_000 + b"{}]}\n",
        b"-" * 262_000, b"1e" + b"9" * 262_000, b"\x00" * 262_000, b"\xff" * 262_000,
    ],
    ids=lambda blob: repr(blob[:12]),
)  # fmt: skip
def test_what_is_made_to_take_long_does_not(blob):
    assert isinstance(outcome(blob), str)


def test_a_file_of_as_many_keys_as_fit_is_judged_soon():
    keys = [described(sgc=f"{number:06d}") for number in range(700)]
    blob = file_of(*keys)
    assert 200_000 < len(blob) <= 256 * 1024
    with soon():
        entries = reading.open_keys(reading.read(blob), SecretBytes(cases.PASSPHRASE))
        verdicts = judge(
            entries, Holding({}, {}, lambda value: value.reveal()),
            now=NOW, production=True, replace=False,
        )  # fmt: skip
    assert len(verdicts) == 700


# --- keystores ---


@pytest.fixture(scope="module")
def right(tmp_path_factory):
    """The bytes of a keystore with one key."""
    path = tmp_path_factory.mktemp("right") / "keystore.json"
    Keystore.create(path, SecretBytes(PASSPHRASE), scrypt_n=CHEAP_N).add(key())
    return path.read_bytes()


def opened(path, blob):
    path.write_bytes(blob)
    try:
        with soon():
            return len(Keystore.open(path, SecretBytes(PASSPHRASE)).keys())
    except KeystoreError as error:
        why = error.why
    assert why in REASONS
    return why


@often
@given(st.binary(max_size=300))
def test_any_bytes_as_a_keystore(store_path, blob):
    assert isinstance(opened(store_path, blob), str)


@often
@given(json_values)
def test_any_json_as_a_keystore(store_path, value):
    assert opened(store_path, cases.canonical(value) + b"\n") == "format"


@often
@given(st.data())
def test_any_value_in_any_place_of_a_keystore(store_path, right, data):
    document = json.loads(right)
    path = data.draw(st.sampled_from(sorted(everywhere(document), key=str)))
    altered = cases.canonical(put(document, path, data.draw(json_values))) + b"\n"
    found = opened(store_path, altered)
    assert isinstance(found, str) or altered == right


@often
@given(st.data())
def test_a_keystore_cut_anywhere(store_path, right, data):
    length = data.draw(st.integers(0, len(right) - 1))
    assert isinstance(opened(store_path, right[:length]), str)


@often
@given(json_values)
def test_the_number_of_passphrases_of_anything(store_path, value):
    document = {"fmt": keystore_file.FORMAT, "v": 1, "kdf": value, "module_id": "VSM-000000"}
    store_path.write_bytes(cases.canonical(document) + b"\n")
    with pytest.raises(KeystoreError):
        keystore_file.passphrases_needed(store_path)
