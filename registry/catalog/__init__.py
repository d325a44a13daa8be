"""Models and datasets, their versions, and what is known of a version."""
