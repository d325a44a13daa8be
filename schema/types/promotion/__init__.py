"""Slots, gates, policies, requests, champions and automation rules."""
