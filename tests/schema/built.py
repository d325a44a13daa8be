"""The graph that tests of the schema look at, built once in a process: it takes a quarter of a second."""

from schema.build import build_schema

BUILT = build_schema()
SCHEMA = BUILT._schema
