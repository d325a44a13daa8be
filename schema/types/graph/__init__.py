"""Lineage, search and statistics over every kind of thing."""
