"""Words for what stands in the audit trail; a code without a word is shown as it is."""

from typing import Final

from flask_babel import gettext

from vmsapp.errors import N_

ACTIONS: Final = {
    "sale.reserved": N_("Sale begun"),
    "sale.issued": N_("Token made"),
    "sale.shown": N_("Token shown for the first time"),
    "sale.failed": N_("Sale failed"),
    "sale.sealed": N_("Money given back while the sale was in doubt"),
    "sale.reversed": N_("Sale taken back"),
    "sale.asked_again": N_("Security module asked again"),
    "receipt.printed": N_("Receipt printed"),
    "user.signed_in": N_("Signed in"),
    "user.sign_in_failed": N_("Sign-in failed"),
    "user.signed_out": N_("Signed out"),
    "user.password_refused": N_("Old password was wrong"),
    "user.password_reset": N_("New password set by another"),
    "user.password_changed": N_("Own password changed"),
    "user.renamed": N_("Own name changed"),
    "user.deactivated": N_("Made inactive"),
    "session.ended": N_("Session ended"),
    "bearer.renewed": N_("Bearer renewed"),
    "bearer.used": N_("Bearer used"),
    "request.refused": N_("Refused"),
    "clock.accepted": N_("Wrong clock accepted"),
    "key.listed": N_("Vending key listed"),
    "installation.made": N_("Installation made"),
    "demo.loaded": N_("Demo data loaded"),
    "audit.restore_accepted": N_("Restored audit trail accepted"),
}

DEEDS: Final = {
    "added": N_("Added"),
    "changed": N_("Changed"),
    "deleted": N_("Deleted"),
    "exported": N_("Exported"),
}
"""What is done to records of every kind: the part after the dot."""

SUBJECTS: Final = {
    "ab_role": N_("User group"),
    "ab_user": N_("User"),
    "audit_event": N_("Audit trail"),
    "clock": N_("Clock"),
    "consumer": N_("Consumer"),
    "installation": N_("Installation"),
    "meter": N_("Meter"),
    "page": N_("Page"),
    "product": N_("Product"),
    "region": N_("Region"),
    "sale": N_("Sale"),
    "security_module": N_("Security module"),
    "session": N_("Session"),
    "user": N_("User"),
    "vending_point": N_("Vending point"),
}

FAMILIES: Final = {
    "sales": N_("Sales and tokens"),
    "print": N_("Prints"),
    "people": N_("Sign-ins and passwords"),
    "records": N_("Changes of records"),
    "exports": N_("Exports"),
    "refusals": N_("Refusals"),
    "system": N_("System"),
}

PATTERNS: Final = {
    "sales": ("sale.%",),
    "print": ("receipt.%", "%.printed"),
    "people": ("user.%", "session.%", "bearer.%"),
    "records": ("%.added", "%.changed", "%.deleted"),
    "exports": ("%.exported",),
    "refusals": ("request.refused", "user.sign_in_failed", "user.password_refused"),
    "system": ("clock.%", "key.%", "module.%", "installation.%", "demo.%", "audit.%"),
}
"""Codes of each family, as SQL compares them."""


def action_word(code: str) -> str:
    """Say what was done."""
    word = ACTIONS.get(code) or DEEDS.get(code.rpartition(".")[2])
    return str(gettext(word)) if word else code


def subject_word(code: str) -> str:
    """Name the kind of thing it was done to."""
    word = SUBJECTS.get(code)
    return str(gettext(word)) if word else code
