"""Shifts: open with a float, sell, move cash, count blindly, close.

Whatever changes a shift, and every sale that asks which shift it belongs to, holds the vending
point's account (SALE.md 9): a shift is never closed beside a sale that still goes into it.
"""
