"""The worker that the page waits for."""

import os
import sys

from daffi import Client, callback

NAME = sys.argv[1] if len(sys.argv) > 1 else "py-worker"


@callback
def process(number: float) -> float:
    """Squares a number."""
    return number * number


if __name__ == "__main__":
    worker = Client(app_name=NAME, host="127.0.0.1", port=int(os.environ.get("DAFFI_PORT", "5000")))
    worker.connect()
    print("ready", flush=True)
    worker.join()
