"""The functions of service.py, brought by a worker to a Router or to the bridge. Run it, then open the page."""

import os

import service  # noqa: F401  its @callback functions are what the worker offers
from daffi import Client

if __name__ == "__main__":
    worker = Client(app_name="py-worker", host="127.0.0.1", port=int(os.environ.get("DAFFI_PORT", "5000")))
    worker.connect()
    print("ready", flush=True)
    worker.join()
