"""Files made to do harm, and a reader that dies: always one clean error, and nothing left."""

import io
import os
import secrets
import signal
import struct
import subprocess
import time
import zipfile
import zlib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.sheets.books import HEADED, book, parts, sheet_xml, text_cell, zipped
from vmsapp.services.sheets import errors
from vmsapp.services.sheets import reading as reading_module
from vmsapp.services.sheets.errors import (
    EmptyFile,
    FileTooLarge,
    ForbiddenXml,
    OtherSpreadsheet,
    ProtectedWorkbook,
    ReaderStopped,
    TakesTooLong,
    UnknownFileKind,
    UnpacksTooLarge,
    UnreadableFile,
    WrongExtension,
)
from vmsapp.services.sheets.reader import main
from vmsapp.services.sheets.reading import Limits, reading

OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(504)


def children():
    """The processes that this one started and nobody has waited for, zombies among them."""
    listed = subprocess.run(
        ["ps", "--no-headers", "-o", "pid,args", "-ww", "--ppid", str(os.getpid())],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    return [line for line in listed.splitlines() if "ps --no-headers" not in line]


@pytest.fixture(autouse=True)
def nothing_left(tmp_path):
    """No process, no open file and no file on the disk is left by any test here."""
    before, files = set(children()), len(list(Path("/proc/self/fd").iterdir()))
    yield
    assert set(children()) <= before
    assert len(list(Path("/proc/self/fd").iterdir())) <= files
    assert {path.name for path in tmp_path.iterdir()} <= {"stored"}


def refused(read, kind, data, name="a.xlsx", **limits):
    with pytest.raises(UnreadableFile) as caught:
        read(data, name, **limits)
    assert type(caught.value) is kind, caught.value
    assert "%(" not in str(caught.value)
    return caught.value


def test_other_kinds_of_file_are_named(read):
    ods = {"mimetype": "application/vnd.oasis.opendocument.spreadsheet", "content.xml": "<x/>"}
    named = [
        (OLE, ".xls"), (b"\x09\x08\x10\x00" + bytes(20), ".xls"), (zipped(ods), ".ods"),
        (zipped({"xl/workbook.bin": "x"}), ".xlsb"),
    ]  # fmt: skip
    for data, kind in named:
        assert refused(read, OtherSpreadsheet, data).params == {"kind": kind}


def test_a_workbook_under_a_password_is_named(read):
    locked = OLE + "EncryptedPackage".encode("utf-16-le") + bytes(100)
    refused(read, ProtectedWorkbook, locked)


@pytest.mark.parametrize("data", [
    b"%PDF-1.7 x", b"{\\rtf1 x}", b"<html><table></table></html>", b"\x89PNG\r\n\x1a\n\x00\x01",
    b"<?xml version='1.0'?><Workbook/>", b"\x7fELF\x02\x01", b"\x1f\x8b\x08\x00abc",
    zipped({"word/document.xml": "<x/>"}), zipped({}),
])  # fmt: skip
def test_what_is_no_table_is_refused(read, data):
    refused(read, UnknownFileKind, data, "a.csv")


@pytest.mark.parametrize("data", [b"", b"\xef\xbb\xbf", b" \r\n\t\r\n", b"\xff\xfe"])
def test_an_empty_file_is_refused(read, data):
    refused(read, EmptyFile, data, "a.csv")


@pytest.mark.parametrize(("data", "name", "extension", "kind"), [
    (book(HEADED), "a.csv", ".csv", ".xlsx"), (b"a,b\n", "a.XLSX", ".xlsx", ".csv"),
    (book(HEADED), "a.xls", ".xls", ".xlsx"), (book(HEADED), "a.xlsm", ".xlsm", ".xlsx"),
    (b"a,b\n", "a.exe", ".exe", ".csv"),
])  # fmt: skip
def test_a_name_of_another_kind_is_refused(read, data, name, extension, kind):
    assert refused(read, WrongExtension, data, name).params == {
        "extension": extension, "kind": kind,
    }  # fmt: skip


@pytest.mark.parametrize("name", ["a.CSV", "a.txt", "a.tsv", "noname", ""])
def test_names_of_text_are_taken(read, name):
    assert read(b"a,b\n", name)[1] == [(1, ["a", "b"])]


def test_a_large_file_is_refused_before_a_process_starts(read, monkeypatch):
    monkeypatch.setattr(reading_module.subprocess, "Popen", None)
    error = refused(read, FileTooLarge, bytes((1 << 20) + 1), file_mb=1)
    assert error.params == {"size": 2, "limit": 1}


def test_a_bomb_is_refused_by_its_directory(read):
    packed = book(sheet_xml(HEADED + " " * (12 << 20)))
    assert len(packed) < 100_000
    refused(read, UnpacksTooLarge, packed)  # too tight
    plain = book(sheet_xml(HEADED + secrets.token_hex(1 << 20)))
    assert refused(read, UnpacksTooLarge, plain, unpacked_mb=1).params == {"limit": 1}


def lying(data, name, size):
    """The same archive, whose directory and header say another size of a part."""
    made = bytearray(data)
    for signature, at in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        start = 0
        while (start := made.find(signature, start)) >= 0:
            names = start + (30 if at == 22 else 46)
            if made[names : names + len(name)] == name.encode():
                made[start + at : start + at + 4] = struct.pack("<I", size)
            start += 4
    return bytes(made)


def test_a_directory_that_lies_does_not_help_a_bomb(read):
    part = "xl/worksheets/sheet1.xml"
    packed = book(sheet_xml(HEADED + " " * (12 << 20)))
    begun = time.monotonic()
    refused(read, UnreadableFile, lying(packed, part, 1_000))
    assert time.monotonic() - begun < 30
    head = sheet_xml(HEADED).encode()
    forged = lying(packed, part, len(head)).replace(
        struct.pack("<I", zlib.crc32((sheet_xml(HEADED + " " * (12 << 20))).encode())),
        struct.pack("<I", zlib.crc32(sheet_xml(HEADED + " " * (12 << 20)).encode()[: len(head)])),
    )
    refused(read, UnreadableFile, forged)  # what was checked is a broken piece of XML


def test_pictures_are_not_even_unpacked(read):
    made = parts(HEADED) | {"xl/media/image1.png": "x" * (30 << 20)}
    assert read(zipped(made), unpacked_mb=1)[1] == [(1, ["One", "Two"])]


@pytest.mark.parametrize("definition", [
    '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>', "<!DOCTYPE x>",
    '<!DOCTYPE x SYSTEM "file:///etc/passwd">', "<!doctype x>",
])  # fmt: skip
@pytest.mark.parametrize("part", [
    "xl/worksheets/sheet1.xml", "xl/workbook.xml", "xl/_rels/workbook.xml.rels",
    "xl/sharedStrings.xml", "[Content_Types].xml",
])  # fmt: skip
def test_definitions_are_refused_in_every_part(read, definition, part):
    made = parts(HEADED, strings="<si><t>x</t></si>")
    made[part] = f'<?xml version="1.0"?>{definition}{made[part]}'
    refused(read, ForbiddenXml, zipped(made))


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-7", "utf-32"])
def test_definitions_cannot_hide_in_another_encoding(read, encoding):
    whole = f'<?xml version="1.0" encoding="{encoding}"?><!DOCTYPE x>{sheet_xml(HEADED)}'
    refused(read, ForbiddenXml, zipped(parts(whole.encode(encoding).decode("latin-1")) | {
        "xl/worksheets/sheet1.xml": whole.encode(encoding)}))  # fmt: skip


def twice(name):
    file = io.BytesIO(book(HEADED))
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr(zipfile.ZipInfo(name), sheet_xml(HEADED))
    return file.getvalue()


DAMAGED = {
    "one part twice": twice("XL/worksheets/sheet1.xml"),
    "cut off": book(HEADED)[:-40],
    "only a beginning": b"PK\x03\x04",
    "no relations": zipped({k: v for k, v in parts(HEADED).items() if "_rels/work" not in k}),
    "no such sheet": zipped({k: v for k, v in parts(HEADED).items() if "sheet1" not in k}),
    "a sheet outside": zipped({
        k: v.replace("worksheets/", "../../etc/") for k, v in parts(HEADED).items()
    }),
    "no XML": zipped(parts(HEADED) | {"xl/workbook.xml": "<"}),
    "no sheet's XML": zipped(parts("<worksheet <<<")),
    "too many parts": zipped(parts(HEADED) | {f"xl/x{n}.xml": "" for n in range(2_001)}),
}  # fmt: skip


@pytest.mark.parametrize("data", DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_workbook_is_refused(read, data):
    refused(read, UnreadableFile, data)


@pytest.mark.parametrize(
    "rows", ["<c>" * 200_000 + "<f>", "<f>" * 200_000, "<row <c <f " * 100_000]
)
def test_cells_that_do_not_end_are_looked_at_once(rows):
    begun = time.process_time()
    in_this_process(book(rows), "")
    assert time.process_time() - begun < 10  # looked at again and again it would be minutes


def test_a_reader_that_needs_too_much_memory_is_one_error(read):
    rows = "".join(
        f'<row r="{n}"><c r="A{n}"><v>1</v></c><c r="CV{n}"><v>1</v></c></row>'
        for n in range(1, 1_000_000, 1_000)
    )
    refused(read, ReaderStopped, book(rows), memory_mb=300)


def test_a_reader_without_enough_memory_for_its_text_is_one_error(read):
    sizes = (4 << 20, 80)  # bytes of text, and megabytes that do not hold it
    refused(read, ReaderStopped, b"a,b\n" * sizes[0], "a.csv", memory_mb=sizes[1])


def test_a_reader_that_notices_says_so(monkeypatch):
    def out_of_memory(file, name):
        raise MemoryError

    monkeypatch.setattr(main, "kind_of", out_of_memory)
    assert in_this_process(b"a,b\n", "a.csv") == [b'{"error":"reader_stopped","params":{}}']


def test_a_reader_that_takes_too_long_is_one_error(read):
    refused(read, TakesTooLong, b"a\n" + b",\n" * 9_000_000, "a.csv", seconds=1)


def test_a_reader_that_hangs_is_one_error(read, monkeypatch):
    monkeypatch.setattr(reading_module, "_START", "import time; time.sleep(60)")
    begun = time.monotonic()
    refused(read, TakesTooLong, b"a,b\n", "a.csv", seconds=1)
    assert time.monotonic() - begun < 10


def framed(*contents):
    return b"".join(len(content).to_bytes(4, "big") + content for content in contents)


@pytest.mark.parametrize("deed", [
    "sys.exit(3)", "raise MemoryError", "os.kill(os.getpid(), 11)", "os.abort()",
])  # fmt: skip
def test_a_reader_that_dies_is_one_error(read, monkeypatch, deed):
    monkeypatch.setattr(reading_module, "_START", f"import os, sys; {deed}")
    refused(read, ReaderStopped, b"a,b\n", "a.csv")


@pytest.mark.parametrize("said", [
    b"", b"\xff\xff\xff\xff", b"\0\0\0\x09{", framed(b"{]"), framed(b"[]"), framed(b"\xff"),
    framed(b"[" * 100_000), framed(b'{"error":[],"params":{}}'), framed(b'{"error":"x"}'),
    framed(b'{"error":"empty_file","params":1}'), framed(b"{}"), framed(b"{}", b"[1]"),
    framed(b"{}", b'{"end":1}'), framed(b"{}", b"5"), framed(b"{}", b'[[1,[{"date":"x"}]]]'),
])  # fmt: skip
def test_a_reader_that_says_nonsense_is_one_error(read, monkeypatch, said):
    deed = f"import sys; sys.stdout.buffer.write({said!r})"
    monkeypatch.setattr(reading_module, "_START", deed)
    refused(read, ReaderStopped, b"a,b\n", "a.csv")


def test_a_reader_killed_amid_its_rows_is_one_error(tmp_path):
    path = tmp_path / "stored"
    path.write_bytes(b"a,b\n" * 100_000)
    with reading(path, "a.csv") as sheet:
        rows = sheet.rows()
        next(rows)
        (child,) = [line.split()[0] for line in children() if "reader.main" in line]
        os.kill(int(child), signal.SIGKILL)
        with pytest.raises(ReaderStopped):
            list(rows)


def test_whoever_stops_reading_ends_the_process(tmp_path):
    path = tmp_path / "stored"
    path.write_bytes(b"a,b\n" * 100_000)
    with reading(path, "a.csv") as sheet:
        assert next(sheet.rows()) == (1, ["a", "b"])
        assert sheet.count is None
    with pytest.raises(ZeroDivisionError), reading(path, "a.csv") as sheet:
        1 / 0  # noqa: B018


def test_a_process_waits_for_whoever_reads(tmp_path):
    path = tmp_path / "stored"
    path.write_bytes(b"a,b\n" * 100_000)
    with reading(path, "a.csv", Limits(seconds=5)) as sheet:
        rows = sheet.rows()
        next(rows)
        time.sleep(6)  # our own time is not the file's
        assert sum(1 for _ in rows) == 99_999
    assert (sheet.count, sheet.empty) == (99_999, 0)


def test_the_process_is_confined_and_has_no_secrets(read, monkeypatch):
    monkeypatch.setenv("VMS_SECRET_KEY", "x" * 40)
    monkeypatch.setattr(reading_module, "_START", reading_module._START.replace(
        "main()", "import vmsapp.services.sheets.reader.main as m; m.read = told; main()"
    ).replace("from vmsapp", f"{TOLD}; from vmsapp", 1))  # fmt: skip
    sheet, _ = read(b"a,b\n", "a.csv", memory_mb=512, seconds=7)
    assert sheet.about == {
        "env": [], "memory": 512 << 20, "cpu": 7, "core": 0, "write": 0,
        "modules": [],
    }  # fmt: skip


TOLD = """exec('''def told(file, to, task):
    import os, resource, sys
    from vmsapp.services.sheets.reader.frames import send
    at = lambda name: resource.getrlimit(getattr(resource, "RLIMIT_" + name))[1]
    heavy = {"flask", "sqlalchemy", "openpyxl", "celery", "cryptography"}
    send(to, {"env": sorted(n for n in os.environ if n != "LC_CTYPE"), "memory": at("AS"),
        "cpu": at("CPU"), "core": at("CORE"), "write": at("FSIZE"),
        "modules": sorted(heavy & set(sys.modules))})
    send(to, {"end": {"rows": 0, "empty": 0}})''')"""


def test_every_refusal_has_a_sentence_and_a_code_of_its_own():
    kinds = [kind for kind in vars(errors).values()
             if isinstance(kind, type) and issubclass(kind, UnreadableFile)]  # fmt: skip
    assert {kind.code: kind for kind in kinds} == errors.KINDS
    assert len({kind.message for kind in kinds}) == len(kinds)


SMALL = book(
    HEADED + f'<row r="2">{text_cell("a", "A2")}<c r="B2"><v>5</v></c></row>',
    strings="<si><t>One</t></si>",
)
CSV = 'Naïve,"Two, ""and"" more"\r\n1;2,3\r\n'.encode()


def in_this_process(data, name):
    """What the reading process does with a file, without the process."""
    task = main.Task(name, None, 100, 20, 10 << 20, 0, 0)
    to = io.BytesIO()
    main.read(io.BytesIO(data), to, task)
    said = to.getvalue()
    frames = []
    while said:
        length = int.from_bytes(said[:4], "big")
        frames.append(said[4 : 4 + length])
        said = said[4 + length :]
    assert frames[-1].startswith((b'{"end"', b'{"error"')), frames
    return frames


@pytest.mark.parametrize("data", [SMALL, CSV], ids=["xlsx", "csv"])
@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(changes=st.lists(st.tuples(st.integers(0, 4_000), st.integers(0, 255)), max_size=6),
       cut=st.integers(0, 3_000))  # fmt: skip
def test_a_file_with_any_bytes_changed_gives_rows_or_one_error(data, changes, cut):
    changed = bytearray(data)
    for place, byte in changes:
        changed[place % len(changed)] = byte
    if cut < len(changed) and cut % 3 == 0:
        del changed[cut:]
    in_this_process(bytes(changed), "")


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), min_size=1, max_size=4),
       st.sampled_from(["xl/worksheets/sheet1.xml", "xl/workbook.xml", "xl/sharedStrings.xml",
                        "xl/_rels/workbook.xml.rels"]))  # fmt: skip
def test_a_part_with_any_bytes_changed_gives_rows_or_one_error(changes, part):
    made = parts(HEADED, strings="<si><t>One</t></si>")
    changed = bytearray(made[part].encode())
    for place, byte in changes:
        changed[place % len(changed)] = byte
    in_this_process(zipped(made | {part: bytes(changed)}), "")


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_give_rows_or_one_error(data):
    in_this_process(data, "")
