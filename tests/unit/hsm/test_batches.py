"""What a batch is written down as: the same text as row by row, and read again as it was."""

import json
from dataclasses import replace

from tests.factories import NOW, drn_of
from vmsapp.hsm.answers import IssuedToken
from vmsapp.hsm.journal import _row_said
from vmsapp.hsm.requests import KeyChange, KeyChangeBatch, KeyRef, MeterConfig
from vmsapp.hsm.results import BatchRow
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
