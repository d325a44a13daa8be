"""The event log of an organization, and the feed that delivers it."""
