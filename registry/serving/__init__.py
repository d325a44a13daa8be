"""Environments, deployments and what agents report of them."""
