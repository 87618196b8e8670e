"""Campaigns: many meters taken to another key."""
