"""Keyset pages: their cursors, their orders and the statements behind them."""
