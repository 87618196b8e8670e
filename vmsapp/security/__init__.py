"""Who asks and what they may do: permissions, user groups, the framework's security manager."""

from vmsapp.security.asking import (
    NAME_LENGTH,
    TICKET,
    current_actor,
    current_session,
    sight_of,
)
from vmsapp.security.manager import OfficeSecurityManager
from vmsapp.security.permissions import (
    APPROVALS,
    CLOCK,
    COUNTER,
    FLOATS,
    GROUPS,
    SECOND_PERSON,
    SESSIONS,
    Permission,
)

__all__ = [
    "APPROVALS",
    "CLOCK",
    "COUNTER",
    "FLOATS",
    "GROUPS",
    "NAME_LENGTH",
    "SECOND_PERSON",
    "SESSIONS",
    "TICKET",
    "OfficeSecurityManager",
    "Permission",
    "current_actor",
    "current_session",
    "sight_of",
]
