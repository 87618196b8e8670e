"""Every model, one after the other: ``python docs/model/run_all.py``; 1 if one came out wrong."""

import sys

import campaign
import core
import house
import keychange
import prism
import restore
import setback
import shift
import spending
import takeback
import tid
from engine import run

PARTS = (core, prism, keychange, setback, tid, spending, restore, house, takeback, shift, campaign)


def main() -> int:
    """Run them all."""
    wrong = []
    for part in PARTS:
        print(f"\n######## {part.__name__}: {(part.__doc__ or '').splitlines()[0]}")
        wrong += run(part.CASES)
    for title in wrong:
        print(f"otherwise than it must: {title}", file=sys.stderr)
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
