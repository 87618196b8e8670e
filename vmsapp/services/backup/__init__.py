"""Backups: the database, what lies beside it, and a manifest that tells whether all is whole.

``inventory`` says what goes in and what is kept apart, ``databases`` copies a database while it
is sold from, ``making`` makes a backup, ``restoring`` puts one into an empty place.
"""
