"""What the commands of the command line do: a module is imported when a command of it is given."""
