"""A real daffi peer for the browser tests: a Router, a Service, or a worker.

    peer.py router PORT | service PORT | worker NAME PORT

Prints `ready` once it listens or is connected. Ends when its standard input does.
"""

import hashlib
import sys
import time

from daffi import Client, Router, Service, callback

ROLE = sys.argv[1]
NAME = sys.argv[2] if ROLE == "worker" else ROLE
PORT = int(sys.argv[-1])


@callback
def add(a, b):
    """Adds."""
    return a + b


@callback
def echo(value):
    """Gives back what it got, of any serde."""
    return value


@callback
def kind(value):
    """The Python type of what came, and its repr."""
    return [type(value).__name__, repr(value)]


@callback
def fail(text):
    """Raises."""
    raise ValueError(text)


@callback
def slow(seconds):
    """Answers late."""
    time.sleep(seconds)
    return seconds


@callback
def whoami():
    """The member that answers."""
    return NAME


@callback
def digest(value):
    """Length and SHA-256 of bytes, as text: whether all of them arrived."""
    return f"{len(value)} {hashlib.sha256(value).hexdigest()}"


@callback
def not_a_number():
    """What Python writes as NaN, and JSON does not know."""
    return float("nan")


if ROLE == "worker":
    peer = Client(app_name=NAME, host="127.0.0.1", port=PORT)
    peer.connect()
else:
    peer = (Router if ROLE == "router" else Service)(app_name=NAME, host="127.0.0.1", port=PORT)
    peer.start()
print("ready", flush=True)
sys.stdin.read()
peer.stop()
