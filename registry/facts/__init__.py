"""Immutable facts, stored once per organization under their digest: signatures, runtimes, dataset schemas."""
