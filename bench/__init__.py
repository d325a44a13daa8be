"""Measures this server against the least that the same work costs: `python -m bench`."""
