"""Environments and deployments."""
