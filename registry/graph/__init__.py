"""What connects things of every kind: lineage and search."""
