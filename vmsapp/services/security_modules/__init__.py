"""Security modules, as the product sees them: where keys live and tokens are made.

``finding`` tells which module and key a meter needs, ``opening`` opens it, ``keys`` keeps the
public side of its keys, ``timing`` counts what it answers.
"""

from vmsapp.services.security_modules.finding import (
    MeterWithoutKey,
    NoModule,
    key_for,
    module_and_key,
    module_for,
)
from vmsapp.services.security_modules.keys import copy_key_list
from vmsapp.services.security_modules.opening import open_module, registry_from
from vmsapp.services.security_modules.timing import timed

__all__ = [
    "MeterWithoutKey",
    "NoModule",
    "copy_key_list",
    "key_for",
    "module_and_key",
    "module_for",
    "open_module",
    "registry_from",
    "timed",
]
