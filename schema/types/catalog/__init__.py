"""Models, versions, aliases, artifacts, datasets, signatures and runtimes."""
