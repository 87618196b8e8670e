"""What must be true of an instance when nothing is open any more.

Everything is read from the tables and from the module's own record, by other ways than
the product takes: each figure is added up again from its parts.
"""

from collections import Counter as Tally
from collections import defaultdict
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from vmsapp.hsm.drivers.soft import SoftModule
from vmsapp.hsm.keystore import Keystore
from vmsapp.hsm.requests import KeyRef
from vmsapp.hsm.results import Results
from vmsapp.models import (
    Counter,
    FeePayment,
    LedgerEntry,
    LedgerTransfer,
    ReceiptCounter,
    Sale,
    SaleAttempt,
    SpentTid,
    TidHead,
    Token,
    VendingPointAccount,
)
from vmsapp.sts import dkga
from vmsapp.sts.codec import decode
from vmsapp.sts.ea07 import TABLE_SETS
from vmsapp.sts.identifiers import BaseDate
from vmsapp.sts.keys import DecoderKey, KeyParameters, VendingKey
from vmsapp.sts.secret import SecretBytes

FLOAT_MINOR = 10_000_000
"""What a vending point that sells from a float had paid in at the beginning."""

TOKEN_MADE = {"issued", "reversed"}


OPENED: dict[bytes, Keystore] = {}


def keystore_in(module: Path) -> Keystore:
    """Open a module's keystore, once for all copies of an instance: they have one passphrase."""
    passphrase = (module / "passphrase").read_bytes().strip()
    if passphrase not in OPENED:
        OPENED[passphrase] = Keystore.open(module / "keystore.json", SecretBytes(passphrase))
    return OPENED[passphrase]


@dataclass
class Books:
    """All rows that tell of sales, and the module that made their tokens."""

    session: Session
    keystore: Keystore
    results: Results
    sales: dict[int, Sale] = field(init=False)
    tokens: list[Token] = field(init=False)
    attempts: list[SaleAttempt] = field(init=False)

    def __post_init__(self) -> None:
        self.sales = {sale.id: sale for sale in self.session.scalars(select(Sale))}
        self.tokens = list(self.session.scalars(select(Token)))
        self.attempts = list(self.session.scalars(select(SaleAttempt)))
        self._module = SoftModule(self.keystore, self.results)

    def check(self) -> None:
        """Prove that every sale came to one end, and that tokens and money agree."""
        assert not [sale.id for sale in self.sales.values() if sale.state == "pending"]
        self.check_sales()
        self.check_tids()
        self.check_tokens()
        self.check_module()
        self.check_ledger()
        self.check_accounts()
        self.check_counters()
        self.check_fees()
        self.check_receipts()

    def issued(self) -> list[Sale]:
        """Sales that stand."""
        return [sale for sale in self.sales.values() if sale.state == "issued"]

    def check_sales(self) -> None:
        """Every sale has its token, or its refusal with a reason."""
        made = Tally(token.sale_id for token in self.tokens)
        for sale in self.sales.values():
            assert made[sale.id] == (sale.state in TOKEN_MADE), sale.state
            assert (sale.failure is not None) == (sale.state == "failed")

    def check_tids(self) -> None:
        """No identifier was given twice, and each one given is written down as spent."""
        given = [
            (sale.meter_pan, sale.base_date, attempt.tid, attempt.request_id)
            for attempt in self.attempts
            for sale in [self.sales[attempt.sale_id]]
        ]
        assert set(Tally(row[:3] for row in given).values()) <= {1}
        spent = self.session.scalars(select(SpentTid))
        assert sorted(given) == sorted(
            (t.meter_pan, t.base_date, t.tid, t.request_id) for t in spent
        )
        highest: dict[tuple[str, str], int] = defaultdict(int)
        for pan, base_date, tid, _ in given:
            highest[pan, base_date] = max(highest[pan, base_date], tid)
        # a key change makes the heads it locks, before anything was given out of them
        heads = self.session.scalars(select(TidHead).where(TidHead.last_tid.is_not(None)))
        assert highest == {(head.meter_pan, head.base_date): head.last_tid for head in heads}

    def check_tokens(self) -> None:
        """Every token says under its meter's key what its sale stored."""
        assert len({token.digits for token in self.tokens}) == len(self.tokens)
        for token in self.tokens:
            sale = self.sales[token.sale_id]
            tables = TABLE_SETS[sale.table_set]
            read = decode(token.digits, self._decoder_key(sale), tables=tables)
            wanted = (sale.subclass, sale.rnd, sale.tid, sale.amount_field)
            assert (read.subclass, read.rnd, read.tid, read.amount_field) == wanted
            assert (token.tid, token.amount_field) == (sale.tid, sale.amount_field)

    def check_module(self) -> None:
        """The module made one token for each sale that has one, the same, and no other."""
        stored = {token.sale_id: token.digits for token in self.tokens}
        made: dict[int, list[str]] = defaultdict(list)
        for attempt in self.attempts:
            record = self.results.find(attempt.request_id)
            if record is not None and record.outcome == "issued":
                (token,) = self._module.fetch_result(attempt.request_id)
                made[attempt.sale_id].append(token.digits)
        assert made == {sale_id: [digits] for sale_id, digits in stored.items()}

    def check_ledger(self) -> None:
        """Each transfer adds up to zero, charges what its sale says, and ended as it did."""
        entries: dict[int, list[int]] = defaultdict(list)
        for entry in self.session.scalars(select(LedgerEntry)):
            entries[entry.transfer_id].append(entry.amount_minor)
        transfers = list(self.session.scalars(select(LedgerTransfer)))
        for transfer in transfers:
            amounts = entries.pop(transfer.id)
            assert sum(amounts) == 0
            charged = self.sales[transfer.sale_id].charged_minor
            assert max(amounts) == charged or transfer.kind == "reversal"
        assert not entries, "entries without a transfer"
        ends = {"issued": {"sale": "posted"}, "failed": {"sale": "voided"}}
        ends["reversed"] = {"sale": "posted", "reversal": "posted"}
        ended: dict[int, dict[str, str]] = defaultdict(dict)
        for transfer in transfers:
            ended[transfer.sale_id][transfer.kind] = transfer.state
        assert ended == {sale.id: ends[sale.state] for sale in self.sales.values()}

    def check_accounts(self) -> None:
        """Nothing counts as pending, and a float is less by exactly what was sold."""
        sold: dict[int, int] = defaultdict(int)
        for sale in self.issued():
            sold[sale.vending_point_id] += sale.charged_minor
        for account in self.session.scalars(select(VendingPointAccount)):
            assert account.pending_minor == 0
            left = FLOAT_MINOR - sold[account.vending_point_id] if account.limited else 0
            assert account.balance_minor == left

    def check_counters(self) -> None:
        """A counter holds the units and the money of the sales that stand."""
        units: dict[tuple[int, object], Decimal] = defaultdict(Decimal)
        charged: dict[tuple[int, object], int] = defaultdict(int)
        for sale in self.issued():
            units[sale.service_point_id, sale.counter_period] += sale.units
            charged[sale.service_point_id, sale.counter_period] += sale.charged_minor
        rows = {
            (row.service_point_id, row.period_start): row
            for row in self.session.scalars(select(Counter))
        }
        assert {place: row.units for place, row in rows.items() if row.units} == units
        assert {place: row.charged_minor for place, row in rows.items() if row.charged_minor} == (
            charged
        )

    def check_fees(self) -> None:
        """A fee is marked as paid once, by the sale that took its money."""
        charged = [
            (sale.service_point_id, line["period_start"], sale.id)
            for sale in self.issued()
            for line in sale.calculation["lines"]
            if line["kind"] in {"fee", "fee_arrears"}
        ]
        paid = [
            (row.service_point_id, row.period_start.isoformat(), row.sale_id)
            for row in self.session.scalars(select(FeePayment))
        ]
        assert sorted(charged) == sorted(paid)
        assert len({row[:2] for row in charged}) == len(charged)

    def check_receipts(self) -> None:
        """The receipts of a vending point count from 1 without a gap."""
        numbers: dict[tuple[int, int], list[int]] = defaultdict(list)
        for sale in self.sales.values():
            if sale.state in TOKEN_MADE:
                numbers[sale.vending_point_id, sale.receipt_series].append(sale.receipt_number)
        for given in numbers.values():
            assert sorted(given) == list(range(1, len(given) + 1))
        counters = self.session.scalars(select(ReceiptCounter))
        last = {(row.vending_point_id, row.series): row.last_number for row in counters}
        assert last == {series: len(given) for series, given in numbers.items()}

    def _decoder_key(self, sale: Sale) -> DecoderKey:
        ref = KeyRef(sgc=sale.sgc, krn=sale.krn, kt=sale.kt, dkga=sale.dkga)
        _, value = self.keystore.vending_key(ref)
        with value:
            parameters = KeyParameters(
                meter_pan=sale.meter_pan, sgc=sale.sgc, krn=sale.krn, kt=sale.kt, ti=sale.ti,
                base_date=BaseDate(sale.base_date), dkga=sale.dkga, ea=sale.ea,
            )  # fmt: skip
            return dkga.derive(VendingKey(sale.dkga, value.reveal()), parameters)
