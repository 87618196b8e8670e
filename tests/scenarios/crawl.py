"""Every screen, as every group that may open it, in every language, theme and width.

It takes an hour or more and is not one of the tests, which look at each screen once:

    make crawl                                  writes docs/crawl.md
    make crawl L="ru ar" G="operator auditor"   some languages, some groups
"""

import os
import re
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import nullcontext
from threading import Lock
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Error as PlaywrightError
from playwright.sync_api import sync_playwright

from config import LANGUAGES, ROOT
from tests.scenarios import look
from tests.scenarios.look import SCENES, WALKS, Scene, Seen, Walker
from tests.scenarios.readers import GROUPS, RIGHT_TO_LEFT, Turns
from tests.scenarios.test_look import product  # noqa: F401 - a fixture
from vmsapp.clock import now_utc

if TYPE_CHECKING:
    from tests.scenarios.conftest import Product

pytestmark = [pytest.mark.browser, pytest.mark.processes]

REPORT = ROOT / "docs" / "crawl.md"
SPOKEN = os.environ.get("VMS_CRAWL_LANGUAGES", "").split() or [*LANGUAGES]
READERS = os.environ.get("VMS_CRAWL_GROUPS", "").split() or [*GROUPS]
INTRODUCTION = """\
# Every screen in every language

What `make crawl` saw: each screen as every group that may open it, in each language; from left
to right in the light at 1280 pixels and in the dark at 360 and 320, from right to left in the
dark at 1280 and in the light at 360 and 320. Of each look: what the server says, axe, nothing
wider than the screen or cut off, also with letters half as large again, targets large enough,
nothing in English that has a translation, an empty console, no request to another host. Axe looks
in one of the two lights, in the other with the next language or group. A page that reads the same
to another group, but for its menu, is looked at once in a language.
"""

BROWSERS = 2
"""How many walk at a time."""
DEEDS = Lock()
"""One deed at a time: two who print the same receipt at once are told of each other."""
STRIDE = 20
"""Screens after which a walk says where it is."""
LEFT, RIGHT = range(len(WALKS))
"""Walks by direction."""
CONTENT = re.compile("<main.*</main>", re.DOTALL)
ONE_TIME = re.compile(r"""value="[\w.-]{16,}"|data-recent="\d+"|>\w+</bdi></dd></div></dl>""")
"""What differs from reader to reader and changes nothing to look at: secrets of forms, whose pages
were opened lately, who prints."""


def faults(seen: Seen, address: str) -> Iterator[str]:
    """Say what is wrong with a screen as it was seen."""
    if seen.answer.status != seen.scene.status:
        yield f"answers {seen.answer.status}"
    yield from (f"axe: {one[:300]}" for one in seen.violations)
    yield from (f"{wide} px wide on {at}" for at, wide in seen.widths.items() if wide > at)
    yield from (f"cut off: {one}" for one in seen.cut_off)
    yield from (f"cut off when enlarged: {one}" for one in seen.cut_off_enlarged)
    yield from (f"too small: {one}" for one in seen.small)
    yield from (f"in English: {one}" for one in seen.english)
    yield from (f"console: {one}" for one in seen.console)
    for url in seen.asked:
        if not url.startswith((f"{address}/", "data:")):
            yield f"asks elsewhere: {url}"


class Notes:
    """What a crawl saw: how often, and what was wrong."""

    def __init__(self) -> None:
        self.looked: Counter[tuple[str, str]] = Counter()
        self.refused: Counter[str] = Counter()
        self.alike: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()

    def take(self, others: "Notes") -> None:
        """Add what another walk saw."""
        self.looked += others.looked
        self.refused += others.refused
        self.alike += others.alike
        self.faults += others.faults

    def add(self, seen: Seen, way: str, address: str) -> None:
        """Note a screen, looked at one way."""
        self.looked[seen.reader or "nobody", seen.language] += 1
        for fault in faults(seen, address):
            self.fault(f"{seen.scene.name}, {seen.reader}, {seen.language}, {way}: {fault}")

    def fault(self, fault: str) -> None:
        """Note what is wrong, and say it at once: mending need not wait for the end."""
        self.faults[fault] += 1
        print(fault, flush=True)  # noqa: T201 - an hour passes


def walked(product: "Product", language: str) -> Notes:  # noqa: F811
    """Go through the scenes in one language."""
    notes = Notes()
    number = RIGHT if language in RIGHT_TO_LEFT else LEFT
    with sync_playwright() as playwright, look.launched(playwright) as browser:
        walker = Walker(browser, product, number, Turns(()))
        for at, scene in enumerate(SCENES):
            if at % STRIDE == 0:
                print(f"{now_utc():%H:%M:%S} {language} {at} of {len(SCENES)}", flush=True)  # noqa: T201 - an hour passes
            known: set[str] = set()
            for turn, reader in enumerate(readers_of(scene)):
                try:
                    if not scene.act:
                        content = content_of(walker, scene, reader, language)
                        if content is None:
                            notes.refused[str(reader)] += 1
                            continue
                        if content in known:
                            notes.alike[str(reader)] += 1
                            continue
                        known.add(content)
                    by_axe = (at + turn + SPOKEN.index(language)) % 2
                    with DEEDS if scene.act else nullcontext():
                        walker.opens(scene, reader, language)
                        seen = walker.look_as(scene, reader, language, (not by_axe, bool(by_axe)))
                except PlaywrightError as error:
                    notes.fault(f"{scene.name}, {reader}, {language}: {error.message[:300]}")
                    continue
                for way, one in zip(WALKS[number], seen, strict=True):
                    notes.add(one, way, product.address)
    return notes


def readers_of(scene: Scene) -> Sequence[str | None]:
    """Who looks at a scene: everybody, unless it is somebody's own or changes something."""
    return (scene.who,) if scene.who != "admin" or scene.act else READERS


def content_of(walker: Walker, scene: Scene, reader: str | None, language: str) -> str | None:
    """Ask for a page without drawing it; give what it reads, or nothing where it is refused."""
    answer = walker.asked(scene, reader, language)
    if answer.status != scene.status:
        return None
    text = answer.text()
    found = CONTENT.search(text)
    return ONE_TIME.sub("", found[0] if found else text)


def crawl(product: "Product") -> None:  # noqa: F811
    """Look at everything everywhere, and write down what was seen, a language at a time."""
    began, notes = time.monotonic(), Notes()
    with ThreadPoolExecutor(BROWSERS) as pool:
        for done in as_completed([pool.submit(walked, product, code) for code in SPOKEN]):
            notes.take(done.result())
            REPORT.write_text(report(notes, (time.monotonic() - began) / 60))
    assert not notes.faults, f"{sum(notes.faults.values())} faults, listed in {REPORT}"


def report(notes: Notes, minutes: float) -> str:
    """Write it down: counts by group and language, then the faults."""
    readers = sorted({reader for reader, _ in notes.looked})
    looks = sum(notes.looked.values())
    head = [f"| looks | {' | '.join(SPOKEN)} | read the same | not for them |",
            "|---" * (len(SPOKEN) + 3) + "|"]  # fmt: skip
    when = (
        f"Of {now_utc():%d %B %Y}: {looks} looks at {len(SCENES)} screens in {minutes:.0f} minutes."
    )
    lines = [INTRODUCTION, when, "", *head]
    for reader in readers:
        counts = " | ".join(str(notes.looked[reader, code]) for code in SPOKEN)
        lines.append(f"| {reader} | {counts} | {notes.alike[reader]} | {notes.refused[reader]} |")
    lines += ["", f"Faults: {sum(notes.faults.values())}.", ""]
    lines += [f"- {fault}" for fault in sorted(notes.faults)]
    return "\n".join(lines) + "\n"
