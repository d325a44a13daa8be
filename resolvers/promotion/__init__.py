"""Promotion plans and candidates for champion."""
