"""All that is open is settled by one call, as the worker and the command make it.

Source: SALE.md, "7. Reconcile and cancel" and "10. Key change".
"""

import pytest

from tests.factories import DOMESTIC, LEGACY_11
from tests.faults import request_lost
from vmsapp.models import ChangeState, KeyChange, Sale, SaleState
from vmsapp.scope import SYSTEM, seen_by
from vmsapp.services.settling import settle_everything

pytestmark = [pytest.mark.parametrize("backend", ["sqlite"]), pytest.mark.ring]


def test_a_sale_and_a_key_change_that_are_open_are_settled_by_one_call(shop, keys, module):
    module.once("issue_credit", request_lost)
    assert shop.sell(DOMESTIC).state == SaleState.PENDING
    module.once("issue_key_change", request_lost)
    assert keys.start(LEGACY_11, krn=2).state == ChangeState.RESERVED
    shop.clock.forward(minutes=1)
    with shop.session() as session, seen_by(SYSTEM):
        counts = settle_everything(session, shop.registry)
    assert counts == {"issued": 1, "key_changes_completed": 1}
    assert [sale.state for sale in shop.rows(Sale)] == [SaleState.ISSUED]
    assert [change.state for change in shop.rows(KeyChange)] == [ChangeState.COMPLETED]


def test_where_nothing_is_open_nothing_is_told(shop):
    with shop.session() as session, seen_by(SYSTEM):
        assert settle_everything(session, shop.registry) == {}
