"""The queue of background jobs."""
