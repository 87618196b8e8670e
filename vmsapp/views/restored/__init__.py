"""After a restore: what it found, and booking what it lost."""
