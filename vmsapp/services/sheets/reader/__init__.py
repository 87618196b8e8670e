"""The process that opens strangers' files, and nothing else: no database, no secrets.

It takes the file as its standard input and writes frames to its standard output; whoever
started it reads them (``sheets.reading``). It imports as little as it can, lowers its own
limits before it looks at the first byte, and may be killed at any time.
"""
