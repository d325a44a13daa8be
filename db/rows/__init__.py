"""The tables, one file per area; `db.tables` has them all by name."""
