"""A program that owns both services over the folder it is given, tells where they are, and then waits to be ended."""

import json
import os
import signal
import sys
from pathlib import Path

from server.embedded.errors import EmbeddedError
from server.embedded.postgres import start_postgres
from server.embedded.s3 import start_s3


def main() -> None:
    data_dir = Path(sys.argv[1])
    try:
        with start_postgres(data_dir) as postgres, start_s3(data_dir, buckets=["models"]) as s3:
            children = [postgres.child, s3.child]
            report = {
                "dsn": postgres.dsn,
                "endpoint": s3.endpoint,
                "pids": [child.pid for child in children],
                "guardian_pids": [child.guardian_pid for child in children],
                "uid": os.geteuid(),
            }
            sys.stdout.write(json.dumps(report) + "\n")
            sys.stdout.flush()
            signal.pause()
    except EmbeddedError as error:
        sys.stdout.write(json.dumps({"code": error.code}) + "\n")


if __name__ == "__main__":
    main()
