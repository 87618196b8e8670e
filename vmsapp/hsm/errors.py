"""What a security module may answer instead of a token.

The three families a caller tells apart decide what becomes of the money:

* ``ModuleRefused``: a definite no, which the module has written under the request's id.
* ``HsmUnavailable``: the request surely was not carried out *by this call*. With
  ``sent=False`` not even a byte of it left the caller.
* ``HsmTimeout``: it may have been carried out; only asking by its id tells.
"""

from typing import ClassVar

from vmsapp.errors import N_, Refused, Unavailable, Uncertain


class ModuleRefused(Refused):
    """The module said no and wrote the no under this request id.

    Attributes:
        reason: Stable code, see ``REASONS``.
        highest_tid: With ``tid_spent`` and ``tid_too_old``: the highest TID the module
            has used for this MeterPAN and base date.
    """

    code = "module_refused"
    message = N_("The security module refused: %(reason)s.")

    REASONS: ClassVar[dict[str, str]] = {
        "key_not_found": N_("the key of this supply group is not loaded"),
        "key_expired": N_("the key of this supply group has expired"),
        "key_type": N_("a key of this type may not make credit tokens"),
        "tid_spent": N_("this token identifier was used before"),
        "tid_too_old": N_("this token identifier is older than the meter remembers"),
        "tid_reserved": N_("this token identifier is reserved"),
        "parameters": N_("the meter's parameters do not fit together"),
        "cancelled": N_("this request was cancelled"),
    }

    def __init__(self, reason: str, *, highest_tid: int | None = None) -> None:
        super().__init__(reason=reason)
        self.reason = reason
        self.highest_tid = highest_tid


class RequestReused(Refused):
    """A request id came with other arguments than the first time: our own mistake."""

    code = "request_reused"
    message = N_("Request %(request_id)s was already made with other values.")

    def __init__(self, *, request_id: str) -> None:
        super().__init__(request_id=request_id)


class HeadBehind(Refused):
    """The module signed a later head of the audit trail, or another one in its place."""

    code = "head_behind"
    message = N_(
        "The security module has signed the audit trail up to event %(place)s already and signs"
        " nothing that lies before it, or differs from it."
    )

    def __init__(self, *, place: int) -> None:
        super().__init__(place=place)


class NotSupported(Refused):
    """This kind of module cannot do that, and never will."""

    code = "not_supported"
    message = N_("This kind of security module cannot do that.")


class HsmUnavailable(Unavailable):
    """Not carried out by this call: down, locked, circuit open, clock or rate refused."""

    code = "hsm_unavailable"
    message = N_("The security module cannot be reached: %(why)s.")

    WHYS: ClassVar[dict[str, str]] = {
        "locked": N_("its keystore is locked"),
        "keystore": N_("its keystore cannot be opened"),
        "storage": N_("its storage cannot be written"),
        "clock": N_("its clock and ours differ"),
        "rate": N_("too many tokens for this meter in a short time"),
        "self_check": N_("it could not read back what it made"),
        "unknown_module": N_("it is not known here"),
        "unknown_driver": N_("its driver is not known here"),
    }

    def __init__(self, why: str, *, sent: bool) -> None:
        super().__init__(why=why)
        self.why = why
        self.sent = sent


class HsmTimeout(Uncertain):
    """No answer in time: the token may have been made."""

    code = "hsm_timeout"
    message = N_("The security module did not answer in time.")


class KeystoreError(Unavailable):
    """The keystore cannot be opened or was altered; ``why`` says which, never a secret."""

    code = "keystore"
    message = N_("The keystore cannot be opened: %(why)s.")

    def __init__(self, why: str) -> None:
        super().__init__(why=why)
        self.why = why
