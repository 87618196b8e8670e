"""What a restore costs, and what makes it harmless: standing still, beginning anew, booking.

Source: SALE.md 16 "Restore, promotion, standby".
"""
