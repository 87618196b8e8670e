"""Work in the background, and following it."""
