"""Lineage walks, search and counts over the whole graph."""
