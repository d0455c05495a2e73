"""A worker behind the Router that speaks of bytes and maps."""

import os
import sys

from daffi import Client, callback

NAME = sys.argv[1] if len(sys.argv) > 1 else "py-worker"


@callback
def summarize(reading: dict) -> dict:
    """Takes a map with bytes in it and gives one back."""
    samples = list(reading["samples"])
    return {"sensor": reading["sensor"], "count": len(samples), "largest": max(samples), "reversed": bytes(reversed(samples))}


if __name__ == "__main__":
    worker = Client(app_name=NAME, host="127.0.0.1", port=int(os.environ.get("DAFFI_PORT", "5000")))
    worker.connect()
    print("ready", flush=True)
    worker.join()
