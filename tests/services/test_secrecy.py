"""Digits are money: they lie in one column and leave by one door."""

import logging

from sqlalchemy import select

from tests.faults import answer_lost, down, put_off, request_lost
from vmsapp import create_app
from vmsapp.models import Token
from vmsapp.models.base import Model


def story(shop, module):
    """Sales of every outcome; gives the digits made."""
    shop.sell()
    for fault in (down, request_lost, answer_lost, put_off("rate")):
        module.once("issue_credit", fault)
        shop.sell(units="10")
        shop.clock.forward(minutes=1)
        shop.reconcile()
    module.refuse("tid_spent", highest_tid=0)
    shop.sell(units="20")
    return [token.digits for token in shop.rows(Token)]


def spellings(digits):
    """The digits as they may be written: in one, in groups of four, and half of them."""
    groups = [digits[start : start + 4] for start in range(0, 20, 4)]
    return (digits, " ".join(groups), "-".join(groups), digits[:10], digits[10:])


def test_no_table_but_the_tokens_holds_digits(shop, module):
    made = story(shop, module)
    assert len(made) == 5
    for table in Model.metadata.sorted_tables:
        columns = [c for c in table.c if (table.name, c.name) != ("token", "digits")]
        rows = shop.change(lambda s, columns=columns: s.execute(select(*columns)).all())
        text = "\n".join(str(tuple(row)) for row in rows)
        assert not [d for d in made if any(s in text for s in spellings(d))], table.name


def test_the_log_holds_no_digits(shop, module, caplog):
    with caplog.at_level(logging.DEBUG):
        made = story(shop, module)
    assert "module unavailable" in caplog.text
    written = [record for record in caplog.records if not record.name.startswith("sqlalchemy")]
    text = "\n".join(f"{record.getMessage()} {record.args}" for record in written)
    assert not [d for d in made if any(s in text for s in spellings(d))]


def test_a_tokens_repr_shows_no_digits(shop, module):
    sale = shop.sell()
    (token,) = shop.tokens(sale)
    issued = module.inner.fetch_result(sale.request_id)[0]
    assert issued.digits == token.digits
    for text in (repr(token), repr(issued), repr(sale)):
        assert not any(s in text for s in spellings(token.digits))


def test_the_modules_own_record_keeps_digits_sealed(shop, module, tmp_path):
    digits = shop.digits(shop.sell())
    files = [path for path in tmp_path.glob("results.sqlite*") if path.is_file()]
    assert any(path.stat().st_size for path in files)
    for path in files:
        held = path.read_bytes()
        assert not [s for s in spellings(digits) if s.encode() in held]


def test_neither_statements_nor_rows_are_logged_at_any_level(settings):
    for name in ("sqlalchemy", "sqlalchemy.engine", "sqlalchemy.engine.Engine"):
        logging.getLogger(name).setLevel(logging.NOTSET)  # as if nobody had said anything
    logging.getLogger().setLevel(logging.DEBUG)
    create_app(settings.model_copy(update={"log_level": "DEBUG"}))
    assert logging.getLogger("vmsapp.views").isEnabledFor(logging.DEBUG)
    assert not logging.getLogger("sqlalchemy.engine.Engine").isEnabledFor(logging.INFO)
