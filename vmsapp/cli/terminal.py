"""What commands write to a terminal."""

import sys


def printable(text: str) -> str:
    """Write what a terminal cannot show, or would obey, in its escaped form."""
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    encoding = sys.stdout.encoding or "utf-8"
    return shown.encode(encoding, "backslashreplace").decode(encoding)
