"""What the server tells of itself: health, metrics and logs."""
