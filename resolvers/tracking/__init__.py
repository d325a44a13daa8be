"""Metrics, rankings, comparisons and costs of runs."""
