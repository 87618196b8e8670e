"""MISTY1: RFC 2994."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmsapp.sts.ea11 import S7, S9, decrypt, encrypt
from vmsapp.sts.errors import FieldRangeError
from vmsapp.sts.meter_reader import S7_EQUATIONS, S9_EQUATIONS, _tabulated

KEY = 0x00112233445566778899AABBCCDDEEFF


@pytest.mark.parametrize(
    ("plain", "cipher"),
    [(0x0123456789ABCDEF, 0x8B1DA5F56AB3D07C), (0xFEDCBA9876543210, 0x04B68240B13BE95D)],
)
def test_published_blocks_go_both_ways(plain, cipher):
    # RFC 2994, 4, in ECB.
    assert encrypt(plain, KEY) == cipher
    assert decrypt(cipher, KEY) == plain


def test_tables_are_what_the_equations_of_the_cipher_s_author_say():
    # M. Matsui, FSE 1997: the S-boxes as sums of products, written out apart in the meter.
    assert list(S7) == _tabulated(S7_EQUATIONS)
    assert list(S9) == _tabulated(S9_EQUATIONS)


@given(st.integers(0, 2**64 - 1), st.integers(0, 2**128 - 1))
def test_decryption_undoes_encryption(block, key):
    assert decrypt(encrypt(block, key), key) == block
    assert encrypt(decrypt(block, key), key) == block


@pytest.mark.parametrize("cipher", [encrypt, decrypt])
@pytest.mark.parametrize(
    ("block", "key", "field"),
    [
        (-1, KEY, "block"),
        (2**64, KEY, "block"),
        (0, -1, "decoder key"),
        (0, 2**128, "decoder key"),
        (0, None, "decoder key"),
        (0, "00", "decoder key"),
    ],
)
def test_block_or_key_of_too_many_bits_is_refused(cipher, block, key, field):
    with pytest.raises(FieldRangeError, match=field) as caught:
        cipher(block, key)
    assert field == "block" or caught.value.value is None
