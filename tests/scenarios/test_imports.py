"""An import in a browser: template, filling in, errors, correction, applying, undoing."""

from pathlib import Path

import openpyxl
import pytest
from playwright.sync_api import Page, expect

from tests.scenarios.test_first_sale import sign_in

pytestmark = [pytest.mark.browser, pytest.mark.processes]

WAIT_MS = 60_000
"""The worker beside has much to do on a small machine."""

JOBS = "main tbody tr"
"""Rows of the list of jobs; other scenarios may have left some."""


def hand_in(page: Page, address: str, path: Path) -> None:
    """Hand a file in and wait until it was checked."""
    page.goto(f"{address}/imports/new/consumers")
    page.locator("#file").set_input_files(path)
    page.get_by_role("button", name="Check the file").click()
    page.wait_for_url("**/imports/show/*")


def confirmed(page: Page, deed: str) -> None:
    """Press a deed and say yes to its question."""
    page.get_by_role("button", name=deed).first.click()
    page.locator("dialog[open] .btn-danger, dialog[open] .btn-primary").first.click()


def test_a_template_is_filled_in_put_right_applied_and_undone(product, watched, tmp_path) -> None:
    page = watched.page
    sign_in(page, product, "admin")
    page.goto(f"{product.address}/jobs/list/")
    jobs = page.locator(JOBS).count()
    page.goto(f"{product.address}/imports/new/consumers")
    with page.expect_download() as fetched:
        page.get_by_role("link", name="Download the template").click()
    template = tmp_path / "consumers.xlsx"
    fetched.value.save_as(template)

    book = openpyxl.load_workbook(template)
    sheet = book.worksheets[0]
    columns = {cell.value: cell.column for cell in sheet[1]}
    for row, (name, region) in enumerate([("Imported One", "Northern Region"),
                                          ("Imported Two", "Northern Regio")], 3):  # fmt: skip
        sheet.cell(row, columns["Consumer number"], f"IMP-{row}")
        sheet.cell(row, columns["Full name"], name)
        sheet.cell(row, columns["Region"], region)
    filled = tmp_path / "filled.xlsx"
    book.save(filled)

    hand_in(page, product.address, filled)
    expect(page.locator("main")).to_contain_text("Rows with errors: 1 of 2", timeout=WAIT_MS)
    expect(page.locator("main table")).to_contain_text("Is Northern Region meant?")
    with page.expect_download() as fetched:
        page.get_by_role("link", name="Download the workbook with the errors").click()
    marked = tmp_path / "marked.xlsx"
    fetched.value.save_as(marked)

    book = openpyxl.load_workbook(marked)
    sheet = book.worksheets[0]
    columns = {cell.value: cell.column for cell in sheet[1]}
    assert "What is wrong" in columns
    for row in range(2, sheet.max_row + 1):
        if sheet.cell(row, columns["Full name"]).value == "Imported Two":
            sheet.cell(row, columns["Region"]).value = "Northern Region"
    corrected = tmp_path / "corrected.xlsx"
    book.save(corrected)

    hand_in(page, product.address, corrected)
    expect(page.locator("main")).to_contain_text("2 rows were checked", timeout=WAIT_MS)
    page.get_by_role("button", name="Apply", exact=True).click()
    expect(page.locator("main")).to_contain_text("2 rows were applied", timeout=WAIT_MS)
    listed = page.context.new_page()
    listed.goto(f"{product.address}/consumers/list/?q=Imported")
    expect(listed.locator("tbody tr")).to_have_count(2)

    confirmed(page, "Undo the import")
    expect(page.locator("main")).to_contain_text("The import was undone", timeout=WAIT_MS)
    listed.reload()
    expect(listed.locator("tbody tr")).to_have_count(0)
    listed.goto(f"{product.address}/jobs/list/")
    expect(listed.locator(JOBS)).to_have_count(jobs + 4)
    assert [said for said in watched.console if said.startswith("error")] == []
