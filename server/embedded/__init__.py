"""A real Postgres and a real S3 server as child processes: what runs when no address is configured."""
