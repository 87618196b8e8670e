"""What a password must be: long, and hard to guess for whoever knows the person.

No mixture of kinds of characters is asked for, and none is forbidden: what counts is how
many guesses a good guesser needs.

Source: NIST SP 800-63B, 3.1.1.2 "Password Verifiers"; OWASP ASVS 5.0, V6.2.
"""

from collections.abc import Iterable
from typing import Final

from zxcvbn import zxcvbn

from vmsapp.errors import N_, InvalidInput

SHORTEST, LONGEST = 10, 128
"""Characters of a password."""

SCORE: Final = 4
"""Of 0 to 4: at least 10**10 guesses."""

GUESSED: Final = 72
"""How much of a password is judged; the time it takes grows with the cube of the length."""

PRODUCT: Final = ("vms", "vending", "token", "meter", "electricity", "prepaid")
"""Words a guesser of this product tries."""


class WeakPassword(InvalidInput):
    """A guesser finds it too soon."""

    code = "weak_password"
    message = N_(
        "This is too easy to guess. Take a few words that do not belong together, or let a"
        " password manager make one."
    )
    field = "password"


class SamePassword(InvalidInput):
    """The new password is the old one."""

    code = "same_password"
    message = N_("This is the password you have. Choose another.")
    field = "password"


def check_strength(password: str, about: Iterable[str]) -> None:
    """Refuse what is guessed too soon.

    Args:
        password: Of ``SHORTEST`` to ``LONGEST`` characters, which the form checks.
        about: What is known of the person: names, address, the utility.

    Raises:
        WeakPassword: It is.
    """
    known = [word for text in about for word in (text, *text.replace("@", " ").split()) if word]
    if zxcvbn(password[:GUESSED], user_inputs=[*PRODUCT, *known])["score"] < SCORE:
        raise WeakPassword
