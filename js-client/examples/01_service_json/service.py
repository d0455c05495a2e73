"""A Service: one Python process that a page calls. Run it, then open the page."""

import os

from daffi import Service, callback


@callback
def add(a: float, b: float) -> float:
    """Adds two numbers."""
    return a + b


@callback
def greet(name: str) -> str:
    """Greets somebody."""
    return f"Hello, {name}! This is Python."


if __name__ == "__main__":
    service = Service(app_name="py-service", host="127.0.0.1", port=int(os.environ.get("DAFFI_PORT", "5000")))
    service.start()
    print("ready", flush=True)
    service.join()
