"""What GraphQL calls: functions from a row and plain arguments to rows and pages."""
