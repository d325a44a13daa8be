"""Wiring: settings, ASGI application, doors, workers and the command line."""
