"""A Router: passes messages between its members. Run it first, then worker.py, then open the page."""

import os

from daffi import Router

if __name__ == "__main__":
    router = Router(app_name="router", host="127.0.0.1", port=int(os.environ.get("DAFFI_PORT", "5000")))
    router.start()
    print("ready", flush=True)
    router.join()
