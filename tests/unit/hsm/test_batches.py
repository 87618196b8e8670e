"""What a batch is written down as: the same text as row by row, and read again as it was."""

import json
from dataclasses import replace

from tests.factories import NOW, drn_of
from vmsapp.hsm.answers import IssuedToken
from vmsapp.hsm.columns import ChangeColumns, ChangeRun, SetColumns, SetRun
from vmsapp.hsm.journal import _row_said
from vmsapp.hsm.requests import KeyChange, KeyChangeBatch, KeyRef, MeterConfig
from vmsapp.hsm.results import BatchRow
from vmsapp.hsm.wire.codec import parse, read, write
from vmsapp.hsm.wire.ops import Changes
from vmsapp.hsm.writing import Seals, args_of, args_of_batch
from vmsapp.sts import identifiers
from vmsapp.sts.identifiers import BaseDate
from vmsapp.sts.secret import SecretBytes


def change(serial, *, ea=7, krn=1, three_tokens=False):
    pan = identifiers.meter_pan.of_drn(drn_of("07", 50_000_000 + serial))
    meter = MeterConfig(pan, KeyRef("990001", krn, 2, "04"), "01", BaseDate.Y2014, 255, ea, 2)
    new = replace(meter, key=KeyRef("990001", krn + 1, 2, "04"), ti="07")
    return KeyChange(meter, new, three_tokens)


def test_the_arguments_of_a_batch_are_the_same_text_however_they_are_written():
    rows = [change(n, ea=7 + n % 2 * 4, krn=1 + n % 3, three_tokens=n % 5 == 0) for n in range(40)]
    batch = KeyChangeBatch("C-1", tuple(rows), "production", NOW)
    assert args_of_batch(batch) == args_of(batch)
    crossed = replace(rows[0], new=rows[1].new)
    odd = replace(batch, rows=(*rows, crossed))
    assert args_of_batch(odd) == args_of(odd)
    assert json.loads(args_of_batch(batch))["rows"][3]["meter"]["meter_pan"] == (
        rows[3].meter.meter_pan
    )


def token(digits, subclass, kcv="A1B2C3", *, demo=False):
    return IssuedToken(digits, 2, subclass, None, None, kcv, "VSM-1", "production", demo)


def test_sealed_sets_of_all_sizes_are_opened_as_they_were():
    seals = Seals("VSM-1", lambda purpose: SecretBytes(purpose.encode().ljust(32, b".")))
    sets = (
        (token("12345678901234567890", 3), token("02345678901234567891", 4)),
        (token("00000000000000012345", 3), token("73786976294838206463", 4)),
        (token("31415926535897932384", 8), token("27182818284590452353", 9), token("1" * 20, 3)),
        (token("14142135623730950488", 3, "FFEEDD"), token("17320508075688772935", 4, "FFEEDD")),
        (token("16180339887498948482", 3, demo=True),),
    )
    assert seals.unseal("C-1", seals.seal("C-1", sets)) == sets
    many = sets[:1] * 3_000
    assert seals.unseal("C-2", seals.seal("C-2", many)) == many


def test_a_row_in_the_journal_is_json_as_ever():
    row = BatchRow("C-1", 7, "600727000000000009", "14", "990001/1/2/04", bytes(range(32)))
    plain = [row.row, row.meter_pan, row.base_date, row.key, row.tags.hex()]
    assert _row_said(row) == json.dumps(plain, separators=(",", ":")).encode() + b"\n"


def in_columns(rows):
    """Rows that differ in their meters' numbers alone, as columns; others come after them."""
    forms = {}
    for row in rows:
        form = replace(
            row, meter=replace(row.meter, meter_pan=""), new=replace(row.new, meter_pan="")
        )
        forms.setdefault(form, []).append(row)
    runs = [
        ChangeRun(some[0], [row.meter.meter_pan for row in some]) for some in forms.values()
    ]  # fmt: skip
    return ChangeColumns(runs), tuple(row for some in forms.values() for row in some)


def test_columns_are_read_written_and_sent_as_the_rows_they_stand_for():
    columns, rows = in_columns([change(n, ea=7 + n % 2 * 4, krn=1 + n % 3) for n in range(40)])
    assert (len(columns), len(columns.runs)) == (40, 6)
    assert (tuple(columns), columns[17], columns[-1]) == (rows, rows[17], rows[-1])
    assert columns[5:9] == rows[5:9]
    by_row, by_column = (KeyChangeBatch("C-1", some, "production", NOW) for some in (rows, columns))
    assert args_of(by_column) == args_of_batch(by_column) == args_of(by_row)
    sent = [read(Changes, parse(write(Changes.of(batch)))).batch() for batch in (by_row, by_column)]
    assert sent == [by_row, by_column]
    assert [type(batch.rows) for batch in sent] == [tuple, ChangeColumns]


def test_sets_as_columns_are_sealed_and_tagged_as_the_sets_they_stand_for():
    seals = Seals("VSM-1", lambda purpose: SecretBytes(purpose.encode().ljust(32, b".")))
    likes = (token("", 3), token("", 4))
    digits = [[f"{n:05}3141592653589793"[:20] for n in range(at, at + 9)] for at in (100, 200)]
    columns = SetColumns([SetRun(likes, digits), SetRun(likes[:1], digits[1:])])
    sets = (
        *((token(one, 3), token(two, 4)) for one, two in zip(*digits, strict=True)),
        *((token(one, 3),) for one in digits[1]),
    )
    assert tuple(columns) == sets
    assert seals.unseal("C-1", seals.seal("C-1", columns)) == sets
    assert seals.tags_of_sets(columns) == seals.tags_of_sets(sets)
