"""Waiting for what a page's own script tells."""

import time
from typing import Final

from playwright.sync_api import Error, Page

PATIENCE_S: Final = 60.0
"""A busy machine is slow, not wrong."""

POLL_MS: Final = 50


def until(page: Page, what: str) -> None:
    """Wait until an expression, or a function, is true in the page.

    The library's own wait asks by ``eval`` from the second time on, which our policy forbids.

    Raises:
        AssertionError: It is still not true after ``PATIENCE_S``.
    """
    ends = time.monotonic() + PATIENCE_S
    while not _true(page, what):
        assert time.monotonic() < ends, f"not true after {PATIENCE_S:.0f} s: {what}"
        page.wait_for_timeout(POLL_MS)


def _true(page: Page, what: str) -> bool:
    try:
        return bool(page.evaluate(what))
    except Error as error:
        if "context was destroyed" not in str(error) and "navigation" not in str(error):
            raise
        return False  # another page comes
