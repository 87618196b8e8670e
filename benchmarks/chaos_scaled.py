"""The scaled configuration, for ``chaos.py --scaled``: all twice, and more that goes wrong."""

from contextlib import ExitStack
from pathlib import Path

from benchmarks import estate, servers
from benchmarks.chaos import Stage
from benchmarks.installed import QUICK, Installation
from benchmarks.running import Database

BLOWS = {
    "database": ("kill", "child", "restart", "fill"),
    "module-a": ("kill", "freeze", "fill"), "module-b": ("kill", "freeze", "fill"),
    "web-1": ("kill", "child"), "web-2": ("kill", "child"),
    "worker-1": ("kill",), "worker-2": ("kill",),
    "nginx": ("reload", "kill"), "rabbitmq": ("empty", "empty", "kill"),
    "clock": ("back", "back"),
}  # fmt: skip
"""What is done to each."""


class Clock:
    """The clock that all processes of the product read; never down."""

    alive = True

    def __init__(self, file: Path) -> None:
        self.file = file
        self.put(0)

    def put(self, seconds: float) -> None:
        """Put it so far from the machine's own, in one go."""
        fresh = self.file.with_suffix(".new")
        fresh.write_text(str(seconds))
        fresh.replace(self.file)

    def ready(self) -> bool:
        """Whether it can be put wrong."""
        return True

    def wait_ready(self) -> None:
        """Nothing has to come up."""


def scaled(folder: Path, meters: int, points: int, stack: ExitStack) -> Stage:
    """Set up the scaled configuration."""
    (folder / "database").mkdir()
    database = Database(folder / "database", folder / "database.log")
    rabbit = servers.Rabbit(folder / "rabbit", folder / "rabbit.log")
    redis = servers.Redis(folder / "redis", folder / "redis.log")
    stack.callback(rabbit.kill_all)
    for service in (database, redis):
        stack.callback(service.kill)
    rabbit.start()
    redis.start()
    database.make()
    clock = Clock(folder / "clock")
    # a clock that comes again is an hour of doing nothing to a session
    settings = QUICK | {"VMS_SESSION_MINUTES": "1440"}
    installed = Installation(folder, database.url, settings=settings, clock=clock.file)
    redis.wait_ready()
    installed.lend(rabbit.url, redis.url(1))
    modules = [installed.add_module(name).service for name in "ab"]
    for service in modules:
        stack.callback(service.kill)
        service.start()
    installed.initialise()
    for service in modules:
        service.wait_ready()
    installed.furnish()
    installed.join(installed.modules[1])
    town = estate.enlarge(installed.environ(), meters, points)
    rabbit.wait_ready()
    product = [
        installed.web("web-1", workers=2), installed.web("web-2", workers=2),
        installed.worker("worker-1"), installed.worker("worker-2"),
    ]  # fmt: skip
    ports = [web.port or 0 for web in product[:2]]
    proxy = servers.Proxy(folder / "nginx", ports, folder / "nginx.log")
    for service in (*product, proxy):
        stack.callback(service.kill)
        service.start()
    for service in (*product, proxy):
        service.wait_ready()
    services = [database, *modules, *product, proxy, rabbit]
    return Stage(
        database, {service.name: service for service in services} | {"clock": clock}, BLOWS,
        proxy.door, town, ("supervisor", installed.accounts["supervisor"].password),
        installed.environ(), [module.record for module in installed.modules],
    )  # fmt: skip
