"""Receipts as PDF files: as they looked when somebody checked them, and what they hold."""

import io
from dataclasses import replace

import pypdfium2
import pytest
from PIL import Image, ImageChops

from config import ROOT
from tests.receipts import (
    DIGITS,
    LANGUAGES,
    PAPERS,
    WORDS,
    a_slip,
    codes_in,
    drawn,
    opened,
    text_of,
)
from tests.unit.test_pictures import DAMAGED
from vmsapp.services.slips import TokenBlock, write_pdf

PICTURES = ROOT / "tests" / "pictures"
SMALL = {"58mm": 2.0, "80mm": 1.6, "a4": 1.0}
"""Pixels a point of the pictures that are kept."""

DIFFERENT = 64
"""So much must a pixel differ to count: edges of letters may be drawn a shade lighter."""
MOST = 0.002
"""The part of the pixels that may differ."""
MILLIMETRES = 25.4 / 72


def kept(paper: str, language: str) -> Image.Image:
    return Image.open(PICTURES / f"receipt-{paper}-{language}.png").convert("L")


def unlike(one: Image.Image, other: Image.Image) -> float:
    """The part of the pixels in which two pictures of one size differ."""
    shades = ImageChops.difference(one, other).histogram()
    return sum(shades[DIFFERENT:]) / sum(shades)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("paper", PAPERS)
def test_a_receipt_looks_as_it_did_when_it_was_checked(paper, language):
    now, before = drawn(write_pdf(a_slip(language, paper)), SMALL[paper]), kept(paper, language)
    assert now.size == before.size
    assert unlike(now, before) < MOST


def test_another_digit_or_word_is_another_picture():
    before = kept("80mm", "en")
    other_token = a_slip(tokens=[TokenBlock("Token", DIGITS[:-4] + "7738")])
    for changed in (other_token, a_slip(footer="Thank you")):
        now = drawn(write_pdf(changed), SMALL["80mm"])
        assert now.size != before.size or unlike(now, before) > MOST


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("paper", PAPERS)
def test_the_code_holds_the_twenty_digits_and_nothing_else(paper, language):
    assert codes_in(drawn(write_pdf(a_slip(language, paper)))) == [DIGITS]


@pytest.mark.parametrize(("paper", "width", "height"),
                         [("58mm", 58, None), ("80mm", 80, None), ("a4", 210, 297)])  # fmt: skip
def test_a_page_is_as_wide_as_the_paper_and_a_rolls_as_long_as_the_receipt(paper, width, height):
    with opened(write_pdf(a_slip("en", paper))) as page:
        wide, high = (side * MILLIMETRES for side in page.get_size())
        text = page.get_textpage()
        lowest = min(text.get_charbox(at)[1] for at in range(text.count_chars())) * MILLIMETRES
        text.close()
    assert wide == pytest.approx(width, abs=0.1)
    if height:
        assert high == pytest.approx(height, abs=0.1)
    else:
        assert 3 < lowest < 7  # what is left below the last line


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("paper", PAPERS)
def test_the_token_is_the_largest_text_in_one_line_of_five_groups(paper, language):
    with opened(write_pdf(a_slip(language, paper))) as page:
        wide, _high = page.get_size()
        text = page.get_textpage()
        whole = text.get_text_range()
        start = whole.index("0482 9175 6300 4821 7733")
        token = [text.get_charbox(start + at) for at in range(24) if whole[start + at] != " "]
        others = [
            text.get_charbox(at) for at in range(text.count_chars())
            if whole[at].isdigit() and not start <= at < start + 24
        ]  # fmt: skip
        text.close()
    bottoms = [box[1] for box in token]
    assert max(bottoms) - min(bottoms) < 1  # round digits reach a little below the line
    assert min(box[0] for box in token) > 0
    assert max(box[2] for box in token) < wide
    of_token = min(box[3] - box[1] for box in token)
    assert of_token > 1.1 * max(box[3] - box[1] for box in others)


@pytest.mark.parametrize("language", ["en", "zh", "fr"])
def test_every_word_can_be_found_in_the_file(language):
    text = " ".join(text_of(write_pdf(a_slip(language, "a4"))).split())
    words = WORDS[language]
    for said in (*words.values(), "1-1-000042", "0012-345", "•••••7788", "990002", "DEMO",
                 "2.00", "5.00", "7.00 USD", "10.00 USD", "3.00 USD"):  # fmt: skip
        assert said in text, said


def test_arabic_words_can_be_found_letter_by_letter():
    """Readers differ in the order they give of letters that are joined into one."""
    text = text_of(write_pdf(a_slip("ar", "a4")))
    for name, said in WORDS["ar"].items():
        for word in said.split():
            assert any(sorted(word) == sorted(found) for found in text.split()), (name, word)


def test_several_tokens_are_numbered_and_each_has_its_code():
    tokens = [TokenBlock("1 of 2: key change", "1" * 20), TokenBlock("2 of 2: credit", DIGITS)]
    slip = a_slip(steps=["One after the other."], tokens=tokens)
    file = write_pdf(slip)
    text = text_of(file)
    for said in (
        "One after the other.",
        "1 of 2: key change",
        "2 of 2: credit",
        "1111 1111",
        "0482 9175",
    ):
        assert said in text
    assert sorted(codes_in(drawn(file))) == [DIGITS, "1" * 20]


def test_what_no_font_has_is_marked_and_the_rest_stays():
    text = text_of(write_pdf(a_slip(footer="Merci 😀 à tous")))
    assert "Merci ? à tous" in text


def test_a_picture_of_the_utility_stands_on_top():
    file = io.BytesIO()
    Image.new("RGB", (300, 60), "black").save(file, "PNG")
    with_logo = drawn(write_pdf(replace(a_slip(), logo="x" * 64), file.getvalue()), 2.0)
    assert with_logo.getpixel((with_logo.width // 2, 60)) < 10
    assert with_logo.height > drawn(write_pdf(a_slip()), 2.0).height


@pytest.mark.parametrize("logo", DAMAGED.values(), ids=DAMAGED)
def test_a_picture_that_cannot_be_drawn_is_left_out_and_the_slip_is_whole(logo, caplog):
    """Logos of before were not read to their end, and stay for the receipts of their time."""
    file = write_pdf(replace(a_slip(), logo="x" * 64), logo)
    assert "0482 9175 6300 4821 7733" in text_of(file)
    assert codes_in(drawn(file)) == [DIGITS]
    if not logo.startswith(b"\xff\xd8"):  # a JPEG is taken into the file as it is
        assert "cannot be drawn" in caplog.text
        assert drawn(file).height == drawn(write_pdf(a_slip())).height


def test_a_slip_keeps_its_digits_to_itself_in_a_log():
    assert DIGITS not in repr(a_slip())


def write_anew():
    """Draw the pictures again; look at each before it is committed."""
    for paper in PAPERS:
        for language in LANGUAGES:
            now = drawn(write_pdf(a_slip(language, paper)), SMALL[paper])
            now.quantize(16).save(PICTURES / f"receipt-{paper}-{language}.png", optimize=True)


def places(file, words):
    """Where a text stands on the first page: its left and its right edge."""
    text = pypdfium2.PdfDocument(file)[0].get_textpage()
    at = text.search(words).get_next()
    boxes = [text.get_charbox(at[0] + number) for number in range(at[1])]
    return min(box[0] for box in boxes), max(box[2] for box in boxes)


@pytest.mark.parametrize("part", ["heading", "header", "footer"])
def test_what_the_utility_wrote_in_latin_letters_runs_as_they_do(part):
    """By UAX 9, P2 and P3, the first letter says which way a line runs."""
    said = "7531 Power Avenue, Northport"
    slip = a_slip("ar", "a4", **{part: [said] if part == "heading" else said})
    file = write_pdf(slip)
    assert places(file, "7531")[1] < places(file, "Power")[0] < places(file, "Northport")[0]


def test_what_the_utility_wrote_in_arabic_letters_runs_as_they_do_on_any_receipt():
    file = write_pdf(a_slip("en", "a4", header="شارع الطاقة 7531, Wharf"))
    assert places(file, "7531")[0] > places(file, "Wharf")[1]
