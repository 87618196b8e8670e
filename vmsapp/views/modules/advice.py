"""Why a security module gives no answer, as whole sentences, and what an administrator does."""

from collections.abc import Mapping
from typing import Final

from flask import current_app
from flask_babel import gettext

from vmsapp.errors import N_, VmsError
from vmsapp.hsm.errors import HsmUnavailable
from vmsapp.views.base import sentence

WHYS_SAID: Final[Mapping[str, str]] = {
    "unknown_name": N_("Nobody knows that name."),
    "network_not_allowed": N_("The settings do not allow that address."),
    "port_not_allowed": N_("The settings do not allow that port."),
    "locked": N_("Its keystore is locked."),
    "keystore": N_("Its keystore cannot be opened."),
    "storage": N_("Its storage cannot be written."),
    "clock": N_("Its clock and ours differ."),
    "rate": N_("Too many tokens for this meter in a short time."),
    "key_limit": N_("The key of this supply group has given all it may give in a day."),
    "client_rate": N_("It is asked too often."),
    "self_check": N_("It could not read back what it made."),
    "unknown_module": N_("It is not known here."),
    "unknown_driver": N_("Its driver is not known here."),
    "refused": N_("Nothing listens at that address and port."),
    "unreachable": N_("Nothing answers at that address."),
    "no_answer": N_("It does not answer in time."),
    "broken_off": N_("The connection broke."),
    "not_tls": N_("What listens there does not speak TLS."),
    "certificate": N_("Its certificate is not the one we know."),
    "secret": N_("It does not take our secret."),
    "protocol": N_("It speaks another protocol, or another version of ours."),
    "permission": N_("It does not let us do that."),
    "no_keys": N_("It holds no vending keys."),
    "circuit": N_("It failed several times; it is tried again in a moment."),
    "busy": N_("It has too much to do."),
    "hardware": N_("Its hardware reports a fault."),
    "licence": N_("Its own licence is used up or has ended."),
}
"""Why, as a sentence of its own; one for each of ``connect.WHYS``."""

ADVICE: Final[Mapping[str, str]] = {
    "unknown_name": N_("Look for a slip in the name, or type the address in numbers."),
    "network_not_allowed": N_(
        "Allowed now: %(networks)s (VMS_MODULE_NETWORKS). Whoever runs this server can change that;"
        " it counts once VMS was started again."
    ),
    "port_not_allowed": N_(
        "Allowed now: %(ports)s (VMS_MODULE_PORTS). Whoever runs this server can change that; it"
        " counts once VMS was started again."
    ),
    "locked": N_("Start the module again with its passphrase."),
    "keystore": N_(
        "Its keystore, the passphrase or the record beside it is not the right one. Put back what"
        " was changed last, or restore the backup of all three."
    ),
    "storage": N_("Look whether its disk is full, or may not be written."),
    "clock": N_("Set both clocks by a time server."),
    "rate": N_("Wait a minute. Somebody may be trying to get many tokens for one meter."),
    "key_limit": N_("Wait until tomorrow, or load a key file with a higher limit."),
    "client_rate": N_("Wait a moment. If it stays so, raise what the module lets us ask."),
    "self_check": N_("Sell nothing with it any more, and ask whoever supports the module."),
    "unknown_module": N_("Start VMS again, so that it reads the list of modules anew."),
    "unknown_driver": N_("Install the release of VMS that this module was added with."),
    "refused": N_("Start the module's service, or correct the port."),
    "unreachable": N_("Look at the address, the cable and the firewall between the two."),
    "no_answer": N_("Look whether the module works on something else, or start it again."),
    "broken_off": N_("Test again. If it happens again, look at the module's own log."),
    "not_tls": N_("Correct the port: what answers there is no security module."),
    "certificate": N_(
        "If the module has a new certificate, compare the fingerprint at the module and enter it"
        " under “Reach it elsewhere”. If nobody changed it, somebody may be listening in."
    ),
    "secret": N_("Compare name and secret with the module's, and type them anew."),
    "protocol": N_("Bring VMS and the module's service to releases that fit together."),
    "permission": N_(
        "Give our name at the module the roles it needs: issuer and auditor to sell, admin to look"
        " at key files and to load and remove keys."
    ),
    "no_keys": N_("Load its key file."),
    "circuit": N_("Wait a minute; then test it."),
    "busy": N_("Wait a moment."),
    "hardware": N_("Look at the device itself, and ask its maker."),
    "licence": N_("Ask the module's maker for a new licence and load it there."),
}
"""What an administrator does about it; one for each reason."""

IN_A_TEST: Final[Mapping[str, str]] = {
    "certificate": N_(
        "Compare the fingerprint you entered with the one shown at the module, and correct it"
        " below. If it is the same, somebody may be listening in."
    ),
}
"""What else is advised while a connection is tested: its fields stand on the same page."""


def why_said(code: str) -> str:
    """Say why a module does not answer, as a sentence."""
    return str(gettext(WHYS_SAID[code])) if code in WHYS_SAID else code


def advice_said(code: str, *, testing: bool = False) -> str:
    """Say what to do about it.

    Args:
        code: Why a module does not answer.
        testing: In a connect test, beside what was typed.
    """
    known = {**ADVICE, **IN_A_TEST} if testing else ADVICE
    if code not in known:
        return ""
    settings = current_app.extensions["vms_settings"]
    return str(
        gettext(known[code], networks=_listed(settings.module_networks),
                ports=_listed(settings.module_ports))
    )  # fmt: skip


def refusal_said(error: VmsError) -> str:
    """Say a refusal to an administrator, and what to do about it if it is a module's."""
    advice = advice_said(error.why) if isinstance(error, HsmUnavailable) else ""
    return f"{sentence(error)} {advice}".strip()


def _listed(allowed: str) -> str:
    return ", ".join(part.strip() for part in allowed.split(","))
