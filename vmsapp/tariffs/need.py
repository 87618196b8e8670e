"""What a tender must hold before it buys anything.

A debt recovered by a share takes more of a larger tender, so what is needed is no one amount
but depends on what is taken of debts.

>>> need = Need(due=401, debt=2, minor=2)
>>> need.least(0), need.least(500)
(201, 701)
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Need:
    """The least tender, as a straight line over what is taken of debts.

    A tender T of which D is taken for debts buys something where ``due + debt * D`` is at most
    ``minor * T``; both in minor units. All three are whole (see ``prices``).

    Attributes:
        due: What fees and the smallest purchase come to; below 0 where they round to nothing.
        debt: What a minor unit of a debt comes to, with its part in percents of the tender.
        minor: What a minor unit of the tender is worth.
    """

    due: int
    debt: int
    minor: int

    def least(self, debts_minor: int) -> int:
        """Give the least tender where so much is taken of debts."""
        return -(-(self.due + self.debt * debts_minor) // self.minor)
