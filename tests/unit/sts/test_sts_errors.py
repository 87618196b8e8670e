"""What the engine refuses, it refuses by one class a rule, in a sentence that can be printed."""

import pickle

import pytest

from vmsapp.sts import errors
from vmsapp.sts.codec import decode
from vmsapp.sts.credit import CreditToken
from vmsapp.sts.errors import FieldRangeError, RowRefused, StsError
from vmsapp.sts.identifiers import base_date
from vmsapp.sts.keys import DecoderKey


@pytest.mark.parametrize(
    "value", [10**5000, -(10**5000), "9" * 100_000], ids=["huge", "far below zero", "long"]
)
def test_a_value_of_any_size_can_be_printed_and_is_cut_short(value):
    assert len(str(FieldRangeError("field", value, "is not 0 to 9"))) < 100


def test_a_value_of_usual_size_is_carried_as_it_is():
    error = FieldRangeError("TID", 2**64, "is not 24 bits")
    assert (error.field, error.value, error.rule) == ("TID", 2**64, "is not 24 bits")
    assert str(error) == f"TID {2**64} is not 24 bits"


@pytest.mark.parametrize(
    "use",
    [
        lambda n: CreditToken.of_units(0, n, tid=5, rnd=1),
        lambda n: CreditToken(0, 1, n, 5),
        base_date.validate,
        lambda _: decode("9" * 5000, DecoderKey(7, bytes(8))),
    ],
)
def test_giant_numbers_are_refused_like_others(use):
    with pytest.raises(StsError) as caught:
        use(10**5000)
    assert len(str(caught.value)) < 200


def test_an_error_of_a_row_says_row_and_rule_and_crosses_processes():
    error = RowRefused(7, FieldRangeError("TID", -1, "is not 0 to 9"))
    assert str(error) == "row 7 of the batch: TID -1 is not 0 to 9"
    again = pickle.loads(pickle.dumps(error))
    assert (again.row, str(again)) == (7, str(error))


def test_every_refusal_is_of_the_family():
    kinds = [
        kind
        for kind in vars(errors).values()
        if isinstance(kind, type) and kind.__module__ == errors.__name__
    ]
    assert len(kinds) > 20
    assert all(issubclass(kind, StsError) and kind.__doc__ for kind in kinds)
