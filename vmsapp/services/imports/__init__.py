"""Imports: a file is handed in, checked in the background, confirmed, applied in chunks, undone.

``kinds`` says what a kind of sheet must bring; ``batches`` takes files in and moves their
states; ``checking``, ``applying`` and ``undoing`` are what a worker does.
"""
