"""The admin listener: health, readiness, and who may ask."""

from __future__ import annotations

import ctypes
import http.client
import json
import os
import socket
import subprocess
import threading
import time
from pathlib import Path

import pytest
import watched
from page import Page, RemoteError
from processes import BUILD, free_port


def test_health_and_what_there_is(house, tmp_path):
    admin = watched.start(house, None, tmp_path)
    assert admin.get("/healthz") == (200, "ok\n")
    assert admin.get("/healthz", "HEAD") == (200, "")
    assert admin.get("/readyz") == (200, "ready\n")
    status, text = admin.get("/")
    assert (status, text) == (404, "there are /healthz, /readyz and /metrics here\n")
    assert admin.get("/metrics", "POST")[0] == 405


def test_an_event_loop_that_hangs_is_no_health(house, tmp_path):
    """A debugger stops it; the others, and the admin listener, go on."""
    libc = ctypes.CDLL(None, use_errno=True)
    attach, go_on, wait_all = 16, 17, 0x40000000
    admin = watched.start(house, None, tmp_path)
    tasks = Path(f"/proc/{admin.bridge.popen.pid}/task")
    named = ()
    while not named:  # a thread takes its name when it begins
        named = [int(task.name) for task in tasks.iterdir() if (task / "comm").read_text() == "loop-0\n"]
    loop = named[0]
    assert admin.get("/healthz") == (200, "ok\n")
    if libc.ptrace(attach, loop, None, None) != 0:
        pytest.skip(f"no ptrace here: {os.strerror(ctypes.get_errno())}")
    os.waitpid(loop, wait_all)
    deadline = time.monotonic() + 40
    began = time.monotonic()
    while (answer := admin.get("/healthz"))[0] == 200:
        assert time.monotonic() < deadline
        threading.Event().wait(0.2)
    assert answer == (503, f"1 of {os.cpu_count()} event loops hang\n")
    assert time.monotonic() - began > 4
    libc.ptrace(go_on, loop, None, None)
    while admin.get("/healthz") != (200, "ok\n"):
        assert time.monotonic() < deadline


def test_it_is_no_door(house, tmp_path):
    """No assets, no pages, no upgrade, no native peers."""
    admin = watched.start(house, None, tmp_path, "--playground")
    assert admin.get("/daffi.js")[0] == 404
    assert admin.get("/_bridge/")[0] == 404
    assert admin.get("/", Upgrade="websocket", Connection="Upgrade")[0] == 404
    port = int(admin.where.rsplit(":", 1)[1])
    with socket.create_connection(("127.0.0.1", port), 10) as stranger:
        stranger.sendall(b"\x1f" * 9 + b"\r\n\r\n")
        assert stranger.recv(100).startswith(b"HTTP/1.1 400 ")


def test_on_a_unix_socket(house, tmp_path):
    admin = watched.start(house, None, tmp_path, where=f"unix:{tmp_path}/admin.sock")
    assert admin.where == f"unix:{tmp_path}/admin.sock"
    assert admin.get("/healthz", Host="whatever") == (200, "ok\n")
    assert admin.metrics()[("daffi_bridge_connections", "page")] == 0
    house.end(admin.bridge)
    assert not (tmp_path / "admin.sock").exists()


def test_several_requests_on_one_connection(house, tmp_path):
    connection = watched.start(house, None, tmp_path).connect()
    for path in ("/healthz", "/metrics", "/readyz") * 5:
        connection.request("GET", path)
        assert connection.getresponse().read()
    connection.close()


def test_a_rebound_name_reads_no_numbers(house, tmp_path):
    """Health is told under any name, as everywhere; names and addresses are for whoever dialled an address or an own name."""
    admin = watched.start(house, None, tmp_path, settings={"hosts": ["bridge.example"]})
    for host in ("127.0.0.1", "127.0.0.1:80", "[::1]:80", "localhost", "LOCALHOST:1", "bridge.example", "bridge.example:9443"):
        assert admin.get("/metrics", Host=host)[0] == 200, host
    for host in ("rebound.example", "127.0.0.1.rebound.example", "localhost.rebound.example:80", "x" * 300):
        assert admin.get("/metrics", Host=host)[0] == 403, host
        assert admin.get("/healthz", Host=host)[0] == 200, host


def test_where_others_could_reach_it_must_be_said(house, tmp_path):
    file = tmp_path / "bridge.json"
    file.write_text(json.dumps({"admin": {"listen": "http://0.0.0.0:0"}}))
    done = subprocess.run([BUILD / "daffi-bridge", "--listen", "http://127.0.0.1:0", "-c", file], capture_output=True, text=True, timeout=20)
    assert done.returncode == 2
    assert "can be reached from other machines" in done.stderr
    admin = watched.start(house, None, tmp_path, where="http://0.0.0.0:0", settings={"admin": {"public": True}})
    assert admin.get("/healthz")[0] == 200


def test_a_port_that_is_taken_is_told_at_the_start(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        file = tmp_path / "bridge.json"
        file.write_text(json.dumps({"admin": {"listen": f"http://127.0.0.1:{port}"}}))
        done = subprocess.run([BUILD / "daffi-bridge", "--listen", "http://127.0.0.1:0", "-c", file], capture_output=True, text=True, timeout=20)
    assert done.returncode == 2
    assert str(port) in done.stderr


def test_ready_is_what_the_watching_connection_knows(house, tmp_path):
    """No page comes all the while: readiness follows the Router as it comes, goes, and comes again."""
    port = free_port()
    admin = watched.start(house, port, tmp_path)
    for _ in range(2):
        text = admin.wait_for_ready(503)
        assert text.startswith("upstream default: ")
        assert text.endswith("not ready\n")
        admin.wait_for_metric(("daffi_bridge_upstream_up", "default"), lambda value: value == 0)
        router = house.router(port)
        assert admin.wait_for_ready(200, seconds=40) == "upstream default: up\nready\n"
        assert admin.get("/readyz/default") == (200, "upstream default: up\nready\n")
        assert admin.metrics()[("daffi_bridge_upstream_up", "default")] == 1
        house.kill(router)
    text = admin.wait_for_ready(503)
    assert text.startswith("upstream default: down: ")
    assert admin.get("/readyz/other")[0] == 404


def test_ready_where_nobody_watches(house, tmp_path):
    """Then it is what the pages' own connections told last, and nothing known is no reason to keep pages away."""
    port = free_port()
    admin = watched.start(house, None, tmp_path, settings={"upstreams": {"default": {"url": f"tcp://127.0.0.1:{port}", "watch": False}}})
    assert admin.get("/readyz") == (200, "upstream default: not known yet\nready\n")
    with pytest.raises(RemoteError):
        Page(admin.bridge.ws_url, "early")
    text = admin.wait_for_ready(503)
    assert "upstream default: down: cannot connect to 127.0.0.1" in text
    house.router(port)
    with Page(admin.bridge.ws_url, "late"):
        assert admin.wait_for_ready(200) == "upstream default: up\nready\n"


def test_of_several_upstreams_one_can_be_asked_for(house, tmp_path):
    """All have to be there for the whole to be ready; a balancer of one of them asks for that one."""
    router = house.router()
    admin = watched.start(house, None, tmp_path, settings={"upstreams": {
        "here": f"tcp://127.0.0.1:{router.port}", "away": f"tcp://127.0.0.1:{free_port()}", "inside": "router:"}})
    admin.wait_for_ready(200, "/readyz/here")
    text = admin.wait_for_ready(503, "/readyz/away")
    assert text.startswith("upstream away: ")
    assert admin.get("/readyz/inside") == (200, "ready\n")
    status, text = admin.get("/readyz")
    assert (status, "upstream here: up\n" in text, text.endswith("not ready\n")) == (503, True, True)


def test_asking_opens_no_connection_to_the_upstream(house, tmp_path):
    """A real Router keeps a descriptor of each connection for ever: a probe each second would be its end."""
    with socket.create_server(("127.0.0.1", 0)) as upstream:
        upstream.settimeout(20)
        admin = watched.start(house, upstream.getsockname()[1], tmp_path)
        watching, _ = upstream.accept()
        for _ in range(50):
            admin.get("/readyz")
            admin.get("/readyz/default")
        upstream.settimeout(0)
        with pytest.raises(BlockingIOError):
            upstream.accept()
        watching.close()


def test_the_playground_s_numbers_are_the_same(house, tmp_path):
    """For pages of the bridge's own origin, where the playground is on; not under a rebound name, and not elsewhere."""
    admin = watched.start(house, None, tmp_path, "--playground")
    worker = house.worker(admin.bridge.port)

    def numbers(**headers: str):
        connection = http.client.HTTPConnection("127.0.0.1", admin.bridge.port, timeout=10)
        connection.request("GET", "/_bridge/numbers.json", headers=headers)
        response = connection.getresponse()
        text = response.read()
        connection.close()
        return response, text

    with Page(admin.bridge.ws_url, "asker") as page:
        page.wait_for_member("w1")
        for number in range(5):
            assert page.call("add", number, 1) == number + 1
        response, text = numbers()
        assert (response.status, response.headers["Content-Type"]) == (200, "application/json")
        assert "Access-Control-Allow-Origin" not in response.headers
        said, counted = json.loads(text), admin.metrics()
    upstream = said["upstreams"][0]
    assert (said["pages"], said["native"], said["waitingCalls"]) == (1, 1, 0)
    assert (upstream["name"], upstream["calls"], upstream["responses"]) == ("default", 5, 5)
    assert counted[("daffi_bridge_calls_total", "default")] == 5
    assert sum(upstream["buckets"]) == counted[("daffi_bridge_call_duration_seconds_count", "default")] == 5
    assert len(upstream["buckets"]) == len(said["bounds"]) + 1
    assert numbers(Host="rebound.example")[0].status == 403
    house.end(worker)
    quiet = house.bridge(None)
    connection = http.client.HTTPConnection("127.0.0.1", quiet.port, timeout=10)
    connection.request("GET", "/_bridge/numbers.json")
    assert connection.getresponse().status == 404
    connection.close()


def test_while_it_stops_it_is_not_ready(house, tmp_path):
    """A page that does not answer its goodbye holds up the end: until then the balancer is told."""
    admin = watched.start(house, None, tmp_path, settings={"timeouts_ms": {"drain": 30000}})
    connection = admin.connect()
    connection.request("GET", "/readyz")
    assert connection.getresponse().read() == b"ready\n"
    silent = socket.create_connection(("127.0.0.1", admin.bridge.port), 10)
    silent.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                   b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
    assert silent.recv(12) == b"HTTP/1.1 101"
    admin.bridge.terminate()
    admin.bridge.wait_for("shutting down")
    assert "shutting down" in admin.wait_for_ready(503)
    assert admin.get("/healthz")[0] == 200
    silent.close()
    assert admin.bridge.stop() == 0


def test_who_asks_slowly_or_too_often_is_put_off(house, tmp_path):
    """It has a bound of its own; beyond it the others are served as soon as one has gone."""
    admin = watched.start(house, None, tmp_path)
    held = [admin.connect() for _ in range(32)]
    for connection in held:
        connection.connect()
        connection.request("GET", "/healthz")
        assert connection.getresponse().read() == b"ok\n"
    surplus = admin.connect()
    surplus.connect()
    assert surplus.sock.recv(1) == b""
    for connection in held:
        connection.close()
    deadline = time.monotonic() + 10
    answer = None
    while answer is None:
        try:
            answer = admin.get("/healthz")
        except OSError:  # those that went are not counted out yet
            assert time.monotonic() < deadline
    assert answer == (200, "ok\n")
