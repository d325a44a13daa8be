"""The graph: declarations only."""
