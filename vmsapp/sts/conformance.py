"""The conformance door: checks the engine against a file of vectors, without reading it.

One JSON object a line: ``id``, ``op``, inputs, ``expected``. Every line goes through the same
public functions that make real tokens, and back again where the operation has a way back.

================= ========================================================== ==============
op                inputs                                                     expected
================= ========================================================== ==============
pan               drn                                                        MeterPAN
drn_valid         drn                                                        true or false
pan_block         iin, drn, kt                                               16 hex digits
crc               data (56 bits, hex)                                        4 hex digits
tid               base_date, issue                                           whole number
amount_field      units (tenths)                                             16-bit field
amount_from_decimal amount (decimal text, whole units)                       16-bit field
key_usable        tid, ken                                                   true or false
decoder_key       meter                                                      hex
encrypt_block     ea, key, block, tables                                     hex
credit            meter, or key and ea; subclass; units and rnd, or units_1e5;
                  tid or issue (and base_date without a meter)               20 digits
management        as credit; value, rnd; watts where it is a power limit     20 digits
test              subclass, control, manufacturer                            20 digits
key_change        meter, or key and ea (old); new; roll_over; three_token    list of those
================= ========================================================== ==============

``meter`` is {dkga, ea, vk, pan, sgc, krn, ti, kt, base_date, ken}. With ``key`` in its place,
key type, MeterPAN and expiry are not known and their rules not applied.

>>> line = '{"id": "1", "op": "pan", "drn": "12345678903", "expected": "600727123456789030"}'
>>> [outcome.passed for outcome in check([line])]
[True]
"""

import json
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from vmsapp.sts import codec, dkga, ea07, ea11, identifiers, keychange
from vmsapp.sts.amount import decode_tenths, decode_units, encode_tenths, encode_units
from vmsapp.sts.crc import token_crc
from vmsapp.sts.credit import CURRENCY, CreditToken, CurrencyToken
from vmsapp.sts.currency import MAX_FINE, encode_fine
from vmsapp.sts.errors import CheckDigitError, FieldRangeError, FormatError, StsError
from vmsapp.sts.fields import TID_BITS, require_bits, require_range
from vmsapp.sts.identifiers import BaseDate, EncryptionAlgorithm
from vmsapp.sts.keychange import KeyTerms
from vmsapp.sts.keys import DecoderKey, KeyParameters, VendingKey
from vmsapp.sts.mse import (
    POWER_LIMITS,
    PROPRIETARY,
    Management,
    ManagementToken,
    ProprietaryToken,
)
from vmsapp.sts.nmse import DisplayToken
from vmsapp.sts.rules import require_usable
from vmsapp.sts.tid import key_usable, ordinary_tid
from vmsapp.sts.token import Token

Vector = dict[str, Any]
Answers = Iterator[tuple[str, object, object]]
"""What was looked at, what came out and what should have."""


FINE_DIGITS: Final = 40
"""More than any amount of currency has, its sign included."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one line came out.

    Attributes:
        name: Its ``id`` and ``op``, or the number of the line.
        failures: A sentence each; none if it passed.
    """

    name: str
    failures: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether everything came out as expected."""
        return not self.failures


def check(lines: Iterable[str]) -> Iterator[Outcome]:
    """Check line after line; an empty one is passed over."""
    for number, line in enumerate(lines, start=1):
        if line.strip():
            yield _check_line(number, line)


def _check_line(number: int, line: str) -> Outcome:
    try:
        vector = json.loads(line, parse_float=Decimal, object_pairs_hook=_once)
        name, operation = f"{vector['id']} {vector['op']}", OPERATIONS.get(str(vector["op"]))
        vector["expected"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return Outcome(f"line {number}", ("is not a JSON object with id, op and expected",))
    if operation is None:
        return Outcome(name, (f"unknown operation; known are {', '.join(OPERATIONS)}",))
    failures = []
    try:
        for what, got, wanted in operation(vector):
            if got != wanted or type(got) is not type(wanted):
                failures.append(f"{what} is {got!r}, not {wanted!r}")
    except StsError as error:
        failures.append(f"refused: {error}")
    except KeyError as error:
        failures.append(f"has no {error}")
    except (TypeError, ValueError, AttributeError, ArithmeticError):
        # Not the engine's refusal: an input is of another kind. It may be a key: not shown.
        failures.append("an input is not what the operation takes")
    return Outcome(name, tuple(failures))


def _once(pairs: list[tuple[str, Any]]) -> Vector:
    """Refuse an input that stands twice: which of them counts?"""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError
    return found


# --- operations ---


def _pan(vector: Vector) -> Answers:
    yield "MeterPAN", identifiers.meter_pan.of_drn(vector["drn"]), vector["expected"]
    yield "DRN", identifiers.meter_pan.drn_of(vector["expected"]), vector["drn"]


def _drn_valid(vector: Vector) -> Answers:
    try:
        valid = bool(identifiers.drn.validate(_text(vector["drn"])))
    except (FormatError, CheckDigitError):
        valid = False
    yield "valid", valid, vector["expected"]


def _pan_block(vector: Vector) -> Answers:
    pan = identifiers.meter_pan.of_drn(vector["drn"])
    yield "IIN", identifiers.meter_pan.iin(pan), vector["iin"]
    yield "PANBlock", dkga.pan_block(pan, vector["kt"]).hex(), vector["expected"].lower()


def _crc(vector: Vector) -> Answers:
    yield "CRC", f"{token_crc(int(vector['data'], 16)):04x}", vector["expected"].lower()


def _tid(vector: Vector) -> Answers:
    base = identifiers.base_date.validate(vector["base_date"])
    yield "TID", ordinary_tid(_moment(vector["issue"]), base), vector["expected"]


def _amount_field(vector: Vector) -> Answers:
    yield "field", encode_tenths(vector["units"]), vector["expected"]
    yield from _next_step_up(vector["units"], vector["expected"], decode_tenths)


def _amount_from_decimal(vector: Vector) -> Answers:
    amount = Decimal(_text(vector["amount"]))
    yield "field", encode_units(amount), vector["expected"]
    yield from _next_step_up(amount, vector["expected"], decode_units)


def _key_usable(vector: Vector) -> Answers:
    yield "usable", key_usable(vector["tid"], vector["ken"]), vector["expected"]


def _decoder_key(vector: Vector) -> Answers:
    key, _ = _meter(vector["meter"])
    wanted = DecoderKey(key.ea, bytes.fromhex(vector["expected"]))
    yield "decoder key is the expected one", key == wanted, True


def _encrypt_block(vector: Vector) -> Answers:
    block, key, cipher = (int(vector[name], 16) for name in ("block", "key", "expected"))
    if identifiers.ea.validate(vector["ea"]) is EncryptionAlgorithm.STA:
        tables = ea07.table_set(vector.get("tables") or ea07.PRODUCTION.name)
        made, read = ea07.encrypt(block, key, tables), ea07.decrypt(cipher, key, tables)
    else:
        made, read = ea11.encrypt(block, key), ea11.decrypt(cipher, key)
    yield "cipher", f"{made:016x}", vector["expected"].lower()
    yield "block", f"{read:016x}", vector["block"].lower()


def _credit(vector: Vector) -> Answers:
    key, parameters = _key_of(vector)
    tid = yield from _agreed_tid(vector, parameters)
    token: CreditToken | CurrencyToken
    if vector["subclass"] < CURRENCY:
        field = encode_tenths(vector["units"])
        token = CreditToken(vector["subclass"], vector["rnd"], tid, field)
    else:
        token = CurrencyToken(vector["subclass"], tid, encode_fine(_fine(vector["units_1e5"])))
    yield from _both_ways(token, key, parameters, vector["expected"])


def _management(vector: Vector) -> Answers:
    key, parameters = _key_of(vector)
    tid = yield from _agreed_tid(vector, parameters)
    subclass, rnd = vector["subclass"], vector["rnd"]
    if "watts" in vector and subclass in POWER_LIMITS:
        coded = encode_tenths(vector["watts"], "watts")
        value = vector.get("value", coded)
        yield "value", coded, value
    else:
        value = vector["value"]
    token: ManagementToken | ProprietaryToken
    if subclass in PROPRIETARY:
        checked = ManagementToken(Management.SET_TARIFF_RATE, rnd, tid, value)
        token = ProprietaryToken(subclass, checked.data)
    else:
        token = ManagementToken(subclass, rnd, tid, value)
    yield from _both_ways(token, key, parameters, vector["expected"])


def _test(vector: Vector) -> Answers:
    token = DisplayToken(vector["subclass"], vector["control"], vector.get("manufacturer", 0))
    yield from _both_ways(token, None, None, vector["expected"])


def _key_change(vector: Vector) -> Answers:
    old_key, old = _key_of(vector)
    three_tokens = _flag(vector.get("three_token", False))
    new = vector["new"]
    if "vk" in new and old is not None:
        new_key, parameters = _meter(new)
        sections = keychange.change(old_key, new_key, old, parameters, three_tokens=three_tokens)
        terms = KeyTerms.of(parameters)
        roll_over = old.base_date is not parameters.base_date
        yield "roll-over", roll_over, _flag(vector.get("roll_over", roll_over))
    else:
        new_key, terms = _bare(new, old_key.ea)
        roll_over = _flag(vector.get("roll_over", False))
        sections = keychange.sections(
            new_key, terms, roll_over=roll_over, three_tokens=three_tokens
        )
    yield "tokens", [codec.encode(section, old_key) for section in sections], vector["expected"]
    key, said = keychange.assemble(
        tuple(keychange.as_section(codec.decode(digits, old_key)) for digits in vector["expected"])
    )
    yield "key carried", DecoderKey(new_key.ea, key) == new_key, True
    wanted = {
        "krn": terms.krn, "kt": terms.kt, "ti": terms.ti, "ken": terms.ken,
        "roll_over": roll_over, "three_tokens": three_tokens,
    }  # fmt: skip
    yield "terms carried", said, wanted | ({"sgc": terms.sgc} if len(sections) > 2 else {})


OPERATIONS: Final[dict[str, Callable[[Vector], Answers]]] = {
    "pan": _pan,
    "drn_valid": _drn_valid,
    "pan_block": _pan_block,
    "crc": _crc,
    "tid": _tid,
    "amount_field": _amount_field,
    "amount_from_decimal": _amount_from_decimal,
    "key_usable": _key_usable,
    "decoder_key": _decoder_key,
    "encrypt_block": _encrypt_block,
    "credit": _credit,
    "management": _management,
    "test": _test,
    "key_change": _key_change,
}


# --- what they share ---


def _next_step_up(asked: Any, field: int, decode: Callable[[int], Any]) -> Answers:  # noqa: ANN401
    """The field gives what was asked, and the one below it would not."""
    yield "given at least", bool(decode(field) >= asked), True
    yield "given at most", field == 0 or bool(decode(field - 1) < asked), True


def _both_ways(
    token: Token, key: DecoderKey | None, of: KeyParameters | None, expected: str
) -> Answers:
    if of is not None:
        require_usable(token, of.kt, ken=of.ken)
    # A line that gives a TID outright may mean the reserved one; from a time it is stepped over.
    yield "token", codec.encode(token, key, allow_reserved=True), expected
    yield "fields read", codec.decode(expected, key), token


def _agreed_tid(
    vector: Vector, of: KeyParameters | None
) -> Generator[tuple[str, object, object], None, int]:
    if "issue" not in vector:
        return require_bits("TID", vector["tid"], TID_BITS)
    base = of.base_date if of else identifiers.base_date.validate(vector["base_date"])
    tid = ordinary_tid(_moment(vector["issue"]), base)
    if "tid" in vector:
        yield "TID of issue", tid, vector["tid"]
    return tid


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _text(value: Any) -> str:  # noqa: ANN401 - whatever JSON holds
    if not isinstance(value, str):
        raise TypeError
    return value


def _flag(value: Any) -> bool:  # noqa: ANN401
    """True or false, or the bit: 0 or 1."""
    if not isinstance(value, int) or value not in (0, 1):
        raise TypeError
    return bool(value)


def _fine(value: Any) -> int:  # noqa: ANN401
    """A whole number, or its text."""
    if isinstance(value, str):
        if len(value) > FINE_DIGITS:
            raise FieldRangeError("units_1e5", value, "is too long for any amount")
        return int(value)
    return require_range("units_1e5", value, -MAX_FINE, MAX_FINE)


def _key_of(vector: Vector) -> tuple[DecoderKey, KeyParameters | None]:
    if "meter" in vector:
        return _meter(vector["meter"])
    return DecoderKey(vector["ea"], bytes.fromhex(vector["key"])), None


def _meter(meter: Vector) -> tuple[DecoderKey, KeyParameters]:
    parameters = KeyParameters(
        meter_pan=meter["pan"],
        sgc=meter["sgc"],
        krn=meter["krn"],
        ti=meter["ti"],
        kt=identifiers.kt.validate(meter["kt"]),
        # The first base date where a line leaves it out: a DKGA02 key does not depend on it.
        base_date=identifiers.base_date.validate(meter.get("base_date", BaseDate.Y1993)),
        ken=meter.get("ken", identifiers.ken.MAX),
        dkga=identifiers.dkga.validate(meter["dkga"]),
        ea=identifiers.ea.validate(meter["ea"]),
    )
    vending_key = VendingKey(parameters.dkga, bytes.fromhex(meter["vk"]))
    return dkga.derive(vending_key, parameters), parameters


def _bare(new: Vector, ea: EncryptionAlgorithm) -> tuple[DecoderKey, KeyTerms]:
    if "vk" in new:
        key, parameters = _meter(new)
        return key, KeyTerms.of(parameters)
    kt = identifiers.kt.validate(new["kt"])
    terms = KeyTerms(sgc=new["sgc"], krn=new["krn"], ti=new["ti"], kt=kt, ken=new["ken"])
    return DecoderKey(ea, bytes.fromhex(new["key"])), terms
