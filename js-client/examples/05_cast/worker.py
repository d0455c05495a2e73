"""One of several workers that offer the same function: python worker.py NAME"""

import os
import sys

from daffi import Client, callback

NAME = sys.argv[1] if len(sys.argv) > 1 else "worker-A"


@callback
def ping() -> str:
    """Says who is there."""
    return f"pong from {NAME}"


if __name__ == "__main__":
    worker = Client(app_name=NAME, host="127.0.0.1", port=int(os.environ.get("DAFFI_PORT", "5000")))
    worker.connect()
    print("ready", flush=True)
    worker.join()
