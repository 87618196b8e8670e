"""Write docs/api/openapi.json from the operations themselves."""

import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from vmsapp.api import v1  # noqa: E402

FILE = ROOT / "docs" / "api" / "openapi.json"


def text() -> str:
    """Make the whole file."""
    return json.dumps(v1.document(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    FILE.parent.mkdir(exist_ok=True)
    FILE.write_text(text(), encoding="utf-8")
