"""Tables, sessions and migrations of the one database."""
