"""Engineering tokens: reserved, issued, completed, as a sale without money; test tokens.

``functions`` says what a meter can be told, ``wish`` what somebody wants, ``reserve`` writes it
down under the locks, ``settle`` has it made, ``reconcile`` settles what stayed open, ``start``
and ``making`` join them with the second person. ``refusals`` keeps what was refused, ``showing``
and ``printing`` what leaves, ``test_tokens`` those that need no key.

Source: SALE.md; IEC 62055-41:2018, "Class 2: Management".
"""
