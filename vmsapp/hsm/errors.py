"""What a security module may answer instead of a token.

The three families a caller tells apart decide what becomes of the money:

* ``ModuleRefused``: a definite no, which the module has written under the request's id.
* ``HsmUnavailable``: the request surely was not carried out *by this call*. With
  ``sent=False`` not even a byte of it left the caller.
* ``HsmTimeout``: it may have been carried out; only asking by its id tells.
"""

from typing import ClassVar

from vmsapp.errors import N_, Refused, Unavailable, Uncertain
from vmsapp.hsm.key_file.refusals import REFUSALS


class ModuleRefused(Refused):
    """The module said no and wrote the no under this request id.

    Attributes:
        reason: Stable code, see ``REASONS``.
        highest_tid: With ``tid_spent`` and ``tid_too_old``: the highest TID the module
            has used for this MeterPAN and base date.
        row: Of a batch, which row is refused, counted from 0.
    """

    code = "module_refused"
    message = N_("The security module refused: %(reason)s.")

    REASONS: ClassVar[dict[str, str]] = {
        "key_not_found": N_("the key of this supply group is not loaded"),
        "key_expired": N_("the key of this supply group has expired"),
        "key_type": N_("a key of this type may not make such tokens"),
        "key_not_active": N_("the key of this supply group may not be used yet"),
        "key_closed": N_("the key of this supply group may not be used any more"),
        "tid_spent": N_("this token identifier was used before"),
        "tid_too_old": N_("this token identifier is older than the meter remembers"),
        "tid_reserved": N_("this token identifier is reserved"),
        "parameters": N_("the meter's parameters do not fit together"),
        "amount": N_("one token may not carry so much"),
        "change_not_allowed": N_("the key file does not allow a change to that supply group"),
        "switched_off": N_("it does not make tokens of this kind"),
        "cancelled": N_("this request was cancelled"),
    }

    def __init__(
        self, reason: str, *, highest_tid: int | None = None, row: int | None = None
    ) -> None:
        super().__init__(reason=reason)
        self.reason = reason
        self.highest_tid = highest_tid
        self.row = row


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


class KeyFileRefused(Refused):
    """A key file is refused as a whole.

    Attributes:
        why: One of ``hsm.key_file.REFUSALS``, whose sentence is the message.
    """

    code = "key_file_refused"
    message = N_("The key file is refused: %(why)s.")

    def __init__(self, why: str, **params: object) -> None:
        super().__init__(why=why, **params)
        self.why = why
        # Each reason has a sentence with holes of its own, which no clause in a sentence can have.
        self.message = REFUSALS.get(why, self.message)  # type: ignore[misc]  # of this refusal


class HsmUnavailable(Unavailable):
    """Not carried out by this call: down, locked, circuit open, clock or rate refused.

    Attributes:
        why: Stable code, see ``WHYS``.
        sent: A byte of it may have left the caller.
        wait_seconds: With ``busy`` and ``circuit``: how long it would take, or take to try anew.
    """

    code = "hsm_unavailable"
    message = N_("The security module cannot be reached: %(why)s.")
    NOT_DONE: ClassVar[str] = N_("The security module did not do it: %(why)s.")
    ITS_OWN_WORD: ClassVar[frozenset[str]] = frozenset({
        "locked", "keystore", "storage", "clock", "rate", "key_limit", "client_rate", "self_check",
        "permission", "no_keys", "busy", "hardware", "licence",
    })  # fmt: skip
    """Of ``WHYS`` what the module itself says, which so was reached."""

    WHYS: ClassVar[dict[str, str]] = {
        "locked": N_("its keystore is locked"),
        "keystore": N_("its keystore cannot be opened"),
        "storage": N_("its storage cannot be written"),
        "clock": N_("its clock and ours differ"),
        "rate": N_("too many tokens for this meter in a short time"),
        "key_limit": N_("the key of this supply group has given all it may give in a day"),
        "client_rate": N_("it is asked too often"),
        "self_check": N_("it could not read back what it made"),
        "unknown_module": N_("it is not known here"),
        "unknown_driver": N_("its driver is not known here"),
        "refused": N_("nothing listens at that address and port"),
        "unreachable": N_("nothing answers at that address"),
        "no_answer": N_("it does not answer in time"),
        "broken_off": N_("the connection broke"),
        "not_tls": N_("what listens there does not speak TLS"),
        "certificate": N_("its certificate is not the one we know"),
        "secret": N_("it does not take our secret"),
        "protocol": N_("it speaks another protocol, or another version of ours"),
        "permission": N_("it does not let us do that"),
        "no_keys": N_("it holds no vending keys"),
        "circuit": N_("it failed several times; it is tried again in a moment"),
        "busy": N_("it has too much to do"),
        "hardware": N_("its hardware reports a fault"),
        "licence": N_("its own licence is used up or has ended"),
    }

    def __init__(self, why: str, *, sent: bool, wait_seconds: float | None = None) -> None:
        super().__init__(why=why)
        self.why = why
        if why in self.ITS_OWN_WORD:
            self.message = self.NOT_DONE  # type: ignore[misc]  # of this refusal
        self.sent = sent
        self.wait_seconds = wait_seconds


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
