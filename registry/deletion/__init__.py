"""Deleting and restoring things of every kind, and what depends on them."""
