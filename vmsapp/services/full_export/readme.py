"""The text that goes with an export: what it is, how to read it, how to check it."""

from typing import Final

README: Final = """# Everything that was on record

Made by VMS as open files: nothing of them needs VMS to be read.

| | |
|---|---|
| `manifest.json` | each file with rows, bytes, SHA-256; written last: without it files miss |
| `SHA256SUMS` | the same sums for `sha256sum --check SHA256SUMS` |
| `dictionary.csv` | what every file and column means: type, unit, values, where it refers to |
| `left_out.csv` | what is not here, and why |
| `tables/` | a CSV file for each table |
| `plans/` | each tariff plan as a document of its own, as `flask tariffs check` reads it |
| `audit_trail.jsonl` | the audit trail, an event a line, with its chain |

## How values are written

- CSV as RFC 4180 has it, UTF-8, the first line names the columns. Nothing at all is an empty cell,
  a text without letters is `""`.
- Money is whole minor units, beside its currency (ISO 4217) and exponent: 1250 with exponent 2 is
  12.50. Units are decimals with a point.
- Times are RFC 3339 in UTC, days are ISO 8601. Truths are `true` and `false`.
- Meter numbers and tokens are text: a spreadsheet program that takes them for numbers drops digits.
  Have it import all columns as text; that also keeps it from taking a text for a formula.
- All files are of one moment: they agree with each other.

## The audit trail

Each line is an event with its place in the chain; those at the end without a place were not sealed
yet. `hash` is the SHA-256 of the hash before (32 bytes; zeros before the first), the place (8
bytes, big end first) and the event as one line of JSON with sorted names, without spaces, in ASCII.
This checks it:

```python
@CHECK@
```

The hash it prints is that of the last place. `tables/audit_head.csv` has what the security module
signed of the chain: place, hash (`digest`), public key and signature.
"""

CHECK: Final = """import hashlib, json
before = "00" * 32
for line in open("audit_trail.jsonl", encoding="ascii"):
    row = json.loads(line)
    if row["place"] is not None:
        event = {"version": row["version"], "event": row["event"]}
        text = json.dumps(event, sort_keys=True, separators=(",", ":")).encode()
        bound = bytes.fromhex(before) + row["place"].to_bytes(8, "big")
        before = hashlib.sha256(bound + text).hexdigest()
        assert before == row["hash"], row["place"]
print(before)"""
"""Checks the chain from its file alone."""


def readme() -> str:
    """Give the text."""
    return README.replace("@CHECK@", CHECK)
