"""What somebody wants a meter to do, checked by the limits of its function."""

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Final

from vmsapp.models import Meter
from vmsapp.services.engineering import errors as wrong
from vmsapp.services.engineering.functions import (
    DATA_MAX,
    FUNCTIONS,
    INDEX_MAX,
    Function,
    Spec,
    extended_value,
    own_register,
)
from vmsapp.sts import identifiers
from vmsapp.sts.mse import Register

REASON_MAX: Final = 255
ASKED_DIGITS: Final = 4
"""So many of a meter's last digits are asked for before what cannot be made good."""


@dataclass(frozen=True, slots=True)
class Wish:
    """An engineering token somebody wants.

    Attributes:
        meter_id: For which meter.
        function: Code of one of ``Function``.
        value: Watts, a register, a rate or factor as the maker writes it, or the data of an
            index; 0 where the function takes none.
        index: Of the extended set.
        reason: Why.
        last_digits: Of the meter's number, where the function asks for them.
        table_set: Name of the STA tables in use.
    """

    meter_id: int
    function: str
    value: int
    reason: str
    index: int = 0
    last_digits: str = ""
    table_set: str = "production"

    def body_hash(self) -> str:
        """Digest of all of it: 64 hex digits."""
        text = json.dumps(asdict(self), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def wanted(self) -> int:
        """The value as one number, which is kept with the token."""
        if self.function != Function.EXTENDED:
            return self.value
        if 0 <= self.index <= INDEX_MAX and 0 <= self.value <= DATA_MAX:
            return extended_value(self.index, self.value)
        return 0


def spec_of(code: str) -> Spec:
    """Find a function by its code.

    Raises:
        FunctionUnknown: There is none.
    """
    try:
        return FUNCTIONS[Function(code)]
    except ValueError:
        raise wrong.FunctionUnknown from None


def check(wish: Wish, meter: Meter) -> int:
    """Check a wish against the meter and the limits of its function.

    Returns:
        The 16 bits the token carries.

    Raises:
        VmsError: One of ``engineering.errors``.
    """
    spec, drn = spec_of(wish.function), identifiers.drn.format(meter.drn)
    if not spec.fits(meter):
        raise wrong.NotForThisMeter(drn=drn)
    if spec.asks_number and wish.last_digits != meter.drn[-ASKED_DIGITS:]:
        raise wrong.OtherMeter
    _check_value(wish, spec, meter)
    if not wish.reason.strip():
        raise wrong.ReasonMissing
    return spec.field(wish.wanted)


def _check_value(wish: Wish, spec: Spec, meter: Meter) -> None:
    match wish.function:
        case Function.CLEAR_CREDIT:
            if wish.value not in {own_register(meter), Register.ALL}:
                raise wrong.RegisterUnknown
        case Function.EXTENDED:
            if not 0 <= wish.index <= INDEX_MAX:
                raise wrong.IndexOutside(least=0, most=INDEX_MAX)
            if not 0 <= wish.value <= DATA_MAX:
                raise wrong.ValueOutside(least=0, most=DATA_MAX)
        case _:
            if not spec.least <= wish.value <= spec.most:
                raise wrong.ValueOutside(least=spec.least, most=spec.most)
