"""Cut the fonts of the receipts to what receipts need: ``make.py FOLDER``.

The folder holds the fonts as they were published: which, says
``vmsapp/services/slips/fonts/README.md``. The same fonts make the same bytes.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from fontTools import subset
from fontTools.ttLib import TTFont

FONTS: Final = Path(__file__).parents[2] / "vmsapp" / "services" / "slips" / "fonts"
LATIN: Final = ((0x20, 0x7E), (0xA0, 0x24F), (0x2B0, 0x36F), (0x1E00, 0x1EFF))
GREEK_CYRILLIC: Final = ((0x370, 0x3FF), (0x400, 0x52F))
MARKS: Final = ((0x2000, 0x206F), (0x2070, 0x209F), (0x20A0, 0x20CF), (0x2100, 0x214F),
                (0x2190, 0x2193), (0x2200, 0x22FF), (0x25A0, 0x25FF))  # fmt: skip
ARABIC: Final = ((0x600, 0x6FF), (0x750, 0x77F), (0x200C, 0x200F), (0xFB50, 0xFDFF),
                 (0xFE70, 0xFEFF))  # fmt: skip
CHINESE: Final = ((0x3000, 0x303F), (0xFF00, 0xFFEF))


def _of(ranges: tuple[tuple[int, int], ...]) -> Iterator[int]:
    for first, last in ranges:
        yield from range(first, last + 1)


def _hanzi() -> Iterator[int]:
    """The characters of GB 2312, and of the first level of Big5."""
    for high in range(0xB0, 0xF8):
        yield from _decoded(high, range(0xA1, 0xFF), "gb2312")
    for high in range(0xA4, 0xC7):
        yield from _decoded(high, range(0x40, 0xFF), "big5")


def _decoded(high: int, lows: range, charset: str) -> Iterator[int]:
    for low in lows:
        text = bytes([high, low]).decode(charset, "ignore")
        yield from (ord(mark) for mark in text if ord(mark) > 0x2E80)


def _cut(source: Path, marks: set[int], *, features: bool) -> None:
    options = subset.Options(
        hinting=False, name_IDs=[0, 1, 2, 3, 4, 5, 6, 13, 14], notdef_outline=True,
        drop_tables=["DSIG", "vhea", "vmtx", "VORG", "STAT", "meta"],
    )  # fmt: skip
    if not features:
        options.layout_features = []
    font = TTFont(source, recalcTimestamp=False)
    cutter = subset.Subsetter(options)
    cutter.populate(unicodes=marks)
    cutter.subset(font)
    font.save(FONTS / source.name)


def main(folder: Path) -> None:
    """Cut each font of the folder that receipts use."""
    latin = {*_of(LATIN), *_of(GREEK_CYRILLIC), *_of(MARKS)}
    for weight in ("Regular", "Bold"):
        _cut(folder / f"NotoSans-{weight}.ttf", latin, features=True)
        _cut(folder / f"NotoSansArabic-{weight}.ttf", {*_of(ARABIC)}, features=True)
    chinese = {*_of(CHINESE), *_hanzi()}
    _cut(folder / "NotoSansSC-Regular.ttf", chinese, features=False)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
