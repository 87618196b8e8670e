"""Logos are known by their bytes.

The bytes are written by hand after PNG (ISO/IEC 15948), JPEG (ITU-T T.81) and GIF89a.
"""

import hashlib
import zlib

import pytest

from vmsapp.services.pictures import (
    MAX_BYTES,
    MAX_PIXELS,
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


@pytest.mark.parametrize(("content", "kind", "size"), [
    (png(3, 2), "image/png", (3, 2)),
    (jpeg(300, 200), "image/jpeg", (300, 200)),
    (jpeg(640, 480, frame=0xC2), "image/jpeg", (640, 480)),  # progressive
    (gif(17, 5), "image/gif", (17, 5)),
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


@pytest.mark.parametrize("content", [
    png(MAX_PIXELS + 1, 1), jpeg(1, MAX_PIXELS + 1), gif(MAX_PIXELS + 1, 1),
    png() + bytes(MAX_BYTES),
])  # fmt: skip
def test_a_picture_too_large_for_a_receipt_is_refused(content):
    with pytest.raises(PictureTooLarge) as refused:
        read_picture(content)
    assert "200 kB" in str(refused.value)


def test_a_picture_as_large_as_allowed_is_taken():
    assert read_picture(gif(MAX_PIXELS, MAX_PIXELS)).width == MAX_PIXELS
    assert read_picture(png() + bytes(MAX_BYTES - len(png()))).media_type == "image/png"
