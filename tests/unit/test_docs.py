"""What is written about the product is what the product is."""

import ast
import importlib.util
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def test_the_page_of_settings_is_made_from_the_settings() -> None:
    spec = importlib.util.spec_from_file_location("pages", ROOT / "docs" / "write_settings.py")
    assert spec
    assert spec.loader
    pages = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(pages)
    written = (ROOT / "docs" / "settings.md").read_text()
    assert written == pages.table(), "run docs/write_settings.py"


def test_importing_the_package_imports_nothing_else() -> None:
    tree = ast.parse((ROOT / "vmsapp" / "__init__.py").read_text())
    imports = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    assert imports == []


def test_the_readme_begins_with_what_a_bare_machine_needs() -> None:
    first = (ROOT / "README.md").read_text().splitlines()[0]
    assert "apt install" in first
    for named in ("python3-venv", "make"):
        assert named in first


def test_every_link_between_the_pages_leads_somewhere() -> None:
    pages = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]
    assert len(pages) > 5
    for page in pages:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


ASVS = {
    "1.1": 2, "1.2": 9, "1.3": 11, "1.4": 3, "1.5": 2, "2.1": 3, "2.2": 3, "2.3": 4, "2.4": 1,
    "3.2": 2, "3.3": 4, "3.4": 6, "3.5": 5, "3.7": 2, "4.1": 3, "4.2": 1, "4.3": 2, "4.4": 4,
    "5.1": 1, "5.2": 3, "5.3": 2, "5.4": 3, "6.1": 3, "6.2": 12, "6.3": 4, "6.4": 4, "6.5": 5,
    "6.6": 3, "6.8": 4, "7.1": 3, "7.2": 4, "7.3": 2, "7.4": 5, "7.5": 2, "7.6": 2, "8.1": 2,
    "8.2": 3, "8.3": 1, "8.4": 1, "9.1": 3, "9.2": 4, "11.1": 2, "11.2": 3, "11.3": 3, "11.4": 4,
    "11.5": 1, "11.6": 1, "12.1": 3, "12.2": 2, "12.3": 4, "13.1": 1, "13.2": 5, "13.3": 2,
    "13.4": 5, "14.1": 2, "14.2": 4, "14.3": 3, "15.1": 3, "15.2": 3, "15.3": 7, "16.1": 1,
    "16.2": 5, "16.3": 4, "16.4": 3, "16.5": 3,
}  # fmt: skip
"""How many requirements of levels 1 and 2 each section has, counted from its first.

Source: OWASP ASVS 5.0.0, English CSV; chapters 10 and 17 apply in nothing.
"""


def test_every_requirement_has_its_line_and_every_line_its_verdict_and_place() -> None:
    page = (ROOT / "docs" / "security.md").read_text()
    rows = re.findall(r"^\| (\d+\.\d+\.\d+[\d., ]*) \| .* \| ([^|]+) \|$", page, re.MULTILINE)
    numbers = [number for row, _ in rows for number in row.split(", ")]
    wanted = [f"{section}.{n + 1}" for section, count in ASVS.items() for n in range(count)]
    assert sorted(numbers) == sorted(wanted)
    for row, verdict in rows:
        assert re.match(r"met\b|partly:|not met\b|does not apply:", verdict), row
    for path in re.findall(r"`((?:tests|vmsapp|assets|docs)/[\w/.-]+)`", page):
        assert (ROOT / path).exists(), path


def purposes() -> set[str]:
    """What the code makes keys for, as it says where it makes them."""
    made = re.compile(r"""(?:expand|key_for)\([^()]*(?:\(\))?[^()]*"([a-z -]+)"\)""")
    rooms = [path for path in (ROOT / "vmsapp").iterdir() if path.name != "hsm"]
    files = [file for room in rooms for file in (room.rglob("*.py") if room.is_dir() else [room])]
    code = [file.read_text() for file in files if file.suffix == ".py"]
    return {purpose for text in code for purpose in made.findall(text)}


def test_every_key_the_code_makes_for_a_purpose_has_its_life_written_down() -> None:
    page = (ROOT / "docs" / "security-policies.md").read_text()
    found = purposes()
    assert {"bearers", "second factor", "one-time codes", "mail password"} <= found
    of_a_passphrase = {"seal", "check"}
    for purpose in found - of_a_passphrase:
        assert f"| *{purpose}* |" in page, purpose


def test_the_places_the_policies_name_are_there() -> None:
    page = (ROOT / "docs" / "security-policies.md").read_text()
    named = re.findall(r"`?((?:tests|docs)/[\w/.-]+\.(?:py|md))", page)
    assert len(named) > 10
    for path in named:
        assert (ROOT / path).exists(), path
    sections = set(re.findall(r"^## ([^,\n]+)", page, re.MULTILINE))
    security = (ROOT / "docs" / "security.md").read_text()
    for section in re.findall(r"security-policies.md, \*([\w ]+)\*", security):
        assert section in sections, section


@pytest.mark.parametrize("page", ["docs/threat-model.md", "docs/scale.md", "deploy/README.md"])
def test_the_places_a_page_names_are_there(page: str) -> None:
    text = (ROOT / page).read_text()
    named = re.findall(r"`((?:tests|vmsapp|benchmarks|deploy|docs)/[\w/.-]+)`", text)
    assert named
    for path in named:
        assert (ROOT / path).exists(), path
