"""What the codec refuses, each error named for the rule broken.

A message names the field, shows the value where that is neither secret nor money, and
states the rule. Keys and whole tokens never appear in one.

>>> print(FieldRangeError("RND", 16, "is not 0 to 15"))
RND 16 is not 0 to 15
>>> print(VendingKeyError("vending key", None, "is 7 bytes, not 8"))
vending key is 7 bytes, not 8
"""


class StsError(ValueError):
    """The codec was given something the standard does not allow.

    Attributes:
        field: Name of the field, in the standard's words.
        value: The value refused; None where it must not be shown.
        rule: What is wrong with it, a clause that follows the value.
    """

    def __init__(self, field: str, value: int | str | None, rule: str) -> None:
        super().__init__(field, value, rule)
        self.field = field
        self.value = value
        self.rule = rule

    def __str__(self) -> str:
        shown = "" if self.value is None else f" {self.value!r}"
        return f"{self.field}{shown} {self.rule}"


class FieldRangeError(StsError):
    """A value does not fit its field."""


class CheckDigitError(StsError):
    """The last digit of a DRN or MeterPAN does not check the others."""


class CrcError(StsError):
    """The checksum of a token is wrong: other key, other meter or a slip in typing."""


class FormatError(StsError):
    """The text or block does not have the shape it should."""


class TidRangeError(StsError):
    """A token identifier, or its moment, lies outside the base date's window or is reserved."""


class VendingKeyError(StsError):
    """A vending or decoder key has the wrong length or parity; the key is not shown."""


class UnsupportedAlgorithm(StsError):
    """An algorithm, or a pair of them, that this codec does not offer."""
