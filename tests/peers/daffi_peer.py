"""A real daffi peer for the tests: a Router, a Service, or a worker.

    daffi_peer.py router|service|worker [--name NAME] [--port N | --unix PATH] [--tls] [--cert F --key F] [--ca F]

Prints `ready` once it listens or is connected. Ends when its standard input does.
"""

import argparse
import hashlib
import sys
import time

if "--without-tblib" in sys.argv:
    sys.modules["tblib"] = None

from daffi import Client, Router, Service, callback  # noqa: E402
from daffi.exceptions import Disconnected  # noqa: E402

parser = argparse.ArgumentParser()
parser.add_argument("role", choices=["router", "service", "worker"])
parser.add_argument("--name")
parser.add_argument("--port", type=int, default=0)
parser.add_argument("--unix", help="socket path; the reference wants it as the host of port 0")
parser.add_argument("--tls", action="store_true")
parser.add_argument("--cert", default="")
parser.add_argument("--key", default="")
parser.add_argument("--ca", default="")
parser.add_argument("--without-tblib", action="store_true", help="as where that package is not installed: errors carry no traceback")
parser.add_argument("--join", action="store_true", help="a worker that ends with its connection, as users' do, and says how that was")
parser.add_argument("--threads", type=int, default=1, help="worker threads that run the functions")
options = parser.parse_args()
NAME = options.name or options.role


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


class Obstinate(Exception):
    """Has a module of its own."""


@callback
def fail_as(what):
    """Raises an error that is hard to tell of."""
    what = what.decode() if isinstance(what, bytes) else what
    if what.startswith("deep "):
        return fail_as(f"deep {depth - 1}") if (depth := int(what[5:])) > 0 else 1 // 0
    if what == "chain":
        try:
            raise KeyError("inner")
        except KeyError as inner:
            raise Obstinate("outer") from inner
    if what == "half a pair":
        raise ValueError("\ud800 alone")
    if what == "long":
        raise ValueError("é" * 300_000)
    if what == "nothing":
        raise ValueError
    raise Obstinate('quotes " \\ and\nlines\0')


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
def picture(size):
    """Bytes, which JSON can't say."""
    return bytes(size)


@callback
def not_a_number():
    """What Python writes as NaN, and JSON does not know."""
    return float("nan")


received = []


@callback
def note(value):
    """Keeps what it got, for `notes`."""
    received.append(value)


@callback
def notes():
    """What `note` got so far."""
    return received


where = {"host": options.unix or "127.0.0.1", "port": 0 if options.unix else options.port}
secure = {"tls": options.tls, "cert_file": options.cert, "key_file": options.key, "ca_file": options.ca}
if options.role == "worker":
    peer = Client(app_name=NAME, workers=options.threads, **where, **secure)
    peer.connect()
else:
    peer = (Router if options.role == "router" else Service)(app_name=NAME, workers=options.threads, **where, **secure)
    peer.start()
print("ready", flush=True)
if options.join:
    try:
        peer.join()
        print("it came back", flush=True)
    except Disconnected:
        print("it is lost", flush=True)
else:
    sys.stdin.read()
peer.stop()
