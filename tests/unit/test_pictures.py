"""Logos are known by their bytes, and read to their end.

The bytes are written by hand after PNG (ISO/IEC 15948), JPEG (ITU-T T.81) and GIF89a; whole
pictures of the latter two by Pillow.
"""

import hashlib
import zlib
from io import BytesIO

import pytest
from PIL import Image

from vmsapp.services.pictures import (
    MAX_BYTES,
    MAX_PIXELS,
    PictureDamaged,
    PictureTooLarge,
    PictureUnreadable,
    read_picture,
)


def chunk(name: bytes, data: bytes) -> bytes:
    """A PNG chunk: length, name, data, CRC of name and data."""
    crc = zlib.crc32(name + data).to_bytes(4, "big")
    return len(data).to_bytes(4, "big") + name + data + crc


def png(width: int = 3, height: int = 2) -> bytes:
    """A grey picture."""
    size = width.to_bytes(4, "big") + height.to_bytes(4, "big")
    rows = zlib.compress(b"".join(b"\0" + b"\x80" * width for _ in range(height)))
    head = chunk(b"IHDR", size + b"\x08\x00\x00\x00\x00")
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def jpeg(width: int, height: int, frame: int = 0xC0) -> bytes:
    """The head of a JPEG: JFIF, a table, fill bytes, the frame."""
    size = height.to_bytes(2, "big") + width.to_bytes(2, "big")
    jfif = b"\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00"
    table = b"\xff\xdb\x00\x43" + bytes(65)
    return (
        b"\xff\xd8" + jfif + table + b"\xff" + b"\xff" + bytes([frame]) + b"\x00\x0b\x08" + size
        + b"\x01\x01\x11\x00"
    )  # fmt: skip


def gif(width: int, height: int) -> bytes:
    return b"GIF89a" + width.to_bytes(2, "little") + height.to_bytes(2, "little") + b"\x80\0\0"


def whole(kind: str, size: tuple[int, int], mode: str = "RGB", **how: object) -> bytes:
    """A picture written by Pillow."""
    file = BytesIO()
    Image.linear_gradient("L").resize(size).convert(mode).save(file, kind, **how)
    return file.getvalue()


BARE = png()[: 8 + 25]
"""The signature and IHDR, and nothing behind them."""
GARBAGE = BARE + chunk(b"IDAT", b"no rows at all") + chunk(b"IEND", b"")
DEPTH_99 = (
    BARE[:16] + chunk(b"IHDR", BARE[16:24] + b"\x63\0\0\0\0")[8:] + png()[33:]
)  # the sum over it is right
DAMAGED = {
    "bare head of a PNG": BARE, "garbage for rows": GARBAGE, "bit depth 99": DEPTH_99,
    "PNG cut off": whole("PNG", (300, 200))[:-40],
    "bare head of a JPEG": jpeg(300, 200), "JPEG cut off": whole("JPEG", (300, 200))[:-200],
    "bare head of a GIF": gif(17, 5), "GIF cut off": whole("GIF", (300, 200))[:-100],
}  # fmt: skip


@pytest.mark.parametrize(("content", "kind", "size"), [
    (png(3, 2), "image/png", (3, 2)),
    (whole("PNG", (3, 2), "1"), "image/png", (3, 2)),
    (whole("PNG", (3, 2), "LA"), "image/png", (3, 2)),
    (whole("PNG", (3, 2), "I;16"), "image/png", (3, 2)),
    (whole("PNG", (3, 2), "RGBA"), "image/png", (3, 2)),
    (whole("JPEG", (300, 200)), "image/jpeg", (300, 200)),
    (whole("JPEG", (300, 200), "CMYK"), "image/jpeg", (300, 200)),
    (whole("JPEG", (640, 480), progressive=True), "image/jpeg", (640, 480)),
    (whole("GIF", (17, 5)), "image/gif", (17, 5)),
])  # fmt: skip
def test_a_picture_is_known_by_its_bytes(content, kind, size):
    picture = read_picture(content)
    assert (picture.media_type, picture.width, picture.height) == (kind, *size)
    assert picture.digest == hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize("content", [
    b"", b"\x89PNG", b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"<html>", b"%PDF-1.7",
    b"RIFF\0\0\0\0WEBPVP8 ", png()[:18], jpeg(3, 2)[:40], b"\xff\xd8\xff\xd9", gif(0, 4),
    png(0, 2), b"\xff\xd8" + b"\xff" * 100, b"x" + png(),
])  # fmt: skip
def test_what_is_no_picture_is_refused(content):
    with pytest.raises(PictureUnreadable):
        read_picture(content)


@pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED)
def test_a_picture_that_cannot_be_read_to_its_end_is_refused(content):
    with pytest.raises(PictureDamaged):
        read_picture(content)


def test_a_picture_larger_than_its_own_screen_is_refused():
    """The screen of a GIF says one size, the picture on it another."""
    content = bytearray(whole("GIF", (MAX_PIXELS + 1, 1)))
    content[6:10] = b"\x10\0\x10\0"
    with pytest.raises(PictureTooLarge):
        read_picture(bytes(content))


@pytest.mark.parametrize("content", [
    png(MAX_PIXELS + 1, 1), jpeg(1, MAX_PIXELS + 1), gif(MAX_PIXELS + 1, 1),
    png() + bytes(MAX_BYTES),
])  # fmt: skip
def test_a_picture_too_large_for_a_receipt_is_refused(content):
    with pytest.raises(PictureTooLarge) as refused:
        read_picture(content)
    assert "200 kB" in str(refused.value)


def test_a_picture_as_large_as_allowed_is_taken():
    assert read_picture(whole("GIF", (MAX_PIXELS, MAX_PIXELS))).width == MAX_PIXELS
    assert read_picture(png() + bytes(MAX_BYTES - len(png()))).media_type == "image/png"
