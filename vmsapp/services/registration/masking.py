"""What stands for the parts of a person's data that are not shown, or are gone."""

from typing import Final

SHOWN: Final = 3
"""Characters of a number that are shown to everybody."""

DOTS: Final = "•" * 5
"""Stand for all others, as many for each: its length tells nothing."""

NOBODY: Final = "—"
"""The name of who was anonymised; it reads the same in every language."""


def masked(id_number: str) -> str:
    """Show the last characters of a number, of a short one none.

    >>> masked("29384756"), masked("A12"), masked("")
    ('•••••756', '•••••', '')
    """
    if not id_number:
        return ""
    return DOTS + (id_number[-SHOWN:] if len(id_number) > SHOWN else "")
