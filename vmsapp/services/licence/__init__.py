"""The licence: its file, what it means on a day, and how it changes.

``file`` reads and writes the signed file and knows no database; ``standing`` tells what
the installed one allows; ``changes`` installs it and gives it up.
"""
