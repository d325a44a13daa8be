"""Experiments, runs, metrics, resources and prices."""
