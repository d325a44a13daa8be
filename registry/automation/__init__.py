"""Automation rules: what they watch for, and the worker that acts on them."""
