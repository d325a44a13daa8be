"""A real Postgres and a real S3 server as child processes over one data folder: what runs when no address is configured."""
