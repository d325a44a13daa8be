"""Slots, aliases, policies, gates, requests and reviews: how a version reaches a stage and leaves it."""
