"""Tokens that any meter obeys: they are not encrypted, so no module and no key is asked.

Source: IEC 62055-41:2018, "Class 1: Initiate Meter Test/Display".

>>> digits_of_test(MeterTest.ALL)
'56493153725450313471'
>>> digits_of_test(MeterTest.LOAD_SWITCH, four_digits=True)
'01152921509036054672'
"""

from vmsapp.hsm import making
from vmsapp.sts.nmse import MeterTest, run_tests


def digits_of_test(test: MeterTest, *, four_digits: bool = False) -> str:
    """Make the twenty digits of a test, and read them back.

    Args:
        test: Which.
        four_digits: For meters whose manufacturer has a four-digit code.
    """
    return making.digits_of(run_tests(test, four_digits=four_digits), None, "production")
