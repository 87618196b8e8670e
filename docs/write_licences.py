"""Write docs/licences.md, or an SBOM, from the lock files and what is installed; asks nobody.

python docs/write_licences.py             docs/licences.md
python docs/write_licences.py --sbom FILE a software bill of materials, CycloneDX 1.6
"""

import base64
import json
import re
import sys
import tomllib
import uuid
from functools import cache
from importlib.metadata import PackageNotFoundError, metadata, requires
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[1]

ALLOWED = frozenset({
    "0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT", "MIT-0", "MIT-CMU",
    "OFL-1.1", "PSF-2.0", "Unlicense", "ZPL-2.1",
})  # fmt: skip
"""Licences that ask for no more than the Apache License 2.0 does: keep the notice."""

AS_THEY_COME = {"LGPL-3.0-only": frozenset({"fpdf2", "psycopg", "psycopg-binary"})}
"""Licences that are allowed to these alone: unchanged, in files of their own, exchangeable."""

SAID = {
    "Apache License 2.0": "Apache-2.0",
    "Apache-2.0": "Apache-2.0",
    "BSD": "BSD-3-Clause",
    "BSD License": "BSD-3-Clause",
    "BSD-3-Clause": "BSD-3-Clause",
    "Dual License": "Apache-2.0 OR BSD-3-Clause",
    "MIT": "MIT",
    "MIT License": "MIT",
    "New BSD": "BSD-3-Clause",
    "PSFL": "PSF-2.0",
    "Unlicense": "Unlicense",
    "ZPL 2.1": "ZPL-2.1",
}
"""What packages call their licence, and its name in the SPDX list; BSD is read as the stricter."""

ELSEWHERE = {"async-timeout": "Apache-2.0"}
"""Licences of packages that only some versions of Python need."""

FONTS = ("Noto Sans", "Noto Sans Arabic", "Noto Sans SC")

HEAD = """# Licences

VMS is under the Apache License 2.0. What it is made of, written by `docs/write_licences.py` from
the lock files and the installed packages' own words; `make sbom` writes the same as a CycloneDX
file. `tests/unit/test_supply.py` refuses a licence that is not on the list there, and a page that
is not up to date.

LGPL-3.0 (fpdf2, psycopg) is compatible as it is used here: the libraries are imported unchanged,
installed as files of their own, and can be exchanged for others of the same interface. A change
*in* them would have to be published under their licence. Whoever passes on an image with them
passes on their licence texts, too: they lie in the packages.

Tools that only tests and building need (`requirements-dev.lock`, `devDependencies` of
`assets/package.json`) are not passed on and not listed.
"""


class Part(NamedTuple):
    """One thing the product is made of; ``hashes`` are of the files it may be installed from."""

    kind: str
    name: str
    version: str
    licence: str
    hashes: tuple[tuple[str, str], ...]
    needs: tuple[str, ...]

    @property
    def purl(self) -> str:
        """Its address as SBOMs write it."""
        version = f"@{self.version}" if self.version else ""
        return f"pkg:{self.kind}/{self.name.replace('@', '%40')}{version}"


def named(name: str) -> str:
    """Write a package's name the one way."""
    return re.sub(r"[-_.]+", "-", name).lower()


def licence_of(name: str) -> str:
    """Tell an installed package's licence, in the words of SPDX.

    Raises:
        KeyError: It calls it something that nobody has looked at yet.
    """
    try:
        told = metadata(name)
    except PackageNotFoundError:
        return ELSEWHERE[name]
    if expression := told.get("License-Expression"):
        return str(expression)
    classes = [str(each) for each in told.get_all("Classifier") or []]
    tails = [each.rpartition(" :: ")[2] for each in classes if each.startswith("License ::")]
    for words in (told.get("License") or "", *tails):
        if words in SAID:
            return SAID[words]
    raise KeyError(name, told.get("License"), tails)


def _needs(name: str) -> tuple[str, ...]:
    try:
        wanted = requires(name) or []
    except PackageNotFoundError:
        return ()
    plain = [re.match(r"[\w.-]+", each) for each in wanted if "extra ==" not in each]
    return tuple(sorted({named(found[0]) for found in plain if found}))


@cache
def of_python() -> list[Part]:
    """Read ``requirements.lock``."""
    parts = []
    for entry in re.split(r"\n(?=\S)", (ROOT / "requirements.lock").read_text().strip()):
        pinned = re.match(r"([\w.-]+)==([^\s;\\]+)", entry)
        assert pinned, entry
        name = named(pinned[1])
        hashes = tuple(("SHA-256", each) for each in re.findall(r"--hash=sha256:(\w+)", entry))
        parts.append(Part("pypi", name, pinned[2], licence_of(name), hashes, _needs(name)))
    return parts


def of_pages() -> list[Part]:
    """Read what the built scripts and styles say they hold, and its lock file."""
    (said,) = (ROOT / "vmsapp/static/ui").glob("licences.*.txt")
    lines = re.findall(r"^(@?[\w./-]+) (\d[\w.-]*) \(([^()]+)\)$", said.read_text(), re.MULTILINE)
    locked = json.loads((ROOT / "assets/package-lock.json").read_text())["packages"]
    parts = []
    for name, version, licence in lines:
        entry = locked[f"node_modules/{name}"]
        digest = base64.b64decode(entry["integrity"].removeprefix("sha512-")).hex()
        needs = tuple(sorted(entry.get("dependencies", ())))
        parts.append(Part("npm", name, version, licence, (("SHA-512", digest),), needs))
    return parts


def of_fonts() -> list[Part]:
    """Name the fonts that receipts as files are set in."""
    return [Part("generic", named(font.replace(" ", "-")), "", "OFL-1.1", (), ()) for font in FONTS]


def is_allowed(part: Part) -> bool:
    """Whether one of the licences it is offered under may be taken."""
    return any(
        all(
            term in ALLOWED or part.name in AS_THEY_COME.get(term, ())
            for term in choice.split(" AND ")
        )
        for choice in part.licence.split(" OR ")
    )


def page() -> str:
    """Make the whole page."""
    tables = (
        ("Python packages", of_python()),
        ("In the pages", of_pages()),
        ("In receipts as files", of_fonts()),
    )
    return HEAD + "".join(
        f"\n## {title}\n\n| Part | Version | Licence |\n|---|---|---|\n"
        + "".join(f"| {p.name} | {p.version} | {p.licence} |\n" for p in parts)
        for title, parts in tables
    )


def sbom() -> dict[str, Any]:
    """Make the bill of materials; the same parts always make the same bill."""
    about = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    ours = Part("pypi", about["name"], about["version"], about["license"], (), ())
    parts = [*of_python(), *of_pages(), *of_fonts()]
    components = [_component(part, "library") for part in parts]
    serial = uuid.uuid5(uuid.NAMESPACE_URL, json.dumps(components, sort_keys=True))
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{serial}",
        "version": 1,
        "metadata": {"component": _component(ours, "application")},
        "components": components,
        "dependencies": [
            {"ref": ours.purl, "dependsOn": [part.purl for part in parts]},
            *({"ref": part.purl, "dependsOn": _refs(part, parts)} for part in parts),
        ],
    }


def _component(part: Part, kind: str) -> dict[str, Any]:
    files = [{"alg": name, "content": content} for name, content in part.hashes]
    offered = [{"type": "distribution", "url": part.purl, "hashes": files}] if files else []
    return {
        "type": kind,
        "bom-ref": part.purl,
        "name": part.name,
        **({"version": part.version} if part.version else {}),
        "purl": part.purl,
        "licenses": [{"expression": part.licence}],
        **({"externalReferences": offered} if offered else {}),
    }


def _refs(part: Part, parts: list[Part]) -> list[str]:
    return [other.purl for other in parts if other.kind == part.kind and other.name in part.needs]


if __name__ == "__main__":
    if sys.argv[1:2] == ["--sbom"]:
        Path(sys.argv[2]).write_text(json.dumps(sbom(), indent=2) + "\n")
    else:
        (ROOT / "docs" / "licences.md").write_text(page())
