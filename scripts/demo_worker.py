"""The workers of scripts/run: a few functions to call from the playground, and those of the examples.

    demo_worker.py NAME PORT

Prints `ready` once it is connected to the Router on PORT of this machine.
"""

import sys
import time
from datetime import datetime, timezone

from daffi import Client, callback

NAME, PORT = sys.argv[1], int(sys.argv[2])


@callback
def add(a: float, b: float) -> float:
    """Adds two numbers."""
    return a + b


@callback
def multiply(a: float, b: float) -> float:
    """Multiplies two numbers."""
    return a * b


@callback
def process(number: float) -> float:
    """Squares a number."""
    return number * number


@callback
def greet(name: str, greeting: str = "Hello") -> str:
    """Greets somebody; the greeting is a keyword one may leave out."""
    return f"{greeting}, {name}! This is {NAME}."


@callback
def echo(value):
    """Gives back what it got, of any serde."""
    return value


@callback
def now() -> str:
    """What time it is here."""
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


@callback
def slow(seconds: float) -> str:
    """Answers late, but before ten seconds are over."""
    time.sleep(max(0.0, min(float(seconds), 10.0)))
    return f"{NAME} slept {seconds} s"


@callback
def fail(text: str = "as asked") -> None:
    """Raises, so that one sees how errors arrive."""
    raise ValueError(text)


@callback
def ping() -> str:
    """Says who is there: cast it to all."""
    return f"pong from {NAME}"


@callback
def statistics(samples: list) -> dict:
    """Takes numbers, gives a map with bytes in it: for msgpack."""
    return {"count": len(samples), "mean": sum(samples) / len(samples), "digest": bytes(int(x) % 256 for x in samples)}


@callback
def summarize(reading: dict) -> dict:
    """Takes a map with bytes in it and gives one back: for msgpack."""
    samples = list(reading["samples"])
    return {"sensor": reading["sensor"], "count": len(samples), "largest": max(samples), "reversed": bytes(reversed(samples))}


taken: list[str] = []


@callback
def notify(text: str) -> None:
    """Takes a note; nobody waits for the answer."""
    taken.append(text)
    del taken[:-100]
    print(f"noted: {text}", flush=True)


@callback
def notes() -> list:
    """The last hundred notes."""
    return taken


if __name__ == "__main__":
    worker = Client(app_name=NAME, host="127.0.0.1", port=PORT, workers=4)
    worker.connect()
    print("ready", flush=True)
    worker.join()
