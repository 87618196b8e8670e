"""The same tokens for many meters at once, for campaigns that re-key a whole utility.

The ciphers work on bit planes: plane ``i`` is one big integer that holds bit ``i`` of every
block, so an ``&`` or ``^`` of two planes does one step of the cipher for the whole batch, a
permutation is a list in another order, and a table becomes a few dozen of such steps
(``circuit``). It needs nothing but Python's own integers.

Everything of one batch belongs to one supply group: ``keys`` derives the decoder keys, ``encode``
makes the digits, ``campaign`` has the tokens. Below some two hundred rows the engine's
one-at-a-time path is the faster one, and is taken.

>>> from vmsapp.sts.batch.campaign import change_many, credit_many
>>> from vmsapp.sts.batch.keys import derive_many
>>> from vmsapp.sts.credit import CreditToken, Service
>>> from vmsapp.sts.keys import KeyParameters, VendingKey
>>> from vmsapp.sts.meter import VirtualMeter
>>> meters = ["600727000000000009", "600727123456789030"]
>>> group = KeyParameters(meters[0], sgc="123456", krn=1, ti="01", dkga="02")  # for all of them
>>> keys = derive_many(VendingKey("02", bytes.fromhex("ab" * 8)), group, meters)
>>> amount = CreditToken.of_units(Service.ELECTRICITY, 25, tid=0, rnd=0).amount_field
>>> digits = credit_many(Service.ELECTRICITY, [amount] * 2, [6_783_300] * 2, [3, 9], keys)
>>> [VirtualMeter(keys.key(row)).enter(each).standard_name for row, each in enumerate(digits)]
['Accept', 'Accept']
"""
