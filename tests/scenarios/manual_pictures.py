"""The pictures of the manual, made anew from the screens as they are: ``make manual``.

The scenes are those that the look is tested with. Each picture is made in English, and in every
language of the product in which a chapter shows it. It holds the page without the menu, in few
colours, so that all of them together stay small.
"""

import re
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any, Final

import pytest
from PIL import Image
from playwright.sync_api import Browser, Page

from config import LANGUAGES
from tests.scenarios import look
from tests.scenarios.look import SCENES, Way
from tests.scenarios.waiting import until
from vmsapp.services.manual import book

SCENE_OF: Final = {
    "audit": "audit", "campaign": "campaign-paused", "consumer": "consumers-show",
    "counter-found": "counter-found", "engineering": "engineering-cards",
    "first-steps": "first-steps", "import": "import-faulty", "key-change": "meter-key-open",
    "meter": "meters-show", "meters": "meters-list", "plan": "plan-used",
    "purchase": "purchase-priced", "receipt": "receipt-preview", "regions": "regions-tree",
    "request": "request", "sales-report": "sales-report", "shift": "shift-open",
    "sign-in": "sign-in", "sold": "sold", "token-desk": "token-desk",
    "user-group": "roles-edit", "why": "why-sale",
}  # fmt: skip
"""The scene of each picture."""

WIDTH: Final = 900
"""Pixels; without the side menu, and wide enough for two columns."""
HEIGHT: Final = 640
"""At most so much of a page is shown."""
COLOURS: Final = 48


@pytest.fixture
def product(start_product: Callable[..., Any], chromium: Browser) -> Any:
    """A product with something on every page; nothing settles it while pictures are made."""
    product = start_product(VMS_RECONCILE_SECONDS="300", VMS_PENDING_SECONDS="600")
    page = look.page_for(chromium, product, Way())
    look.a_sale_of_each_kind(page, product)
    page.context.close()
    return product


def draw(product, chromium) -> None:
    """Make all pictures."""
    scenes = {scene.name: scene for scene in SCENES}
    for language in LANGUAGES:
        way = Way(language=language, width=WIDTH, height=HEIGHT + 160)
        pages = {who: look.page_for(chromium, product, way, who) for who in (None, "admin")}
        folder = book.FIGURES / language
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.glob("*.png"):
            old.unlink()
        for name in wanted_in(language):
            scene = scenes[SCENE_OF[name]]
            page = pages[scene.who]
            page.goto(product.address + scene.path)
            until(page, look.SETTLED)
            if scene.act:
                scene.act(page)
                until(page, look.SETTLED)
            keep(page, folder / f"{name}.png")
        for page in pages.values():
            page.context.close()


def wanted_in(language: str) -> list[str]:
    """The pictures that the chapters of a language show."""
    texts = [
        (book.FOLDER / language / f"{name}.md").read_text()
        for name in book.CHAPTERS if book.is_written(name, language)
    ]  # fmt: skip
    return sorted({name for text in texts for name in re.findall(r"/([\w-]+)\.png\)", text)})


def keep(page: Page, path: Path) -> None:
    """Keep the page's own part, without what fades or blinks, in few colours."""
    page.evaluate("document.activeElement?.blur(); scrollTo(0, 0)")
    box = page.locator("main").bounding_box()
    assert box
    shot = page.screenshot(
        clip={"x": 0, "y": box["y"], "width": WIDTH, "height": min(box["height"], HEIGHT)},
        animations="disabled", caret="hide",
    )  # fmt: skip
    picture = Image.open(BytesIO(shot)).convert("RGB")
    picture.quantize(COLOURS, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE).save(
        path, optimize=True
    )
