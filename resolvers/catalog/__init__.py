"""What the graph derives from versions, datasets and files."""
