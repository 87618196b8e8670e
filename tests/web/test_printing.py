"""Receipts on the screen, on paper, in a file and by mail: one content, counted prints."""

import re
from hashlib import sha256

import pytest
from sqlalchemy import update

from tests.factories import OPERATOR, SOUTH_OPERATOR
from tests.receipts import codes_in, drawn, text_of
from tests.unit.test_pictures import BARE
from tests.web.office import LANGUAGES, fields, main_part, said
from vmsapp.models import (
    Consumer,
    Logo,
    Meter,
    ReceiptPrint,
    Sale,
    SaleState,
    Setup,
    VendingPoint,
)
from vmsapp.models.user import Role

MARK = {"en": "COPY 1 · operator", "zh": "副本 1 · operator", "fr": "COPIE 1 · operator",
        "ar": "نسخة 1 · operator", "pt": "CÓPIA 1 · operator", "es": "COPIA 1 · operator",
        "sw": "NAKALA 1 · operator", "ru": "КОПИЯ 1 · operator"}  # fmt: skip
WHERE = "/counter/receipts"


def sold(operator, utility, shop):
    """Sell fifty units, and give the sale."""
    operator.buy(utility)
    return shop.rows(Sale)[-1]


def slip_in(page: str) -> str:
    found = re.search(r'<article class="slip .*?</article>', page, re.DOTALL)
    assert found, main_part(page)
    return found.group()


def words_of(html: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", html).split())


def buyer(shop, **values):
    shop.change(lambda session: session.execute(update(Consumer).values(**values)))


def utility_is(shop, **values):
    shop.change(lambda session: session.execute(update(Setup).values(**values)))


def take_reprint(session):
    """Take the right to make copies from operators."""
    role = session.query(Role).filter_by(ready_made="Operator").one()
    reprint = [held for held in role.permissions if held.permission.name == "can_reprint"]
    role.permissions.remove(*reprint)


def test_everything_that_the_manual_asks_for_stands_on_the_receipt(operator, utility, shop):
    buyer(shop, address="12 School Lane", id_number="ID447788")
    utility_is(shop, tax_number="0012-345", receipt_header="Paid in cash", receipt_footer="Thanks")
    sale = sold(operator, utility, shop)
    slip = words_of(slip_in(operator.get(f"{WHERE}/{sale.id}/preview").text))
    meter = shop.rows(Meter, Meter.id == sale.meter_id)[0]
    consumer = shop.rows(Consumer, Consumer.id == sale.consumer_id)[0]
    groups = " ".join(re.findall("....", shop.digits(sale)))
    for expected in (
        "Test Utility", "Tax number 0012-345", "Paid in cash", "Thanks", "DEMO", f"Token {groups}",
        f"Receipt {sale.vending_point_id}-1-000001", "Operation time Mar 17, 2026",
        f"Consumer number {consumer.number}", f"Consumer {consumer.name}", "ID number ••••7788",
        "Region North", "Address 12 School Lane", "Meter type Electricity",
        f"Meter number {meter.drn}", f"SGC {sale.sgc}", f"KRN {sale.krn}", f"TI {sale.ti}",
        "50.0 kWh at 0.10 5.00", "Units bought 50.0 kWh", "Total 5.00 USD", "Received 5.00 USD",
        "Change 0.00 USD", "Vending point: Harbour", "Operator: operator",
        "Month to date: 50.0 kWh",
    ):  # fmt: skip
        assert expected in slip, (expected, slip)


@pytest.mark.parametrize("language", LANGUAGES)
def test_screen_preview_and_file_say_the_same_in_the_consumers_language(
    browse, utility, shop, language
):
    buyer(shop, language=language)
    operator = browse(OPERATOR, "fr" if language == "en" else "en")
    sale = sold(operator, utility, shop)
    on_the_sale = slip_in(operator.get(f"/counter/sale/{sale.id}").text)
    preview = operator.get(f"{WHERE}/{sale.id}/preview").text
    assert slip_in(preview) == on_the_sale
    assert f'lang="{language}" dir="{LANGUAGES[language]}"' in on_the_sale
    printed = operator.print(sale.id, kind="pdf")
    file = operator.get(f"{WHERE}/{sale.id}/pdf?printed=1")
    assert (file.mimetype, file.headers["Cache-Control"]) == ("application/pdf", "no-store")
    assert file.headers["Content-Disposition"] == f"attachment; filename={sale.receipt}.pdf"
    assert printed.location == f"{WHERE}/{sale.id}/preview?printed=1"
    in_file = text_of(file.data)
    digits = shop.digits(sale)
    assert " ".join(re.findall("....", digits)) in in_file
    assert codes_in(drawn(file.data)) == [digits]
    if language != "ar":  # readers differ in the order of letters that are joined
        on_page = words_of(re.sub(r'<div class="slip-code".*?</div>', "", on_the_sale, flags=re.S))
        for word in on_page.split():
            assert word in in_file.replace("\xa0", " ").split(), word


@pytest.mark.parametrize("language", LANGUAGES)
def test_another_language_is_chosen_in_the_preview_and_kept_in_the_print(
    operator, utility, shop, language
):
    sale = sold(operator, utility, shop)
    path = f"{WHERE}/{sale.id}/preview?language={language}"
    page = operator.get(path).text
    assert f'lang="{language}" dir="{LANGUAGES[language]}"' in slip_in(page)
    assert re.search(rf'href="[^"]*language={language}" aria-current="true"', page)
    operator.print(sale.id, language=language)
    assert [row.language for row in shop.rows(ReceiptPrint)] == [language]
    printed = operator.get(f"{WHERE}/{sale.id}/preview?printed=1").text
    assert f'lang="{language}"' in slip_in(printed)
    assert MARK[language] in words_of(slip_in(operator.get(path).text))


def test_no_receipt_is_lost_to_a_logo_that_was_kept_damaged(operator, utility, shop):
    digest = sha256(BARE).hexdigest()
    logo = Logo(digest=digest, media_type="image/png", content=BARE)
    shop.change(lambda session: session.add(logo))
    utility_is(shop, logo=digest)
    sale = sold(operator, utility, shop)
    operator.print(sale.id, kind="pdf")
    file = operator.get(f"{WHERE}/{sale.id}/pdf?printed=1")
    assert (file.status_code, file.mimetype) == (200, "application/pdf")
    assert codes_in(drawn(file.data)) == [shop.digits(sale)]


@pytest.mark.parametrize("odd", ["xx", "", "../en"])
def test_a_language_the_product_has_not_is_the_consumers(operator, utility, shop, odd):
    buyer(shop, language="fr")
    sale = sold(operator, utility, shop)
    page = operator.get(f"{WHERE}/{sale.id}/preview", query_string={"language": odd}).text
    assert 'lang="fr"' in slip_in(page)


def test_a_consumers_language_the_product_has_not_is_the_screens(browse, utility, shop):
    buyer(shop, language="xh")
    operator = browse(OPERATOR, "zh")
    sale = sold(operator, utility, shop)
    assert 'lang="zh"' in slip_in(operator.get(f"{WHERE}/{sale.id}/preview").text)


def test_the_first_print_is_no_copy_and_the_second_says_which_and_whose(
    operator, supervisor, utility, shop
):
    sale = sold(operator, utility, shop)
    path = f"{WHERE}/{sale.id}/preview"
    assert "COPY" not in slip_in(operator.get(path).text)
    assert operator.print(sale.id).location == f"{path}?printed=1"
    confirmed = operator.get(f"{path}?printed=1").text
    assert "COPY" not in slip_in(confirmed)
    assert "data-print-now" in confirmed
    again = supervisor.get(path).text
    assert "COPY 1 · supervisor" in words_of(slip_in(again))
    assert "data-print-now" not in again
    supervisor.print(sale.id)
    assert "COPY 2 · operator" in words_of(slip_in(operator.get(path).text))
    listed = words_of(main_part(operator.get(f"/counter/sale/{sale.id}").text))
    assert re.search(r"Original · On paper .* operator Copy 1 · On paper .* supervisor", listed)


def test_what_was_confirmed_is_open_to_who_did_it_and_for_ten_minutes(
    operator, supervisor, utility, shop
):
    sale = sold(operator, utility, shop)
    operator.print(sale.id)
    path = f"{WHERE}/{sale.id}/preview?printed=1"
    assert "data-print-now" in operator.get(path).text
    assert "data-print-now" not in supervisor.get(path).text
    shop.clock.forward(minutes=10)
    late = operator.get(path).text
    assert "data-print-now" not in late
    assert "COPY 1" in slip_in(late)


def test_a_file_is_fetched_only_where_it_was_confirmed(operator, supervisor, utility, shop):
    sale = sold(operator, utility, shop)
    file = f"{WHERE}/{sale.id}/pdf"
    operator.print(sale.id)  # on paper
    for browser, query in ((operator, ""), (operator, "?printed=1"), (operator, "?printed=x")):
        assert browser.get(file + query).location == f"{WHERE}/{sale.id}/preview"
    operator.print(sale.id, kind="pdf")
    assert "COPY 1 · operator" in text_of(operator.get(f"{file}?printed=2").data)
    assert supervisor.get(f"{file}?printed=2").status_code == 302
    assert shop.count(ReceiptPrint) == 2  # fetching counts nothing


def test_who_printed_meanwhile_makes_the_other_a_copy(operator, supervisor, utility, shop):
    sale = sold(operator, utility, shop)
    form = fields(operator.get(f"{WHERE}/{sale.id}/preview").text, "/print")
    supervisor.print(sale.id)
    answer = operator.post(f"{WHERE}/{sale.id}/print", form | {"kind": "paper"})
    page = operator.get(answer.location).text
    assert "was printed while its preview was open" in page
    assert "COPY 1 · operator" in words_of(slip_in(page))
    assert shop.count(ReceiptPrint) == 1


def test_whose_group_may_make_no_copies_is_told_so(operator, utility, shop):
    shop.change(take_reprint)
    sale = sold(operator, utility, shop)
    assert operator.print(sale.id).location.endswith("printed=1")
    page = operator.get(f"{WHERE}/{sale.id}/preview").text
    assert "your user group may print no copies" in said(page, "note note-warn")
    assert fields(page, "/print") == {}
    assert "preview" not in main_part(operator.get(f"{WHERE}/last").text)
    refused = operator.post(f"{WHERE}/{sale.id}/print", {"nth": "2", "kind": "paper"})
    assert refused.status_code == 403
    assert shop.count(ReceiptPrint) == 1


def test_another_regions_receipt_is_an_unknown_one(operator, browse, utility, shop, engine):
    sale = sold(operator, utility, shop)
    operator.print(sale.id, kind="pdf")
    stranger = browse(SOUTH_OPERATOR)
    for path in (f"{WHERE}/{sale.id}/preview", f"{WHERE}/{sale.id}/pdf?printed=1"):
        assert stranger.get(path).status_code == 404
    assert stranger.post(f"{WHERE}/{sale.id}/print", {"nth": "2"}).status_code == 404
    assert shop.digits(sale)[:4] not in main_part(stranger.get(f"{WHERE}/last").text)
    assert shop.count(ReceiptPrint) == 1


@pytest.mark.parametrize("state", [SaleState.REVERSED, SaleState.PENDING])
def test_a_sale_without_a_token_to_show_has_no_preview_and_no_file(operator, utility, shop, state):
    sale = sold(operator, utility, shop)
    operator.print(sale.id, kind="pdf")
    gone = {} if state == SaleState.REVERSED else {"receipt_number": None, "receipt_series": None}
    shop.change(lambda session: session.execute(update(Sale).values(state=state, **gone)))
    for path in ("preview", "preview?printed=1", "pdf?printed=1"):
        answer = operator.get(f"{WHERE}/{sale.id}/{path}")
        assert answer.location == f"/counter/sale/{sale.id}", path
    refused = operator.post(f"{WHERE}/{sale.id}/print", {"nth": "2"})
    assert refused.status_code == 302
    assert shop.count(ReceiptPrint) == 1


def test_a_preview_that_is_only_asked_for_by_its_head_shows_nothing(
    operator, utility, shop, module
):
    sale = sold(operator, utility, shop)
    shop.change(lambda session: session.execute(update(Sale).values(shown_at=None)))
    assert operator.client.head(f"{WHERE}/{sale.id}/preview").status_code == 200
    assert shop.again(sale).shown_at is None


def test_the_last_sales_are_one_key_away_on_every_page_of_the_counter(operator, utility, shop):
    sale = sold(operator, utility, shop)
    for path in ("/counter/", "/counter/open", f"/counter/sale/{sale.id}",
                 f"{WHERE}/{sale.id}/preview",
                 f"/counter/meter/{sale.meter_id}?key=1-x"):  # fmt: skip
        page = operator.get(path).text
        assert re.search(rf'href="{WHERE}/last" aria-keyshortcuts="F2"', page), path
    before = main_part(operator.get(f"{WHERE}/last").text)
    assert f"{WHERE}/{sale.id}/preview" in before
    assert "Print a copy" not in before
    operator.print(sale.id)
    assert "Print a copy" in main_part(operator.get(f"{WHERE}/last").text)


@pytest.mark.parametrize(("paper", "mark"), [("58mm", "slip-58mm"), ("a4", "slip-a4")])
def test_the_paper_is_the_vending_points(operator, utility, shop, paper, mark):
    shop.change(lambda session: session.execute(update(VendingPoint).values(paper_size=paper)))
    sale = sold(operator, utility, shop)
    assert f'class="slip {mark}"' in operator.get(f"{WHERE}/{sale.id}/preview").text
