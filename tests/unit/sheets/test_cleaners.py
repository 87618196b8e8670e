"""Cells made into values: what is taken, what is refused, and by which sentence."""

import re
from datetime import date, datetime
from decimal import Decimal

import pytest

from vmsapp.services.sheets.cleaners import Day, Digits, Number, Text
from vmsapp.services.sheets.faults import FAULTS, CellFault, shown
from vmsapp.services.sheets.names import Choice, in_any_language

at = datetime.fromisoformat


def fault(clean, value):
    with pytest.raises(CellFault) as caught:
        clean(value)
    sentence = FAULTS[caught.value.code] % caught.value.params
    assert "%(" not in sentence
    assert str(caught.value) == sentence
    return caught.value.code


@pytest.mark.parametrize(("value", "clean"), [
    ("Zoe\u0308", "Zoë"), ("a  b\u00a0c", "a b c"), ("a\nb\tc", "a b c"), ("a\u200bb\ufeff", "ab"),
    ("\u200fعلي", "علي"), ("می\u200cخواهم", "می\u200cخواهم"), (5.0, "5"), (1.25, "1.25"),
    (0.1 + 0.2, "0.3"), ("=1+1", "=1+1"), ("售电", "售电"),
])  # fmt: skip
def test_text_is_brought_into_one_spelling(value, clean):
    assert Text(40)(value) == clean


@pytest.mark.parametrize(("value", "code"), [
    ("a\x07b", "odd_characters"), ("a\u202eb", "odd_characters"), ("a\ufffd", "odd_characters"),
    ("x" * 41, "too_long"), (True, "truth_for_text"), (date(2026, 1, 2), "date_for_text"),
    (1e15, "number_for_text"), (float("inf"), "number_for_text"),
])  # fmt: skip
def test_text_that_is_none(value, code):
    assert fault(Text(40), value) == code


@pytest.mark.parametrize(("value", "code"), [
    (7.0, "number_for_text"), ("1.23E+10", "scientific"), ("7E+10", "scientific"),
    ("1,5e+20", "scientific"), (date(2026, 1, 2), "date_for_text"),
])  # fmt: skip
def test_what_must_be_text_is_no_number(value, code):
    for clean in (Text(20, exact=True), Digits(1, 20)):
        assert fault(clean, value) == code


def test_a_text_may_have_a_form():
    clean = Text(10, exact=True, form=re.compile("[A-Z][0-9]{3}"))
    assert clean("A001") == "A001"
    assert fault(clean, "A01") == "wrong_form"


@pytest.mark.parametrize(("value", "clean"), [
    ("00700000013", "00700000013"), ("007 0000-0013", "00700000013"),
    ("٠٠٧٠٠٠٠٠٠١٣", "00700000013"), ("００７０００００013", "00700000013"),
])  # fmt: skip
def test_digits_keep_their_zeros(value, clean):
    assert Digits(11, 13)(value) == clean


@pytest.mark.parametrize(("value", "code"), [
    ("123", "wrong_length"), ("1" * 14, "wrong_length"), ("1234567890a", "not_digits"),
    ("1234567890½", "not_digits"), ("²²²²²²²²²²²", "not_digits"), ("---", "not_digits"),
])  # fmt: skip
def test_digits_that_are_none(value, code):
    assert fault(Digits(11, 13), value) == code


def test_one_length_has_a_sentence_of_its_own():
    assert fault(Digits(6, 6), "12345") == "exact_length"


NUMBERS = [  # as they are written: CLDR 45, decimal and group symbols of en, fr, de, de-CH, ar-EG
    ("1234", "1234"), ("0", "0"), ("007", "7"), ("-3", "-3"), ("+3", "3"), ("−3", "-3"),
    ("1.5", "1.5"), ("1,5", "1.5"), ("1,50", "1.50"), (".5", "0.5"), (",5", "0.5"),
    ("1,234.5", "1234.5"), ("1.234,5", "1234.5"), ("1,234,567", "1234567"),
    ("1.234.567", "1234567"), ("1 234,50", "1234.50"), ("1\u202f234,50", "1234.50"),
    ("1\u00a0234\u00a0567", "1234567"), ("1'234.50", "1234.50"), ("1’234", "1234"),
    ("٣٫٥", "3.5"), ("١٬٢٣٤٫٥٠", "1234.50"), ("١٢٫٣٤٥", "12.345"), ("1234.567", "1234.567"),
    ("0.125", "0.125"), ("0,125", "0.125"), ("1234,567", "1234.567"),
    (12.5, "12.5"), (0.1 + 0.2, "0.3"), (5.0, "5"), (1e-3, "0.001"),
]  # fmt: skip


@pytest.mark.parametrize(("value", "number"), NUMBERS)
def test_numbers_are_exact_and_read_in_the_readers_way(value, number):
    found = Number(3)(value)
    assert isinstance(found, Decimal)
    assert found == Decimal(number)


@pytest.mark.parametrize("value", ["1,234", "1.234", "12,345", "999.999", "-1,234", "١,٢٣٤"])
def test_a_sign_that_could_be_either_is_refused(value):
    assert fault(Number(3), value) == "either_sign"


@pytest.mark.parametrize(("sign", "value", "number"), [
    (".", "1,234", "1234"), (".", "1.234", "1.234"), (",", "1,234", "1.234"),
    (",", "1.234", "1234"),
    (".", "٣٫٥٠٠", "3.5"),
])  # fmt: skip
def test_a_sign_that_is_known_is_not_guessed(sign, value, number):
    assert Number(3, sign=sign)(value) == Decimal(number)


@pytest.mark.parametrize("value", [
    "", "-", "5,", "1,2,3", "1,23,456", "1.2.3,4", "12a", "1e5", "NaN", "Infinity", "1 2", "--1",
    "1,234.567.8", "½", "12,34.5", "5 USD", True, date(2026, 1, 2), float("inf"), float("nan"),
    "1" + ",000" * 3 + ",00", ".", ",",
])  # fmt: skip
def test_what_is_no_number_is_refused(value):
    assert fault(Number(3), value) == "not_a_number"


def test_a_known_sign_refuses_the_other_before_decimals():
    assert fault(Number(3, sign="."), "1,5") == "not_a_number"


def test_amounts_are_whole_minor_units():
    money = Number(2, least=0, minor=True)
    assert [money(value) for value in ("12.34", "12,3", 12.0, 0.29, "0")] == [
        1234,
        1230,
        1200,
        29,
        0,
    ]
    assert all(type(money(value)) is int for value in ("12.34", 12.0))
    assert money("1234.500") == 123450
    assert fault(money, "9" * 40 + ".12345") == "too_large"
    assert fault(money, "0." + "1" * 400) == "too_many_decimals"
    assert fault(money, "12.345,678") == "too_many_decimals"
    assert fault(money, 0.125) == "too_many_decimals"
    assert fault(money, "-0.01") == "too_small"
    assert fault(money, "1000000000000001") == "too_large"
    assert fault(money, "9" * 400) == "too_large"
    assert fault(Number(0), 1.5) == "too_many_decimals"


@pytest.mark.parametrize("value", [
    "2026-01-02", "2026/1/2", "2026.01.02", "2026-01-02T00:00:00", "2026-01-02 00:00",
    "2026年1月2日", "٢٠٢٦-٠١-٠٢", date(2026, 1, 2), at("2026-01-02 00:00:00"),
    at("2026-01-02 23:59:59"),
])  # fmt: skip
def test_days_are_read_year_first(value):
    found = Day()(value)
    assert found == date(2026, 1, 2)
    assert type(found) is date


@pytest.mark.parametrize(("value", "code"), [
    ("01/02/2026", "ambiguous_date"), ("1.2.26", "ambiguous_date"),
    ("31-01-2026", "ambiguous_date"),
    ("2026-02-30", "no_such_day"), ("2026-13-01", "no_such_day"), ("0000-01-01", "no_such_day"),
    ("2026-1/2", "not_a_date"), ("tomorrow", "not_a_date"), (46024.0, "not_a_date"),
    (True, "not_a_date"), (date(1899, 12, 31), "too_small"), (date(2200, 1, 1), "too_large"),
])  # fmt: skip
def test_days_that_are_none(value, code):
    assert fault(Day(), value) == code


WORDS = {"female": {"fr": "femme", "zh": "女", "ar": "أنثى"}, "male": {"fr": "homme", "zh": "男"}}


def test_a_choice_is_made_by_word_or_code_in_any_language():
    choose = Choice(in_any_language({"female": "F", "male": "M"}, WORDS))
    for value in ("female", "FEMALE", "Femme", "女", "أنثى", " femme ".strip()):
        assert choose(value) == "F"
    assert choose("homme") == "M"


def test_an_unknown_choice_is_told_the_nearest():
    choose = Choice([("Residential 2026", 1), ("Commercial", 2), ("Éclairage public", 3)])
    assert fault(choose, "Residental 2026") == "unknown_choice_near"
    with pytest.raises(CellFault) as caught:
        choose("eclairage publique")
    assert caught.value.params == {"shown": "eclairage publique", "near": "Éclairage public"}
    assert fault(choose, "Mining") == "unknown_choice"
    assert fault(choose, "!?") == "unknown_choice"


def test_looking_for_the_nearest_ends_when_nothing_is_known():
    choose = Choice([(f"Tariff {n}", n) for n in range(300)])
    codes = [fault(choose, f"Tarif {n}x") for n in range(300)]
    assert codes[0] == "unknown_choice_near"
    assert codes[-1] == "unknown_choice"


def test_a_name_of_several_is_refused_unless_it_is_written_exactly():
    choose = Choice([("Centre", 1), ("centre", 2), ("Éole", 3), ("Eole", 4), ("C-1", 1)])
    assert fault(choose, "CENTRE") == "ambiguous_choice"
    assert (choose("Éole"), choose("EOLE"), choose("c1")) == (3, 4, 1)


def test_numbers_and_truths_name_a_choice_too():
    choose = Choice([("1", "one"), ("true", True), ("yes", True), ("false", False)])
    assert (choose(1.0), choose(True), choose(False), choose("YES")) == ("one", True, False, True)


def test_a_name_is_found_to_the_letter_before_its_capitals_are_dropped():
    choose = Choice([("Straße", 1), ("STRASSE", 2)])
    assert (choose("Straße"), choose("STRASSE")) == (1, 2)
    assert fault(choose, "strasse") == "ambiguous_choice"


def test_the_sentence_of_a_shared_name_is_the_columns():
    choose = Choice([("Springfield", 1), ("Springfield", 2)], "ambiguous_region")
    assert fault(choose, "Springfield") == "ambiguous_region"


def test_lines_stay_where_a_text_may_have_several():
    text = "12  Harbour Street \n\tMombasa\n"
    assert Text(255, lines=True)(text) == "12 Harbour Street\nMombasa"
    assert Text(255)(text) == "12 Harbour Street Mombasa"


def test_a_sentence_repeats_little_of_a_cell():
    assert shown("a\nb  c") == "a b c"
    assert len(shown("x" * 1_000)) == 60
    assert shown(12345678901.0) == "12345678901"
