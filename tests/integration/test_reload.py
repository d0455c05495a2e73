"""Reload on SIGHUP: what holds for whom afterwards; nobody's connection or call is lost; a file that can't be used changes nothing."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import threading
import time
from pathlib import Path

import pytest
import wire
from native import Native
from page import OwnPage, Page, RemoteError
from processes import free_port
from websockets.exceptions import InvalidStatus

SLOWEST_SECONDS = 10.0  # of a call while reloads go on, however much other work the machine has


class Configured:
    """A bridge and its file."""

    def __init__(self, house, tmp_path, **keys):
        self.file = tmp_path / "bridge.json"
        self.keys = {"listen": [{"url": "http://127.0.0.1:0"}], **keys}
        self.write()
        self.bridge = house.bridge(None, "-c", str(self.file), listeners=())
        self.bridge.wait_for_listeners(len(self.keys["listen"]))
        self.ws_url = self.bridge.ws_url

    def write(self, **keys) -> None:
        """Changes keys of the file; None takes one out."""
        self.keys = {key: value for key, value in {**self.keys, **keys}.items() if value is not None}
        self.file.write_text(json.dumps(self.keys, indent=1))

    def signal(self, wanted: str) -> str:
        """SIGHUP, and the line that tells what became of it."""
        said = len(self.bridge.lines)
        os.kill(self.bridge.popen.pid, signal.SIGHUP)
        return self.bridge.wait_for(wanted, seconds=60, after=said).string

    def reload(self, **keys) -> None:
        """Another file, which is to be taken."""
        self.write(**keys)
        self.signal("has been reloaded")

    def refused(self, **keys) -> str:
        """Another file, which is not to be taken: why."""
        self.write(**keys)
        return self.refused_as_is()

    def refused_as_is(self) -> str:
        return self.signal("was not reloaded, all stays as it was: ")


@pytest.fixture
def python(house):
    """The port of a real Router with a worker."""
    port = free_port()
    house.router(port)
    house.worker(port, "w1")
    return port


@pytest.fixture
def configured(house, tmp_path, python):
    return Configured(house, tmp_path, upstreams={"default": f"tcp://127.0.0.1:{python}"})


def test_newcomers_come_under_the_new_policy_and_who_is_there_keeps_the_old(configured):
    with Page(configured.ws_url, "old") as old:
        old.wait_for_member("w1")
        configured.reload(policy={"deny_functions": ["add"]}, limits={"message_bytes": 2048})
        assert old.call("add", 1, 2) == 3
        assert len(old.call("echo", "x" * 4000)) == 4000
        with Page(configured.ws_url, "new") as new:
            new.wait_for_member("w1")
            with pytest.raises(RemoteError, match="add"):
                new.call("add", 1, 2)
            with pytest.raises(RemoteError, match="2048"):
                new.call("echo", "x" * 4000)
        configured.reload(policy=None, limits=None)
        with Page(configured.ws_url, "newer") as newer:
            newer.wait_for_member("w1")
            assert newer.call("add", 1, 2) == 3
        assert old.call("add", 1, 2) == 3


def test_who_connects_before_and_shakes_hands_after_is_held_to_what_it_is_promised(configured):
    with OwnPage(configured.bridge, name=None) as early:
        early.name = "early"
        configured.reload(limits={"batch_bytes": 0, "message_bytes": 2048}, timeouts_ms={"heartbeat": 0})
        early.shake_hands()
        assert early.offer["maxBatch"] == 65536 and early.offer["heartbeat"] == 20000
        early.wait_for_member("w1")
        early.socket.send(b"")  # asks for a sign of life, which the offer says it may
        assert early.socket.recv(timeout=10) == b""
        batch = [wire.request("early", "w1", "echo", "x" * 4000, uuid=100 + i).encode() for i in range(3)]
        early.socket.send(b"".join(batch))
        for _ in batch:
            assert early.receive().flag == wire.RESPONSE


def test_who_comes_in_by_an_older_connection_goes_by_the_newer_limits(configured):
    small = {"message_bytes": 2048, "queue_high": 4096, "queue_bytes": 65536}
    configured.reload(limits=small)
    kept = socket.create_connection(("127.0.0.1", configured.bridge.port), timeout=10)
    kept.sendall(b"HEAD /daffi.js HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
    seen = b""
    while not seen.endswith(b"\r\n\r\n"):
        seen += wire.receive(kept)
    configured.reload(limits=None)
    with Page(configured.ws_url, "late", sock=kept) as late:
        late.wait_for_member("w1")
        assert len(late.call("echo", "x" * 1_000_000)) == 1_000_000


def test_origins_and_hosts(configured):
    elsewhere = {"origin": "https://example.org"}
    with pytest.raises(InvalidStatus):
        Page(configured.ws_url, "a", **elsewhere)
    configured.reload(allow_origins=["https://example.org"])
    Page(configured.ws_url, "a", **elsewhere).close()
    configured.reload(allow_origins=None)
    with pytest.raises(InvalidStatus):
        Page(configured.ws_url, "b", **elsewhere)
    port = configured.bridge.port
    with pytest.raises(InvalidStatus):
        Page(f"ws://bridge.example:{port}/", "c", sock=socket.create_connection(("127.0.0.1", port)))
    configured.reload(hosts=["bridge.example"])
    Page(f"ws://bridge.example:{port}/", "c", sock=socket.create_connection(("127.0.0.1", port))).close()


def test_a_connection_that_stays_open_asks_under_the_new_configuration(configured):
    """A request that follows another on one connection."""
    request = b"GET /_bridge/ HTTP/1.1\r\nHost: bridge.example\r\n\r\n"
    asset = b"GET /daffi.d.ts HTTP/1.1\r\nHost: x\r\n\r\n"
    with socket.create_connection(("127.0.0.1", configured.bridge.port), timeout=10) as kept:
        kept.sendall(asset)
        assert b" 200 " in kept.recv(20, socket.MSG_WAITALL)
        configured.reload(hosts=["bridge.example"])
        kept.sendall(request)
        seen = b""
        while b" 404 " not in seen:  # it is an own host, and there is no playground
            more = kept.recv(65536)
            assert more and b" 403 " not in seen
            seen = seen[-16:] + more


def test_secrets_come_and_go(configured, tmp_path):
    (tmp_path / "secrets.txt").write_text("a" * 40 + "\n")
    (tmp_path / "secrets.txt").chmod(0o600)
    with Page(configured.ws_url, "old") as old:
        old.wait_for_member("w1")
        configured.reload(auth={"secrets": "secrets.txt"})
        assert old.call("add", 1, 2) == 3
        with pytest.raises(RemoteError, match="a token is needed"):
            Page(configured.ws_url, "new")
        (tmp_path / "secrets.txt").chmod(0o644)
        assert "mode 0644" in configured.refused_as_is()
        with pytest.raises(RemoteError, match="a token is needed"):
            Page(configured.ws_url, "new")
        configured.reload(auth=None)
        Page(configured.ws_url, "new").close()


def test_limits_of_connections(configured):
    """Which all connections share."""
    port = configured.bridge.port
    configured.reload(limits={"connections_per_address": 1})
    with Page(configured.ws_url, "one"):
        said = len(configured.bridge.lines)
        with socket.create_connection(("127.0.0.1", port), timeout=10) as second:
            assert second.recv(1) == b""
        configured.bridge.wait_for("connections_per_address is reached", after=said)
        configured.reload(limits=None)
        Page(configured.ws_url, "two").close()


def test_listeners_come_and_go(configured, tmp_path):
    first = configured.bridge.port
    port, path = free_port(), str(tmp_path / "bridge.sock")
    listen = configured.keys["listen"]
    configured.reload(listen=[{"url": f"http://127.0.0.1:{port}", "native": "none"}, *listen, {"url": f"unix:{path}"}])
    with Page(configured.ws_url, "a") as old, Page(f"ws://127.0.0.1:{port}/", "b") as page, Native(path, "n") as native:
        page.wait_for_member("w1")
        assert native.call("w1", "add", 1, 2).json()["args"][0] == 3
        with socket.create_connection(("127.0.0.1", first), timeout=10) as idle:
            configured.reload(listen=[{"url": f"http://127.0.0.1:{port}"}])
            assert idle.recv(1) == b""  # it had not said who it is
        for who in (old, page):
            assert who.call("add", 1, 2) == 3
        assert native.call("w1", "add", 1, 2, uuid=3).json()["args"][0] == 3
        assert not Path(path).exists()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", first), timeout=10)
    with Native(port, "n"):  # and the one that stayed goes by its new keys
        pass


def test_upstreams_come_and_go(configured, house):
    second = free_port()
    house.router(second)
    house.worker(second, "w2")
    old_url = configured.keys["upstreams"]["default"]
    with Page(configured.ws_url, "old") as old:
        old.wait_for_member("w1")
        configured.reload(upstreams={"more": old_url, "default": f"tcp://127.0.0.1:{second}"})
        with Page(configured.ws_url + "default", "new") as new, Page(configured.ws_url + "more", "other") as other:
            new.wait_for_member("w2")
            other.wait_for_member("w1")
            assert new.call("add", 1, 2, receiver="w2") == 3
            assert other.call("add", 1, 2) == 3
            assert old.call("add", 1, 2) == 3
            with pytest.raises(RemoteError, match="taken"):  # of members of one Router there is one of a name, however it is reached
                Page(configured.ws_url + "more", "old")
            Page(configured.ws_url + "default", "old").close()
        configured.reload(upstreams={"default": f"tcp://127.0.0.1:{second}"})
        assert old.call("add", 1, 2) == 3
        with pytest.raises(RemoteError, match='no upstream called "more"'):
            Page(configured.ws_url + "more", "gone")


def test_a_router_inside_comes_goes_and_comes_back(configured):
    with Page(configured.ws_url, "old") as old:
        old.wait_for_member("w1")
        configured.reload(upstreams={"inside": "router:"})
        with Page(configured.ws_url, "a") as a, Native(configured.bridge.port, "n", ["twice"]) as worker:
            a.wait_for_member("n")
            configured.reload(upstreams={"default": "tcp://127.0.0.1:1"})
            configured.reload(upstreams={"inside": "router:", "other": "router:"})
            uuid = a.start_call("twice", 21, receiver="n")
            worker.answer(worker.wait_for(lambda message: message.function == "twice"), 42)
            assert a.finish_call(uuid) == 42
            with Page(configured.ws_url + "inside", "b") as b, Page(configured.ws_url + "other", "b") as apart:
                b.wait_for_member("n")
                assert "n" not in apart.members
        assert old.call("add", 1, 2) == 3


def test_the_level_of_the_log(configured):
    configured.reload(log={"level": "debug"})
    configured.reload(log={"level": "info", "format": "json"})
    assert json.loads(configured.bridge.lines[-1])["message"] == "the configuration has been reloaded"


def test_what_waits_for_a_restart_is_said(configured):
    configured.write(playground=True, admin={"listen": "http://127.0.0.1:0"})
    assert "takes effect at the next start" in configured.signal('"playground" has changed')
    assert "takes effect at the next start" in configured.bridge.wait_for('"admin.listen" has changed').string
    configured.bridge.wait_for("has been reloaded")


def test_what_waits_is_compared_with_what_runs(configured):
    configured.reload(playground=True)
    said = len(configured.bridge.lines)
    configured.reload(playground=True)  # the file is as it was; what runs is still not
    configured.bridge.wait_for('"playground" has changed', after=said)
    said = len(configured.bridge.lines)
    configured.reload(playground=None)
    configured.reload(log={"level": "debug"})
    assert not [line for line in configured.bridge.lines[said:] if "has changed" in line]


def test_a_listener_that_is_in_the_way_of_another_is_named(configured):
    port = free_port()
    configured.reload(listen=[{"url": f"http://127.0.0.1:{port}"}])
    assert f"this process itself listens at 127.0.0.1:{port}" in configured.refused(listen=[{"url": f"http://0.0.0.0:{port}"}])
    assert "is also the address of" in configured.refused(listen=[{"url": f"http://127.0.0.1:{port}"}, {"url": f"http://127.0.0.1:{port}"}])


def test_the_mode_of_a_unix_socket(configured, tmp_path):
    path, admin = tmp_path / "web.sock", tmp_path / "admin.sock"
    listener = {"url": f"unix:{path}", "mode": "0660"}
    configured.reload(listen=[listener])
    assert path.stat().st_mode & 0o777 == 0o660
    said = len(configured.bridge.lines)
    configured.reload(listen=[{**listener, "mode": "0666"}], admin={"listen": f"unix:{admin}", "mode": "0660"})
    for told in (f"{path} has not the mode 0666: it gets that when it is made", '"admin.mode" has changed', '"admin.listen" has changed'):
        configured.bridge.wait_for(re.escape(told), after=said)
    assert path.stat().st_mode & 0o777 == 0o660
    assert not admin.exists()


@pytest.mark.parametrize(("keys", "wanted"), [
    ({"limts": {}}, ["line ", "limts", "limits"]),
    ({"limits": {"nesting": "deep"}}, ["limits.nesting", "deep"]),
    ({"listen": []}, ["nothing to listen on"]),
    ({"listen": [{"url": "https://127.0.0.1:0", "cert": "nowhere.pem", "key": "nowhere.pem"}]}, ["nowhere.pem"]),
    ({"listen": [{"url": "http://192.0.2.1:80"}]}, ["192.0.2.1"]),
    ({"auth": {"secrets": "nowhere.txt"}}, ["nowhere.txt"]),
    ({"upstreams": {"default": "tls://127.0.0.1:1", "x": {"url": "tls://127.0.0.1:2", "ca": "nowhere.pem"}}}, ["nowhere.pem"]),
    ({"policy": {"allow_functions": "add"}}, ["policy.allow_functions"]),
], ids=lambda value: next(iter(value)) if isinstance(value, dict) else "")
def test_a_file_that_is_wrong_changes_nothing_and_says_why(configured, keys, wanted):
    with Page(configured.ws_url, "old") as old:
        old.wait_for_member("w1")
        line = configured.refused(**keys)
        for part in [*wanted]:
            assert part in line, line
        assert old.call("add", 1, 2) == 3
        with Page(configured.ws_url, "new") as new:
            new.wait_for_member("w1")
            assert new.call("add", 1, 2) == 3


def test_a_file_that_is_none_changes_nothing(configured):
    for text in ("", "{", "[]", "\0", '{"listen": [{"url": "http://127.0.0.1:0"}],}'):
        configured.file.write_text(text)
        configured.refused_as_is()
    configured.file.unlink()
    assert "can't be opened" in configured.refused_as_is()
    configured.reload()
    Page(configured.ws_url, "new").close()


def test_a_port_that_is_taken_leaves_all_as_it_was(configured):
    """Also the listener before it, which could have been had."""
    port = free_port()
    with socket.create_server(("127.0.0.1", 0)) as holder:
        taken = holder.getsockname()[1]
        line = configured.refused(listen=[{"url": f"http://127.0.0.1:{port}"}, {"url": f"http://127.0.0.1:{taken}"}])
    assert "another process listens there" in line
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=10)
    Page(configured.ws_url, "new").close()


class Caller:
    """A page that calls, again and again, until it is told to end."""

    def __init__(self, url: str, name: str, receiver: str, ca: str | None = None):
        self.page = Page(url, name, ca=ca)
        self.page.wait_for_member(receiver)
        self.receiver, self.calls, self.slowest, self.fault = receiver, 0, 0.0, None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self):
        try:
            while not self._stop.is_set():
                began = time.monotonic()
                assert self.page.call("add", self.calls, 1, receiver=self.receiver, seconds=60) == self.calls + 1
                self.slowest = max(self.slowest, time.monotonic() - began)
                self.calls += 1
        except BaseException as fault:  # noqa: BLE001 - told to the test
            self.fault = fault

    def wait_for_a_call(self):
        """Until one more is done."""
        before = self.calls
        while self.calls == before and self.fault is None:
            self._thread.join(0.05)

    def finish(self):
        self._stop.set()
        self._thread.join(90)
        self.page.close()
        if self.fault is not None:
            raise self.fault


def test_a_hundred_reloads_under_load(house, tmp_path, python, certificate):
    """No call is lost, none slower than the bound; newcomers come in all the while, and each meets one whole configuration."""
    listen = [{"url": "http://127.0.0.1:0"}, {"url": "https://127.0.0.1:0", "cert": certificate.cert, "key": certificate.key}]
    upstreams = {"default": f"tcp://127.0.0.1:{python}", "inside": "router:"}
    configured = Configured(house, tmp_path, listen=listen, upstreams=upstreams)
    secure = configured.bridge.urls[1].replace("http", "ws", 1) + "/"
    callers = [Caller(configured.ws_url, f"plain-{number}", "w1") for number in range(3)]
    callers += [Caller(secure, f"secure-{number}", "w1", ca=certificate.cert) for number in range(3)]
    descriptors = lambda: len(os.listdir(f"/proc/{configured.bridge.popen.pid}/fd"))
    configured.reload()
    before = descriptors()
    try:
        for number in range(100):
            denied, allowed = ("mul", "sub") if number % 2 else ("sub", "mul")
            configured.reload(policy={"deny_functions": [denied]}, limits={"nesting": 8 + number % 8},
                              upstreams=dict(reversed(upstreams.items())) if number % 3 else upstreams,
                              listen=listen[::-1] if number % 4 == 3 else listen)
            if number % 10 == 0:
                with Page(configured.ws_url + "default", f"new-{number}") as page:
                    page.wait_for_member("w1")
                    assert page.call("add", 1, 1) == 2
                    with pytest.raises(RemoteError, match=denied):
                        page.call(denied, 1, 1)
        deadline = time.monotonic() + 30
        while descriptors() > before:  # those of the last newcomers are still closing
            assert time.monotonic() < deadline, (before, descriptors())
            callers[0].wait_for_a_call()
    finally:
        for caller in callers:
            caller.finish()
    assert min(caller.calls for caller in callers) > 0
    assert max(caller.slowest for caller in callers) < SLOWEST_SECONDS
    print(f"{sum(caller.calls for caller in callers)} calls, the slowest {max(caller.slowest for caller in callers) * 1000:.0f} ms")
