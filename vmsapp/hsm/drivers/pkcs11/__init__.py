"""Keys in a hardware module through PKCS#11.

What a token can promise differs by algorithm. An STS6 key never leaves it: DKGA04 is an HMAC,
which the token computes; only the meter's key comes out. A Legacy key does: DKGA02 ends with an
exclusive or of the vending key itself, so whoever sees the parts can compute it. The token
only keeps it sealed at rest, under a key that does not leave it; it is open in this process's
memory while it is used.

Whoever can ask a token for an HMAC can have any meter's key: put a module server in front.

Source: PKCS #11 v2.40; docs/decisions/0023.
"""
