"""One of several workers that take notes: python worker.py NAME"""

import os
import sys

from daffi import Client, callback

NAME = sys.argv[1] if len(sys.argv) > 1 else "worker-A"


received = []


@callback
def notify(text: str) -> None:
    """Takes a note; nobody waits for the answer."""
    received.append(text)
    print(f"{NAME}: {text}", flush=True)


@callback
def notes() -> list:
    """The notes taken so far."""
    return received


if __name__ == "__main__":
    worker = Client(app_name=NAME, host="127.0.0.1", port=int(os.environ.get("DAFFI_PORT", "5000")))
    worker.connect()
    print("ready", flush=True)
    worker.join()
