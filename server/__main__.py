"""`python -m server` is the command line `registry`."""

from server.cli import main

main()
