"""The log of real processes: who came and what was called, never what was said; and that nothing about the log, the clock or
descriptors stops the service."""

from __future__ import annotations

import base64
import fcntl
import hashlib
import hmac
import http.client
import json
import os
import re
import resource
import socket
import subprocess
import time

import pytest
import watched
from page import Page, RemoteError
from processes import BUILD, ROOT, free_port

CLOSED = re.compile(r'info +closed (page|native peer|visitor) "([^"]*)" from (\S+), upstream (\S+): (.*); (\d+\.\d{3}) s, '
                    r"received (\d+) messages, (\d+) bytes, sent (\d+) messages, (\d+) bytes$")
CALLED = re.compile(r'info +call of (page|native peer) "([^"]*)" from (\S+), upstream (\S+): "([^"]*)" at "([^"]*)": (\S+) in (\d+\.\d{3}) ms, (\d+) bytes$')


def settings(tmp_path, **log) -> tuple[str, str]:
    """Options of a configuration with this `log`."""
    file = tmp_path / "log.json"
    file.write_text(json.dumps({"log": log}))
    return "-c", str(file)


def test_each_connection_has_a_line(house):
    router = house.router()
    house.worker(router.port)
    bridge = house.bridge(router.port)
    with Page(bridge.ws_url, "asker") as page:
        assert page.call("add", 1, 2) == 3
    line = bridge.wait_for('closed page "asker"').string
    who, name, address, upstream, reason, seconds, received, received_bytes, sent, sent_bytes = CLOSED.search(line).groups()
    assert (who, name, address, upstream) == ("page", "asker", "127.0.0.1", "default")
    assert reason == "1000 by the page"
    assert 0 <= float(seconds) < 60
    assert (int(received), int(sent) >= 2) == (2, True)
    assert int(received_bytes) > 100
    assert int(sent_bytes) > 100
    assert not CALLED.search(bridge.log())
    connection = socket.create_connection(("127.0.0.1", bridge.port), 10)
    connection.sendall(b"GET /daffi.js HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
    while connection.recv(65536):
        pass
    connection.close()
    line = bridge.wait_for("closed visitor").string
    assert CLOSED.search(line)[7] == "1"
    worker = house.worker(bridge.port, "native-1")
    house.end(worker)
    assert CLOSED.search(bridge.wait_for('closed native peer "native-1"').string)[4] == "default"


def test_why_the_bridge_closed_is_in_it(house):
    bridge = house.bridge(None)
    with Page(bridge.ws_url, "talker") as page:
        page.send("text")
        assert page.expect_close()[0] == 1003
    assert CLOSED.search(bridge.wait_for('closed page "talker"').string)[5].startswith("1003 text messages are not taken")
    page = Page(bridge.ws_url, "crashed")
    page.socket.socket.shutdown(socket.SHUT_RDWR)
    assert CLOSED.search(bridge.wait_for('closed page "crashed"').string)[5].startswith("1006 ")


@pytest.mark.parametrize("inside", [True, False], ids=["router inside", "before a Router"])
def test_each_call_has_a_line_where_it_is_asked_for(house, tmp_path, inside):
    router = None if inside else house.router()
    bridge = house.bridge(router and router.port, *settings(tmp_path, access="calls"))
    house.worker(bridge.port if inside else router.port)
    with Page(bridge.ws_url, "asker") as page:
        page.wait_for_member("w1")
        assert page.call("add", 1, 2) == 3
        with pytest.raises(RemoteError):
            page.call("fail", "on purpose")
        with pytest.raises(RemoteError):
            page.call("add", 1, receiver="nobody")
        page.start_call("note", "x", receiver="w1", wait=0)
    bridge.wait_for('closed page "asker"')
    calls = [found.groups() for line in bridge.lines if (found := CALLED.search(line))]
    assert [call[:4] for call in calls] == [("page", "asker", "127.0.0.1", "default")] * 4
    assert [call[4:7] for call in calls[:2]] == [("add", "w1", "response"), ("fail", "w1", "error")]
    assert calls[2][5:7] == ("nobody", "no-such-member")
    assert calls[3][4:7] == ("note", "w1", "sent")
    assert all(float(call[7]) < 60000 for call in calls)


def test_as_json_the_parts_are_fields(house, tmp_path):
    bridge = house.bridge(None, *settings(tmp_path, access="calls", format="json"))
    house.worker(bridge.port)
    with Page(bridge.ws_url, "asker") as page:
        page.wait_for_member("w1")
        assert page.call("add", 1, 2) == 3
    bridge.wait_for('closed page .*asker')
    records = [json.loads(line) for line in bridge.lines]  # all of them, `listening` too
    call = next(record for record in records if record.get("event") == "call")
    assert {key: call[key] for key in ("who", "name", "address", "upstream", "receiver", "function", "result")} == {
        "who": "page", "name": "asker", "address": "127.0.0.1", "upstream": "default", "receiver": "w1", "function": "add", "result": "response"}
    assert call["duration_us"] > 0
    gone = next(record for record in records if record.get("event") == "connection" and record["name"] == "asker")
    assert (gone["code"], gone["reason"]) == (1000, "by the page")
    assert gone["received_messages"] == 2
    assert gone["duration_ms"] >= 0


def test_none_is_none(house, tmp_path):
    bridge = house.bridge(None, *settings(tmp_path, access="none"))
    with Page(bridge.ws_url, "asker"):
        pass
    with Page(bridge.ws_url, "other"):
        pass
    bridge.wait_for('open page "other"')
    house.end(bridge)
    assert "closed " not in bridge.log()


def token(secret: bytes, claims: dict) -> str:
    """As docs/tokens.md has it."""
    def encode(data: bytes) -> str:
        return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
    body = encode(json.dumps(claims).encode())
    return f"{body}.{encode(hmac.new(secret, body.encode(), hashlib.sha256).digest())}"


def test_payloads_tokens_and_queries_are_never_in_it(house, tmp_path):
    """At the level that says most, with all there is to log."""
    secret = "5ecre7-" * 8
    secrets = tmp_path / "secrets"
    secrets.write_text(secret + "\n")
    secrets.chmod(0o600)
    file = tmp_path / "bridge.json"
    file.write_text(json.dumps({"auth": {"secrets": str(secrets)}, "log": {"access": "calls", "level": "debug"}}))
    bridge = house.bridge(None, "-c", str(file))
    worker = house.worker(bridge.port)
    made = token(secret.encode(), {"exp": int(time.time()) + 600})
    tab = "0123456789abcdef" * 2
    url = f"{bridge.ws_url}?daffi-token={made}&daffi-tab={tab}&q=query-is-secret"
    with Page(url, "asker") as page:
        page.wait_for_member("w1")
        assert page.call("echo", "payload-is-secret") == "payload-is-secret"
        assert page.call("echo", "payload-is-secret", serde="msgpack") == "payload-is-secret"
        with pytest.raises(RemoteError):
            page.call("fail", "payload-is-secret")
        with pytest.raises(RemoteError):
            page.call("echo", "payload-is-secret", receiver="nobody")
    with pytest.raises(RemoteError):
        Page(url.replace(made, made[:-4] + "AAAA"), "forger")
    bridge.wait_for('closed page "asker"')
    bridge.wait_for('closed page "forger"')
    house.end(worker)
    house.end(bridge)
    for never in ("is-secret", secret[:20], made[:30], made[-20:], tab):
        assert never not in bridge.log()


def test_the_rate_is_bounded_and_what_was_left_out_is_said(house, tmp_path):
    """A line of a later second says what an earlier one left out."""
    bridge = house.bridge(None, *settings(tmp_path, access_per_second=1))
    deadline = time.monotonic() + 20
    while not any("more lines of this kind were left out: closed " in line for line in bridge.lines):
        assert time.monotonic() < deadline
        for _ in range(20):
            socket.create_connection(("127.0.0.1", bridge.port), 10).close()
    written = [line for line in bridge.lines if CLOSED.search(line)]
    assert len(written) <= 2 + time.monotonic() - (deadline - 20)


class Unheard:
    """A bridge whose standard error is a given file: nothing is read of it."""

    def __init__(self, stderr, *options: str, env: dict | None = None):
        self.port, self.admin_port = free_port(), free_port()
        self.popen = subprocess.Popen([BUILD / "daffi-bridge", "--listen", f"http://127.0.0.1:{self.port}", *options], stderr=stderr,
                                      env={**os.environ, **(env or {})})
        self.ws_url = f"ws://127.0.0.1:{self.port}/"
        deadline = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                assert self.popen.poll() is None
                assert time.monotonic() < deadline

    def stop(self) -> int:
        self.popen.terminate()
        try:
            return self.popen.wait(20)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            raise


def lost_lines(port: int) -> float:
    """Of /metrics."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", "/metrics")
    return watched.read_samples(connection.getresponse().read().decode())[("daffi_bridge_log_lines_missed_total", "write")]


def calls_work(house, url: str, port: int) -> None:
    """A page calls a worker."""
    worker = house.worker(port)
    for number in range(5):
        with Page(url, f"asker-{number}") as page:
            page.wait_for_member("w1")
            assert page.call("add", number, 2) == number + 2
    house.end(worker)


@pytest.mark.parametrize("kind", ["full disk", "file that may not grow", "pipe that nobody reads", "closed"])
def test_a_log_that_takes_nothing_stops_nobody(house, tmp_path, kind):
    """Lines are lost, calls are not; how many were lost is told where somebody looks."""
    admin_port = free_port()
    file = tmp_path / "bridge.json"
    file.write_text(json.dumps({"admin": {"listen": f"http://127.0.0.1:{admin_port}"}, "log": {"level": "debug", "access": "calls"}}))
    options, reader = ("-c", str(file)), None
    if kind == "full disk":
        stderr = os.open("/dev/full", os.O_WRONLY)
    elif kind == "file that may not grow":
        stderr = os.open(tmp_path / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    elif kind == "closed":
        reader, stderr = os.pipe()
        os.close(reader)
        reader = None
    else:
        reader, stderr = os.pipe()
        fcntl.fcntl(stderr, fcntl.F_SETPIPE_SZ, 4096)
    bridge = Unheard(stderr, *options)
    if kind == "file that may not grow":
        size = os.fstat(stderr).st_size
        resource.prlimit(bridge.popen.pid, resource.RLIMIT_FSIZE, (size + 500, size + 500))
    try:
        calls_work(house, bridge.ws_url, bridge.port)
        assert lost_lines(admin_port) > 0
    finally:
        status = bridge.stop()
        os.close(stderr)
        if reader is not None:
            os.close(reader)
    assert status == 0


def test_without_descriptors_accepting_pauses_and_calls_go_on(house, tmp_path):
    """Whoever comes waits in the kernel, and is served as soon as there are descriptors again."""
    admin = watched.start(house, None, tmp_path)
    bridge = admin.bridge
    house.worker(bridge.port)
    pid = bridge.popen.pid
    limits = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    with Page(bridge.ws_url, "asker") as page:
        page.wait_for_member("w1")
        open_now = len(os.listdir(f"/proc/{pid}/fd"))
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (open_now, limits[1]))
        try:
            waiting = [socket.create_connection(("127.0.0.1", bridge.port), 10) for _ in range(5)]
            for client in waiting:
                client.sendall(b"GET /healthz HTTP/1.0\r\n\r\n")
            bridge.wait_for("no connection is accepted for a moment: Too many open files")
            for number in range(20):
                assert page.call("add", number, 1) == number + 1
        finally:
            resource.prlimit(pid, resource.RLIMIT_NOFILE, limits)
        for client in waiting:
            client.settimeout(20)
            assert client.recv(100).startswith(b"HTTP/1.1 200 ")
            client.close()
        assert page.call("add", 1, 1) == 2
    assert admin.metrics()[("daffi_bridge_accept_pauses_total",)] >= 1


@pytest.fixture(scope="module")
def clock_jump(tmp_path_factory):
    """The library that makes the calendar jump."""
    library = tmp_path_factory.mktemp("clock") / "clock_jump.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", library, ROOT / "tests" / "integration" / "clock_jump.c"], check=True)
    return library


@pytest.mark.parametrize("seconds", [315360000, -315360000], ids=["ten years on", "ten years back"])
def test_a_clock_that_jumps_moves_the_log_s_time_and_nothing_else(house, tmp_path, clock_jump, seconds):
    """No deadline, no page and no call is of the calendar's time."""
    switch = tmp_path / "jumped"
    log = open(tmp_path / "log", "wb")
    file = tmp_path / "bridge.json"
    file.write_text(json.dumps({"timeouts_ms": {"heartbeat": 200, "heartbeat_answer": 30000}}))
    bridge = Unheard(log, "-c", str(file), env={
        "LD_PRELOAD": str(clock_jump), "ASAN_OPTIONS": "verify_asan_link_order=0", "CLOCK_JUMP": str(switch), "CLOCK_JUMP_SECONDS": str(seconds)})
    try:
        worker = house.worker(bridge.port)
        with Page(bridge.ws_url, "asker") as page:
            page.wait_for_member("w1")
            assert page.call("add", 1, 2) == 3
            pending = page.start_call("slow", 1, receiver="w1")
            switch.touch()
            page.finish_call(pending)
            with Page(bridge.ws_url, "newcomer") as other:
                other.wait_for_member("w1")
                assert other.call("add", 1, 2) == 3
            switch.unlink()
            assert page.call("add", 2, 2) == 4
        house.end(worker)
    finally:
        status = bridge.stop()
        log.close()
    text = (tmp_path / "log").read_text()
    assert status == 0, text
    years = {int(year) for year in re.findall(r"^(\d{4})-", text, re.MULTILINE)}
    assert len(years) == 2, text
    durations = [float(CLOSED.search(line)[6]) for line in text.splitlines() if 'closed page' in line]
    assert len(durations) == 2
    assert all(0 <= duration < 60 for duration in durations)
    assert "fault of" not in text


def test_to_the_journal_lines_begin_with_their_level(house, tmp_path):
    """Where standard error is the journal's stream, as systemd says by JOURNAL_STREAM."""
    ours, theirs = socket.socketpair()
    status = os.fstat(theirs.fileno())
    bridge = Unheard(theirs, env={"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"})
    try:
        with Page(bridge.ws_url, "asker"):
            pass
    finally:
        assert bridge.stop() == 0
    theirs.close()
    said = b""
    while data := ours.recv(65536):
        said += data
    ours.close()
    lines = said.decode().splitlines()
    assert [line for line in lines if line.startswith("<6>listening http://")]
    assert [line for line in lines if re.match(r'<6>open page "asker" ', line)]
    assert [line for line in lines if re.match(r'<6>closed page "asker" ', line)]
    assert all(re.match(r"<[3467]>\S", line) for line in lines)
