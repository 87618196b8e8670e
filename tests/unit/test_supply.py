"""What the product is made of: pinned by hash, listed, under licences that agree with its own."""

import importlib.util
import json
import re
import tomllib
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]
PIN = re.compile(r"^([A-Za-z0-9][\w.-]*)==([^\s;\\]+)", re.MULTILINE)


def made() -> ModuleType:
    spec = importlib.util.spec_from_file_location("supply", ROOT / "docs" / "write_licences.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


supply = made()


def entries(lock: str) -> list[str]:
    """Each pinned package with the lines that belong to it."""
    return re.split(r"\n(?=\S)", (ROOT / lock).read_text().strip())


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-dev.lock"])
def test_every_locked_package_is_one_version_with_hashes(lock: str) -> None:
    found = entries(lock)
    assert len(found) > 80
    for entry in found:
        assert re.match(r"[A-Za-z0-9][\w.-]*==\d\S*( ;[^\n\\]+)? \\\n", entry), entry
        assert re.fullmatch(r"( +--hash=sha256:[0-9a-f]{64}( \\)?\n?)+", entry.partition("\n")[2])


def test_what_the_project_asks_for_is_what_is_locked() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    asked = [*project["dependencies"], *extras["install"], *extras["scale"]]
    locked = dict(PIN.findall((ROOT / "requirements.lock").read_text()))
    for each in asked:
        name, version = re.sub(r"\[\w+\]", "", each).split("==")
        assert locked[supply.named(name)] == version


def test_packages_are_installed_by_hash_alone() -> None:
    rules = (ROOT / "Makefile").read_text()
    installs = re.findall(r"^\t@?\$\(PIP\) .*$", rules, re.MULTILINE)
    assert len(installs) == 2
    assert "--require-hashes --only-binary :all:" in re.findall(r"^PIP := .*$", rules, re.M)[0]


def test_every_part_of_the_pages_is_locked_by_hash() -> None:
    packages = json.loads((ROOT / "assets" / "package-lock.json").read_text())["packages"]
    ours = packages.pop("")
    assert set(ours["dependencies"]) <= {name.removeprefix("node_modules/") for name in packages}
    for name, entry in packages.items():
        assert re.fullmatch(r"sha512-[A-Za-z0-9+/]{86}==", entry["integrity"]), name


def test_the_page_of_licences_is_up_to_date() -> None:
    written = (ROOT / "docs" / "licences.md").read_text()
    assert written == supply.page(), "run docs/write_licences.py"


def test_everything_that_is_locked_stands_on_the_page() -> None:
    page = (ROOT / "docs" / "licences.md").read_text()
    for name, version in PIN.findall((ROOT / "requirements.lock").read_text()):
        assert f"| {name} | {version} | " in page
    for name in ("echarts", "bootstrap", "tom-select", "@tabler/icons"):
        assert f"| {name} | " in page


def test_every_licence_agrees_with_ours() -> None:
    parts = [*supply.of_python(), *supply.of_pages(), *supply.of_fonts()]
    assert len(parts) > 100
    assert [part.name for part in parts if not supply.is_allowed(part)] == []


@pytest.mark.parametrize(
    ("name", "licence", "allowed"),
    [
        ("new", "MIT", True),
        ("new", "BSD-3-Clause AND ISC", True),
        ("new", "GPL-2.0-only OR MIT", True),
        ("new", "GPL-3.0-only", False),
        ("new", "MIT AND AGPL-3.0-only", False),
        ("new", "SSPL-1.0", False),
        ("new", "LGPL-3.0-only", False),
        ("fpdf2", "LGPL-3.0-only", True),
        ("fpdf2", "GPL-3.0-only", False),
        ("new", "", False),
    ],
)
def test_a_licence_that_asks_for_more_is_refused(name: str, licence: str, allowed: bool) -> None:
    assert supply.is_allowed(supply.Part("pypi", name, "1", licence, (), ())) is allowed


def test_fonts_that_are_passed_on_are_those_named() -> None:
    folder = ROOT / "vmsapp" / "services" / "slips" / "fonts"
    families = {path.stem.partition("-")[0] for path in folder.glob("*.ttf")}
    assert families == {font.replace(" ", "") for font in supply.FONTS}
    assert "SIL OPEN FONT LICENSE Version 1.1" in (folder / "OFL.txt").read_text()


def test_the_bill_of_materials_has_the_shape_of_cyclonedx() -> None:
    bill = json.loads(json.dumps(supply.sbom()))
    # CycloneDX 1.6, JSON: required are bomFormat and specVersion; of a component, type and name
    assert (bill["bomFormat"], bill["specVersion"], bill["version"]) == ("CycloneDX", "1.6", 1)
    assert re.fullmatch(r"urn:uuid:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", bill["serialNumber"])
    assert bill["metadata"]["component"]["type"] == "application"
    refs = [bill["metadata"]["component"]["bom-ref"]]
    for each in bill["components"]:
        assert each["type"] == "library"
        assert re.fullmatch(r"pkg:(pypi|npm|generic)/[\w.%/-]+(@\S+)?", each["purl"])
        assert set(each["licenses"][0]) == {"expression"}
        for offered in each.get("externalReferences", []):
            for digest in offered["hashes"]:
                length = {"SHA-256": 64, "SHA-512": 128}[digest["alg"]]
                assert re.fullmatch(f"[0-9a-f]{{{length}}}", digest["content"])
        refs.append(each["bom-ref"])
    assert len(refs) == len(set(refs)) > 100
    needed = {each["ref"]: each["dependsOn"] for each in bill["dependencies"]}
    assert sorted(needed) == sorted(refs)
    assert {ref for each in needed.values() for ref in each} == set(refs[1:])
    assert "pkg:pypi/jinja2@3.1.6" in needed["pkg:pypi/flask@3.1.3"]  # flask's own words
