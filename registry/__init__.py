"""The rules of the registry: plain async functions over a session, called by every door."""
