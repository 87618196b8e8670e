r"""Values to JSON and back, exactly: what was sent is what arrives, or it is refused.

Declared types say what is read; nothing is converted, guessed or left out. Bytes are
base64, moments aware ISO 8601, a fraction is its shortest decimal text, for JSON's own
numbers are whole here.

>>> from vmsapp.hsm.requests import KeyRef
>>> write(KeyRef("600675", 1, 2, "04"))
b'{"sgc":"600675","krn":1,"kt":2,"dkga":"04"}'
>>> read(KeyRef, parse(b'{"sgc":"600675","krn":true,"kt":2,"dkga":"04"}'))
Traceback (most recent call last):
vmsapp.hsm.wire.codec.NotOurProtocol: not a whole number
"""

import json
import math
import re
from base64 import b64decode, b64encode
from binascii import Error as NotBase64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from enum import Enum
from functools import cache
from types import NoneType, UnionType
from typing import (
    Any,
    Final,
    Literal,
    NoReturn,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

from vmsapp.sts.secret import SecretBytes

DEPTH: Final = 12
"""Rounds of taking away what is innermost after which nothing may be left."""
DIGITS: Final = 19
"""Digits of a whole number, at most: 64 bits."""

_STRINGS: Final = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"?', re.DOTALL)
_NO_BRACKETS: Final = bytes(set(range(256)) - set(b"[]{}"))

T = TypeVar("T")
Reader = Callable[[Any], Any]


class NotOurProtocol(ValueError):
    """The bytes are not what the protocol says; the text never shows them."""


def write(value: object) -> bytes:
    """Write a value as compact JSON."""
    return json.dumps(plain(value), ensure_ascii=False, separators=(",", ":")).encode()


def plain(value: Any) -> Any:  # noqa: ANN401 - of any declared type
    """Turn a value into what JSON has."""
    kind: Any = type(value)
    if kind in _AS_IT_IS:
        return value
    if kind in _WRITERS:
        return _WRITERS[kind](value)
    if isinstance(value, Enum):
        return value.value
    if is_dataclass(value):
        return {name: plain(getattr(value, name)) for name in _names(kind)}
    msg = f"{kind.__name__} is never sent"
    raise TypeError(msg)


def parse(data: bytes) -> Any:  # noqa: ANN401 - JSON
    """Read JSON: no fractions, no member twice, not deep.

    Raises:
        NotOurProtocol: It is not that.
    """
    _check_depth(data)
    try:
        return json.loads(
            data.decode(),
            parse_float=_refuse,
            parse_constant=_refuse,
            parse_int=_whole,
            object_pairs_hook=_members,
        )
    except (ValueError, RecursionError):
        msg = "not the JSON of the protocol"
        raise NotOurProtocol(msg) from None


def read(kind: type[T], value: object) -> T:
    """Make a value of a declared type of what ``parse`` gave.

    Raises:
        NotOurProtocol: It is of another shape, or a member is missing or unknown.
    """
    readers: Callable[[Any], Reader] = reader_of
    result: T = readers(kind)(value)
    return result


@cache
def reader_of(kind: Any) -> Reader:  # noqa: ANN401 - a type, or what typing makes of one
    """Give what reads a declared type."""
    if kind in _READERS:
        return _READERS[kind]
    if is_dataclass(kind):
        return _record(kind)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return _one_of({member.value: member for member in kind})
    return _reader_of_parts(kind, get_origin(kind), get_args(kind))


def _reader_of_parts(kind: Any, origin: Any, args: tuple[Any, ...]) -> Reader:  # noqa: ANN401 - typing
    if origin is Literal:
        return _one_of({choice: choice for choice in args})
    if origin in {Union, UnionType}:
        shapes = {_shape(part): reader_of(part) for part in args}
        assert len(shapes) == len(args), f"{kind} cannot be told apart"
        return _any_of(shapes)
    if origin is tuple and args[-1] is not Ellipsis:
        return _row(tuple(map(reader_of, args)))
    if origin in {tuple, list, frozenset, Sequence}:
        return _many(tuple if origin is Sequence else origin, reader_of(args[0]))
    if origin in {dict, Mapping}:
        return _table(reader_of(args[1]))
    msg = f"{kind} is never sent"
    raise TypeError(msg)


def described(kind: Any) -> str:  # noqa: ANN401 - a type
    """Write down a type with all that is in it, so that two releases can be compared."""
    name = str(getattr(kind, "__name__", kind))
    if is_dataclass(kind):
        hints = get_type_hints(kind)
        return f"{name}({','.join(f'{part}:{described(hints[part])}' for part in hints)})"
    if args := get_args(kind):
        if get_origin(kind) is Sequence:
            return f"tuple[{described(args[0])},{described(Ellipsis)}]"  # as it is read
        parts = ",".join(described(part) for part in args)
        return f"{getattr(get_origin(kind), '__name__', 'Union')}[{parts}]"
    return name


@cache
def _names(kind: Any) -> tuple[str, ...]:  # noqa: ANN401 - a dataclass
    return tuple(field.name for field in fields(kind))


def _check_depth(data: bytes) -> None:
    brackets = _STRINGS.sub(b"", data).translate(None, _NO_BRACKETS)
    for _ in range(DEPTH):
        if not brackets:
            return
        brackets = brackets.replace(b"[]", b"").replace(b"{}", b"")
    if brackets:
        msg = "too deep, or not closed"
        raise NotOurProtocol(msg)


def _refuse(_text: str) -> NoReturn:
    raise ValueError


def _whole(text: str) -> int:
    if len(text.lstrip("-")) > DIGITS:
        raise ValueError
    return int(text)


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError
    return members


def _exactly(kind: type, name: str) -> Reader:
    def read_it(value: Any) -> Any:  # noqa: ANN401 - JSON
        if type(value) is not kind:
            msg = f"not {name}"
            raise NotOurProtocol(msg)
        return value

    return read_it


def _text(value: Any) -> str:  # noqa: ANN401 - JSON
    if type(value) is not str or not (value.isascii() or _has_a_spelling(value)):
        msg = "not a text"
        raise NotOurProtocol(msg)
    return value


def _has_a_spelling(value: str) -> bool:
    """Tell whether UTF-8 can write it: half a surrogate pair it cannot."""
    return not any("\ud800" <= mark <= "\udfff" for mark in value)


def _bytes(value: Any) -> bytes:  # noqa: ANN401 - JSON
    try:
        return b64decode(_text(value), validate=True)
    except (NotBase64, ValueError):
        msg = "not base64"
        raise NotOurProtocol(msg) from None


def _moment(value: Any) -> datetime:  # noqa: ANN401 - JSON
    try:
        moment = datetime.fromisoformat(_text(value))
        return moment.astimezone(UTC) if moment.tzinfo else _refuse("")
    except (ValueError, OverflowError):
        msg = "not a moment with its zone"
        raise NotOurProtocol(msg) from None


def _fraction(value: Any) -> float:  # noqa: ANN401 - JSON
    try:
        number = float(_text(value))
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        msg = "not a number"
        raise NotOurProtocol(msg)
    return number


def _one_of(choices: Mapping[Any, Any]) -> Reader:
    def read_it(value: Any) -> Any:  # noqa: ANN401 - JSON
        for choice, made in choices.items():
            if type(choice) is type(value) and choice == value:
                return made
        msg = "not one of those there are"
        raise NotOurProtocol(msg)

    return read_it


def _any_of(readers: Mapping[type, Reader]) -> Reader:
    def read_it(value: Any) -> Any:  # noqa: ANN401 - JSON
        found = readers.get(type(value))
        if found is None:
            msg = "not of this shape"
            raise NotOurProtocol(msg)
        return found(value)

    return read_it


def _shape(kind: Any) -> type:  # noqa: ANN401 - a type
    """Tell which of JSON's shapes a type is written in; the parts of a union differ in it."""
    if get_origin(kind) in {tuple, list, frozenset}:
        return list
    if is_dataclass(kind):
        return dict
    return kind if kind in _AS_IT_IS else str


def _listed(value: Any) -> list[Any]:  # noqa: ANN401 - JSON
    if type(value) is not list:
        msg = "not a list"
        raise NotOurProtocol(msg)
    return value


def _row(readers: tuple[Reader, ...]) -> Reader:
    def read_it(value: Any) -> tuple[Any, ...]:  # noqa: ANN401 - JSON
        if len(_listed(value)) != len(readers):
            msg = "not so many"
            raise NotOurProtocol(msg)
        return tuple(read_part(part) for read_part, part in zip(readers, value, strict=True))

    return read_it


def _many(collect: Callable[[Any], Any], read_one: Reader) -> Reader:
    return lambda value: collect(read_one(part) for part in _listed(value))


def _mapped(value: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    if type(value) is not dict:
        msg = "not an object"
        raise NotOurProtocol(msg)
    return value


def _table(read_one: Reader) -> Reader:
    return lambda value: {_text(k): read_one(v) for k, v in _mapped(value).items()}


def _record(kind: Any) -> Reader:  # noqa: ANN401 - a dataclass
    hints = get_type_hints(kind)
    readers = {name: reader_of(hints[name]) for name in _names(kind)}

    def read_it(value: Any) -> Any:  # noqa: ANN401 - JSON
        if _mapped(value).keys() != readers.keys():
            msg = "a member is missing or unknown"
            raise NotOurProtocol(msg)
        parts = {name: read_one(value[name]) for name, read_one in readers.items()}
        try:
            return kind(**parts)
        except ValueError:  # a rule of its own
            msg = "parts that do not go together"
            raise NotOurProtocol(msg) from None

    return read_it


def _iso(value: datetime) -> str:
    assert value.tzinfo is not None, "moments are aware"
    return value.astimezone(UTC).isoformat()


_AS_IT_IS: Final = frozenset({str, int, bool, NoneType})
_WRITERS: Final[Mapping[type, Callable[[Any], Any]]] = {
    bytes: lambda value: b64encode(value).decode(),
    SecretBytes: lambda value: b64encode(value.reveal()).decode(),
    datetime: _iso,
    float: repr,
    tuple: lambda value: [plain(part) for part in value],
    list: lambda value: [plain(part) for part in value],
    frozenset: lambda value: sorted(plain(part) for part in value),
    dict: lambda value: {name: plain(part) for name, part in value.items()},
}
_READERS: Final[Mapping[Any, Reader]] = {
    Any: lambda value: value,
    None: _exactly(NoneType, "nothing"),
    NoneType: _exactly(NoneType, "nothing"),
    bool: _exactly(bool, "a yes or no"),
    int: _exactly(int, "a whole number"),
    str: _text,
    bytes: _bytes,
    float: _fraction,
    datetime: _moment,
    SecretBytes: lambda value: SecretBytes(_bytes(value)),
}
