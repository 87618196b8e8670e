"""Consumers and meters, one by one and from files."""
