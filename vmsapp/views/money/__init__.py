"""Floats, shifts and the proof of the books."""
