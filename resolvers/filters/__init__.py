"""Filters and orders of lists, declared once per table."""
