"""Every model, one after the other: python run_all.py > RESULTS.txt"""

import house
import keychange
import prism
import restore
import tid
import core

for part in (core, prism, keychange, tid, restore, house):
    print(f"\n######## {part.__name__}: {part.__doc__.splitlines()[0]}")
    part.main()
