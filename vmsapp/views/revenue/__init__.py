"""Revenue protection."""
