"""One-line breaks of the product, drawn by chance: how many of them the tests catch."""
