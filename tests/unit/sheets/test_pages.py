"""Tables as PDF files: what stands on which page, and where."""

import io
import re
from datetime import UTC, datetime

import pypdfium2
import pytest

from vmsapp.services.sheets.pages import Column, Sheet, write_pages
from vmsapp.services.sheets.wrapping import lines_of

A4 = (595, 842)
"""Points of a page's sides."""


def pages(columns, rows, **more):
    """Write a table and open it: its pages, and what stands on each."""
    sheet = Sheet(
        **{
            "title": "Report", "heading": "Utility", "asked": [("Period", "March")],
            "made": "Made now", "made_at": datetime(2026, 3, 17, tzinfo=UTC), "language": "en",
            "rtl": False, "say": lambda cell: "" if cell is None else str(cell),
        } | more
    )  # fmt: skip
    file = io.BytesIO()
    write_pages(file, sheet, columns, rows)
    found = pypdfium2.PdfDocument(file.getvalue())
    return found, [page.get_textpage().get_text_range() for page in found]


def places(page, words):
    """Where a text stands: its left and its right edge."""
    text = page.get_textpage()
    at = text.search(words).get_next()
    boxes = [text.get_charbox(at[0] + number) for number in range(at[1])]
    return min(box[0] for box in boxes), max(box[2] for box in boxes)


def ink(page):
    """How much of a page is dark, in pixels."""
    shades = page.render(scale=4).to_pil().convert("L").histogram()
    return sum(count * (255 - shade) / 255 for shade, count in enumerate(shades))


def test_each_page_has_the_headings_and_says_which_it_is():
    found, told = pages([Column("Meter"), Column("Sum", number=True)], [["m", 7]] * 120)
    assert len(found) > 1
    for number, text in enumerate(told, 1):
        assert re.search(r"Meter\s+Sum", text)
        assert re.search(rf"{number} /\s+{len(told)}", text)
    assert "Utility" in told[0]
    assert "Period: March" in told[0]
    assert "Utility" not in told[1]
    assert sum(text.count("m 7") for text in told) == 120


def test_a_wide_table_lies_and_a_narrow_one_stands():
    narrow, _told = pages([Column("a")], [["b"]])
    wide, told = pages([Column(f"Column {n}") for n in range(14)], [["some words here"] * 14])
    assert [round(side) for side in narrow[0].get_size()] == [*A4]
    assert [round(side) for side in wide[0].get_size()] == [*reversed(A4)]
    for number in range(14):
        assert f"{number}" in told[0]


def test_columns_run_from_right_to_left_and_figures_end_where_lines_end():
    columns, rows = [Column("Name"), Column("Sum", number=True)], [["abc", 12345]]
    found, _told = pages(columns, rows)
    assert places(found[0], "abc")[0] < places(found[0], "12345")[0]
    turned, _told = pages(columns, rows, rtl=True)
    assert places(turned[0], "abc")[0] > places(turned[0], "12345")[0]
    assert places(turned[0], "abc")[1] == pytest.approx(places(turned[0], "Name")[1], abs=2)


def test_letters_of_any_script_and_of_none_are_drawn():
    rows = [["Ада", "王小明", "محمد"], ["Zoë", "𓀀", None]]
    _found, told = pages([Column("a"), Column("b"), Column("c")], rows)
    for words in ("Ада", "王小明", "Zoë", "?"):
        assert words in told[0]


def test_nothing_is_said_in_words_and_totals_stand_below():
    _found, told = pages([Column("a"), Column("b")], [], empty="Nothing fits.",
                         totals=[["Total", "0"]])  # fmt: skip
    assert "Nothing fits." in told[0]
    assert told[0].index("Nothing fits.") < told[0].index("Total")


def test_a_row_of_one_text_runs_across():
    _found, told = pages([Column("a"), Column("b")], [["1", "2"], ["There are more rows."]])
    assert "There are more rows." in told[0]


def test_what_is_too_long_for_a_cell_is_folded_and_ends_in_dots():
    _found, told = pages([Column("a"), Column("b")], [["word " * 400, "x"]])
    assert "…" in told[0]


@pytest.mark.parametrize(("text", "width", "most", "lines"), [
    ("", 5, 3, [""]),
    ("abc", 5, 3, ["abc"]),
    ("abc def", 5, 3, ["abc", "def"]),
    ("abcdefgh", 3, 9, ["abc", "def", "gh"]),
    ("a\nb", 5, 3, ["a", "b"]),
    ("abc def ghi", 3, 2, ["abc", "de…"]),
    ("a", 0, 3, ["a"]),
])  # fmt: skip
def test_a_text_is_folded_at_its_spaces(text, width, most, lines):
    assert lines_of(text, width, len, most) == lines


def test_a_date_alone_runs_from_right_to_left():
    """CLDR's date of Arabic has marks before its strokes; by UAX 9 each figure is a run then."""
    rows = [["29\u200f/11\u200f/2026"]]
    found, _told = pages([Column("a")], rows, rtl=True, made="Made")
    day, month, year = (places(found[0], figures) for figures in ("29", "11", "2026"))
    assert year[1] < month[0] < month[1] < day[0]
    plain, _told = pages([Column("a")], [["2026/11/29"]], rtl=True, made="Made")
    assert ink(found[0]) == pytest.approx(ink(plain[0]), rel=0.01)  # a mark has no picture


def test_latin_letters_among_arabic_ones_keep_the_size_of_their_line():
    found, _told = pages([Column("a")], [["b"]], rtl=True, title="تقرير", made="أُعد من أجل admin")
    left, right = places(found[0], "admin")
    assert 15 < right - left < 30  # five letters of 8 points; the title's are of 14
