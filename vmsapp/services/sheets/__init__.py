"""Tables as files and files as tables; no database.

``write_csv`` and ``write_xlsx`` write rows as they come. ``reading`` reads a stranger's file
in a process of its own; ``lay_out`` finds its columns, and their ``Column`` cleans each cell.
``templates`` and ``marked`` make what people fill in and put right.
"""

from vmsapp.services.sheets.parts import LONGEST_CELL
from vmsapp.services.sheets.text import Cell, write_csv
from vmsapp.services.sheets.xlsx import Look, Marked, write_xlsx

__all__ = ["LONGEST_CELL", "Cell", "Look", "Marked", "write_csv", "write_xlsx"]
