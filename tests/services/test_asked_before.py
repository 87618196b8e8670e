"""What was asked for overwrites only what it was asked about: what came since stays."""

from dataclasses import replace

import pytest

from tests.factories import HARBOUR, LEGACY_11
from tests.services import pair as pairs
from tests.services.pair import make_pair
from vmsapp.models import ApprovalRequest, ApprovalRule, Meter, OfficeUser
from vmsapp.services import float_terms
from vmsapp.services.approvals import asking, rules
from vmsapp.services.approvals.deed import ChangedSinceAsked, canonical
from vmsapp.services.approvals.rules import RuleChange
from vmsapp.services.float_terms import CHANGE_TERMS, Terms
from vmsapp.services.floats import PAY_IN
from vmsapp.services.registration import correcting
from vmsapp.services.registration.correcting import CORRECT, MAY_CORRECT, Correction
from vmsapp.services.registration.meters import FIXED


@pytest.fixture
def pair(shop, monkeypatch):
    monkeypatch.setattr(pairs, "ALL", (*pairs.ALL, MAY_CORRECT))
    return make_pair(shop)


def corrected(meter: Meter, **to: object) -> Correction:
    """What the form sends: all that the record says, but for what is corrected."""
    said = Correction(
        meter.id, meter.drn, meter.algorithm, meter.ea, meter.sgc, meter.krn, meter.ti, meter.kt,
        meter.base_date, "The index was mistyped.", correcting.written(meter),
    )  # fmt: skip
    return replace(said, **to)


def ended(pair, request):
    """How a request ended, and why."""
    now = pair.again(request)
    return now.state, now.outcome and now.outcome["code"]


@pytest.mark.ring
def test_an_approved_correction_does_not_undo_a_key_change_confirmed_since(shop, pair, keys):
    shop.sell(LEGACY_11)
    meter = shop.meter(LEGACY_11)
    request = pair.ask(CORRECT, params=corrected(meter, ti="44"))
    keys.confirm(keys.start(LEGACY_11, krn=2), "test_tokens", 2, meter.ti)
    pair.approve(request)
    assert ended(pair, request) == ("failed", "changed_since_asked")
    now = shop.meter(LEGACY_11)
    assert (now.krn, now.ti) == (2, "01")
    assert shop.sell(LEGACY_11, units="7").krn == 2
    again = pair.ask(CORRECT, "k2", params=corrected(now, ti="44"))
    pair.approve(again)
    now = shop.meter(LEGACY_11)
    assert (now.krn, now.ti) == (2, "44")


@pytest.mark.parametrize(
    "since", [{"sgc": "123456"}, {"krn": 2}, {"kt": 3}, {"ti": "07"}, {"ea": 11},
              {"base_date": "35"}, {"algorithm": "sts6"}, {"drn": "07000009999"}]
)  # fmt: skip
def test_a_correction_remembers_all_that_it_overwrites(shop, keys, pair, since):
    shop.sell(LEGACY_11)
    meter = shop.meter(LEGACY_11)
    request = pair.ask(CORRECT, params=corrected(meter, krn=3, ti="44"))
    keys.set_meter(LEGACY_11, **since)
    pair.approve(request)
    assert ended(pair, request) == ("failed", "changed_since_asked")
    now = shop.meter(LEGACY_11)
    assert {name: getattr(now, name) for name in FIXED} == {
        name: getattr(meter, name) for name in FIXED
    } | since


def test_a_correction_asked_for_before_this_was_kept_is_asked_for_anew(shop, pair):
    """Its hash is as it was, so it is refused for what it is, not as altered."""
    shop.sell(LEGACY_11)
    old = corrected(shop.meter(LEGACY_11), ti="44", was="")
    assert '"was"' not in canonical(CORRECT.action, old)
    with pytest.raises(ChangedSinceAsked):
        pair.ask(CORRECT, params=old)
    assert shop.count(ApprovalRequest) == 0
    assert shop.meter(LEGACY_11).ti == "01"


def test_a_correction_is_not_asked_for_in_a_form_that_is_out_of_date(shop, pair, keys):
    shop.sell(LEGACY_11)
    opened = corrected(shop.meter(LEGACY_11), ti="44")
    keys.set_meter(LEGACY_11, krn=2)
    with pytest.raises(ChangedSinceAsked):
        pair.ask(CORRECT, params=opened)


def test_approved_terms_do_not_undo_those_that_came_since(shop, pair):
    point = shop.utility.points[HARBOUR]

    def terms(limited, limit):
        return Terms(point, limited, limit, float_terms.written(shop.account()))

    pair.ask(PAY_IN)  # its first movement makes the account
    pair.rule(CHANGE_TERMS)
    first = pair.ask(CHANGE_TERMS, "t1", params=terms(True, 5000))
    other = pair.ask(CHANGE_TERMS, "t2", params=terms(True, 100))
    pair.approve(other)
    pair.approve(first)
    assert ended(pair, first) == ("failed", "changed_since_asked")
    account = shop.account()
    assert (account.limited, account.credit_limit_minor) == (True, 100)


def test_an_approved_rule_does_not_undo_one_that_came_since(shop, pair):
    def see_all(session):
        for user_id in pair.ids.values():
            session.get(OfficeUser, user_id).all_regions = True

    def change(key, active, amount):
        with shop.session() as session:
            was = rules.written(rules.rule_of(session, PAY_IN.action))
        wish = RuleChange(PAY_IN.action, active, amount, was)
        return pair.do(pairs.MAKER, asking.change_rule, wish, key)

    shop.change(see_all)
    assert change("r1", True, 5000) is None
    weaker = change("r2", True, 9000)
    assert change("r3", True, 100) is None
    pair.approve(weaker)
    assert ended(pair, weaker) == ("failed", "changed_since_asked")
    (rule,) = shop.rows(ApprovalRule)
    assert (rule.active, rule.from_amount_minor) == (True, 100)
