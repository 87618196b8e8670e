"""Small server and scaled: the units and the proxy's file that are given, on real servers.

PostgreSQL with Redis and one process of each kind first; then the same installation with RabbitMQ,
two web servers, two workers and a standby module server. Everything is production's.
"""

import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import amqp
import psycopg
import pytest
from sqlalchemy.engine import make_url

from benchmarks import chaos_checks, estate, servers
from benchmarks.installed import Installation
from benchmarks.running import Service, WebServer
from tests.configurations.load import A_RETRY, Load, wait_for

pytestmark = [
    pytest.mark.processes, pytest.mark.postgres, pytest.mark.redis, pytest.mark.nginx,
]  # fmt: skip

SELLERS, METERS = 3, 9


@dataclass
class Base:
    """What both configurations stand on.

    Attributes:
        dsn: For those who look into the tables themselves.
    """

    installed: Installation
    town: estate.Estate
    redis: servers.Redis
    dsn: str

    def staff(self) -> list:
        """Who sells: to the same meters, so that they meet."""
        return [(operator, list(self.town.meters)) for operator in self.town.operators]

    def one(self, statement: str) -> object:
        with psycopg.connect(self.dsn) as connection:
            row = connection.execute(statement).fetchone()
        return None if row is None else row[0]

    def check(self, load: Load) -> None:
        """See that all was settled, that sellers heard no error, and that the books are right."""
        wait_for(lambda: self.one("SELECT count(*) FROM sale WHERE state = 'pending'") == 0)
        assert load.heard() <= A_RETRY
        load.check_repeats()
        self.deals += load.deals
        records = [module.record for module in self.installed.modules]
        assert chaos_checks.in_sql(self, records, self.deals) == []

    def __post_init__(self) -> None:
        self.deals: list = []


@pytest.fixture(scope="module")
def base(new_postgres_database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Base]:
    """The installation as docs tell to make it: database, module server, utility."""
    folder = tmp_path_factory.mktemp("servers")
    folder.chmod(0o755)
    url = new_postgres_database()
    with ExitStack() as stack:
        redis = servers.Redis(folder / "redis", folder / "redis.log")
        stack.callback(redis.kill)
        redis.start()
        installed = Installation(folder, url)
        installed.lend(redis.url(0), redis.url(1))
        module = installed.add_module("a").service
        stack.callback(module.kill)
        module.start()
        installed.initialise()
        module.wait_ready()
        installed.furnish()
        town = estate.enlarge(installed.environ(), METERS, SELLERS)
        plain = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
        yield Base(installed, town, redis, plain)


RECONCILED = "SELECT count(*) FROM job WHERE kind = 'reconcile' AND state = 'done'"


@dataclass
class Small:
    """One process of each kind."""

    web: WebServer
    worker: Service
    proxy: servers.Proxy


@pytest.fixture
def small(base: Base) -> Iterator[Small]:
    """PostgreSQL, Redis, the web server, the worker and nginx."""
    folder = base.installed.folder
    base.installed.lend(base.redis.url(0), base.redis.url(1))
    web, worker = base.installed.web("web"), base.installed.worker("worker")
    proxy = servers.Proxy(folder / "nginx-small", [web.port], folder / "nginx-small.log")
    with ExitStack() as stack:
        yield Small(*run_all(stack, web, worker, proxy))


def run_all(stack: ExitStack, *started: Service) -> tuple[Service, ...]:
    """Start services at once, then wait for all; they end with the stack."""
    for service in started:
        stack.callback(service.kill)
        service.start()
    for service in started:
        service.wait_ready()
    return started


def killed(load: Load, service: Service) -> None:
    """Kill a service with all it started, then start it again as systemd would."""
    service.kill()
    service.wait_ready()
    load.each_sells()


def test_a_small_server_sells_and_survives_the_end_of_each_of_its_processes(base, small) -> None:
    module = base.installed.modules[0].service
    with Load(small.proxy.door, base.staff()) as load:
        load.each_sells()
        for service in (small.web, small.worker, module):
            killed(load, service)
        # it is done in between: every second the same row is taken up again
        wait_for(lambda: base.one(RECONCILED) > 0)
    base.check(load)


@dataclass
class Scaled:
    """Two of each kind, behind nginx; the second module server serves nothing."""

    webs: list[WebServer]
    workers: list[Service]
    proxy: servers.Proxy
    rabbit: servers.Rabbit

    def consumers(self) -> int:
        """How many workers listen to the broker; the first makes the queue when it comes up."""
        with amqp.Connection(f"127.0.0.1:{self.rabbit.port}", "guest", "guest") as line:
            try:
                return line.channel().queue_declare("celery", passive=True).consumer_count
            except amqp.exceptions.NotFound:
                return 0


@pytest.fixture
def scaled(base: Base) -> Iterator[Scaled]:
    """PostgreSQL, RabbitMQ, two of each of the product's processes, nginx."""
    installed, folder = base.installed, base.installed.folder
    with ExitStack() as stack:
        rabbit = servers.Rabbit(folder / "rabbit", folder / "rabbit.log")
        stack.callback(rabbit.kill_all)
        rabbit.start()
        standby = installed.add_module("b")
        stack.callback(standby.service.kill)
        standby.service.start()
        installed.lend(rabbit.url, base.redis.url(1))
        standby.service.wait_ready()
        installed.join(standby)
        rabbit.wait_ready()
        webs = [installed.web("web-1"), installed.web("web-2")]
        workers = [installed.worker("worker-1"), installed.worker("worker-2")]
        ports = [web.port for web in webs]
        proxy = servers.Proxy(folder / "nginx", ports, folder / "nginx.log")
        run_all(stack, *webs, *workers, proxy)
        yield Scaled(webs, workers, proxy, rabbit)


@pytest.mark.rabbitmq
def test_the_scaled_configuration_survives_the_end_of_a_process_of_each_kind(base, scaled) -> None:
    first, standby = base.installed.modules
    serving = "SELECT min(module_id) FROM sm_algorithm HAVING min(module_id) = max(module_id)"
    assert base.one(serving) == first.row_id
    wait_for(lambda: scaled.consumers() == 2)
    with Load(scaled.proxy.door, base.staff()) as load:
        load.each_sells()
        for service in (scaled.webs[0], scaled.workers[0], first.service):
            killed(load, service)
        os.kill(scaled.proxy.pid, signal.SIGHUP)
        load.each_sells()
        first.service.kill()  # and nobody starts it
        wait_for(lambda: base.one(serving) == standby.row_id)
        load.each_sells()
        first.service.start()  # what it still owes is settled
    base.check(load)
    newest = "SELECT module_id FROM sale WHERE state = 'issued' ORDER BY id DESC LIMIT 1"
    assert base.one(newest) == standby.row_id
