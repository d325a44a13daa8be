"""The worker, the table of its jobs, and the courier that posts to webhooks."""
