"""The batch path makes what the one-at-a-time path makes, row by row."""

import dataclasses
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vmsapp.sts import dkga, ea07, ea11, identifiers, keychange
from vmsapp.sts.batch import ciphers
from vmsapp.sts.batch import encode as batch_encode
from vmsapp.sts.batch.campaign import change_many, credit_many
from vmsapp.sts.batch.circuit import circuit_of
from vmsapp.sts.batch.encode import FEW, encode_many, encrypt_many, read_back
from vmsapp.sts.batch.keys import DecoderKeys, derive_many
from vmsapp.sts.batch.planes import from_planes, padded, to_planes
from vmsapp.sts.codec import encode
from vmsapp.sts.credit import CreditToken, CurrencyToken, Service
from vmsapp.sts.errors import (
    CheckDigitError,
    FieldRangeError,
    FormatError,
    KeyExpired,
    KeyLengthError,
    KeyRuleError,
    KeyTypeRefused,
    LengthError,
    ReservedToken,
    RowRefused,
    TidRangeError,
    UnsupportedAlgorithm,
)
from vmsapp.sts.fields import TokenClass
from vmsapp.sts.identifiers import BaseDate, EncryptionAlgorithm
from vmsapp.sts.keys import KeyParameters, VendingKey
from vmsapp.sts.mse import ManagementToken

MANY = FEW + 13  # not a multiple of eight, and above what is done one at a time
NOW = datetime(2026, 11, 24, 13, 0, tzinfo=UTC)
VENDING = {
    "02": VendingKey("02", bytes.fromhex("0dfe450851baf80e")),
    "04": VendingKey("04", bytes.fromhex("2f53480b0c327710bf945ac2b7dc39bae8b34b6f")),
}
GROUPS = [("02", 7), ("04", 7), ("04", 11)]


def scattered(row, bits):
    """Numbers that differ in every bit from row to row."""
    return pow(0x9E3779B97F4A7C15, row + 1, 2**89 - 1) % (1 << bits)


def pan_of(row):
    code = f"{row % 100:02d}" if row % 2 else f"{row % 9000 + 1000:04d}"
    body = f"{code}{scattered(row, 26):08d}"
    return identifiers.meter_pan.of_drn(body + identifiers.luhn.check_digit(body))


PANS = [pan_of(row) for row in range(MANY)]
TIS = [f"{row * 7 % 100:02d}" for row in range(MANY)]
TIDS = [5_000_001 + 2 * row for row in range(MANY)]  # odd numbers ending other than 00:01
RNDS = [row % 16 for row in range(MANY)]
FIELDS = [scattered(row, 16) for row in range(MANY)]


def group(algorithm, ea, **changed):
    return KeyParameters(PANS[0], "758513", 7, "02", dkga=algorithm, ea=ea, **changed)


def row_of(like, row):
    return dataclasses.replace(like, meter_pan=PANS[row], ti=TIS[row])


@pytest.fixture(params=[3, MANY], ids=["few", "many"])
def count(request):
    return request.param


def test_the_rows_are_what_they_should_be():
    assert not any(tid % 1440 == 1 for tid in TIDS)
    assert {len(identifiers.meter_pan.drn_of(pan)) for pan in PANS} == {11, 13}


@pytest.mark.parametrize(("algorithm", "ea"), GROUPS)
def test_keys_of_a_batch_are_those_derived_one_by_one(algorithm, ea, count):
    like, key = group(algorithm, ea), VENDING[algorithm]
    keys = derive_many(key, like, PANS[:count], TIS[:count])
    assert keys.count == count
    for row in range(count):
        assert keys.key(row) == dkga.derive(key, row_of(like, row)), row
    same_ti = derive_many(key, like, PANS[:2])
    assert same_ti.key(1) == dkga.derive(key, dataclasses.replace(like, meter_pan=PANS[1]))


@pytest.mark.parametrize(("algorithm", "ea"), GROUPS)
def test_credit_of_a_batch_is_that_made_one_by_one(algorithm, ea, count):
    keys = derive_many(VENDING[algorithm], group(algorithm, ea), PANS[:count], TIS[:count])
    made = credit_many(Service.WATER, FIELDS[:count], TIDS[:count], RNDS[:count], keys)
    for row in range(count):
        token = CreditToken(1, RNDS[row], TIDS[row], FIELDS[row])
        assert made[row] == encode(token, keys.key(row)), row


@pytest.mark.parametrize("tables", [ea07.PRODUCTION, ea07.SAMPLE], ids=lambda tables: tables.name)
def test_blocks_of_a_batch_are_those_of_the_cipher(tables, count):
    blocks = [scattered(row, 64) for row in range(count)]
    keys = DecoderKeys(
        EncryptionAlgorithm.STA, bytes(scattered(row, 8) for row in range(8 * count))
    )
    expected = [ea07.encrypt(b, keys.key(row).number(), tables) for row, b in enumerate(blocks)]
    assert encrypt_many(blocks, keys, tables) == expected
    assert blocks == [scattered(row, 64) for row in range(count)], "what came in is as it was"


def test_blocks_of_a_misty_batch_are_those_of_the_cipher(count):
    blocks = [scattered(row, 64) for row in range(count)]
    keys = DecoderKeys(
        EncryptionAlgorithm.MISTY1, bytes(scattered(row, 8) for row in range(16 * count))
    )
    expected = [ea11.encrypt(b, keys.key(row).number()) for row, b in enumerate(blocks)]
    assert encrypt_many(blocks, keys) == expected


def test_a_batch_of_several_chunks_is_one(monkeypatch):
    monkeypatch.setattr(batch_encode, "CHUNK", 64)
    keys = derive_many(VENDING["04"], group("04", 11), PANS)
    made = credit_many(Service.TIME, FIELDS, TIDS, RNDS, keys)
    for row in (0, 63, 64, 127, 128, MANY - 1):
        token = CreditToken(3, RNDS[row], TIDS[row], FIELDS[row])
        assert made[row] == encode(token, keys.key(row))


def test_currency_and_management_tokens_come_in_batches_too(count):
    keys = derive_many(VENDING["02"], group("02", 7), PANS[:count])
    money = [CurrencyToken(5, TIDS[row], scattered(row, 20)) for row in range(count)]
    limits = [ManagementToken(0, RNDS[row], TIDS[row], FIELDS[row]) for row in range(count)]
    for kind in (money, limits):
        token_class, subclass = kind[0].token_class, kind[0].subclass
        made = encode_many(token_class, subclass, [token.data for token in kind], keys)
        assert made == [encode(token, keys.key(row)) for row, token in enumerate(kind)]


@pytest.mark.parametrize(
    ("old_group", "new_group", "three"),
    [(("02", 7), ("02", 7), False), (("02", 7), ("04", 7), True), (("04", 11), ("04", 11), False)],
)
def test_key_changes_of_a_campaign_are_those_made_one_by_one(old_group, new_group, three, count):
    old = group(*old_group, base_date=BaseDate.Y1993)
    new = group(*new_group, base_date=BaseDate.Y2014, ken=200)
    new = dataclasses.replace(new, sgc="440895", krn=4)
    old_keys = derive_many(VENDING[old_group[0]], old, PANS[:count], TIS[:count])
    new_tis = TIS[:count][::-1]
    new_keys = derive_many(VENDING[new_group[0]], new, PANS[:count], new_tis)
    made = change_many(old_keys, new_keys, moment=NOW, three_tokens=three)
    assert {len(tokens_) for tokens_ in made} == {4 if new.ea == 11 else 2 + three}
    for row in range(count):
        single = keychange.change(
            old_keys.key(row), new_keys.key(row), row_of(old, row),
            dataclasses.replace(new, meter_pan=PANS[row], ti=new_tis[row]),
            moment=NOW, three_tokens=three,
        )  # fmt: skip
        assert made[row] == tuple(encode(section, old_keys.key(row)) for section in single), row
        assert single[0].roll_over


def test_key_changes_without_other_tis_keep_that_of_the_group(count):
    old, new = group("02", 7), dataclasses.replace(group("02", 7), krn=8)
    old_keys = derive_many(VENDING["02"], old, PANS[:count])
    new_keys = derive_many(VENDING["02"], new, PANS[:count])
    made = change_many(old_keys, new_keys)
    section = keychange.sections(new_keys.key(0), keychange.KeyTerms.of(new), roll_over=False)[1]
    assert made[0][1] == encode(section, old_keys.key(0))
    assert section.ti == "02"


def test_an_empty_batch_is_empty():
    for algorithm, ea in GROUPS:
        keys = derive_many(VENDING[algorithm], group(algorithm, ea), [], [])
        assert keys.count == 0
        assert credit_many(Service.GAS, [], [], [], keys) == []
        assert change_many(keys, keys) == []
        assert encrypt_many([], keys) == []


# --- refusals ---


@pytest.mark.parametrize("algorithm", ["02", "04"])
@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        (PANS[1][:-1] + str((int(PANS[1][-1]) + 1) % 10), CheckDigitError),
        ("600727123456789049", CheckDigitError),  # the DRN's digit alone is wrong
        (PANS[1] + "0", LengthError),
        (" " + PANS[1], FieldRangeError),
        ("600727 12345678903 0", FieldRangeError),
        ("４" + PANS[1][1:], FormatError),
        ("40072712345678903" + identifiers.luhn.check_digit("40072712345678903"), FormatError),
        (600727123456789030, FormatError),
        ("", LengthError),
    ],
)
def test_a_batch_names_the_first_row_that_is_wrong(algorithm, wrong, error):
    with pytest.raises(RowRefused, match="row 2 of the batch: ") as caught:
        derive_many(VENDING[algorithm], group(algorithm, 7), [*PANS[:2], wrong, *PANS[:2], wrong])
    assert caught.value.row == 2
    assert isinstance(caught.value.error, error)


def test_the_check_digits_of_a_batch_are_looked_at_as_closely_as_one_by_one():
    for row in (0, 1):
        for place in range(18):
            for digit in set("0123456789") - {PANS[row][place]}:
                wrong = PANS[row][:place] + digit + PANS[row][place + 1 :]
                with pytest.raises(RowRefused):
                    derive_many(VENDING["02"], group("02", 7), [*PANS, wrong])


@pytest.mark.parametrize("ti", ["1", "001", "x1", " 01", 1, ["01"]])
def test_a_wrong_ti_in_a_batch_is_named(ti):
    with pytest.raises(RowRefused) as caught:
        derive_many(VENDING["02"], group("02", 7), PANS[:3], ["01", ti, "xx"])
    assert caught.value.row == 1


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("fields", -1), ("fields", 1 << 16), ("fields", "1"), ("tids", -1), ("tids", 1 << 24),
        ("tids", None), ("rnds", 16), ("rnds", 1.5),
    ],
)  # fmt: skip
@pytest.mark.parametrize("row", [0, 2])
def test_a_value_out_of_range_in_a_batch_is_named(name, value, row):
    columns = {"fields": FIELDS[:3], "tids": TIDS[:3], "rnds": RNDS[:3]}
    columns[name] = [*columns[name]]
    columns[name][row] = value
    keys = derive_many(VENDING["02"], group("02", 7), PANS[:3])
    with pytest.raises(RowRefused) as caught:
        credit_many(Service.WATER, *columns.values(), keys)
    assert (caught.value.row, type(caught.value.error)) == (row, FieldRangeError)


@pytest.mark.parametrize("rows", [3, MANY])
@pytest.mark.parametrize(("bits", "wrong"), [(64, 1 << 64), (44, 1 << 44), (44, -1), (64, 1.5)])
def test_a_block_or_data_out_of_range_in_a_batch_is_named(rows, bits, wrong):
    keys = derive_many(VENDING["02"], group("02", 7), PANS[:rows])
    column = [5] * (rows - 1) + [wrong]
    use = {64: lambda: encrypt_many(column, keys), 44: lambda: encode_many(2, 0, column, keys)}
    with pytest.raises(RowRefused) as caught:
        use[bits]()
    assert (caught.value.row, type(caught.value.error)) == (rows - 1, FieldRangeError)
    with pytest.raises(FieldRangeError, match="SubClass 16"):
        encode_many(2, 16, [5] * rows, keys)


@pytest.mark.parametrize("row", [0, 2])
def test_a_reserved_tid_in_a_batch_is_named(row):
    tids = [*TIDS[:3]]
    tids[row] = 1441
    keys = derive_many(VENDING["02"], group("02", 7), PANS[:3])
    with pytest.raises(RowRefused, match="00:01") as caught:
        credit_many(Service.WATER, FIELDS[:3], tids, RNDS[:3], keys)
    assert (caught.value.row, type(caught.value.error)) == (row, TidRangeError)


def test_credit_of_a_batch_obeys_key_type_and_expiry():
    default = derive_many(VENDING["02"], group("02", 7, kt=1), PANS[:3])
    with pytest.raises(KeyTypeRefused, match="DDTK"):
        credit_many(Service.WATER, FIELDS[:3], TIDS[:3], RNDS[:3], default)
    # 5 000 000 is 4C4B40h; KEN 4Ch allows up to 4CFFFFh.
    keys = derive_many(VENDING["02"], group("02", 7, ken=0x4C), PANS[:3])
    assert len(credit_many(Service.WATER, FIELDS[:3], TIDS[:3], RNDS[:3], keys)) == 3
    late = [TIDS[0], 0x4D0000, TIDS[2]]
    with pytest.raises(RowRefused, match="is past what KEN 76 allows") as caught:
        credit_many(Service.WATER, FIELDS[:3], late, RNDS[:3], keys)
    assert (caught.value.row, type(caught.value.error)) == (1, KeyExpired)


def test_columns_of_other_lengths_are_refused():
    keys = derive_many(VENDING["02"], group("02", 7), PANS[:3])
    for columns, says in (
        ((FIELDS[:3], TIDS[:2], RNDS[:3]), "number of TIDs 2 is not 3"),
        ((FIELDS[:3], TIDS[:3], RNDS[:4]), "number of RNDs 4 is not 3"),
    ):
        with pytest.raises(FieldRangeError, match=says):
            credit_many(Service.WATER, *columns, keys)
    with pytest.raises(FieldRangeError, match="number of keys 3 is not 2"):
        credit_many(Service.WATER, FIELDS[:2], TIDS[:2], RNDS[:2], keys)
    with pytest.raises(FieldRangeError, match="number of keys"):
        encrypt_many([1], keys)
    with pytest.raises(FieldRangeError, match="number of TIs 1 is not 3"):
        derive_many(VENDING["02"], group("02", 7), PANS[:3], ["01"])
    fewer = derive_many(VENDING["02"], group("02", 7), PANS[:2])
    with pytest.raises(FieldRangeError, match="number of keys"):
        change_many(fewer, keys)
    with pytest.raises(FieldRangeError, match="SubClass 16"):
        encode_many(2, 16, [0] * 3, keys)


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"kt": 0}, KeyTypeRefused),
        ({"ken": 1}, KeyExpired),
        ({"base_date": BaseDate.Y1993}, KeyRuleError),
    ],
)
def test_rules_of_a_key_change_hold_for_a_campaign(changed, error):
    old = derive_many(VENDING["02"], group("02", 7), PANS[:3])
    new = derive_many(VENDING["02"], group("02", 7, **changed), PANS[:3])
    moment = None if "base_date" in changed else NOW
    with pytest.raises(error):
        change_many(old, new, moment=moment)


def test_a_roll_over_of_a_campaign_needs_other_keys():
    old = derive_many(VENDING["02"], group("02", 7, base_date=BaseDate.Y1993), PANS[:3])
    new = dataclasses.replace(group("02", 7), base_date=BaseDate.Y2014, krn=8)
    other = derive_many(VENDING["02"], new, PANS[:3])
    mixed = DecoderKeys(old.ea, other.reveal()[:8] + old.reveal()[8:], new)
    with pytest.raises(RowRefused, match="another KRN") as caught:
        change_many(old, mixed)
    assert caught.value.row == 1
    assert change_many(old, other)


@pytest.mark.parametrize("row", range(3))
def test_the_row_whose_key_stays_is_found_wherever_it_is(row):
    like = group("02", 7, base_date=BaseDate.Y1993)
    size, before = 8, bytes(range(24))
    after = bytearray(byte ^ 0xFF for byte in before)
    after[row * size : (row + 1) * size] = before[row * size : (row + 1) * size]
    new = dataclasses.replace(like, base_date=BaseDate.Y2014, krn=8)
    with pytest.raises(RowRefused) as caught:
        change_many(DecoderKeys(7, before, like), DecoderKeys(7, bytes(after), new))
    assert caught.value.row == row
    first_byte_only = DecoderKeys(7, b"\x01" + bytes(7), new)
    assert change_many(DecoderKeys(7, bytes(8), like), first_byte_only)


def test_keys_of_an_unknown_group_are_not_changed():
    known = derive_many(VENDING["02"], group("02", 7), PANS[:3])
    unknown = DecoderKeys(known.ea, known.reveal())
    for pair in ((known, unknown), (unknown, known)):
        with pytest.raises(KeyRuleError, match="unknown group"):
            change_many(*pair)


@pytest.mark.parametrize("value", [bytes(9), 1.5, None])
def test_a_batch_of_broken_keys_is_refused(value):
    with pytest.raises(KeyLengthError):
        DecoderKeys(7, value)


@pytest.mark.parametrize("rows", [3, MANY])
def test_only_what_is_of_one_meter_is_encrypted_in_a_batch(rows):
    keys = derive_many(VENDING["02"], group("02", 7), PANS[:rows])
    for token_class in (1, 3, -1, 7):
        with pytest.raises(ReservedToken, match="Class"):
            encode_many(token_class, 0, [5] * rows, keys)
    for service in (-1, 4, 9):
        with pytest.raises(FieldRangeError, match="SubClass"):
            credit_many(service, FIELDS[:rows], TIDS[:rows], RNDS[:rows], keys)


def test_a_batch_of_common_keys_or_with_another_s_key_is_refused():
    with pytest.raises(UnsupportedAlgorithm, match="KT 3"):
        derive_many(VENDING["02"], group("02", 7, kt=3), PANS[:1])
    with pytest.raises(UnsupportedAlgorithm, match="DKGA 04"):
        derive_many(VENDING["02"], group("04", 7), PANS[:1])


def test_the_keys_of_a_batch_do_not_show():
    keys = derive_many(VENDING["02"], group("02", 7), PANS[:3])
    assert repr(keys) == "DecoderKeys(…)"


# --- planes and circuits ---


@given(st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=40))
def test_planes_hold_the_bits_of_the_words_and_give_them_back(words):
    count = padded(len(words))
    assert count % 8 == 0
    packed = b"".join(word.to_bytes(4, "little") for word in words).ljust(4 * count, b"\x00")
    planes = to_planes(packed, 4)
    assert len(planes) == 32
    for bit, plane in enumerate(planes):
        assert plane.bit_count() == sum(word >> bit & 1 for word in words)
    assert from_planes(planes, count) == packed


@settings(max_examples=30)
@given(st.integers(1, 5), st.data())
def test_a_circuit_looks_up_any_table(bits, data):
    size = 1 << bits
    tables = data.draw(
        st.lists(
            st.lists(st.integers(0, size - 1), min_size=size, max_size=size), min_size=1, max_size=3
        )
    )
    circuit = circuit_of(tables, bits)
    planes = [sum((value >> bit & 1) << value for value in range(size)) for bit in range(bits)]
    found = circuit.run(planes, (1 << size) - 1)
    for number, table in enumerate(tables):
        for value in range(size):
            read = sum((found[number * bits + bit] >> value & 1) << bit for bit in range(bits))
            assert read == table[value]


def test_the_circuits_are_as_small_as_was_measured():
    # PERFORMANCE.md section 2 has 49 gates a nibble for EA 07.
    assert len(ciphers._sta_circuit(ea07.PRODUCTION).gates) + 8 <= 49


@pytest.mark.parametrize("tables", [ea07.PRODUCTION, ea07.table_set("sample")])
def test_what_was_made_is_read_back_and_nothing_else_is(tables):
    keys = derive_many(VENDING["04"], KeyParameters(PANS[0], sgc="123456", krn=1, ti="01"), PANS)
    data = [scattered(row, 44) for row in range(MANY)]
    digits = [
        encode(ManagementToken(0, each >> 40, each >> 16 & 0xFFFFFF, each & 0xFFFF),
               keys.key(row), tables=tables)
        for row, each in enumerate(data)
    ]  # fmt: skip
    kind = TokenClass.MANAGEMENT
    assert read_back(kind, 0, data, digits, keys, tables)
    assert not read_back(kind, 1, data, digits, keys, tables)
    assert not read_back(TokenClass.CREDIT, 0, data, digits, keys, tables)
    for row in (0, 7, MANY - 1):
        other = f"{int(digits[row]) ^ 1:020d}"
        assert not read_back(
            kind, 0, data, [*digits[:row], other, *digits[row + 1 :]], keys, tables
        )
        wrong = [*data[:row], data[row] ^ 1 << 20, *data[row + 1 :]]
        assert not read_back(kind, 0, wrong, digits, keys, tables)
