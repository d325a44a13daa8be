"""`python -m demo`: sees to the folders, then hands over to the command."""

import importlib
import os
from pathlib import Path

DATA_DIR = Path(os.environ.get("DATA_DIR") or ".data")


def main() -> None:
    """Run the demo's command line."""
    # For its owner only, as the server makes it: whoever comes first makes this folder.
    DATA_DIR.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Where matplotlib keeps its font cache is settled when it is imported; the default is in the user's home.
    os.environ.setdefault("MPLCONFIGDIR", str(DATA_DIR.absolute() / "matplotlib"))
    importlib.import_module("demo.command").run(DATA_DIR)


if __name__ == "__main__":
    main()
