"""Tokens that manage meters and change their keys, made as people make them, to be looked at."""

from typing import TYPE_CHECKING, Final

from playwright.sync_api import Page

if TYPE_CHECKING:
    from tests.scenarios.conftest import Product

SAVE: Final = "main form .card-foot .btn-primary"
MANAGED: Final = 9
"""The meter whose tamper state a token clears; its token is the first."""
CHANGED: Final = 10
"""The meter whose key change nobody confirmed yet; the first change."""
TAKEN_BACK: Final = 12
"""The meter that refused its key change, the second; the third leads back."""
OFFERED: Final = 13
"""The meter whose tariff has another index than its key."""


def make_tokens(page: Page, product: "Product") -> None:
    """Make one of each kind."""
    page.goto(f"{product.address}/engineering/meter/{MANAGED}/clear_tamper")
    page.locator("#reason").fill("Seal renewed after the repair")
    page.locator(SAVE).click()
    page.wait_for_url("**/engineering/show/1")
    page.goto(f"{product.address}/test-tokens/make")
    page.locator(SAVE).click()
    page.wait_for_url("**/test-tokens/card/**")
    for meter in (CHANGED, TAKEN_BACK):
        page.goto(f"{product.address}/meters/{meter}/key/change")
        change_looked_at(page)
        page.locator(SAVE).click()
        page.wait_for_url(f"**/meters/{meter}/key")
    page.goto(f"{product.address}/meters/{TAKEN_BACK}/key/refuse")
    page.locator("#shown_krn").fill("1")
    page.locator("#shown_ti").fill("01")
    page.locator("#reason").fill("The customer lost the slip")
    page.locator(SAVE).click()
    page.wait_for_url(f"**/meters/{TAKEN_BACK}/key")


def change_looked_at(page: Page) -> None:
    """Choose another index, and look at what will change."""
    page.locator("#ti").fill("07")
    page.locator("#reason").fill("Moved to the social tariff")
    page.locator(SAVE).click()
    page.locator("#plan").wait_for()


OFFER: Final = f"""
INSERT INTO tariff (name, meter_type, retired, tariff_index)
VALUES ('Social', 'electricity', 0, '07');
UPDATE meter SET tariff_id = (SELECT max(id) FROM tariff) WHERE id = {OFFERED};
"""
"""Give a meter a tariff of another index, as an import does."""
