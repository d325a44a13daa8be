"""Organizations, teams, projects, principals and their roles."""
