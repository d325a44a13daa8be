"""Batched reads: loaders, the shapes they serve, and the rows they return."""
