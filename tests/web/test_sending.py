"""Receipts by mail and text message: asked for at the counter, sent by the worker, and told."""

import json
import re

import pytest
from sqlalchemy import update

from tests.factories import AUDITOR, OPERATOR, SOUTH_OPERATOR, SUPERVISOR
from tests.services.test_deliveries import DIALLED, PHONE, Fake, Never, NotNow, Perhaps, draft
from tests.services.test_mail import GOOD, smtp
from tests.web.office import LANGUAGES, NORTH_SUPERVISOR, main_part
from vmsapp.extensions import db
from vmsapp.models import (
    AuditEvent,
    Consumer,
    Delivery,
    ReceiptPrint,
    Sale,
    SaleState,
    Setup,
)
from vmsapp.services.delivery.folder import FolderSender
from vmsapp.services.delivery.sms_text import MOST_SEGMENTS, SmsTooLong, segments, sms_of
from vmsapp.services.registration import consumers
from vmsapp.tasks import deliveries

WHERE = "/counter/receipts"


def words_of(html: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", html).split())


def buyer(shop, **values):
    shop.change(lambda session: session.execute(update(Consumer).values(**values)))


def utility_is(shop, **values):
    shop.change(lambda session: session.execute(update(Setup).values(**values)))


def mails_through(shop, ports_open, server):
    """Have the utility mail through a server."""
    ports_open(server.port)
    utility_is(shop, mail_host="127.0.0.1", mail_port=server.port, mail_security="none",
               mail_sender="vms@example.org")  # fmt: skip


@pytest.fixture
def sms(office, monkeypatch):
    """A sender of text messages, which notes what it is given."""
    fake = Fake()
    monkeypatch.setitem(office.extensions, "vms_sms", fake)
    return fake


@pytest.fixture
def told(office, monkeypatch):
    """What the workers were told, by messages that are kept here."""
    messages = []
    monkeypatch.setattr(
        deliveries.celery, "send_task", lambda name, **named: messages.append((name, named))
    )
    return messages


@pytest.fixture
def worker(office, told):
    """Do what the workers were told."""

    def work():
        while told:
            _name, message = told.pop(0)
            with office.app_context():
                deliveries.send.run(*message["args"])
                db.session.remove()

    return work


def sold(operator, utility, shop, **values):
    buyer(shop, **({"phone": PHONE} | values))
    operator.buy(utility)
    return shop.rows(Sale)[-1]


def listed(operator, sale):
    """What the sale's page says of deliveries."""
    page = operator.get(f"/counter/sale/{sale.id}").text
    found = re.search(r'<ul class="last" aria-labelledby="deliveries">.*?</ul>', page, re.DOTALL)
    return (words_of(found[0]) if found else ""), page


def test_a_receipt_goes_to_the_consumers_address_as_a_file(
    operator, utility, shop, ports_open, worker
):
    sale = sold(operator, utility, shop, email="ada@example.org", language="fr")
    with smtp(GOOD) as server:
        mails_through(shop, ports_open, server)
        page = operator.get(f"{WHERE}/{sale.id}/preview").text
        assert "Send by e-mail to ada@example.org" in words_of(page)
        page = operator.get(operator.print(sale.id, kind="mail").location).text
        assert "The receipt is being sent to a•••@example.org." in words_of(page)
        assert server.lines == []  # nobody waits for the mail server at the counter
        worker()
    said_to_it = "\n".join(server.lines)
    assert "To: ada@example.org" in said_to_it
    assert f'filename="{sale.receipt}.pdf"' in said_to_it
    assert "application/pdf" in said_to_it
    assert shop.digits(sale) not in said_to_it
    assert [(row.kind, row.language) for row in shop.rows(ReceiptPrint)] == [("mail", "fr")]
    shown, _page = listed(operator, sale)
    assert re.search(r"By e-mail · a•••@example.org · Sent .* operator$", shown), shown


def test_a_mail_that_is_refused_leaves_the_original_to_be_printed(
    operator, utility, shop, ports_open, worker
):
    sale = sold(operator, utility, shop, email="ada@example.org")
    with smtp(GOOD | {"RCPT": "550 unknown"}) as server:
        mails_through(shop, ports_open, server)
        operator.print(sale.id, kind="mail")
        worker()
    shown, _page = listed(operator, sale)
    assert "refused the message" in shown
    assert "COPY" not in operator.get(f"{WHERE}/{sale.id}/preview").text
    assert shop.count(ReceiptPrint) == 0
    assert shop.count(AuditEvent, AuditEvent.action == "receipt.not_sent") == 1


def test_without_an_address_or_a_sender_nothing_is_counted(operator, utility, shop, told):
    sale = sold(operator, utility, shop)
    page = operator.get(operator.print(sale.id, kind="mail").location).text
    assert "has no e-mail address" in page
    page = operator.get(operator.print(sale.id, kind="sms").location).text
    assert "No sender of text messages is set up." in page
    assert "Send by" not in page
    buyer(shop, email="ada@example.org")
    page = operator.get(operator.print(sale.id, kind="mail").location).text
    assert "No mail server is set up yet." in page
    assert (shop.count(ReceiptPrint), shop.count(Delivery), told) == (0, 0, [])


def test_a_text_message_says_whose_what_and_the_token_in_groups(
    operator, utility, shop, sms, worker
):
    sale = sold(operator, utility, shop)
    page = operator.get(f"{WHERE}/{sale.id}/preview").text
    assert f"Send by text message to {PHONE}" in words_of(page)
    operator.print(sale.id, kind="sms")
    worker()
    (message,) = sms.taken
    groups = " ".join(re.findall("....", shop.digits(sale)))
    drn = re.search(r"Meter (\d+)", message.text)[1]
    # fifty units at ten cents
    assert message.text == f"Test Utility DEMO\nMeter {drn}\n50.0 kWh, 5.00 USD\n{groups}"
    assert (message.to, segments(message.text)) == (DIALLED, 1)
    shown, page = listed(operator, sale)
    assert re.search(r"By text message · •••456 · Sent .* operator$", shown), shown
    assert "data-progress" not in page


@pytest.mark.parametrize("language", LANGUAGES)
def test_it_is_in_the_consumers_language_and_a_copy_says_so(
    operator, supervisor, utility, shop, sms, worker, language
):
    sale = sold(operator, utility, shop, language=language)
    operator.print(sale.id)
    supervisor.print(sale.id, kind="sms")
    worker()
    (message,) = sms.taken
    copy = {"en": "COPY 1", "zh": "副本 1", "fr": "COPIE 1", "ar": "نسخة 1", "pt": "CÓPIA 1",
            "es": "COPIA 1", "sw": "NAKALA 1", "ru": "КОПИЯ 1"}[language]  # fmt: skip
    meter = {"en": "Meter ", "zh": "表计 ", "fr": "Compteur ", "ar": "عداد ", "pt": "Contador ",
             "es": "Medidor ", "sw": "Mita ", "ru": "Счётчик "}[language]  # fmt: skip
    first, second, *_rest, last = message.text.split("\n")
    mark = {"en": "DEMO", "zh": "演示", "fr": "DÉMO", "ar": "تجريبي", "pt": "DEMO", "es": "DEMO",
            "sw": "MAJARIBIO", "ru": "ДЕМО"}[language]  # fmt: skip
    assert first == f"Test Utility {mark} {copy}"
    assert second.startswith(meter)
    mark = "\u200e" if language == "ar" else ""  # else the groups would run from right to left
    assert last == mark + " ".join(re.findall("....", shop.digits(sale)))
    beyond_gsm = ("zh", "ar", "ru", "pt")  # letters that the short alphabet lacks, such as Ó
    assert segments(message.text) == (2 if language in beyond_gsm else 1)


def test_what_a_message_to_the_workers_holds_is_an_id_alone(operator, utility, shop, sms, told):
    sale = sold(operator, utility, shop)
    operator.print(sale.id, kind="sms")
    (row,) = shop.rows(Delivery)
    assert told == [(deliveries.SEND, {"args": [row.id], "retry": False})]


def test_the_page_follows_what_is_under_way_and_stops_when_it_is_over(
    operator, utility, shop, sms, worker
):
    sale = sold(operator, utility, shop)
    operator.print(sale.id, kind="sms")
    shown, page = listed(operator, sale)
    assert "Waits to be sent" in shown
    address = re.search(r'data-progress="([^"]+)"', page)[1]
    waits = operator.get(address).json
    assert (waits["finished"], waits["text"]) == (False, "Waits to be sent")
    worker()
    assert operator.get(address).json["finished"] is True


def test_a_paper_print_does_not_load_its_page_anew_for_a_message(
    operator, utility, shop, sms, told
):
    sale = sold(operator, utility, shop)
    operator.print(sale.id, kind="sms")
    page = operator.get(operator.print(sale.id).location).text
    assert "data-print-now" in page
    assert "data-progress" not in page


def test_what_failed_is_sent_again_by_a_person(operator, supervisor, utility, shop, sms, worker):
    sale = sold(operator, utility, shop)
    sms.plan = [Never()]
    operator.print(sale.id, kind="sms")
    worker()
    shown, page = listed(operator, sale)
    assert "Not sent" in shown
    assert "Never." in shown
    (row,) = shop.rows(Delivery)
    assert f'action="/counter/deliveries/{sale.id}/{row.id}/retry"' in page
    answer = supervisor.post(f"/counter/deliveries/{sale.id}/{row.id}/retry")
    assert answer.location == f"/counter/sale/{sale.id}"
    worker()
    shown, page = listed(operator, sale)
    assert re.search(r"Sent .* supervisor$", shown), shown
    assert "/retry" not in main_part(page)
    assert len(sms.taken) == 1
    again = operator.post(f"/counter/deliveries/{sale.id}/{row.id}/retry")
    assert "is sent once more" in operator.get(again.location).text
    assert shop.rows(ReceiptPrint)[-1].nth == 1


def test_what_may_have_left_asks_before_it_is_sent_again(operator, utility, shop, sms, worker):
    sale = sold(operator, utility, shop)
    sms.plan = [Perhaps()]
    operator.print(sale.id, kind="sms")
    worker()
    shown, page = listed(operator, sale)
    assert "Perhaps sent" in shown
    assert "It may have arrived. Send it once more, as a copy?" in page


def test_what_is_put_off_says_when_it_is_tried_again(operator, utility, shop, sms, worker):
    sale = sold(operator, utility, shop)
    sms.plan = [NotNow(), NotNow(), NotNow(), NotNow()]
    operator.print(sale.id, kind="sms")
    worker()
    shown, page = listed(operator, sale)
    assert re.search(r"Waits to be sent .* Not now. It is tried again at Mar 17, 2026", shown), (
        shown
    )
    assert "data-progress" in page  # within a minute something happens


def test_another_regions_delivery_is_an_unknown_one(operator, browse, utility, shop, sms, told):
    sale = sold(operator, utility, shop)
    operator.print(sale.id, kind="sms")
    (row,) = shop.rows(Delivery)
    stranger = browse(SOUTH_OPERATOR)
    path = f"/counter/deliveries/{sale.id}/{row.id}"
    assert stranger.get(f"{path}/state?seen=waiting").status_code == 404
    assert stranger.post(f"{path}/retry").status_code == 404
    assert operator.get(f"{path}0/state?seen=waiting").status_code == 404
    assert browse(AUDITOR).post(f"{path}/retry").status_code == 403
    assert shop.rows(Delivery)[0].state == "waiting"


def test_a_sale_taken_back_before_the_worker_came_is_told_and_not_sent(
    operator, utility, shop, sms, worker
):
    sale = sold(operator, utility, shop)
    operator.print(sale.id, kind="sms")
    shop.change(lambda session: session.execute(update(Sale).values(state=SaleState.REVERSED)))
    worker()
    shown, page = listed(operator, sale)
    assert "The sale was taken back before its receipt was sent" in shown
    assert "/retry" not in main_part(page)
    assert sms.taken == []


# addresses


def edit(shop, by, **changes):
    """Change the first consumer, as somebody."""
    (row,) = shop.rows(Consumer, Consumer.number == "C0001")
    shop.do(consumers.change, {row.id: draft(shop, **changes)}, by=by)
    return row.id


def test_a_new_number_is_confirmed_by_another_on_the_consumers_page(
    operator, supervisor, utility, shop, sms, told
):
    sale = sold(operator, utility, shop)
    number = edit(shop, OPERATOR, phone="0711 000 222")
    page = operator.get(f"{WHERE}/{sale.id}/preview").text
    assert "The telephone number was entered or changed less than 24 hours ago" in page
    assert "Send by text message" not in page
    assert f'href="/consumers/show/{number}"' in page
    refused = operator.print(sale.id, kind="sms")
    assert "changed less than 24 hours ago" in operator.get(refused.location).text
    assert shop.count(Delivery) == 0
    path = f"/consumers/confirm-address/{number}"
    assert "A new telephone number" in operator.get(f"/consumers/show/{number}").text
    assert path not in operator.get(f"/consumers/show/{number}").text
    assert operator.post(path, {"channel": "sms"}).status_code == 403
    page = supervisor.get(f"/consumers/show/{number}").text
    assert f'action="{path}"' in page
    supervisor.post(path, {"channel": "sms"})
    assert "A new telephone number" not in supervisor.get(f"/consumers/show/{number}").text
    assert shop.count(AuditEvent, AuditEvent.action == "consumer.address_confirmed") == 1
    page = operator.get(f"{WHERE}/{sale.id}/preview").text
    assert "Send by text message to 0711 000 222" in words_of(page)


def test_who_entered_an_address_does_not_confirm_it(supervisor, shop):
    number = edit(shop, SUPERVISOR, email="eve@example.org")
    answer = supervisor.post(f"/consumers/confirm-address/{number}", {"channel": "mail"})
    page = supervisor.get(answer.location).text
    assert "Somebody else must confirm it." in page
    assert "A new e-mail address" in page


def test_an_address_of_another_region_is_nobodys(browse, shop):
    (row,) = shop.rows(Consumer, Consumer.number == "C0006")
    answer = browse(NORTH_SUPERVISOR).post(f"/consumers/confirm-address/{row.id}")
    assert answer.status_code == 404


# the folder, and how long a text is


def test_the_folder_sender_holds_the_token_for_its_owner_alone(
    operator, utility, shop, office, worker, monkeypatch, tmp_path
):
    folder = tmp_path / "sms"
    monkeypatch.setitem(office.extensions, "vms_sms", FolderSender(folder))
    sale = sold(operator, utility, shop)
    operator.print(sale.id, kind="sms")
    worker()
    (file,) = folder.iterdir()
    written = json.loads(file.read_text())
    file.unlink()  # tokens lie nowhere after a test
    assert written["to"] == DIALLED
    assert " ".join(re.findall("....", shop.digits(sale))) in written["text"]


@pytest.mark.parametrize(("text", "count"), [
    ("a" * 160, 1), ("a" * 161, 2), ("a" * 306, 2), ("a" * 307, 3),
    ("€" * 80, 1), ("€" * 81, 2),  # each takes two places
    ("充" * 70, 1), ("充" * 71, 2), ("充" * 134, 2), ("充" * 135, 3),
    ("a" * 70 + "充", 2), ("😀" * 35, 1), ("😀" * 36, 2),  # each is two halves
])  # fmt: skip
def test_a_text_is_counted_as_networks_count_it(text, count):
    assert segments(text) == count


def test_a_text_that_only_looks_wide_is_made_plain_and_one_too_long_is_refused():
    assert sms_of(["5.00\u00a0USD", "", "l’eau"]) == "5.00 USD\nl'eau"
    assert segments(sms_of(["a" * 153 * MOST_SEGMENTS])) == MOST_SEGMENTS
    with pytest.raises(SmsTooLong):
        sms_of(["a" * (153 * MOST_SEGMENTS + 1)])
