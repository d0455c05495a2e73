"""Python peers through the bridge's port: plain, TLS, over a Unix socket; callers and workers; where they are not taken."""

from __future__ import annotations

import subprocess
import sys

import pytest
from page import Page
from processes import PEER, Process

# Leaves without client.stop(): with TLS that crashes in the released package, against its own Router as well.
CALLER = """
import os, sys
from daffi import Client
from daffi.registry import *  # noqa
from daffi import SerdeFormat
host, port, tls, ca = sys.argv[1], int(sys.argv[2]), sys.argv[3] == "tls", sys.argv[4]
client = Client(app_name="caller", host=host, port=port, tls=tls, ca_file=ca)
conn = client.connect()
print(conn.rpc(timeout=10).add(3, 4))
print(conn.rpc(timeout=10, serde=SerdeFormat.JSON).add(3, 4))
print(conn.rpc(timeout=10, serde=SerdeFormat.MSGPACK).echo({"a": [1, b"x"]}))
print(conn.rpc(timeout=10, serde=SerdeFormat.OPAQUE).echo(b"\\x00raw"))
try:
    conn.rpc(timeout=10).fail("kaboom")
except Exception as error:
    print(type(error).__name__, error)
print(conn.cast(timeout=10).whoami())
sys.stdout.flush()
os._exit(0)
"""


def run_caller(host: str, port: int, tls: bool = False, ca: str = "") -> list[str]:
    """A real Python client that makes a call of each kind; the lines it prints."""
    done = subprocess.run([sys.executable, "-c", CALLER, host, str(port), "tls" if tls else "plain", ca], capture_output=True, text=True,
                          timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()


def check(lines: list[str]) -> None:
    """What the caller has to have printed."""
    assert lines[:4] == ["7", "7", "{'a': [1, b'x']}", r"b'\x00raw'"]
    assert "kaboom" in lines[4]
    assert lines[5] == "{'w1': 'w1'}"


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_python_callers(house, certificate, tls):
    router = house.router()
    house.worker(router.port)
    bridge = house.bridge(router.port, tls=tls)
    check(run_caller("127.0.0.1", bridge.port, tls, certificate.cert if tls else ""))


def test_python_callers_over_a_unix_socket(house, tmp_path_factory):
    router = house.router()
    house.worker(router.port)
    path = f"/tmp/daffi-u{router.port}"
    house.bridge(router.port, listeners=(f"unix:{path}",))
    check(run_caller(path, 0))


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_a_python_worker_through_the_bridge_serves_a_page_through_the_bridge(house, certificate, tls):
    router = house.router()
    bridge = house.bridge(router.port, tls=tls)
    house.worker(bridge.port, "w1", *(["--tls", "--ca", certificate.cert] if tls else []))
    with Page(bridge.ws_url, ca=certificate.cert) as page:
        page.wait_for_member("w1")
        assert page.call("add", 3, 4) == 7
        assert page.call("echo", b"\x00" * 1_000_000, serde="raw", seconds=30) == b"\x00" * 1_000_000


def test_where_native_peers_are_not_taken(house):
    router = house.router()
    house.worker(router.port)
    bridge = house.bridge(router.port, "--native", "none")
    said = len(bridge.lines)
    intruder = house.keep(Process(sys.executable, PEER, "worker", "--port", str(bridge.port), "--name", "intruder"))
    bridge.wait_for(r"native", after=said)
    with Page(bridge.ws_url) as page:
        assert page.call("add", 3, 4) == 7
        assert "intruder" not in page.members
    assert "ready" not in intruder.lines
    house.kill(intruder)


def test_an_upstream_that_is_not_there_is_a_clean_refusal_to_python(house):
    from processes import free_port
    bridge = house.bridge(free_port())
    done = subprocess.run([sys.executable, "-c", CALLER, "127.0.0.1", str(bridge.port), "plain", ""], capture_output=True, text=True, timeout=60)
    assert done.returncode != 0
    assert "upstream" in done.stderr
