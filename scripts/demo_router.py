"""The Router of scripts/run: demo_router.py PORT. Prints `ready` once it listens."""

import sys

from daffi import Router

if __name__ == "__main__":
    router = Router(app_name="router", host="127.0.0.1", port=int(sys.argv[1]))
    router.start()
    print("ready", flush=True)
    router.join()
