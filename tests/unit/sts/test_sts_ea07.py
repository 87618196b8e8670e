"""The Standard Transfer Algorithm: SPEC 7."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmsapp.sts.ea07 import (
    PRODUCTION,
    SAMPLE,
    TABLE_SETS,
    TableSet,
    decrypt,
    encrypt,
    read_table_set,
    table_set,
)
from vmsapp.sts.errors import FieldRangeError, FormatError, UnsupportedAlgorithm

MASK = 2**64 - 1
WORDS = st.integers(0, MASK)
# IEC 62055-41, worked example with the sample tables.
PLAIN, KEY, CIPHER = 0x0B19EB230100C207, 0x0ABC12DEF3456789, 0xC45ED1619406DF95


def rotate(word, left):
    left %= 64
    return (word << left | word >> 64 - left) & MASK


def encrypt_as_described(block, key, tables):
    """SPEC 7, first form: complemented key, substitute by bit 3, permute, turn left."""
    key = rotate(~key & MASK, -12)
    for _ in range(16):
        nibbles = 0
        for place in range(0, 64, 4):
            second = key >> place + 3 & 1
            table = tables.substitution2 if second else tables.substitution1
            nibbles |= table[block >> place & 15] << place
        block = sum((nibbles >> i & 1) << tables.permutation[i] for i in range(64))
        key = rotate(key, 1)
    return block


def decrypt_as_published(block, key, tables):
    """SPEC 7, second form: the key itself, bit 0 chooses between tables exchanged and inverted."""
    for _ in range(16):
        block = sum((block >> tables.permutation[i] & 1) << i for i in range(64))
        nibbles = 0
        for place in range(0, 64, 4):
            second = key >> place & 1
            table = tables.substitution1 if second else tables.substitution2
            nibbles |= table.index(block >> place & 15) << place
        block = nibbles
        key = rotate(key, -1)
    return block


def test_worked_example_of_the_standard_goes_both_ways():
    assert encrypt(PLAIN, KEY, SAMPLE) == CIPHER
    assert decrypt(CIPHER, KEY, SAMPLE) == PLAIN


@given(WORDS, WORDS, st.sampled_from([PRODUCTION, SAMPLE]))
def test_joined_tables_do_what_the_description_says(block, key, tables):
    assert encrypt(block, key, tables) == encrypt_as_described(block, key, tables)
    assert decrypt(block, key, tables) == decrypt_as_published(block, key, tables)


@given(WORDS, WORDS, st.sampled_from([PRODUCTION, SAMPLE]))
def test_decryption_undoes_encryption(block, key, tables):
    assert decrypt(encrypt(block, key, tables), key, tables) == block
    assert encrypt(decrypt(block, key, tables), key, tables) == block


def test_production_tables_are_the_default_and_another_cipher_than_sample():
    assert encrypt(PLAIN, KEY) == encrypt(PLAIN, KEY, PRODUCTION) != CIPHER
    assert decrypt(encrypt(PLAIN, KEY), KEY) == PLAIN


def test_table_sets_are_found_by_their_names():
    assert TABLE_SETS == {"production": PRODUCTION, "sample": SAMPLE}
    assert table_set("sample") is SAMPLE
    with pytest.raises(
        UnsupportedAlgorithm, match="table set own is not one of production, sample"
    ):
        table_set("own")


def written(**changed):
    tables = {
        "name": "own",
        "substitution1": list(SAMPLE.substitution1),
        "substitution2": list(SAMPLE.substitution2),
        "permutation": list(SAMPLE.permutation),
    }
    return json.dumps(tables | changed)


def test_a_utility_s_own_tables_are_read_from_a_file():
    own = read_table_set(written())
    assert own.name == "own"
    assert encrypt(PLAIN, KEY, own) == CIPHER


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "is not JSON"),
        ("[]", "does not hold exactly"),
        ('{"name": "own"}', "does not hold exactly"),
        (written(more=[]), "does not hold exactly"),
        (written(name="production"), "taken"),
        (written(name=""), "empty"),
        (written(name=7), "empty"),
        ('["name", "substitution1", "substitution2", "permutation"]', "does not hold exactly"),
        ("5", "does not hold exactly"),
        ("null", "does not hold exactly"),
        (written(permutation=None), "permutation table own is not a list of whole numbers"),
        (written(permutation=5), "permutation table own is not a list of whole numbers"),
        (written(permutation="abc"), "permutation table own is not a list of whole numbers"),
        (written(substitution1=[0.5] * 16), "substitution1 table own is not a list"),
        (written(substitution2=[True] * 16), "substitution2 table own is not a list"),
        (written(substitution1=[0] * 16), "substitution table 1 own does not hold each of 0 to 15"),
        (written(substitution2=list(range(15))), "substitution table 2 own does not hold each"),
        (written(permutation=[0] * 64), "permutation table own does not hold each of 0 to 63 once"),
    ],
)
def test_a_file_that_is_no_table_set_is_refused(text, says):
    with pytest.raises(FormatError, match=says):
        read_table_set(text)


@pytest.mark.parametrize("cipher", [encrypt, decrypt])
@pytest.mark.parametrize("wrong", [-1, 2**64, None, "0", 1.0])
def test_block_or_key_of_more_than_64_bits_is_refused(cipher, wrong):
    with pytest.raises(FieldRangeError, match="block"):
        cipher(wrong, KEY)
    with pytest.raises(FieldRangeError, match="decoder key") as caught:
        cipher(PLAIN, wrong)
    assert caught.value.value is None


@pytest.mark.parametrize("field", ["substitution1", "substitution2", "permutation"])
def test_table_that_is_no_permutation_is_refused(field):
    tables = {name: getattr(SAMPLE, name) for name in ("substitution1", "substitution2")}
    tables["permutation"] = SAMPLE.permutation
    for wrong in (tables[field][:-1], (tables[field][1], *tables[field][1:])):
        with pytest.raises(FormatError, match=field.rstrip("12")):
            TableSet(name="own", **tables | {field: wrong})
