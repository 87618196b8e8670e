"""What a meter begins with on moving in: units of the month, fees paid, the last token's TID.

Units and fees belong to the place where the meter hangs, and are set as ``counters`` sets them,
while nothing was sold there: afterwards a figure could hold a sale twice. The floor of token
identifiers belongs to the meter's number and base date. It is only ever raised, for a meter takes
each identifier once, whoever gave it.

Source: SALE.md, "5. TID" and "11. Counters and the service point".
"""
