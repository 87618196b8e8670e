"""Registration: consumers and meters, one by one in forms and many at a time from files.

Every use case takes many rows at once; a form is the case of one. Checks answer with every
fault of every row.
"""
