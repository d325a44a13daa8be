"""Experiments, runs, their metrics and what they cost."""
