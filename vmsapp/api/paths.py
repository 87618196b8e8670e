"""Where the doors for programs are."""

from typing import Final

DOORS: Final = "Api"
"""The blueprint's name; the pages leave what is asked of it to it."""

ROOT: Final = "/api/v1"
SIGN_IN: Final = f"{ROOT}/security"
"""Where programs of people sign in; the framework's, and answered by ``views.bearers``."""


def is_for_programs(path: str) -> bool:
    """Tell whether a path is one that programs ask for, known or not."""
    return path == "/api" or path.startswith("/api/")


def knows_no_cookies(path: str) -> bool:
    """Tell whether an answer to it neither reads a cookie nor gives one."""
    return is_for_programs(path) and not f"{path}/".startswith(f"{SIGN_IN}/")
