"""Receipts as tests look at them: one sale in four languages, and what its file shows."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pypdfium2
import zxingcpp
from PIL.Image import Image

from vmsapp.services.slips import Amount, Fact, Slip, TokenBlock

DIGITS = "04829175630048217733"
PAPERS = ("58mm", "80mm", "a4")
LANGUAGES = ("en", "zh", "fr", "ar")
SHARP = 3.0
"""Pixels a point: enough to read a code."""

WORDS: dict[str, dict[str, str]] = {
    "en": {"utility": "Northern Electricity Utility", "address": "1 Power Avenue, Northport",
           "tax": "Tax number", "copy": "COPY 1 · grace", "token": "Token", "unit": "kWh",
           "receipt": "Receipt", "time": "Operation time", "when": "Mar 17, 2026, 10:30:00 AM",
           "consumer": "Consumer", "name": "Ada Mwangi", "lane": "12 School Lane, behind the mill",
           "fee": "Fixed fee, March 2026", "at": "50.0 kWh at 0.10", "total": "Total",
           "received": "Received", "change": "Change", "point": "Vending point: Harbour Street"},
    "zh": {"utility": "北方电力公司", "address": "北港市电力大道 1 号", "tax": "税号",
           "copy": "副本 1 · grace", "token": "充值码", "unit": "千瓦时", "receipt": "收据",
           "time": "操作时间", "when": "2026年3月17日 10:30:00", "consumer": "用户",
           "name": "陈美玲", "lane": "学校巷 12 号，磨坊后面", "fee": "固定费用，2026年3月",
           "at": "50.0 千瓦时，单价 0.10",
           "total": "合计", "received": "实收", "change": "找零", "point": "售电点：港口街"},
    "fr": {"utility": "Société d’électricité du Nord",
           "address": "1, avenue de l’Énergie, Port-Nord",
           "tax": "Numéro fiscal", "copy": "COPIE 1 · grace", "token": "Code de recharge",
           "unit": "kWh", "receipt": "Reçu", "time": "Heure de l’opération",
           "when": "17 mars 2026, 10:30:00", "consumer": "Abonné", "name": "Élodie Nguyễn",
           "lane": "12, ruelle de l’École, derrière le moulin", "fee": "Frais fixes, mars 2026",
           "at": "50,0 kWh à 0,10", "total": "Total", "received": "Reçu", "change": "Monnaie",
           "point": "Point de vente : rue du Port"},
    "ar": {"utility": "شركة كهرباء الشمال", "address": "شارع الطاقة 1، ميناء الشمال",
           "tax": "الرقم الضريبي", "copy": "نسخة 1 · grace", "token": "رمز الشحن", "unit": "ك.و.س",
           "receipt": "الإيصال", "time": "وقت العملية", "when": "17/03/2026، 10:30:00 ص",
           "consumer": "المشترك", "name": "محمد الأمين", "lane": "زقاق المدرسة 12، خلف الطاحونة",
           "fee": "رسم ثابت، مارس 2026", "at": "50.0 ك.و.س بسعر 0.10", "total": "الإجمالي",
           "received": "المبلغ المستلم", "change": "الباقي", "point": "نقطة البيع: شارع الميناء"},
}  # fmt: skip


def a_slip(language: str = "en", paper: str = "80mm", **changes: Any) -> Slip:
    """A copy of a demonstration's receipt, written by hand."""
    words, mark = WORDS[language], "\u200e" if language == "ar" else ""
    content: dict[str, Any] = {
        "paper": paper, "language": language, "direction": "rtl" if language == "ar" else "ltr",
        "number": "1-1-000042", "sold_at": datetime(2026, 3, 17, 7, 30, tzinfo=UTC),
        "utility": words["utility"], "logo": None,
        "heading": [words["address"], f"{words['tax']} {mark}0012-345"], "header": "",
        "marks": ["DEMO", words["copy"]], "steps": [],
        "tokens": [TokenBlock(words["token"], DIGITS)],
        "units": f"50.0 {words['unit']}",
        "facts": [
            Fact(words["receipt"], "1-1-000042", ltr=True), Fact(words["time"], words["when"]),
            Fact(words["consumer"], words["name"]), Fact("ID", "•••••7788", ltr=True),
            Fact(words["tax"], words["lane"]), Fact("SGC", "990002", ltr=True),
        ],
        "lines": [Amount(words["fee"], "2.00"), Amount(words["at"], "5.00")],
        "sums": [Amount(words["total"], "7.00 USD", total=True),
                 Amount(words["received"], "10.00 USD"), Amount(words["change"], "3.00 USD")],
        "closing": [words["point"]], "footer": "",
    }  # fmt: skip
    return Slip(**content | changes)


@contextmanager
def opened(file: bytes) -> Iterator[pypdfium2.PdfPage]:
    """The first page of a PDF file."""
    document = pypdfium2.PdfDocument(file)
    page = document[0]
    try:
        yield page
    finally:
        page.close()
        document.close()


def text_of(file: bytes) -> str:
    """The text of a file's first page, as a reader would copy it."""
    with opened(file) as page:
        lines = page.get_textpage()
        try:
            return str(lines.get_text_range())
        finally:
            lines.close()


def drawn(file: bytes, scale: float = SHARP) -> Image:
    """A file's first page in shades of grey."""
    with opened(file) as page:
        return page.render(scale=scale).to_pil().convert("L")


def codes_in(picture: Image) -> list[str]:
    """What the codes of a picture say."""
    return [code.text for code in zxingcpp.read_barcodes(picture)]
