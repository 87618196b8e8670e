"""Which module is behind an id, opened when first asked, once in each process.

The descriptors are handed in by the service that reads the rows; this room knows no rows.
"""

import os
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from vmsapp.hsm.base import SecurityModule
from vmsapp.hsm.errors import HsmUnavailable


@dataclass(frozen=True, slots=True)
class ModuleDescriptor:
    """What is needed to open a module.

    Attributes:
        id: The row's id.
        name: What people call it.
        driver: Which factory opens it.
        params: What the factory needs: paths, addresses; no secrets.
        module_id: The module's own name; empty where nobody knows it yet.
    """

    id: int
    name: str
    driver: str
    params: Mapping[str, str]
    module_id: str = ""


Factory = Callable[[ModuleDescriptor], SecurityModule]
Wrap = Callable[[SecurityModule], SecurityModule]


def _as_it_is(module: SecurityModule) -> SecurityModule:
    return module


class Registry:
    """The modules of this installation.

    Args:
        descriptors: Modules known from the start, standbys too.
        factories: By driver name.
        wrap: Applied to each module as it is opened; tests put faults between here.
        production: Keys for demonstration are no keys here, wherever a module has them from.
    """

    def __init__(
        self,
        descriptors: Iterable[ModuleDescriptor],
        factories: Mapping[str, Factory],
        *,
        wrap: Wrap = _as_it_is,
        production: bool = False,
    ) -> None:
        self.production = production
        self._descriptors = {descriptor.id: descriptor for descriptor in descriptors}
        self._factories = factories
        self._wrap = wrap
        self._by_process: dict[int, _Opened] = {}

    def knows(self, module_id: int) -> bool:
        """Tell whether a module with this id was described."""
        return module_id in self._descriptors

    def described(self, module_id: int) -> ModuleDescriptor | None:
        """Give what a module is opened by; None for one that was not described."""
        return self._descriptors.get(module_id)

    def describe(self, descriptor: ModuleDescriptor) -> None:
        """Add a module; one that is open already stays as it is until ``close``."""
        self._descriptors[descriptor.id] = descriptor

    def forget(self, module_id: int) -> None:
        """Close a module and let its description be read anew: its row was changed."""
        self._descriptors.pop(module_id, None)
        opened = self._mine()
        with opened.lock:
            module = opened.modules.pop(module_id, None)
        if module is not None:
            module.close()

    def module(self, module_id: int) -> SecurityModule:
        """Give the module with this id, opening it if need be.

        Raises:
            HsmUnavailable: ``unknown_module`` or ``unknown_driver``; nothing was sent.
            VmsError: Whatever the factory raises; the next call tries again.
        """
        opened = self._mine()
        with opened.lock:
            if module_id not in opened.modules:
                opened.modules[module_id] = self._open(module_id)
            return opened.modules[module_id]

    def close(self) -> None:
        """Close what this process has opened; the next question opens it again."""
        opened = self._by_process.pop(os.getpid(), None)
        if opened is not None:
            with opened.lock:
                for module in opened.modules.values():
                    module.close()

    def _open(self, module_id: int) -> SecurityModule:
        descriptor = self._descriptors.get(module_id)
        if descriptor is None:
            raise HsmUnavailable("unknown_module", sent=False)
        factory = self._factories.get(descriptor.driver)
        if factory is None:
            raise HsmUnavailable("unknown_driver", sent=False)
        return self._wrap(factory(descriptor))

    def _mine(self) -> "_Opened":
        # Sockets and files are not shared over a fork. setdefault is atomic among threads.
        return self._by_process.setdefault(os.getpid(), _Opened())


class _Opened:
    """What one process has opened, and the lock its threads share."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.modules: dict[int, SecurityModule] = {}
