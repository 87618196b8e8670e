"""Users, groups, signing in, and who did what."""
