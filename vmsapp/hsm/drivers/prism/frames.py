"""What a Thrift message looks like on the wire, and whether an answer is one.

A frame is four bytes of length and a message in the strict binary protocol. A frame from
outside is walked through before anything is built of it: lengths and counts must fit what is
there, so that no frame makes us wait, loop or take memory it did not itself bring.

Source: Apache Thrift's binary protocol and framed transport.

>>> call("ping", 7, sleepMs=0, echo="hi").hex(" ", -4)
'00000021 80010001 00000004 70696e67 00000007 08000100 0000000b 00020000 00026869 00'
"""

import struct
from io import BytesIO
from pathlib import Path
from typing import Any, Final

import thriftpy2
from thriftpy2.protocol import binary
from thriftpy2.protocol.exc import TProtocolException
from thriftpy2.thrift import TMessageType, TType

FRAME_MAX: Final = 256 * 1024
"""No answer of the interface comes near: a set of tokens has some 3 KiB."""
COUNT_MAX: Final = 4096
"""Elements of one list or map."""
DEPTH_MAX: Final = 8
LENGTH_BYTES: Final = 4

api: Final[Any] = thriftpy2.load(
    str(Path(__file__).with_name("prismtoken.thrift")), module_name="prismtoken_thrift"
)
"""The structs of ``prismtoken.thrift``."""
_Binary: Final[Any] = binary.TBinaryProtocol
"""Not the compiled one, which reads ahead of what it is given."""

_SIZES: Final = {
    TType.BOOL: 1, TType.BYTE: 1, TType.DOUBLE: 8, TType.I16: 2, TType.I32: 4, TType.I64: 8,
}  # fmt: skip
_STRINGS: Final = (TType.STRING, TType.UTF8, TType.UTF16)


class BadFrame(ValueError):
    """It is not an answer to what was asked; nothing of it is shown."""


class DeviceRefused(Exception):
    """The service answered with a code instead of a result.

    Attributes:
        code: Its ``eCode``; the sentence beside it may hold anything and is dropped here.
    """

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def call(method: str, number: int, **arguments: object) -> bytes:
    """Write a call, framed.

    Args:
        method: One of the service.
        number: Sequence number, which the answer may repeat.
        arguments: By their names in ``prismtoken.thrift``.
    """
    out = BytesIO()
    protocol = _Binary(out)
    protocol.write_message_begin(method, TMessageType.CALL, number)
    protocol.write_struct(getattr(api.TokenApi, f"{method}_args")(**arguments))
    return struct.pack("!i", len(out.getvalue())) + out.getvalue()


def length(header: bytes) -> int:
    """Read how long a frame is.

    Raises:
        BadFrame: Longer than any answer, or not a length.
    """
    size = int.from_bytes(header, "big")
    if not 0 < size <= FRAME_MAX:
        msg = "no answer has this length"
        raise BadFrame(msg)
    return size


def answer(method: str, number: int, message: bytes) -> Any:  # noqa: ANN401 - what the IDL says
    """Read the answer to a call.

    Args:
        method: What was called.
        number: Its sequence number; some servers answer 0 to any.
        message: A frame without its length.

    Returns:
        The method's result.

    Raises:
        DeviceRefused: The service answered with a code.
        BadFrame: It is no answer to this call, or a field that must be there is not.
    """
    _Walk(message).message()
    protocol = _Binary(BytesIO(message), strict_decode=True)
    try:
        name, kind, repeated = protocol.read_message_begin()
        if (name, kind) != (method, TMessageType.REPLY) or repeated not in (0, number):
            msg = "an answer to something else"
            raise BadFrame(msg)
        result = getattr(api.TokenApi, f"{method}_result")()
        protocol.read_struct(result)
    except (TProtocolException, UnicodeDecodeError, struct.error) as error:
        msg = "not an answer of this interface"
        raise BadFrame(msg) from error
    if result.ex1 is not None:
        raise DeviceRefused(str(_complete(result.ex1).eCode))
    if result.success is None:
        msg = "neither a result nor a code"
        raise BadFrame(msg)
    return _complete(result.success)


def _complete(value: Any) -> Any:  # noqa: ANN401 - whatever the IDL knows
    """Hand a value back if every struct in it has the fields it must have.

    Raises:
        BadFrame: One is missing, or of another type.
    """
    if isinstance(value, list):
        for item in value:
            _complete(item)
    for spec in getattr(value, "thrift_spec", {}).values():
        field, required = getattr(value, spec[1]), spec[-1]
        if field is None and required:
            msg = "a field is missing"
            raise BadFrame(msg)
        _complete(field)
    return value


class _Walk:
    """Goes through a message and stops at what does not fit."""

    def __init__(self, message: bytes) -> None:
        self._message = message
        self._at = 0

    def message(self) -> None:
        self._number(4)  # version and kind, which the reader checks
        self._text()
        self._number(4)
        self._struct(DEPTH_MAX)
        if self._at != len(self._message):
            self._bad()

    def _struct(self, depth: int) -> None:
        while kind := self._number(1):
            self._take(2)
            self._value(kind, depth - 1)

    def _value(self, kind: int, depth: int) -> None:
        if depth < 0:
            self._bad()
        if kind in _SIZES:
            self._take(_SIZES[kind])
        elif kind in _STRINGS:
            self._text()
        elif kind == TType.STRUCT:
            self._struct(depth)
        elif kind in (TType.LIST, TType.SET):
            self._elements([self._number(1)], depth)
        elif kind == TType.MAP:
            self._elements([self._number(1), self._number(1)], depth)
        else:
            self._bad()

    def _elements(self, kinds: list[int], depth: int) -> None:
        count = self._number(4)
        if count > COUNT_MAX:
            self._bad()
        for _ in range(count):
            for kind in kinds:
                self._value(kind, depth - 1)

    def _text(self) -> None:
        self._take(self._number(4))

    def _number(self, size: int) -> int:
        return int.from_bytes(self._take(size), "big")

    def _take(self, size: int) -> bytes:
        taken = self._message[self._at : self._at + size]
        if len(taken) != size:
            self._bad()
        self._at += size
        return taken

    def _bad(self) -> None:
        msg = "not a Thrift message"
        raise BadFrame(msg)
