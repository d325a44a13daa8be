"""How the graph of an organization comes in and goes out as a file: JSON Lines, one entity a line."""
