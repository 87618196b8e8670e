"""What the codec refuses, each error named for the rule broken.

A message names the field, shows the value where that is neither secret nor money, and
states the rule. Keys and whole tokens never appear in one: of a key its length is shown, of
a token the digit, the length or the field that is wrong.

>>> print(FieldRangeError("RND", 16, "is not 0 to 15"))
RND 16 is not 0 to 15
>>> print(KeyLengthError("vending key", None, "is 7 bytes, not 8"))
vending key is 7 bytes, not 8
"""

from typing import Final

SHOWN_CHARACTERS: Final = 60
SHOWN_BITS: Final = 200


class StsError(ValueError):
    """The codec was given something the standard does not allow.

    Attributes:
        field: Name of the field, in the standard's words.
        value: The value refused, cut short where it is long; None where it must not be shown.
        rule: What is wrong with it, a clause that follows the value.
    """

    def __init__(self, field: str, value: int | str | None, rule: str) -> None:
        if isinstance(value, str) and len(value) > SHOWN_CHARACTERS:
            value = f"{value[:SHOWN_CHARACTERS]}..."
        elif isinstance(value, int) and value.bit_length() > SHOWN_BITS:
            value = f"of {value.bit_length()} bits"
        super().__init__(field, value, rule)
        self.field = field
        self.value = value
        self.rule = rule

    def __str__(self) -> str:
        shown = "" if self.value is None else f" {self.value}"
        return f"{self.field}{shown} {self.rule}"


class FieldRangeError(StsError):
    """A value does not fit its field."""


class CheckDigitError(StsError):
    """The last digit of a DRN or MeterPAN does not check the others."""


class FormatError(StsError):
    """The text or block does not have the shape it should."""


class NotDigits(FormatError):
    """Something else than digits stands in a number; the value is what."""


class LengthError(FormatError):
    """A number or token has another length; the value is that length."""


class TokenRangeError(FormatError):
    """Twenty digits, but above the largest number of 66 bits; the value is how they begin."""


class ReservedToken(FormatError):
    """A class or sub-class that the standard keeps for later; the value is which."""


class CrcError(StsError):
    """The checksum of a token is wrong: other key, other meter or a slip in typing."""


class AmountError(FieldRangeError):
    """An amount that no token can carry."""


class InexactAmount(AmountError):
    """An amount that is neither a whole number nor a ``Decimal``, such as a float."""


class NotANumber(AmountError):
    """An amount that is infinite or not a number."""


class ZeroAmount(AmountError):
    """An amount of nothing, or one too small to be carried."""


class NegativeAmount(AmountError):
    """An amount below zero where only more can be given."""


class AmountTooLarge(AmountError):
    """An amount above what the field can hold."""


class TidRangeError(StsError):
    """A token identifier outside the 24 bits, or a reserved one where none is allowed."""


class TimeBeforeBaseDate(TidRangeError):
    """A time of issue before the base date that TIDs count from."""


class TimePastBaseDate(TidRangeError):
    """A time of issue after the last minute of its base date."""


class VendingKeyError(StsError):
    """A vending or decoder key that cannot be one; the key is not shown."""


class KeyLengthError(VendingKeyError):
    """A key of the wrong length; the value is its length in bytes."""


class KeyParityError(VendingKeyError):
    """A DES key with a byte of even parity; the value is which byte, counted from 1."""


class KeyMissing(VendingKeyError):
    """A token that is read or made under a key, and no key."""


class SecretWiped(VendingKeyError):
    """A key or passphrase that was wiped is asked for."""


class KeyRuleError(StsError):
    """What a key may not be used for."""


class KeyTypeRefused(KeyRuleError):
    """A token or a change of keys that this key type does not allow."""


class KeyExpired(KeyRuleError):
    """A TID past what the key's expiry number allows."""


class UnsupportedAlgorithm(StsError):
    """An algorithm, or a pair of them, that this codec does not offer."""


class RowRefused(StsError):
    """One row of a batch is refused, so the whole batch is.

    Attributes:
        row: Which, counted from 0.
        error: What was refused in it.
    """

    def __init__(self, row: int, error: StsError) -> None:
        super().__init__("row", row, f"of the batch: {error}")
        self.row = row
        self.error = error

    def __reduce__(self) -> tuple[type["RowRefused"], tuple[int, StsError]]:
        return type(self), (self.row, self.error)
