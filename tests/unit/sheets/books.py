"""Workbooks and texts as tests need them: made by hand, so that they can be wrong."""

import io
import zipfile

MAIN = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = 'xmlns="http://schemas.openxmlformats.org/package/2006/relationships"'
TYPES = (
    '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
    '<Default Extension="xml" ContentType="application/xml"/></Types>'
)


def sheet_xml(rows, more="", before=""):
    return f"{before}<worksheet {MAIN}><sheetData>{rows}</sheetData>{more}</worksheet>"


def parts(*sheets, states=(), strings=None):
    """The parts of a workbook whose sheets are given as XML of their rows, or whole."""
    named = "".join(
        f'<sheet name="S{n}" sheetId="{n}" {states[n - 1] if states else ""} r:id="rId{n}"/>'
        for n in range(1, len(sheets) + 1)
    )
    targets = "".join(
        f'<Relationship Id="rId{n}" Type="{OFFICE}/worksheet" Target="worksheets/sheet{n}.xml"/>'
        for n in range(1, len(sheets) + 1)
    )
    made = {
        "[Content_Types].xml": TYPES,
        "_rels/.rels": f'<Relationships {PACKAGE}><Relationship Id="rId1" Type="{OFFICE}'
        '/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook {MAIN} xmlns:r="{OFFICE}"><sheets>{named}</sheets>'
        "</workbook>",
        "xl/_rels/workbook.xml.rels": f"<Relationships {PACKAGE}>{targets}</Relationships>",
    }
    for n, rows in enumerate(sheets, 1):
        whole = rows if "<worksheet" in rows else sheet_xml(rows)
        made[f"xl/worksheets/sheet{n}.xml"] = whole
    if strings is not None:
        made["xl/sharedStrings.xml"] = f"<sst {MAIN}>{strings}</sst>"
    return made


def zipped(made):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as book:
        for name, content in made.items():
            book.writestr(name, content)
    return file.getvalue()


def book(*sheets, **more):
    return zipped(parts(*sheets, **more))


def text_cell(text, name=""):
    named = f' r="{name}"' if name else ""
    return f'<c{named} t="inlineStr"><is><t>{text}</t></is></c>'


HEADED = f'<row r="1">{text_cell("One", "A1")}{text_cell("Two", "B1")}</row>'
