"""SecretBytes: key material and passphrases that do not show themselves.

Source: HOUSE rule "key material has a redacting repr, is compared in constant time, and
is never logged".

>>> with SecretBytes(b"open sesame") as secret:
...     print(secret, len(secret))
SecretBytes(…) 11
>>> secret.reveal()
Traceback (most recent call last):
vmsapp.sts.errors.SecretWiped: secret was wiped
"""

from typing import NoReturn, Self

from vmsapp.sts.errors import SecretWiped


class SecretBytes:
    """Bytes that print as ``SecretBytes(…)``, do not pickle, copy or serialise, and can be wiped.

    Wiping is the best Python can do, and that is not much: it overwrites this one buffer.
    Copies made by ``reveal``, by a cipher, by the interpreter or by the pager are out of
    reach.
    """

    __slots__ = ("_buffer", "_wiped")

    def __init__(self, value: bytes | bytearray) -> None:
        self._buffer = bytearray(value)
        self._wiped = False

    def reveal(self, start: int = 0, end: int | None = None) -> bytes:
        """Give a plain copy, which the caller keeps no longer than it must.

        Args:
            start: First byte.
            end: The byte after the last; None for all.

        Raises:
            SecretWiped: The secret was wiped.
        """
        if self._wiped:
            raise SecretWiped("secret", None, "was wiped")
        return bytes(self._buffer[start:end] if start or end else self._buffer)

    def wipe(self) -> None:
        """Overwrite the buffer with zeros; wiping twice is no mistake."""
        self._buffer[:] = bytes(len(self._buffer))
        self._wiped = True

    def __len__(self) -> int:
        return len(self._buffer)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(…)"

    def __format__(self, spec: str) -> str:
        return format(repr(self), spec)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SecretBytes):
            return NotImplemented
        import hmac  # noqa: PLC0415 - brings OpenSSL, which reading a token does without

        return hmac.compare_digest(self.reveal(), other.reveal())

    __hash__ = None  # type: ignore[assignment]  # a hash would be kept where it can be read

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.wipe()

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        # Pickle, copy and deepcopy (so dataclasses.asdict too) all come through here.
        msg = "a secret is not pickled or copied"
        raise TypeError(msg)
