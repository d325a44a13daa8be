"""How an operation runs: limits, cost, scope, breadth-first execution and masking of errors."""
