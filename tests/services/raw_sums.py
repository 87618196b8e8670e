"""Figures of reports from every row there is, in plain Python: reports are held against them."""

from collections import defaultdict
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from math import floor
from zoneinfo import ZoneInfo

from vmsapp.models import (
    FreeToken,
    LedgerAccount,
    LedgerEntry,
    LedgerTransfer,
    Meter,
    ReceiptPrint,
    Sale,
    SaleReversal,
    Shift,
    ShiftCash,
    Tariff,
    TariffPlan,
    VendingPoint,
    VendingPointAccount,
)
from vmsapp.services.reports import By


class Rows:
    """All rows of a shop, and where and when each counts.

    Attributes:
        moved: Of each transfer of a sale that counts the sale, whether it was taken back, its
            local day, and its entries as kind, detail and amount.
    """

    def __init__(self, shop, zone, first, last):
        self.shop, self.zone = shop, ZoneInfo(zone)
        self.first, self.last = first, last
        self.points = {row.id: row for row in shop.rows(VendingPoint)}
        self.plans = {row.id: row for row in shop.rows(TariffPlan)}
        self.tariffs = {row.id: row.name for row in shop.rows(Tariff)}
        self.meters = {row.id: row for row in shop.rows(Meter)}
        self.sales = {row.id: row for row in shop.rows(Sale)}
        accounts = {row.id: row for row in shop.rows(LedgerAccount)}
        self.entries = defaultdict(list)
        for row in shop.rows(LedgerEntry):
            account = accounts[row.account_id]
            self.entries[row.transfer_id].append((account.kind, account.detail, row.amount_minor))
        self.transfers = shop.rows(LedgerTransfer, LedgerTransfer.state == "posted")
        self.moved = []
        for transfer in self.transfers:
            if transfer.sale_id is None:
                continue
            sale, back = self.sales[transfer.sale_id], transfer.kind == "reversal"
            day = self.day(transfer.settled_at if back else sale.sold_at)
            if first <= day <= last:
                self.moved.append((sale, back, day, self.entries[transfer.id]))

    def day(self, moment):
        return moment.astimezone(self.zone).date()

    def key(self, by, day, sale=None, who=None):
        """What a line is about."""
        times = {
            By.DAY: day, By.WEEK: day - timedelta(days=day.weekday()),
            By.MONTH: day.replace(day=1), By.YEAR: day.replace(month=1, day=1),
        }  # fmt: skip
        if by in times:
            return times[by]
        return {
            By.REGION: self.points[sale.vending_point_id].region_id,
            By.VENDING_POINT: sale.vending_point_id,
            By.OPERATOR: sale.operator_id if who is None else who,
            By.PRODUCT: self.meters[sale.meter_id].product_id,
        }[by]

    def type_of(self, sale):
        return str(self.meters[sale.meter_id].meter_type)


def _sums():
    return defaultdict(lambda: defaultdict(int))


def taxes(rows, by):
    """Of each tax: sold, taken back, base and units net, charged, given back."""
    found, seen = _sums(), set()
    for number, (sale, back, day, _entries) in enumerate(rows.moved):
        if sale.kind != "sale":
            continue
        for line in sale.calculation["lines"]:
            if line["kind"] not in {"tax", "levy"}:
                continue
            how = "flat" if line["rate"] is None else "percent" if line["is_percent"] else "unit"
            rate = Decimal(line["rate"] or -1)
            kind = rows.type_of(sale) if how == "unit" else ""
            place = rows.key(by, day, sale), (line["name"] or "", how, rate, kind)
            sums, sign = found[place], -1 if back else 1
            if (number, place) not in seen:
                seen.add((number, place))
                sums["reversed" if back else "sold"] += 1
            if how == "percent":
                exact = Fraction(line["base_minor_exact"])
                sums["base"] += sign * floor(exact + Fraction(1, 2))
            if how == "unit":
                sums["units"] += sign * Decimal(line["units"])
            sums["back" if back else "charged"] += line["amount_minor"]
    names = ("sold", "reversed", "base", "units", "charged", "back")
    return {place: tuple(sums[name] for name in names) for place, sums in found.items()}


def tax_accounts(rows):
    """What the ledger has of each tax, whatever its rate."""
    found = defaultdict(int)
    for sale, _back, _day, entries in rows.moved:
        for kind, detail, amount in entries:
            if kind == "tax" and sale.kind == "sale":
                found[detail] -= amount
    return dict(found)


def steps(rows, by):
    """Of each step: purchases that reached it, units and energy net."""
    found = _sums()
    for sale, back, day, _entries in rows.moved:
        if sale.kind != "sale":
            continue
        for line in sale.calculation["lines"]:
            if line["kind"] != "energy":
                continue
            tariff = rows.tariffs[rows.plans[sale.plan_id].tariff_id]
            bounds = Decimal(line["low"]), Decimal(line["high"] or "Infinity")
            step = (rows.type_of(sale), tariff, line["step"], *bounds, Decimal(line["rate"]))
            sums, sign = found[rows.key(by, day, sale), step], -1 if back else 1
            sums["sold"] += not back
            sums["units"] += sign * Decimal(line["units"])
            sums["energy"] += sign * line["amount_minor"]
    return {p: (s["sold"], s["units"], s["energy"]) for p, s in found.items()}


def second_looks(rows, by):
    """Of whoever did it: sales and their money, copies, reversals and their money."""
    found = _sums()
    asked = {row.sale_id: row.asked_by_id for row in rows.shop.rows(SaleReversal)}
    for sale, back, day, _entries in rows.moved:
        if sale.kind != "sale":
            continue
        who = asked.get(sale.id, sale.sealed_by_id) if back else None
        sums = found[rows.key(by, day, sale, who), ()]
        sums["reversed" if back else "sold"] += 1
        sums["back" if back else "gross"] += sale.charged_minor
    for copy in rows.shop.rows(ReceiptPrint, ReceiptPrint.nth > 1):
        day, sale = rows.day(copy.printed_at), rows.sales[copy.sale_id]
        if rows.first <= day <= rows.last and sale.kind == "sale":
            found[rows.key(by, day, sale, copy.printed_by_id), ()]["copies"] += 1
    names = ("sold", "gross", "copies", "reversed", "back")
    return {place: tuple(sums[name] for name in names) for place, sums in found.items()}


def free(rows, by):
    """Of each reason: given, taken back, units and worth net."""
    found, why = _sums(), {row.sale_id: row for row in rows.shop.rows(FreeToken)}
    for sale, back, day, _entries in rows.moved:
        if sale.kind == "sale":
            continue
        given, sign = why[sale.id], -1 if back else 1
        reason = (rows.type_of(sale), given.kind, given.reason)
        sums = found[rows.key(by, day, sale), reason]
        sums["reversed" if back else "given"] += 1
        sums["units"] += sign * sale.units
        sums["worth"] += sign * given.value_minor
    names = ("given", "reversed", "units", "worth")
    return {place: tuple(sums[name] for name in names) for place, sums in found.items()}


def floats(rows):
    """Of each float: at the beginning, paid in, taken out, sold, taken back, at the end."""
    found = {
        row.vending_point_id: [0] * 6 for row in rows.shop.rows(VendingPointAccount) if row.limited
    }
    for transfer in rows.transfers:
        amounts = [a for kind, _detail, a in rows.entries[transfer.id] if kind == "float"]
        if not amounts:
            continue
        sums, grew, day = found[transfer.vending_point_id], -sum(amounts), transfer.business_date
        if day < rows.first:
            sums[0] += grew
        elif day <= rows.last and transfer.kind == "float":
            sums[1 if grew > 0 else 2] += abs(grew)
        elif day <= rows.last:
            sums[3 if transfer.kind == "sale" else 4] += abs(grew)
        if day <= rows.last:
            sums[5] += grew
    return {place: tuple(sums) for place, sums in found.items()}


def drawers(rows, by):
    """Of each drawer: closed, open, float, sold, back, in, out, expected, counted, over, short."""
    found = defaultdict(lambda: [0] * 11)
    back = [
        (transfer.shift_id, rows.sales[transfer.sale_id])
        for transfer in rows.transfers if transfer.kind == "reversal"
    ]  # fmt: skip
    for shift in rows.shop.rows(Shift):
        day = rows.day(shift.opened_at)
        if not rows.first <= day <= rows.last:
            continue
        sums = found[rows.key(by, day), (shift.vending_point_id, shift.operator_id)]
        if shift.closed_at is None:
            sums[1] += 1
            continue
        sold = sum(s.charged_minor for s in rows.sales.values()
                   if s.shift_id == shift.id and s.receipt_number and not s.sealed_at)  # fmt: skip
        given = sum(s.charged_minor for at, s in back if at == shift.id and not s.sealed_at)
        cash = [m.amount_minor for m in rows.shop.rows(ShiftCash, ShiftCash.shift_id == shift.id)]
        put, out = sum(a for a in cash if a > 0), -sum(a for a in cash if a < 0)
        expected = shift.opening_minor + sold + put - out - given
        over = shift.counted_minor - expected
        parts = (1, 0, shift.opening_minor, sold, given, put, out, expected, shift.counted_minor,
                 max(over, 0), max(-over, 0))  # fmt: skip
        for place, part in enumerate(parts):
            sums[place] += part
    return {place: tuple(sums) for place, sums in found.items()}
