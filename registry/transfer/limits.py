"""How many lines of a file are written together or not at all."""

MAX_CHUNK = 5_000
CHUNK = 1_000
