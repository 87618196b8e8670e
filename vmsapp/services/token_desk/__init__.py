"""The token desk: what twenty digits are, and what a meter would answer to them.

For who hears "my token does not work". ``typed`` reads what was typed, ``asking`` puts each
look-up on record and bounds how many there are, ``records`` looks for the token among what was
made here, ``keys`` lists the keys the meter has, had or may have, ``reading`` has the security
module read the digits under them, ``answers`` says what the meter would answer, and ``looking``
is the use case.

No digits leave this room but to the security module: not in errors, records or logs.
"""

from vmsapp.services.token_desk.answers import Answer
from vmsapp.services.token_desk.looking import Look, look_up

__all__ = ["Answer", "Look", "look_up"]
