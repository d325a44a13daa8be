"""What every rule stands on: errors, access, checked inputs, rows, transactions, batches and revisions."""
