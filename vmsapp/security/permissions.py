"""What may be done, as data: permissions, and the ready-made user groups that hold them.

A permission is a pair (deed, screen). Groups are seeded from ``GROUPS``; an
administrator may do everything.
"""

from typing import Final

Permission = tuple[str, str]

COUNTER: Final = "Counter"
CLOCK: Final = "Clock"
SESSIONS: Final = "Sessions"
AUDIT: Final = "AuditTrail"

_SIGNED_IN: Final[frozenset[Permission]] = frozenset(
    {
        ("can_this_form_get", "ResetMyPasswordView"),
        ("can_this_form_post", "ResetMyPasswordView"),
        ("can_this_form_get", "UserInfoEditView"),
        ("can_this_form_post", "UserInfoEditView"),
        ("can_userinfo", "UserDBModelView"),
        ("can_end", SESSIONS),
        ("resetmypassword", "UserDBModelView"),
        ("userinfoedit", "UserDBModelView"),
    }
)
_FINDS: Final[frozenset[Permission]] = frozenset(
    {
        *((deed, screen) for screen in ("Consumers", "Meters", "Sales", "Regions")
          for deed in ("can_list", "can_show")),
        ("can_list", "Products"),
        ("menu_access", "Vending"),
        ("menu_access", "Sales list"),
        ("menu_access", "Registration"),
        ("menu_access", "Consumers list"),
        ("menu_access", "Meters list"),
    }
)  # fmt: skip
"""What everybody may look up within the own scope; the searching fields ask for it, too."""

_SELLS: Final[frozenset[Permission]] = frozenset(
    {
        ("can_find", COUNTER),
        ("can_sell", COUNTER),
        ("can_receipt", COUNTER),
        ("menu_access", "Vending"),
        ("menu_access", "Vending counter"),
        ("menu_access", "Open sales"),
    }
)
_LOOKS: Final[frozenset[Permission]] = frozenset(
    {
        ("can_find", COUNTER),
        ("menu_access", "Vending"),
        ("menu_access", "Vending counter"),
    }
)

_AUDITS: Final[frozenset[Permission]] = frozenset(
    {
        ("can_list", AUDIT),
        ("can_show", AUDIT),
        ("can_export", AUDIT),
        ("menu_access", "System"),
        ("menu_access", "Audit trail"),
    }
)

GROUPS: Final[dict[str, frozenset[Permission]]] = {
    "Supervisor": _SIGNED_IN | _FINDS | _SELLS | {("can_give_back", COUNTER)},
    "Operator": _SIGNED_IN | _FINDS | _SELLS,
    "Engineer": _SIGNED_IN | _FINDS | _LOOKS,
    "Auditor": _SIGNED_IN | _FINDS | _LOOKS | _AUDITS,
}
"""The ready-made groups but the administrators', who may do everything."""
