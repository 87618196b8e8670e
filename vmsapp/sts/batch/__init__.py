"""The same tokens for many meters at once, for campaigns that re-key a whole utility.

The ciphers work on bit planes: plane ``i`` is one big integer that holds bit ``i`` of every
block, so an ``&`` or ``^`` of two planes does one step of the cipher for the whole batch, a
permutation is a list in another order, and a table becomes a few dozen of such steps
(``circuit``). It needs nothing but Python's own integers.

Everything of one batch belongs to one supply group: ``keys`` derives the decoder keys, ``encode``
makes the digits, ``campaign`` has the tokens. Below some two hundred rows the engine's
one-at-a-time path is the faster one, and is taken.
"""
