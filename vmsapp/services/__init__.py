"""Use cases. Each function takes the session and who asks, and owns its transaction."""
