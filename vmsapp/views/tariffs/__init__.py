"""Tariffs, their dated plans, and what plans cost."""
