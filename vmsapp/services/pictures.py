"""Pictures that people send: known by their bytes, never by their name, small, and whole.

The head of a file tells what it is and how large the picture is; it is then served with that
type and nothing else, so a file that is also something else is never taken for it. Then all of
it is read once, as it will be for every receipt: what is cut off or damaged is not taken.

Sources: PNG (ISO/IEC 15948), 5.2 and 11.2.2; JPEG (ITU-T T.81), B.2.2; GIF89a, 17 and 18.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from typing import Final

from PIL import Image

from vmsapp.errors import N_, InvalidInput

MAX_BYTES: Final = 200 * 1024
MAX_PIXELS: Final = 1200
"""Of width and of height."""

PNG_HEAD: Final = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"
GIF_HEADS: Final = (b"GIF87a", b"GIF89a")
JPEG_HEAD: Final = b"\xff\xd8\xff"
JPEG_FRAMES: Final = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})
"""Markers of segments that say how large the picture is."""


class PictureUnreadable(InvalidInput):
    """The file is no picture of a kind that every browser and printer knows."""

    code = "picture_unreadable"
    message = N_("This file is no PNG, JPEG or GIF picture. Choose another.")
    field = "logo"


class PictureDamaged(InvalidInput):
    """The file begins as a picture does, but cannot be read to its end."""

    code = "picture_damaged"
    message = N_(
        "This picture is damaged or cut off, so no receipt could show it. Save it anew in a"
        " drawing program, or choose another."
    )
    field = "logo"


class PictureTooLarge(InvalidInput):
    """The file or the picture is larger than a receipt needs."""

    code = "picture_too_large"
    message = N_(
        "The picture is too large: at most %(kilobytes)s kB and %(pixels)s pixels"
        " in width and height fit."
    )
    field = "logo"

    def __init__(self) -> None:
        super().__init__(kilobytes=MAX_BYTES // 1024, pixels=MAX_PIXELS)


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture as it was sent.

    Attributes:
        digest: SHA-256 of the bytes, 64 hexadecimal digits.
    """

    media_type: str
    width: int
    height: int
    content: bytes

    @property
    def digest(self) -> str:
        """The name it is kept under."""
        return hashlib.sha256(self.content).hexdigest()


def read_picture(content: bytes) -> Picture:
    """Tell what a file is by its bytes, and that all of it can be drawn.

    Raises:
        PictureUnreadable: No PNG, JPEG or GIF, or cut off in its head.
        PictureTooLarge: More than ``MAX_BYTES`` or ``MAX_PIXELS``.
        PictureDamaged: Cut off or damaged behind its head.
    """
    if len(content) > MAX_BYTES:
        raise PictureTooLarge
    for head, media_type, size_of in KINDS:
        if content.startswith(head):
            width, height = size_of(content)
            if not width or not height:
                raise PictureUnreadable
            if max(width, height) > MAX_PIXELS:
                raise PictureTooLarge
            _read_whole(content, media_type)
            return Picture(media_type, width, height, content)
    raise PictureUnreadable


def _read_whole(content: bytes, media_type: str) -> None:
    """Read the picture to its end, as one kind of file alone.

    The library measures for itself: a picture of a GIF may be larger than its screen.
    """
    try:
        with Image.open(BytesIO(content), formats=[media_type.removeprefix("image/")]) as image:
            fits = max(image.size) <= MAX_PIXELS
            if fits:
                image.load()
    except Exception as error:  # the library raises whatever a stranger's bytes lead it to
        raise PictureDamaged from error
    if not fits:
        raise PictureTooLarge


def _png_size(content: bytes) -> tuple[int, int]:
    return _number(content[16:20]), _number(content[20:24])


def _gif_size(content: bytes) -> tuple[int, int]:
    return int.from_bytes(content[6:8], "little"), int.from_bytes(content[8:10], "little")


def _jpeg_size(content: bytes) -> tuple[int, int]:
    """Walk from segment to segment until the frame's."""
    at = 2
    while content[at : at + 1] == b"\xff":
        marker, length = content[at + 1 : at + 2], _number(content[at + 2 : at + 4])
        if marker and marker[0] in JPEG_FRAMES:
            return _number(content[at + 7 : at + 9]), _number(content[at + 5 : at + 7])
        at += 1 if marker == b"\xff" else 2 + max(length, 2)
    return 0, 0


def _number(four: bytes) -> int:
    return int.from_bytes(four, "big")


SizeOf = Callable[[bytes], tuple[int, int]]
KINDS: Final[tuple[tuple[bytes | tuple[bytes, ...], str, SizeOf], ...]] = (
    (PNG_HEAD, "image/png", _png_size),
    (JPEG_HEAD, "image/jpeg", _jpeg_size),
    (GIF_HEADS, "image/gif", _gif_size),
)
