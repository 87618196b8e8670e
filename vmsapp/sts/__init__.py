"""The token codec of the Standard Transfer Specification: pure functions on ints and bytes.

It knows nothing of meters, money, time of day or where keys live. Each module names the
part of the standard it follows; bit 0 is the least significant, keys and blocks are
written most significant byte first.

Source: IEC 62055-41:2018 (application layer) and IEC 62055-51 (numeric carrier).
"""
