"""Opening a PrismToken service, with the driver's own files in a folder."""

from dataclasses import dataclass
from pathlib import Path

from vmsapp.hsm.drivers.prism.book import Book
from vmsapp.hsm.drivers.prism.link import Link, Login
from vmsapp.hsm.drivers.prism.messages import Messages
from vmsapp.hsm.drivers.prism.module import PrismModule
from vmsapp.hsm.drivers.prism.wire import Endpoint
from vmsapp.hsm.policy import Limits
from vmsapp.hsm.results import Results


@dataclass(frozen=True, slots=True)
class PrismOptions:
    """What a ``PrismModule`` is opened with.

    Attributes:
        endpoint: Where the service is.
        login: Who we are to it; the module keeps the password.
        folder: Holds the seal's secret and the messages; it is there already.
        results_path: The driver's own record.
        table_set: The STA tables its tokens are made with.
        limits: Rates, window and what it makes at all.
    """

    endpoint: Endpoint
    login: Login
    folder: Path
    results_path: Path
    table_set: str
    limits: Limits


def opened(options: PrismOptions) -> PrismModule:
    """Open the way to the service, which may be down now; its files are made the first time.

    Raises:
        OSError: The seal's secret can be neither read nor made.
        HsmUnavailable: ``storage``.
    """
    secret_path = options.folder / "secret"
    is_new = not secret_path.exists()
    return PrismModule(
        Link(options.endpoint, options.login),
        Book(Results(options.results_path, make=is_new), secret_path),
        Messages(options.folder / "messages.sqlite", make=is_new),
        table_set=options.table_set,
        limits=options.limits,
    )
