"""The types of the graph, in rooms by subject."""
