"""Class 2: key change tokens, which carry a meter from one decoder key to another.

They are encrypted under the old key and describe the new one. The 44 data bits:

=== ========= ======== ======================================================
KCT sub-class key      data, big end first
=== ========= ======== ======================================================
1   3         any      KENHO 4, KRN 4, RO 1, 3KCT 1, KT 2, NKHO 32
2   4         any      KENLO 4, TI 8 (binary), NKLO 32
3   8         64 bits  SGC 24, zeros 20; only in a set of three, 3KCT = 1
3   8         128 bits SGCLO 12, NKMO2 32
4   9         128 bits SGCHO 12, NKMO1 32
=== ========= ======== ======================================================

A 64-bit key is NKHO, NKLO; one of 128 bits NKHO, NKMO2, NKMO1, NKLO. RO (roll-over) tells the
meter to forget its TIDs, because those of a later base date begin anew: it is set exactly when
the base date changes. Key change tokens carry no TID.

Source: IEC 62055-41:2018, "Class 2: Set1stSectionDecoderKey" to "Set4thSectionDecoderKey",
6.5.2 "Key change".

>>> key = DecoderKey(EncryptionAlgorithm.STA, bytes.fromhex("0001020304050607"))
>>> terms = KeyTerms("123456", krn=7, ti="99", kt=KeyType.DUTK, ken=0xA5)
>>> [f"{section.data:011X}" for section in sections(key, terms, roll_over=False)]
['A7200010203', '56304050607']
"""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Final, Self

from vmsapp.sts.errors import FieldRangeError, FormatError, KeyRuleError
from vmsapp.sts.fields import TokenClass, require_bits, require_flag, require_range
from vmsapp.sts.identifiers import EncryptionAlgorithm, KeyType
from vmsapp.sts.keys import DecoderKey, KeyParameters, normalise
from vmsapp.sts.rules import require_change
from vmsapp.sts.secret import SecretBytes

KEY_PART_BYTES: Final = 4
KEY_PART_BITS: Final = 8 * KEY_PART_BYTES
SGC_HALF_BITS: Final = 12
SGC_PAD_BITS: Final = 20
MIDDLE: Final = (8, 9)
"""The sub-classes of the middle of a 128-bit key."""
_KEY_PART: Final = (1 << KEY_PART_BITS) - 1


@dataclass(frozen=True, slots=True)
class KeyTerms:
    """What a set of key change tokens says about the new key, beside the key.

    Attributes:
        sgc: Supply group code; in a two-token set it is not carried.
        krn: Key revision number.
        ti: Tariff index.
        kt: Key type.
        ken: Key expiry number.

    Raises:
        FormatError, FieldRangeError: A field is wrong.
    """

    sgc: str
    krn: int
    ti: str
    kt: KeyType
    ken: int

    def __post_init__(self) -> None:
        normalise(self, ("sgc", "krn", "ti", "kt", "ken"))

    @classmethod
    def of(cls, parameters: KeyParameters) -> Self:
        """Take them from the parameters of a key."""
        of = parameters
        return cls(of.sgc, of.krn, of.ti, of.kt, of.ken)


@dataclass(frozen=True, slots=True)
class FirstSection:
    """KCT 1: the upper end of the key, and how it may be used."""

    token_class: ClassVar = TokenClass.MANAGEMENT
    subclass: ClassVar = 3
    tid: ClassVar[None] = None

    ken_high: int
    krn: int
    roll_over: bool
    three_tokens: bool
    kt: KeyType
    key_part: SecretBytes

    def __post_init__(self) -> None:
        require_bits("KENHO", self.ken_high, 4)
        require_flag("RO", self.roll_over)
        require_flag("3KCT", self.three_tokens)
        normalise(self, ("krn", "kt"))

    @classmethod
    def from_data(cls, data: int) -> Self:
        """Read the 44 data bits."""
        return cls(
            ken_high=data >> 40,
            krn=data >> 36 & 0xF,
            roll_over=bool(data >> 35 & 1),
            three_tokens=bool(data >> 34 & 1),
            kt=KeyType(data >> 32 & 3),
            key_part=_part(data),
        )

    @property
    def data(self) -> int:
        """The 44 data bits."""
        flags = self.roll_over << 3 | self.three_tokens << 2 | self.kt
        return (self.ken_high << 8 | self.krn << 4 | flags) << KEY_PART_BITS | _of(self.key_part)


@dataclass(frozen=True, slots=True)
class SecondSection:
    """KCT 2: the lower end of the key, and the tariff index."""

    token_class: ClassVar = TokenClass.MANAGEMENT
    subclass: ClassVar = 4
    tid: ClassVar[None] = None

    ken_low: int
    ti: str
    key_part: SecretBytes

    def __post_init__(self) -> None:
        require_bits("KENLO", self.ken_low, 4)
        normalise(self, ("ti",))

    @classmethod
    def from_data(cls, data: int) -> Self:
        """Read the 44 data bits."""
        return cls(data >> 40, f"{data >> 32 & 0xFF:02d}", _part(data))

    @property
    def data(self) -> int:
        """The 44 data bits."""
        return (self.ken_low << 8 | int(self.ti)) << KEY_PART_BITS | _of(self.key_part)


@dataclass(frozen=True, slots=True)
class SupplyGroupSection:
    """KCT 3 of a 64-bit key: the supply group code."""

    token_class: ClassVar = TokenClass.MANAGEMENT
    subclass: ClassVar = 8
    tid: ClassVar[None] = None

    sgc: str

    def __post_init__(self) -> None:
        normalise(self, ("sgc",))

    @classmethod
    def from_data(cls, data: int) -> Self:
        """Read the 44 data bits.

        Raises:
            FieldRangeError: The bits after the code are not zeros.
        """
        if pad := data & (1 << SGC_PAD_BITS) - 1:
            raise FieldRangeError("Pad", pad, "is not 0")
        return cls(f"{data >> SGC_PAD_BITS:06d}")

    @property
    def data(self) -> int:
        """The 44 data bits."""
        return int(self.sgc) << SGC_PAD_BITS


@dataclass(frozen=True, slots=True)
class MiddleSection:
    """KCT 3 (sub-class 8) and 4 (sub-class 9) of a 128-bit key: key and half of the SGC each."""

    token_class: ClassVar = TokenClass.MANAGEMENT
    tid: ClassVar[None] = None

    subclass: int
    sgc_half: int
    key_part: SecretBytes

    def __post_init__(self) -> None:
        require_range("SubClass", self.subclass, *MIDDLE)
        require_bits("SGC half", self.sgc_half, SGC_HALF_BITS)

    @classmethod
    def from_data(cls, subclass: int, data: int) -> Self:
        """Read the 44 data bits."""
        return cls(subclass, data >> KEY_PART_BITS, _part(data))

    @property
    def data(self) -> int:
        """The 44 data bits."""
        return self.sgc_half << KEY_PART_BITS | _of(self.key_part)


Section = FirstSection | SecondSection | SupplyGroupSection | MiddleSection


def as_section(token: object) -> Section:
    """Hand a decoded token back as what it is.

    Raises:
        FormatError: It is no key change token.
    """
    if isinstance(token, Section):
        return token
    raise FormatError("token", type(token).__name__, "does not change a key")


def sections(
    new_key: DecoderKey, terms: KeyTerms, *, roll_over: bool, three_tokens: bool = False
) -> tuple[Section, ...]:
    """Part a new key into the tokens that carry it, in their order.

    Args:
        new_key: 64 or 128 bits.
        terms: How it may be used.
        roll_over: Its base date is another than the old key's.
        three_tokens: Send the supply group code too; a 128-bit key always does.

    Returns:
        Two or three tokens for a 64-bit key, four for one of 128 bits.

    Raises:
        FieldRangeError: Three tokens for a 128-bit key.
    """
    wide = new_key.ea is EncryptionAlgorithm.MISTY1
    if wide and three_tokens:
        raise FieldRangeError("tokens of a 128-bit key", 3, "are not 4: sets of 3 are for 64 bits")
    value = new_key.reveal()
    parts = [
        SecretBytes(value[start : start + KEY_PART_BYTES])
        for start in range(0, len(value), KEY_PART_BYTES)
    ]
    ken_high, ken_low = divmod(terms.ken, 16)
    first = FirstSection(ken_high, terms.krn, roll_over, three_tokens, terms.kt, parts[0])
    second = SecondSection(ken_low, terms.ti, parts[-1])
    if wide:
        sgc_high, sgc_low = divmod(int(terms.sgc), 1 << SGC_HALF_BITS)
        third = MiddleSection(MIDDLE[0], sgc_low, parts[1])
        fourth = MiddleSection(MIDDLE[1], sgc_high, parts[2])
        return first, second, third, fourth
    return (first, second, SupplyGroupSection(terms.sgc)) if three_tokens else (first, second)


def assemble(set_of: tuple[Section, ...]) -> tuple[bytes, dict[str, int | str | bool]]:
    """Put a set of key change tokens together again.

    Args:
        set_of: All tokens of one set, in any order.

    Returns:
        The new key, 8 or 16 bytes, and what the set says of it: ``krn``, ``kt``, ``ti``,
        ``ken``, ``roll_over``, ``three_tokens`` and, but for a set of two, ``sgc``.

    Raises:
        FormatError: A token is missing, or there is one too many.
    """
    by_subclass = {section.subclass: section for section in set_of}
    kinds = sorted(by_subclass)
    if len(kinds) != len(set_of) or kinds not in ([3, 4], [3, 4, 8], [3, 4, 8, 9]):
        raise FormatError("key change tokens", None, "are not one whole set")
    first, second = by_subclass[3], by_subclass[4]
    assert isinstance(first, FirstSection)
    assert isinstance(second, SecondSection)
    third, fourth = by_subclass.get(8), by_subclass.get(9)
    if isinstance(third, MiddleSection) is not isinstance(fourth, MiddleSection):
        raise FormatError("key change tokens", None, "are not of one key length")
    if first.three_tokens is not isinstance(third, SupplyGroupSection):
        raise FormatError("3KCT", int(first.three_tokens), "is not what the set is")
    said: dict[str, int | str | bool] = {
        "krn": first.krn, "kt": first.kt, "ti": second.ti,
        "ken": first.ken_high << 4 | second.ken_low,
        "roll_over": first.roll_over, "three_tokens": first.three_tokens,
    }  # fmt: skip
    parts = [first.key_part, second.key_part]
    if isinstance(third, SupplyGroupSection):
        said["sgc"] = third.sgc
    elif isinstance(third, MiddleSection) and isinstance(fourth, MiddleSection):
        said["sgc"] = f"{fourth.sgc_half << SGC_HALF_BITS | third.sgc_half:06d}"
        parts[1:1] = [third.key_part, fourth.key_part]
    return b"".join(part.reveal() for part in parts), said


def change(
    old_key: DecoderKey,
    new_key: DecoderKey,
    old: KeyParameters,
    new: KeyParameters,
    *,
    moment: datetime | None = None,
    three_tokens: bool = False,
) -> tuple[Section, ...]:
    """Check a change of keys and give its tokens, to be encrypted under the old key.

    Args:
        old_key: The meter's present key.
        new_key: The one it is to have.
        old: Parameters of the present key.
        new: Parameters of the new one.
        moment: Aware time of issue; None where it is not known.
        three_tokens: Send the supply group code of a 64-bit key too.

    Raises:
        KeyRuleError: As ``rules.require_change`` says, or the keys are one although the base date
            changes (DKGA02 does not know base dates): the meter would forget its spent TIDs
            and take the same tokens again.
        FieldRangeError: Three tokens for a 128-bit key.
    """
    require_change(old, new, moment)
    roll_over = old.base_date is not new.base_date
    if roll_over and old_key == new_key:
        raise KeyRuleError("roll-over", None, "needs another vending key, under another KRN")
    return sections(new_key, KeyTerms.of(new), roll_over=roll_over, three_tokens=three_tokens)


def _part(data: int) -> SecretBytes:
    return SecretBytes((data & _KEY_PART).to_bytes(KEY_PART_BYTES, "big"))


def _of(part: SecretBytes) -> int:
    return int.from_bytes(part.reveal(), "big")
