"""The token codec of the Standard Transfer Specification: pure functions on ints and bytes.

It knows IEC 62055-41 edition 3 ("STS6") and the edition before it ("Legacy"), and nothing of
money, time of day, databases or where keys live. Each module names the part of the standard it
follows; bit 0 is the least significant, keys and blocks are written most significant byte first.

============================ ==================================================================
to                           look in
============================ ==================================================================
check a number               ``identifiers``: DRN, MeterPAN, SGC, KRN, TI, KEN, KT, EA, DKGA ...
say what a token is to do    ``credit`` (class 0), ``nmse`` (1), ``mse`` and ``keychange`` (2)
make and read digits         ``codec``; ``batch`` for many meters at once
derive keys                  ``keys``, ``dkga``
know what is allowed         ``rules``, ``tid``
see it fail                  ``errors``: one class a rule
go down a layer              ``block``, ``crc``, ``token``, ``amount``, ``currency``, ``ea07``,
                             ``ea11``, ``fields``
have a meter                 ``meter``, which reads by ``meter_reader``, apart from all of the above
check the engine             ``conformance``; ``flask sts conformance FILE``
work by hand                 ``workbench``, ``describe``; ``flask sts``
============================ ==================================================================

A token is a frozen dataclass of its fields; what it carries, its properties tell.

>>> from decimal import Decimal
>>> from vmsapp.sts.codec import decode, encode
>>> from vmsapp.sts.credit import CreditToken, Service
>>> from vmsapp.sts.dkga import derive
>>> from vmsapp.sts.keys import KeyParameters, VendingKey
>>> parameters = KeyParameters("600727000000000009", sgc="201457", krn=1, ti="01")
>>> with VendingKey("04", bytes.fromhex("abababababababab949494949494949401234567")) as group_key:
...     key = derive(group_key, parameters)
>>> token = CreditToken.of_units(Service.ELECTRICITY, Decimal("0.1"), tid=85_740, rnd=5)
>>> encode(token, key)
'70630503470028726114'
>>> decode("70630503470028726114", key).amount
Decimal('0.1')

Source: IEC 62055-41:2018 (application layer) and IEC 62055-51 (numeric carrier).
"""
