"""The virtual meter answers as SPEC 11 says, and is read by nothing that makes tokens."""

import ast
import dataclasses
import pickle
from itertools import permutations
from pathlib import Path

import pytest

from vmsapp.sts import mse, nmse
from vmsapp.sts.block import build_block
from vmsapp.sts.codec import encode, encrypt
from vmsapp.sts.credit import CreditToken, CurrencyToken
from vmsapp.sts.ea07 import SAMPLE
from vmsapp.sts.identifiers import KeyType
from vmsapp.sts.keychange import KeyTerms, sections
from vmsapp.sts.keys import DecoderKey
from vmsapp.sts.meter import SET_WAITS_SECONDS, Result, VirtualMeter
from vmsapp.sts.meter_reader import StaTables
from vmsapp.sts.mse import ManagementToken, Register
from vmsapp.sts.nmse import DisplayToken, MeterTest, run_tests
from vmsapp.sts.token import join_class, to_digits

KEY = DecoderKey(7, bytes.fromhex("0abc12def3456789"))
NEXT = DecoderKey(7, bytes.fromhex("1122334455667788"))
WIDE = DecoderKey(11, bytes.fromhex("00112233445566778899aabbccddeeff"))
WIDE_NEXT = DecoderKey(11, bytes.fromhex("ffeeddccbbaa99887766554433221100"))
DAY = 6_783_120  # a midnight of base date 2014
TERMS = KeyTerms("123456", 2, "07", KeyType.DUTK, 0xA5)


def meter_with(key=KEY, **changed):
    return VirtualMeter(key, manufactured_tid=DAY - 100, **changed)


def credit(tid, key=KEY, *, tenths=100, subclass=0):
    return encode(CreditToken(subclass, 5, tid, tenths), key, allow_reserved=True)


def test_credit_is_accepted_once():
    meter = meter_with()
    assert meter.enter(credit(DAY)) is Result.ACCEPT
    assert meter.registers[0] == 100
    assert meter.enter(credit(DAY)) is Result.USED_ERROR
    assert meter.enter(credit(DAY, tenths=5)) is Result.USED_ERROR
    assert meter.registers[0] == 100


def test_an_older_token_is_accepted_once_while_it_is_remembered_and_then_is_old():
    meter = meter_with()
    assert meter.enter(credit(DAY - 50)) is Result.ACCEPT
    assert meter.enter(credit(DAY - 200)) is Result.OLD_ERROR
    for place in range(1, 50):
        assert meter.enter(credit(DAY + 2 * place)) is Result.ACCEPT
    assert min(meter.remembered) == DAY - 50
    assert meter.enter(credit(DAY - 51)) is Result.OLD_ERROR
    assert meter.enter(credit(DAY + 3)) is Result.ACCEPT, "out of order, but inside the window"
    assert meter.enter(credit(DAY + 3)) is Result.USED_ERROR
    assert meter.enter(credit(DAY - 50)) is Result.OLD_ERROR, "the fifty-first pushed it out"
    assert len(meter.remembered) == 50


@pytest.mark.parametrize(
    ("digits", "result"),
    [
        ("", Result.FORMAT_ERROR),
        (None, Result.FORMAT_ERROR),
        ("1234567890123456789", Result.FORMAT_ERROR),
        ("123456789012345678901", Result.FORMAT_ERROR),
        ("1234567890123456789x", Result.FORMAT_ERROR),
        ("99999999999999999999", Result.FORMAT_ERROR),
        ("29054347139309851357", Result.CRC_ERROR),
        (credit(DAY, NEXT), Result.CRC_ERROR),
    ],
)
def test_digits_that_are_no_token_of_this_meter(digits, result):
    assert meter_with().enter(digits) is result


def raw(token_class, subclass, data=0, key=KEY):
    block = build_block(token_class=token_class, subclass=subclass, data=data)
    return to_digits(join_class(block if token_class == 1 else encrypt(block, key), token_class))


@pytest.mark.parametrize(
    "digits",
    [raw(0, 8), raw(1, 3), raw(2, 9), raw(2, 11), raw(3, 0), encode(nmse.read(0)), raw(1, 0)],
)
def test_a_function_the_meter_does_not_have(digits):
    assert meter_with().enter(digits) is Result.FUNCTION_ERROR


def test_an_electricity_meter_takes_no_water():
    meter = meter_with(services=frozenset({0, 4}))
    assert meter.enter(credit(DAY, subclass=1)) is Result.FUNCTION_ERROR
    assert meter.enter(credit(DAY)) is Result.ACCEPT, "the refused token spent nothing"


def test_a_default_key_takes_no_credit_but_management():
    meter = meter_with(kt=KeyType.DDTK)
    assert meter.enter(credit(DAY)) is Result.DDTK_ERROR
    assert meter.enter(encode(ManagementToken(0, 1, DAY, 1000), KEY)) is Result.ACCEPT


def test_an_expired_key_takes_nothing_but_its_successor():
    meter = meter_with(ken=DAY >> 16)
    last = (DAY >> 16) + 1 << 16
    assert meter.enter(credit(last - 2)) is Result.ACCEPT
    assert meter.enter(credit(last)) is Result.KEY_EXPIRED_ERROR
    assert meter.enter(encode(ManagementToken(0, 1, last + 2, 1), KEY)) is Result.KEY_EXPIRED_ERROR
    for section in sections(NEXT, TERMS, roll_over=False):
        result = meter.enter(encode(section, KEY))
    assert result is Result.ACCEPT
    assert meter.enter(credit(last, NEXT)) is Result.ACCEPT


def test_a_token_that_would_overflow_is_not_spent():
    meter = meter_with()
    meter.registers[0] = 999_999_999 - 50
    assert meter.enter(credit(DAY)) is Result.OVERFLOW_ERROR
    meter.registers[0] = 0
    assert meter.enter(credit(DAY)) is Result.ACCEPT


def test_money_is_given_and_taken():
    # SPEC 5.2: +1 is carried as 1.00004, -1 as 0.99994 less.
    meter = meter_with()
    assert meter.enter(encode(CurrencyToken(4, DAY, 0x060AA), KEY)) is Result.ACCEPT
    assert meter.registers[4] == 100_004
    assert meter.enter(encode(CurrencyToken(4, DAY + 2, 0x860A9), KEY)) is Result.ACCEPT
    assert meter.registers[4] == 100_004 - 99_994
    assert meter.enter(encode(CurrencyToken(4, DAY + 4, 0x7FFFF), KEY)) is Result.OVERFLOW_ERROR
    assert meter.enter(encode(CurrencyToken(4, DAY + 4, 0xFFFFF), KEY)) is Result.OVERFLOW_ERROR
    assert meter.registers[0] == 0


@pytest.mark.parametrize(
    ("field", "tenths"),
    [
        (0x3FFF, 16_383),
        (0x4001, 16_394),
        (0x8000, 180_224),
        (0xC001, 1_819_624),
        (0xFFFF, 18_201_624),
    ],
)
def test_amounts_are_read_by_the_meter_s_own_sum(field, tenths):
    # SPEC 5.1, its table.
    meter = meter_with()
    assert meter.enter(encode(CreditToken(2, 5, DAY, field), KEY)) is Result.ACCEPT
    assert meter.registers[2] == tenths


def test_management_tokens_do_what_they_say():
    meter = meter_with(tampered=True)
    meter.registers = dict.fromkeys(range(8), 7)
    tokens = [
        mse.set_maximum_power_limit(16_385, tid=DAY, rnd=1),
        mse.set_maximum_phase_power_unbalance_limit(250, tid=DAY + 2, rnd=1),
        mse.set_tariff_rate(9, tid=DAY + 3, rnd=1),
        mse.set_water_meter_factor(12, tid=DAY + 4, rnd=1),
        mse.clear_tamper_condition(tid=DAY + 5, rnd=1),
        mse.set_extended(3, 123, tid=DAY + 6, rnd=1),
        mse.clear_credit(Register.WATER, tid=DAY + 7, rnd=1),
    ]
    for token in tokens:
        digits = encode(token, KEY)
        assert meter.enter(digits) is Result.ACCEPT
        assert meter.enter(digits) is Result.USED_ERROR
    assert meter.maximum_power_limit == 16_394
    assert meter.phase_power_unbalance_limit == 250
    assert (meter.tariff_rate, meter.water_meter_factor) == (9, 12)
    assert meter.tampered is False
    assert meter.extended == {3: 123}
    assert [meter.registers[register] for register in (0, 1, 2)] == [7, 0, 7]
    assert meter.enter(encode(mse.clear_credit(Register.ALL, tid=DAY + 8, rnd=1), KEY))
    assert set(meter.registers.values()) == {0}


@pytest.mark.parametrize(
    ("subclass", "value"), [(1, 8), (1, 0xFFFE), (5, 1), (0, 0xFFFF), (6, 0xFFFF)]
)
def test_a_value_outside_what_the_meter_takes_is_not_spent(subclass, value):
    meter = meter_with()
    assert meter.enter(raw(2, subclass, 5 << 40 | DAY << 16 | value)) is Result.RANGE_ERROR
    assert meter.enter(credit(DAY)) is Result.ACCEPT


def test_test_tokens_show_what_is_asked_for():
    meter = meter_with(drn="12345678903", krn=3, ti=7, sgc=123456, ken=200)
    assert meter.enter(encode(run_tests(MeterTest.ALL))) is Result.ACCEPT
    assert len(meter.shown) == 18
    asked = [MeterTest.KRN_AND_KT, MeterTest.TI, MeterTest.SGC, MeterTest.KEN, MeterTest.DRN]
    assert meter.enter(encode(run_tests(*asked, four_digits=True))) is Result.ACCEPT
    assert meter.shown == {
        "krn kt": (3, 2), "ti": 7, "sgc": 123456, "ken": 200, "drn": "12345678903",
    }  # fmt: skip
    assert meter.enter(encode(run_tests(MeterTest.EA_NUMBER))) is Result.ACCEPT
    assert meter.shown == {"ea": 7}
    assert meter.enter(encode(DisplayToken(0, 1 << 20))) is Result.FUNCTION_ERROR


@pytest.mark.parametrize(
    ("subclass", "code", "result"),
    [
        (0, 0, Result.ACCEPT), (0, 12, Result.ACCEPT), (0, 13, Result.MFR_CODE_ERROR),
        (1, 0, Result.ACCEPT), (1, 13, Result.MFR_CODE_ERROR),
        (6, 0, Result.MFR_CODE_ERROR), (11, 12, Result.FUNCTION_ERROR),
        (11, 13, Result.MFR_CODE_ERROR),
    ],
)  # fmt: skip
def test_a_test_token_of_another_maker_is_refused(subclass, code, result):
    assert meter_with(manufacturer=12).enter(encode(DisplayToken(subclass, 1, code))) is result


SHOWN = {
    1: ("load switch", "ok"), 2: ("displays", "ok"), 4: ("krn kt", (3, 0)), 5: ("ti", 77),
    6: ("token reader", "ok"), 7: ("maximum power limit", 7000), 8: ("tamper status", True),
    9: ("power", "ok"), 10: ("software version", "ok"), 11: ("phase power unbalance limit", 1100),
    12: ("water meter factor", 12), 13: ("tariff rate", 13), 14: ("ea", 7),
    15: ("key change tokens", 3), 16: ("sgc", 654321), 17: ("ken", 200), 18: ("drn", "12345678903"),
}  # fmt: skip
"""What each test number makes a meter show: SPEC 4.3, the values as the meter is set up below."""


@pytest.mark.parametrize("number", SHOWN)
@pytest.mark.parametrize("four_digits", [False, True])
def test_each_test_shows_what_its_number_stands_for(number, four_digits):
    meter = meter_with(
        kt=KeyType.DITK, krn=3, ti=77, ken=200, sgc=654321, drn="12345678903", tampered=True,
        maximum_power_limit=7000, phase_power_unbalance_limit=1100, water_meter_factor=12,
        tariff_rate=13,
    )  # fmt: skip
    digits = encode(run_tests(MeterTest(number), four_digits=four_digits))
    assert meter.enter(digits) is Result.ACCEPT
    name, value = SHOWN[number]
    assert meter.shown == {name: value}


def test_a_meter_of_long_keys_says_so():
    meter = meter_with(WIDE)
    tests = run_tests(MeterTest.EA_NUMBER, MeterTest.KEY_CHANGE_TOKENS_SUPPORTED)
    assert meter.enter(encode(tests)) is Result.ACCEPT
    assert meter.shown == {"ea": 11, "key change tokens": 4}


def test_a_new_meter_is_on_its_first_key_and_tariff():
    meter = VirtualMeter(KEY)
    assert meter.enter(encode(run_tests(MeterTest.KRN_AND_KT, MeterTest.TI)))
    assert meter.shown == {"krn kt": (1, 2), "ti": 1}
    assert meter.enter(encode(DisplayToken(11, 1, 1))) is Result.MFR_CODE_ERROR


@pytest.mark.parametrize("subclass", [2, *range(6, 16)])
def test_a_maker_s_token_is_looked_at_for_its_code(subclass):
    # SPEC 4.3: 16 bits of code in sub-classes 6 to 10, 8 bits in 2 and 11 to 15.
    for own, other in ((12, 13), (0, 1)):
        meter = meter_with(manufacturer=own)
        assert meter.enter(encode(DisplayToken(subclass, 7, own))) is Result.FUNCTION_ERROR
        assert meter.enter(encode(DisplayToken(subclass, 7, other))) is Result.MFR_CODE_ERROR
    anybody = meter_with(manufacturer=12).enter(encode(DisplayToken(subclass, 7, 0)))
    assert anybody is (Result.FUNCTION_ERROR if subclass == 2 else Result.MFR_CODE_ERROR)


def test_a_read_token_of_anybody_s_is_a_function_the_meter_does_not_have():
    meter = meter_with(manufacturer=12)
    assert meter.enter(encode(nmse.read(0, rest=1))) is Result.FUNCTION_ERROR


@pytest.mark.parametrize(("subclass", "width"), [(0, 36), (1, 28)])
def test_all_tests_are_all_bits_and_nothing_less(subclass, width):
    # SPEC 4.3: test 0 is all bits one, 36 or 28 of them.
    meter = meter_with()
    for control in ((1 << width - 1) - 1, 1 << width - 1 | 1):
        assert meter.enter(encode(DisplayToken(subclass, control))) is Result.FUNCTION_ERROR
    assert meter.enter(encode(DisplayToken(subclass, (1 << width) - 1))) is Result.ACCEPT


@pytest.mark.parametrize(
    ("register", "held", "token"),
    [
        (0, 999_999_999, CreditToken(0, 1, DAY, 100)),
        (4, 10**15, CurrencyToken(4, DAY, 0x060AA)),
    ],
)
def test_a_register_holds_so_much_and_no_more(register, held, token):
    # The capacities are this meter's own; 060AAh is 1.00004 (SPEC 5.2).
    given = {0: 100, 4: 100_004}[register]
    meter = meter_with()
    meter.registers[register] = held - given + 1
    assert meter.enter(encode(token, KEY)) is Result.OVERFLOW_ERROR
    meter.registers[register] = held - given
    assert meter.enter(encode(token, KEY)) is Result.ACCEPT
    assert meter.registers[register] == held


def test_half_a_set_waits_five_minutes():
    assert SET_WAITS_SECONDS == 300


def test_a_test_the_meter_does_not_know_spoils_the_others():
    meter = meter_with()
    assert meter.enter(encode(DisplayToken(0, 1 | 1 << 20))) is Result.FUNCTION_ERROR
    assert meter.enter(encode(DisplayToken(1, (1 << 27) - 1))) is Result.FUNCTION_ERROR
    assert meter.shown == {}


@pytest.mark.parametrize("exponent", range(9))
def test_money_is_read_at_every_exponent(exponent):
    # SPEC 5.2: e is five bits, two of them in the amount field; off(e) as in 5.1.
    meter = meter_with()
    field = exponent << 14 | 5
    value = 5 * 10**exponent + sum(2**14 * 10 ** (n - 1) for n in range(1, exponent + 1))
    assert meter.enter(encode(CurrencyToken(6, DAY, field), KEY)) is Result.ACCEPT
    assert meter.registers[6] == value
    assert meter.enter(encode(CurrencyToken(6, DAY + 2, 0x80000 | field), KEY)) is Result.ACCEPT
    assert meter.registers[6] == 0


def test_the_first_tid_remembered_is_used_and_the_one_before_it_old():
    meter = meter_with()
    assert meter.enter(credit(DAY - 100)) is Result.USED_ERROR
    assert meter.enter(credit(DAY - 101)) is Result.OLD_ERROR
    assert meter.enter(credit(DAY - 99)) is Result.ACCEPT


@pytest.mark.parametrize(("watts", "result"), [(9_999_624, "ACCEPT"), (10_000_624, "RANGE_ERROR")])
def test_a_limit_beyond_the_meter_s_own_is_refused(watts, result):
    # SPEC 5.1: steps of 1000 from 1818624.
    token = mse.set_maximum_power_limit(watts, tid=DAY, rnd=1)
    assert token.watts == watts
    assert meter_with().enter(encode(token, KEY)) is Result[result]


# --- key change ---


def change_of(key, next_key, *, three=False, **terms):
    made = sections(
        next_key, dataclasses.replace(TERMS, **terms), roll_over=False, three_tokens=three
    )
    return [encode(section, key) for section in made]


SETS = {
    "two": (KEY, NEXT, False, (Result.FIRST_KCT, Result.SECOND_KCT)),
    "three": (KEY, NEXT, True, (Result.FIRST_KCT, Result.SECOND_KCT, Result.THIRD_KCT)),
    "four": (
        WIDE, WIDE_NEXT, False,
        (Result.FIRST_KCT, Result.SECOND_KCT, Result.THIRD_KCT, Result.FOURTH_KCT),
    ),
}  # fmt: skip
ORDERS = [
    (name, order)
    for name, (_, _, _, waits) in SETS.items()
    for order in permutations(range(len(waits)))
]


@pytest.mark.parametrize(("name", "order"), ORDERS, ids=str)
def test_a_whole_set_in_any_order_changes_the_key(name, order):
    key, next_key, three, waits = SETS[name]
    meter = meter_with(key)
    digits = change_of(key, next_key, three=three)
    for place in order[:-1]:
        assert meter.enter(digits[place]) is waits[place]
        assert meter.key == key
    assert meter.enter(digits[order[-1]]) is Result.ACCEPT
    assert meter.key == next_key
    assert (meter.krn, meter.ti, meter.kt, meter.ken) == (2, 7, KeyType.DUTK, 0xA5)
    assert meter.sgc == (None if name == "two" else 123456)
    assert meter.enter(digits[0]) is Result.CRC_ERROR, "once changed, the set is another key's"
    assert meter.enter(credit(DAY, next_key)) is Result.ACCEPT
    assert meter.enter(credit(DAY + 2, key)) is Result.CRC_ERROR


def test_the_highest_terms_are_taken():
    meter = meter_with()
    for digits in change_of(KEY, NEXT, three=True, krn=9, ti="99", sgc="999999", ken=255):
        result = meter.enter(digits)
    assert result is Result.ACCEPT
    assert (meter.krn, meter.ti, meter.sgc, meter.ken) == (9, 99, 999_999, 255)


def test_repeated_sections_before_the_change_do_no_harm():
    meter = meter_with()
    first, second = change_of(KEY, NEXT)
    assert [meter.enter(first) for _ in range(3)] == [Result.FIRST_KCT] * 3
    assert meter.enter(second) is Result.ACCEPT


def test_half_a_set_is_forgotten_after_a_while():
    now = [0.0]
    meter = meter_with(clock=lambda: now[0])
    first, second = change_of(KEY, NEXT)
    assert meter.enter(first) is Result.FIRST_KCT
    now[0] += SET_WAITS_SECONDS + 1
    assert meter.enter(second) is Result.SECOND_KCT, "the first is forgotten"
    assert meter.key == KEY
    now[0] += SET_WAITS_SECONDS
    assert meter.enter(second) is Result.SECOND_KCT, "at the last moment, which begins it anew"
    now[0] += SET_WAITS_SECONDS
    assert meter.enter(first) is Result.ACCEPT


@pytest.mark.parametrize("parent", KeyType)
@pytest.mark.parametrize("child", KeyType)
def test_a_forbidden_key_type_leaves_the_key_as_it_was(parent, child):
    # SPEC 10.3.
    table = ["yes yes yes yes", "no yes yes yes", "no yes yes no", "no yes no yes"]
    meter = meter_with(kt=parent)
    first, second = change_of(KEY, NEXT, kt=child)
    assert meter.enter(first) is Result.FIRST_KCT
    allowed = table[parent].split()[child] == "yes"
    assert meter.enter(second) is (Result.ACCEPT if allowed else Result.KEY_TYPE_ERROR)
    assert meter.key == (NEXT if allowed else KEY)


@pytest.mark.parametrize(
    ("subclass", "data"),
    [(3, 0), (3, 0xA << 36), (4, 100 << 32)],
    ids=["KRN 0", "KRN 10", "TI 100"],
)
def test_a_set_with_a_field_out_of_range_changes_nothing(subclass, data):
    meter = meter_with()
    good = dict(zip((3, 4), change_of(KEY, NEXT), strict=True))
    other = 7 - subclass
    meter.enter(good[other])
    assert meter.enter(raw(2, subclass, data)) is Result.RANGE_ERROR
    assert meter.key == KEY


def test_bits_that_must_not_be_set_change_nothing():
    # SPEC 10.1: 3KCT is 0 in a set of four; twenty zeros follow the SGC of a short key.
    meter = meter_with(WIDE)
    first, *rest = sections(WIDE_NEXT, TERMS, roll_over=False)
    for section in rest:
        meter.enter(encode(section, WIDE))
    assert meter.enter(raw(2, 3, first.data | 1 << 34, WIDE)) is Result.RANGE_ERROR
    assert meter.key == WIDE
    meter = meter_with()
    first, second, third = sections(NEXT, TERMS, roll_over=False, three_tokens=True)
    meter.enter(encode(first, KEY))
    meter.enter(encode(second, KEY))
    assert meter.enter(raw(2, 8, third.data | 1)) is Result.RANGE_ERROR
    assert meter.key == KEY


def test_an_electricity_meter_has_no_register_of_water():
    meter = meter_with(services=frozenset({0, 4}))
    digits = [encode(mse.clear_credit(r, tid=DAY + 2 * r, rnd=1), KEY) for r in (1, 4)]
    assert [meter.enter(each) for each in digits] == [Result.RANGE_ERROR, Result.ACCEPT]


def test_roll_over_makes_the_meter_forget_its_tids():
    meter = meter_with()
    assert meter.enter(credit(DAY)) is Result.ACCEPT
    for section in sections(NEXT, TERMS, roll_over=True):
        meter.enter(encode(section, KEY))
    assert set(meter.remembered) == {0}
    assert meter.enter(credit(5, NEXT)) is Result.ACCEPT
    assert meter.enter(credit(5, NEXT)) is Result.USED_ERROR


def test_without_roll_over_tids_stay_spent():
    meter = meter_with()
    assert meter.enter(credit(DAY)) is Result.ACCEPT
    for digits in change_of(KEY, NEXT):
        meter.enter(digits)
    assert meter.enter(credit(DAY, NEXT)) is Result.USED_ERROR


# --- the meter itself ---


def test_results_have_the_names_and_codes_of_the_standard():
    # SPEC 11, names and the codes meters display.
    names = {
        "Accept": 1, "1stKCT": 2, "2ndKCT": 3, "OverflowError": 4, "KeyTypeError": 5,
        "FormatError": 6, "RangeError": 7, "FunctionError": 8, "OldError": 9,
        "UsedError": 10, "KeyExpiredError": 11,
        "DDTKError": 12, "CRCError": 13, "MfrCodeError": 14,
    }  # fmt: skip
    assert {r.standard_name: int(r) for r in Result if r < 15} == names
    assert {r.standard_name for r in Result if r > 14} == {"3rdKCT", "4thKCT"}


def test_a_meter_of_other_tables_reads_its_own_tokens_only():
    meter = meter_with(tables=StaTables.inverse_of(SAMPLE))
    token = CreditToken(0, 5, DAY, 100)
    assert meter.enter(encode(token, KEY)) is Result.CRC_ERROR
    assert meter.enter(encode(token, KEY, tables=SAMPLE)) is Result.ACCEPT


def test_a_meter_keeps_its_key_to_itself():
    meter = meter_with()
    assert KEY.reveal().hex() not in repr(meter)
    first, _ = sections(NEXT, TERMS, roll_over=False)
    meter.enter(encode(first, KEY))
    assert str(first.data) not in repr(meter), "half a set holds half a key"
    with pytest.raises(TypeError):
        pickle.dumps(meter)


@pytest.mark.parametrize("module", ["meter", "meter_reader"])
def test_the_meter_shares_nothing_with_what_makes_tokens(module):
    # An error in the engine must not cancel out: names, errors and the type of a table set only.
    source = Path(__file__).parents[3] / "vmsapp" / "sts" / f"{module}.py"
    imported = {
        (node.module, name.name)
        for node in ast.walk(ast.parse(source.read_text()))
        if isinstance(node, ast.ImportFrom) and node.module.startswith("vmsapp")
        for name in node.names
    }
    allowed = {
        ("vmsapp.sts.ea07", "TableSet"), ("vmsapp.sts.errors", "CrcError"),
        ("vmsapp.sts.errors", "FormatError"), ("vmsapp.sts.identifiers", "KeyType"),
        ("vmsapp.sts.secret", "SecretBytes"),
    }  # fmt: skip
    assert {pair for pair in imported if "meter_reader" not in pair[0]} <= allowed
