"""Organizations, teams, projects, principals and their API tokens."""
