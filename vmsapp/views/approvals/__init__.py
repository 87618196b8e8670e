"""Deeds that take a second person."""
