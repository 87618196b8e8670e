"""What is written about the product is what the product is."""

import ast
import importlib.util
import re
from pathlib import Path

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
