"""The product as a person starts it, and a browser to use it with."""

import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from config import ROOT
from tests.scenarios.look import launched
from tests.scenarios.traces import found_in

PAGE_MS = 60_000
expect.set_options(timeout=PAGE_MS)  # a busy machine is slow, not wrong


@dataclass
class Product:
    """A started product."""

    process: subprocess.Popen[str]
    instance: Path
    scratch: Path
    address: str
    reader: threading.Thread
    output: list[str] = field(default_factory=list)

    def passwords(self) -> dict[str, str]:
        """Read the file the first start wrote."""
        (file,) = self.instance.glob("passwords-*.txt")
        return dict(re.findall(r"^\s+(\w+)\s+(\S+)", file.read_text(), re.MULTILINE))

    def meter(self, offset: int) -> str:
        """The number of one of the meters of the north, where the first operator sells."""
        with closing(sqlite3.connect(self.instance / "vms.sqlite")) as database:
            return str(
                database.execute(
                    "SELECT m.drn FROM meter m JOIN region r ON r.id = m.region_id"
                    " WHERE r.name = 'Northern Region' ORDER BY m.id LIMIT 1 OFFSET ?",
                    (offset,),
                ).fetchone()[0]
            )

    def stop(self, number: int = signal.SIGINT) -> int:
        """Stop it as Ctrl-C does, and read what it still had to say."""
        self.process.send_signal(number)
        status = self.process.wait(timeout=120)
        self.reader.join(timeout=60)
        assert self.process.stdout
        self.process.stdout.close()
        return status


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def start_product(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Callable[..., Product]]:
    """Start ``run.py`` on an instance and wait until it says that it is ready."""
    started: list[Product] = []

    def start(instance: Path | None = None, **settings: str) -> Product:
        instance = instance or tmp_path_factory.mktemp("instance")
        scratch = tmp_path_factory.mktemp("scratch")
        port = free_port()
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("VMS_", "DATABASE"))}
        process = subprocess.Popen(
            [sys.executable, str(ROOT / "run.py")],
            cwd=ROOT,
            env={
                **clean,
                "VMS_INSTANCE": str(instance),
                "VMS_PORT": str(port),
                "VMS_MODULE_PORT": str(free_port()),  # two that start at once find the same free
                "VMS_RECONCILE_SECONDS": "1",
                "VMS_PENDING_SECONDS": "1",
                "VMS_LOGIN_RATE": "1000 per 1 minute",
                "VMS_LOG_LEVEL": "DEBUG",
                "TMPDIR": str(scratch),
                **settings,
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        ready = threading.Event()

        def read() -> None:
            assert process.stdout
            for line in process.stdout:
                product.output.append(line)
                if "VMS is ready" in line:
                    ready.set()
            ready.set()

        reader = threading.Thread(target=read, daemon=True)
        product = Product(process, instance, scratch, f"http://localhost:{port}", reader)
        reader.start()
        assert ready.wait(240), "".join(product.output)
        started.append(product)
        return product

    yield start
    for product in started:
        if product.process.poll() is None:
            product.stop()
    for product in started:
        assert found_in(product.instance, product.scratch, "".join(product.output)) == []


@pytest.fixture(scope="session")
def product(start_product: Callable[..., Product]) -> Product:
    """One demo product for all scenarios that leave it in order."""
    return start_product()


@dataclass
class Watched:
    """A browser page, with everything it said and asked for."""

    page: Page
    console: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """A browser without a person yet."""
    with sync_playwright() as playwright, launched(playwright) as browser:
        yield browser


@pytest.fixture
def browser(chromium: Browser) -> Iterator[BrowserContext]:
    """A person's browser: with cookies of its own."""
    context = chromium.new_context(viewport={"width": 1280, "height": 900})
    context.set_default_timeout(PAGE_MS)
    yield context
    context.close()


@pytest.fixture
def watched(browser: BrowserContext) -> Watched:
    page = browser.new_page()
    result = Watched(page)
    page.on("console", lambda m: result.console.append(f"{m.type}: {m.text}"))
    page.on("pageerror", lambda error: result.console.append(f"error: {error}"))
    page.on("request", lambda request: result.requests.append(request.url))
    return result
