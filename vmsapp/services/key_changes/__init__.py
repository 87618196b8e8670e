"""Key changes: reserved, issued, completed; withdrawn, confirmed, refused by the meter.

Source: SALE.md, "10. Key change".
"""
