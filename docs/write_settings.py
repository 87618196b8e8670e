"""Write docs/settings.md from the settings themselves."""

import sys
from pathlib import Path
from typing import Any, get_args

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from config import Settings  # noqa: E402

HEAD = """# Settings

All settings are read from the environment when the product starts. A wrong value stops
the start with a sentence. Where a `_FILE` form is named, the setting may stand in a file
instead; in production (`VMS_ENV=production`, or listening beyond loopback) a secret may
stand only there.

| Setting | Default | Meaning |
|---|---|---|
"""


def table() -> str:
    """Make the whole page."""
    return HEAD + "".join(_row(field) for field in Settings.model_fields.values())


def _row(field: Any) -> str:  # noqa: ANN401 - pydantic's
    extra = field.json_schema_extra
    file = f", `{field.alias}_FILE`" if extra else ""
    return f"| `{field.alias}`{file} | {_default(field)} | {_meaning(field)} |\n"


def _default(field: Any) -> str:  # noqa: ANN401 - pydantic's
    value = field.default
    if value is None or value == "":
        return ""
    if isinstance(value, bool):
        return "`1`" if value else "`0`"
    return f"`{value.relative_to(ROOT)}`" if isinstance(value, Path) else f"`{value}`"


def _meaning(field: Any) -> str:  # noqa: ANN401 - pydantic's
    choices = [arg for arg in get_args(field.annotation) if isinstance(arg, str)]
    return field.description + (
        f" One of {', '.join(f'`{c}`' for c in choices)}." if choices else ""
    )


if __name__ == "__main__":
    (ROOT / "docs" / "settings.md").write_text(table())
