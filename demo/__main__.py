"""`python -m demo`: makes a folder for the files of this run, then hands over to the command."""

import importlib
import os
from pathlib import Path
from tempfile import TemporaryDirectory


def main() -> None:
    """Run the demo's command line."""
    with TemporaryDirectory(prefix="registry-demo-") as folder:
        # Where matplotlib keeps its font cache is settled when it is imported; the default is in the user's home.
        os.environ.setdefault("MPLCONFIGDIR", folder)
        importlib.import_module("demo.command").run(Path(folder))


if __name__ == "__main__":
    main()
