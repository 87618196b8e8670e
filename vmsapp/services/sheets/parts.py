"""The parts of a workbook around its rows: what it consists of, its styles, its names.

Source: ECMA-376-1:2016, 18.2 "Workbook", 18.3 "Worksheets", 18.8 "Styles".
"""

import re
from collections.abc import Sequence
from datetime import datetime
from functools import cache
from typing import Final, NamedTuple
from xml.sax.saxutils import escape, quoteattr

LONGEST_CELL: Final = 32_767
"""Characters a cell of Excel holds, counted in UTF-16."""
LONGEST_NAME: Final = 31
"""Characters a sheet's name holds, counted in UTF-16."""
ROWS: Final = 1_048_576
"""Rows a sheet of Excel holds."""
COLUMNS: Final = 16_384
"""Columns a sheet of Excel holds."""

ILLEGAL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
"""What XML 1.0 cannot hold."""
LOOKS_ESCAPED: Final = re.compile(r"_(?=x[0-9A-Fa-f]{4}_)")
"""How Excel writes a character by its number; text that only looks so is escaped in turn."""

_DECLARATION: Final = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_MAIN: Final = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_PACKAGE: Final = "http://schemas.openxmlformats.org/package/2006/"
_OFFICE: Final = "http://schemas.openxmlformats.org/officeDocument/2006/"
_KIND: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml."


class Style(NamedTuple):
    """How a cell looks."""

    format: str | None = None
    bold: bool = False
    faulty: bool = False


class Styles:
    """The styles a workbook uses, in the order they were first asked for."""

    def __init__(self) -> None:
        self._known: dict[Style, int] = {Style(): 0}

    def number(self, style: Style) -> int:
        """The number under which cells name a style."""
        return self._known.setdefault(style, len(self._known))

    def xml(self) -> str:
        """The part of the workbook that describes them."""
        formats = {s.format: 0 for s in self._known if s.format and s.format != "@"}
        numbers = {None: 0, "@": 49} | {code: 164 + n for n, code in enumerate(formats)}
        kinds = "".join(
            f'<numFmt numFmtId="{numbers[code]}" formatCode={quoteattr(code)}/>' for code in formats
        )
        cells = "".join(
            f'<xf numFmtId="{numbers[s.format]}" fontId="{s.bold:d}" fillId="{2 * s.faulty}"'
            ' borderId="0" xfId="0" applyNumberFormat="1" applyFont="1" applyFill="1">'
            '<alignment vertical="top"/></xf>'
            for s in self._known
        )
        font = '<sz val="11"/><name val="Calibri"/><family val="2"/></font>'
        return (
            f'{_DECLARATION}<styleSheet xmlns="{_MAIN}">'
            + (f'<numFmts count="{len(formats)}">{kinds}</numFmts>' if formats else "")
            + f'<fonts count="2"><font>{font}<font><b/>{font}</fonts>'
            '<fills count="3"><fill><patternFill patternType="none"/></fill>'
            '<fill><patternFill patternType="gray125"/></fill><fill><patternFill'
            ' patternType="solid"><fgColor rgb="FFFFC7CE"/><bgColor indexed="64"/></patternFill>'
            '</fill></fills><borders count="1"><border><left/><right/><top/><bottom/><diagonal/>'
            '</border></borders><cellStyleXfs count="1"><xf numFmtId="0" fontId="0" fillId="0"'
            f' borderId="0"/></cellStyleXfs><cellXfs count="{len(self._known)}">{cells}</cellXfs>'
            '<cellStyles count="1"><cellStyle name="Normal" xfId="0" builtinId="0"/></cellStyles>'
            "</styleSheet>"
        )


class Area(NamedTuple):
    """A sheet that was written: its name, its columns and rows with the heading."""

    name: str
    columns: int
    rows: int

    @property
    def corner(self) -> str:
        """The last cell."""
        return f"{column_letters(self.columns - 1)}{self.rows}"


def sheet_head(widths: Sequence[int], *, rtl: bool, first: bool) -> str:
    """All of a sheet before its rows: the heading stays in sight."""
    side, chosen = ' rightToLeft="1"' * rtl, ' tabSelected="1"' * first
    columns = "".join(
        f'<col min="{n}" max="{n}" width="{width}" customWidth="1"/>'
        for n, width in enumerate(widths, 1)
    )
    return (
        f'{_DECLARATION}<worksheet xmlns="{_MAIN}"><sheetViews><sheetView{side}{chosen}'
        ' workbookViewId="0"><pane ySplit="1" topLeftCell="A2" activePane="bottomLeft"'
        ' state="frozen"/><selection pane="bottomLeft" activeCell="A2" sqref="A2"/></sheetView>'
        '</sheetViews><sheetFormatPr defaultRowHeight="15"/>'
        + (f"<cols>{columns}</cols>" if columns else "")
        + "<sheetData>"
    )


def sheet_foot(area: Area) -> str:
    """All of a sheet after its rows: what can be filtered."""
    chosen = f'<autoFilter ref="A1:{area.corner}"/>' if area.columns else ""
    return f"</sheetData>{chosen}</worksheet>"


def around(areas: Sequence[Area], styles: Styles, title: str, made: datetime) -> dict[str, str]:
    """Every other part of the workbook: name and content."""
    count = range(1, len(areas) + 1)
    sheets = "".join(
        f'<sheet name={quoteattr(area.name)} sheetId="{n}" r:id="rId{n}"/>'
        for n, area in enumerate(areas, 1)
    )
    filters = "".join(
        f'<definedName name="_xlnm._FilterDatabase" localSheetId="{n}" hidden="1">'
        f"{escape(_quoted(area.name))}!$A$1:${column_letters(area.columns - 1)}${area.rows}"
        "</definedName>"
        for n, area in enumerate(areas) if area.columns
    )  # fmt: skip
    names = f"<definedNames>{filters}</definedNames>" if filters else ""
    return {
        "[Content_Types].xml": _content_types(count),
        "_rels/.rels": _relations([
            (f"{_OFFICE}relationships/officeDocument", "xl/workbook.xml"),
            (f"{_PACKAGE}relationships/metadata/core-properties", "docProps/core.xml"),
            (f"{_OFFICE}relationships/extended-properties", "docProps/app.xml"),
        ]),
        "docProps/core.xml": (
            f'{_DECLARATION}<cp:coreProperties xmlns:cp="{_PACKAGE}metadata/core-properties"'
            ' xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:dcterms="http://purl.org/dc/terms/"'
            ' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">'
            f"<dc:title>{escape(ILLEGAL.sub('', title))}</dc:title><dc:creator>VMS</dc:creator>"
            f'<dcterms:created xsi:type="dcterms:W3CDTF">{made:%Y-%m-%dT%H:%M:%SZ}'
            "</dcterms:created></cp:coreProperties>"
        ),
        "docProps/app.xml": (
            f'{_DECLARATION}<Properties xmlns="{_OFFICE}extended-properties">'
            "<Application>VMS</Application></Properties>"
        ),
        "xl/workbook.xml": (
            f'{_DECLARATION}<workbook xmlns="{_MAIN}" xmlns:r="{_OFFICE}relationships">'
            f'<bookViews><workbookView activeTab="0"/></bookViews><sheets>{sheets}</sheets>{names}'
            "</workbook>"
        ),
        "xl/_rels/workbook.xml.rels": _relations([
            *((f"{_OFFICE}relationships/worksheet", f"worksheets/sheet{n}.xml") for n in count),
            (f"{_OFFICE}relationships/styles", "styles.xml"),
        ]),
        "xl/styles.xml": styles.xml(),
    }  # fmt: skip


def _content_types(sheets: Sequence[int]) -> str:
    parts = [("xl/workbook.xml", f"{_KIND}sheet.main+xml"), ("xl/styles.xml", f"{_KIND}styles+xml")]
    parts += [(f"xl/worksheets/sheet{n}.xml", f"{_KIND}worksheet+xml") for n in sheets]
    parts += [
        ("docProps/core.xml", "application/vnd.openxmlformats-package.core-properties+xml"),
        ("docProps/app.xml",
         "application/vnd.openxmlformats-officedocument.extended-properties+xml"),
    ]  # fmt: skip
    named = "".join(f'<Override PartName="/{name}" ContentType="{kind}"/>' for name, kind in parts)
    return (
        f'{_DECLARATION}<Types xmlns="{_PACKAGE}content-types"><Default Extension="rels"'
        ' ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Default Extension="xml" ContentType="application/xml"/>{named}</Types>'
    )


def _relations(to: Sequence[tuple[str, str]]) -> str:
    lines = "".join(
        f'<Relationship Id="rId{n}" Type="{kind}" Target="{target}"/>'
        for n, (kind, target) in enumerate(to, 1)
    )
    return f'{_DECLARATION}<Relationships xmlns="{_PACKAGE}relationships">{lines}</Relationships>'


@cache
def column_letters(index: int) -> str:
    """A column as Excel names it, from its index.

    >>> [column_letters(index) for index in (0, 25, 26, 16_383)]
    ['A', 'Z', 'AA', 'XFD']
    """
    letters = ""
    while index >= 0:
        index, letter = divmod(index, 26)
        letters, index = chr(65 + letter) + letters, index - 1
    return letters


def cut(text: str, longest: int, end: str = "") -> str:
    """Cut a text to so many characters in UTF-16, with an end that says so."""
    if 2 * len(text) <= longest or len(text.encode("utf-16-le", "surrogatepass")) <= 2 * longest:
        return text
    kept = text.encode("utf-16-le", "surrogatepass")[: 2 * (longest - len(end))]
    return kept.decode("utf-16-le", "ignore") + end


def sheet_name(title: str, number: int = 1) -> str:
    """A sheet's name that Excel takes: short, without its signs, not the one it keeps."""
    more = f" ({number})" if number > 1 else ""
    name = ILLEGAL.sub("", "".join(" " if sign in r"[]:*?/\\" else sign for sign in title))
    name = re.sub(r"[\t\r\n]", " ", name)
    name = cut(name, LONGEST_NAME - len(more)).strip(" '") or "1"
    return (f"{name}_" if name.casefold() == "history" else name) + more


def _quoted(name: str) -> str:
    return "'" + name.replace("'", "''") + "'"
