"""Webhooks: where they may go, their secrets and their deliveries."""
