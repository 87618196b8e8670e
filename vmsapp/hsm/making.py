"""From a request to its digits: the one place where a module uses a decoder key.

Whatever is made is read back under the same key before anybody sees it: a fault in memory or
in a table must not reach a meter, or a customer's money.
"""

from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from typing import Final, NamedTuple

from vmsapp.hsm.errors import HsmUnavailable, ModuleRefused
from vmsapp.hsm.requests import CreditRequest, DisplayRequest, EngineeringRequest, KeyChange
from vmsapp.sts import ea07, keychange
from vmsapp.sts.batch.campaign import sections_many
from vmsapp.sts.batch.encode import encode_many, read_back
from vmsapp.sts.batch.keys import DecoderKeys
from vmsapp.sts.codec import decode, encode
from vmsapp.sts.credit import CreditToken, CurrencyToken, Service
from vmsapp.sts.errors import KeyExpired, KeyRuleError, StsError
from vmsapp.sts.fields import TokenClass
from vmsapp.sts.identifiers import EncryptionAlgorithm
from vmsapp.sts.keychange import Section
from vmsapp.sts.keys import DecoderKey
from vmsapp.sts.mse import ManagementToken
from vmsapp.sts.nmse import DisplayToken
from vmsapp.sts.rules import require_forward
from vmsapp.sts.token import Token

UNITS: Final = range(max(Service) + 1)


class Change(NamedTuple):
    """A change of keys with both keys at hand, which the caller wipes."""

    change: KeyChange
    old_key: DecoderKey
    new_key: DecoderKey


def token_of(request: CreditRequest | EngineeringRequest | DisplayRequest) -> Token:
    """Say what a request asks for in the words of the token layer.

    Raises:
        ModuleRefused: ``parameters``: no token says that.
    """
    try:
        match request:
            case CreditRequest() if request.subclass in UNITS:
                return CreditToken(request.subclass, request.rnd, request.tid, request.amount_field)
            case CreditRequest(rnd=0):
                return CurrencyToken(request.subclass, request.tid, request.amount_field)
            case EngineeringRequest():
                return ManagementToken(request.subclass, request.rnd, request.tid, request.value)
            case DisplayRequest():
                return DisplayToken(request.subclass, request.control, request.manufacturer)
    except StsError:
        pass
    raise ModuleRefused("parameters")


def digits_of(token: Token, key: DecoderKey | None, table_set: str) -> str:
    """Make the twenty digits of a token, and read them back.

    Raises:
        ModuleRefused: ``parameters``: the codec does not take it.
        HsmUnavailable: ``self_check``: the digits do not say what was asked.
    """
    try:
        tables = ea07.table_set(table_set)
        digits = encode(token, key, tables=tables)
    except StsError:
        raise ModuleRefused("parameters") from None
    _read_back(token, digits, key, tables)
    return digits


def sections_of(change: Change) -> tuple[Section, ...]:
    """Check a change of keys by the standard's rules and part the new key into its tokens.

    Raises:
        ModuleRefused: ``key_expired``, ``change_not_allowed`` or ``parameters``.
    """
    asked = change.change
    try:
        old, new = asked.meter.parameters(), asked.new.parameters()
        require_forward(old, new)
        return keychange.change(
            change.old_key, change.new_key, old, new, three_tokens=asked.three_tokens
        )
    except KeyExpired:
        raise ModuleRefused("key_expired") from None
    except KeyRuleError:
        raise ModuleRefused("change_not_allowed") from None
    except StsError:
        raise ModuleRefused("parameters") from None


def digits_of_sets(
    changes: Sequence[Change], sets: Sequence[tuple[Section, ...]], table_set: str
) -> list[tuple[str, ...]]:
    """Make the digits of many sets, each under its meter's old key, and read them back.

    Tokens of one kind are made together, which for a campaign is several times faster.

    Raises:
        HsmUnavailable: ``self_check``: digits do not say what was asked.
    """
    tables = ea07.table_set(table_set)
    found: list[dict[int, str]] = [{} for _ in sets]
    columns: dict[tuple[int, int], list[int]] = defaultdict(list)
    for row, sections in enumerate(sets):
        for section in sections:
            columns[changes[row].old_key.ea, section.subclass].append(row)
    for (ea, subclass), rows in columns.items():
        data = [_section(sets[row], subclass).data for row in rows]
        with DecoderKeys(ea, b"".join(changes[row].old_key.reveal() for row in rows)) as keys:
            made = encode_many(TokenClass.MANAGEMENT, subclass, data, keys, tables)
        for row, digits in zip(rows, made, strict=True):
            _read_back(_section(sets[row], subclass), digits, changes[row].old_key, tables)
            found[row][subclass] = digits
    return [
        tuple(of_row[section.subclass] for section in sections)
        for of_row, sections in zip(found, sets, strict=True)
    ]


def digits_of_many(
    old_keys: DecoderKeys, new_keys: DecoderKeys, table_set: str, *, three_tokens: bool
) -> list[tuple[int, list[str]]]:
    """Make the digits of meters that differ in their numbers alone, and read them back.

    Returns:
        For each token of a set its sub-class, and its digits for each meter.

    Raises:
        StsError: The standard does not allow it for one of them.
        HsmUnavailable: ``self_check``: digits do not say what was asked.
    """
    tables, columns = ea07.table_set(table_set), []
    for subclass, data in sections_many(old_keys, new_keys, three_tokens=three_tokens):
        digits = encode_many(TokenClass.MANAGEMENT, subclass, data, old_keys, tables)
        _require_read_back(subclass, data, digits, old_keys, tables)
        columns.append((subclass, digits))
    return columns


def _require_read_back(
    subclass: int,
    data: Sequence[int],
    digits: Sequence[str],
    keys: DecoderKeys,
    tables: ea07.TableSet,
) -> None:
    """Read digits back: of EA 07 all at once, of EA 11 one by one."""
    if keys.ea is EncryptionAlgorithm.STA:
        said = read_back(TokenClass.MANAGEMENT, subclass, data, digits, keys, tables)
    else:
        said = all(
            decode(each, keys.key(row), tables=tables).data == data[row]
            for row, each in enumerate(digits)
        )
    if not said:
        raise HsmUnavailable("self_check", sent=True)


def _section(sections: tuple[Section, ...], subclass: int) -> Section:
    return next(section for section in sections if section.subclass == subclass)


def _read_back(token: Token, digits: str, key: DecoderKey | None, tables: ea07.TableSet) -> None:
    with suppress(StsError):
        if decode(digits, key, tables=tables) == token:
            return
    raise HsmUnavailable("self_check", sent=True)
