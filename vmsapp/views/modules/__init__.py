"""Security modules, their keys and their journal."""
