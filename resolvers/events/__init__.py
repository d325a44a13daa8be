"""Pages and streams of events, and the state of webhooks."""
