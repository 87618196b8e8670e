"""Sums of sales, kept beside the records so that a report needs not read them.

The transaction that posts a transfer, or answers one, lists it as unsummed. The merger adds what
is listed to the cells of each roll-up and takes it off the list in one transaction. Whoever reads
adds what is still listed to the cells, in one statement: between two mergers nothing is missing,
and nothing is there twice.
"""

from vmsapp.services.roll_ups.cells import ROLL_UPS, RollUp, covering
from vmsapp.services.roll_ups.merging import last_purchases, merge, rebuild, take_out

__all__ = ["ROLL_UPS", "RollUp", "covering", "last_purchases", "merge", "rebuild", "take_out"]
