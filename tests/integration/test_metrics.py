"""/metrics: well formed as promtool has it, and true: what happened is what it says."""

from __future__ import annotations

import http.client
import os
import re
import shutil
import socket
import ssl
import subprocess

import pytest
import watched
import wire
from page import Page, RemoteError
from processes import ROOT, free_port
from reactors import spread

OURS = "daffi_bridge_"


def promtool() -> str:
    """Debian's promtool, where scripts/install-deps has put it."""
    found = shutil.which("promtool") or str(ROOT / "build" / "tools" / "promtool")
    assert os.access(found, os.X_OK), "promtool is not there: scripts/install-deps --tests fetches it"
    return found


def test_promtool_finds_nothing_wrong(house, tmp_path):
    """With samples in all kinds of families."""
    router = house.router()
    house.worker(router.port)
    admin = watched.start(house, router.port, tmp_path, tls=True)
    with Page(admin.bridge.ws_url, "asker", ca=house.certificate.cert) as page:
        assert page.call("add", 1, 2) == 3
        text = admin.get("/metrics")[1]
    done = subprocess.run([promtool(), "check", "metrics"], input=text, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", ""), done
    families = re.findall(r"^# TYPE (\S+) ", text, re.MULTILINE)
    assert len(families) == len(set(families))
    for wanted in ("connections", "messages_total", "bytes_total", "calls_total", "call_errors_total", "call_duration_seconds",
                   "handshakes_total", "waiting_calls", "queued_bytes", "certificate_expiry_timestamp_seconds", "upstream_up",
                   "refused_connections_total", "tls_handshakes_total"):
        assert OURS + wanted in families


def count(numbers, name, *labels) -> float:
    """One of our own samples."""
    return numbers[(OURS + name, *labels)]


def read_to_the_end(connection: socket.socket) -> None:
    """Until the other side has ended it, in whatever way."""
    try:
        while connection.recv(4096):
            pass
    except ConnectionResetError:
        pass


def test_calls_and_connections_are_counted(house, tmp_path):
    """Between a page, a native peer and a real Router."""
    router = house.router()
    house.worker(router.port)
    admin = watched.start(house, router.port, tmp_path)
    with Page(admin.bridge.ws_url, "asker") as page:
        for number in range(10):
            assert page.call("add", number, 1) == number + 1
        with pytest.raises(RemoteError):
            page.call("fail", "on purpose")
        with pytest.raises(RemoteError):
            page.call("add", 1, 2, receiver="nobody")
        page.start_call("slow", 60, receiver="w1")
        numbers = admin.wait_for_metric((OURS + "waiting_calls",), lambda value: value == 1)
        assert count(numbers, "connections", "page") == 1
        assert count(numbers, "connections", "upstream") >= 1
        assert count(numbers, "handshakes_total", "page", "accepted") == 1
        assert count(numbers, "calls_total", "default") == 13
        assert count(numbers, "answers_total", "response", "default") == 10
        assert count(numbers, "answers_total", "error", "default") == 1
        assert count(numbers, "call_errors_total", "no-such-member") == 1
        assert count(numbers, "messages_total", "received", "page") == 14
        assert count(numbers, "messages_total", "sent", "page") >= 13
        assert count(numbers, "bytes_total", "received", "page") > 14 * 9
        assert count(numbers, "bytes_total", "sent", "upstream") > 13 * 9
        assert count(numbers, "call_duration_seconds_count", "default") == 11
        assert count(numbers, "call_duration_seconds_bucket", "+Inf", "default") == 11
        assert 0 < count(numbers, "call_duration_seconds_sum", "default") < 60
    worker = house.worker(admin.bridge.port, "native-1")
    numbers = admin.wait_for_metric((OURS + "connections", "native"), lambda value: value == 1)
    assert count(numbers, "handshakes_total", "native", "accepted") == 1
    numbers = admin.wait_for_metric((OURS + "connections", "page"), lambda value: value == 0)
    assert count(numbers, "closed_sessions_total", "1000") == 1
    assert count(numbers, "waiting_calls") == 0
    house.end(worker)
    admin.wait_for_metric((OURS + "connections", "native"), lambda value: value == 0)
    admin.wait_for_metric((OURS + "connections", "visitor"), lambda value: value == 0)


def test_the_router_inside_is_counted_likewise(house, tmp_path):
    """Over TLS the members live on several reactors: the numbers are of all of them."""
    admin = watched.start(house, None, tmp_path, tls=True, listeners=("https://127.0.0.1:0", "http://127.0.0.1:0"))
    plain = int(admin.bridge.urls[1].rsplit(":", 1)[1])
    worker = house.worker(plain)
    pages = [Page(admin.bridge.ws_url, f"page-{number}", ca=house.certificate.cert) for number in range(8)]
    assert os.cpu_count() == 1 or spread(admin.bridge)[-2] > 0
    for page in pages:
        page.wait_for_member("w1")
        for number in range(5):
            assert page.call("add", number, 1) == number + 1
        with pytest.raises(RemoteError):
            page.call("none_of_that_name")
    numbers = admin.metrics()
    assert count(numbers, "calls_total", "default") == 48
    assert count(numbers, "answers_total", "response", "default") == 40
    assert count(numbers, "call_errors_total", "no-such-method") == 8
    assert count(numbers, "call_duration_seconds_count", "default") == 40
    assert count(numbers, "connections", "page") == 8
    assert count(numbers, "tls_handshakes_total", "done") == 8
    pages[0].start_call("slow", 60, receiver="w1")
    admin.wait_for_metric((OURS + "waiting_calls",), lambda value: value == 1)
    house.kill(worker)
    with pytest.raises(RemoteError):
        pages[0].finish_call(pages[0].uuid)
    numbers = admin.metrics()
    assert count(numbers, "call_errors_total", "disconnected") == 1
    assert count(numbers, "waiting_calls") == 0
    for page in pages:
        page.close()


def test_refusals_are_counted_by_reason(house, tmp_path):
    admin = watched.start(house, None, tmp_path, settings={"limits": {"connections_per_address": 3}}, listeners=("http://127.0.0.1:0",))

    def send(data: bytes) -> None:
        with socket.create_connection(("127.0.0.1", admin.bridge.port), 10) as stranger:
            stranger.sendall(data)
            read_to_the_end(stranger)

    send(b"GET / HTTP/2.0\r\nHost: a\r\n\r\n")
    send(b"\x1f\x1f\x1f\x1f\x1f\x1fxyz")
    send(b"GET /_bridge/ HTTP/1.1\r\nHost: rebound.example\r\nConnection: close\r\n\r\n")
    with pytest.raises(Exception, match="403"):
        Page(admin.bridge.ws_url, "elsewhere", origin="https://evil.example")
    with Page(admin.bridge.ws_url, None) as page:
        page.send(wire.Message(flag=wire.REQUEST, transmitter="x", receiver="y", function="z", payload=b'{"args":[],"kwargs":{}}'))
        assert page.expect_close()[0] == 1008
    numbers = admin.wait_for_metric((OURS + "connections", "page"), lambda value: value == 0)
    assert count(numbers, "refused_connections_total", "request") == 1
    assert count(numbers, "refused_connections_total", "protocol") == 1
    assert count(numbers, "refused_connections_total", "origin") == 2
    assert count(numbers, "closed_sessions_total", "1008") == 1
    admin.wait_for_metric((OURS + "connections", "visitor"), lambda value: value == 0)
    settled = [Page(admin.bridge.ws_url, f"settled-{number}") for number in range(3)]
    with socket.create_connection(("127.0.0.1", admin.bridge.port), 10) as surplus:
        assert surplus.recv(1) == b""
    assert count(admin.metrics(), "refused_connections_total", "limit") == 1
    for page in settled:
        page.close()


def test_a_page_whose_goodbye_is_no_text_has_its_own_code(house, tmp_path):
    admin = watched.start(house, None, tmp_path)
    with Page(admin.bridge.ws_url, "page") as page:
        page.socket.socket.sendall(b"\x88\x84\0\0\0\0" + (1000).to_bytes(2, "big") + b"\xff\xfe")
        assert page.expect_close()[0] == 1007
    numbers = admin.wait_for_metric((OURS + "connections", "page"), lambda value: value == 0)
    assert count(numbers, "closed_sessions_total", "1007") == 1
    assert count(numbers, "closed_sessions_total", "other") == 0


def test_refused_calls_are_counted_by_reason(house, tmp_path):
    policy = {"visible": ["w*"], "deny_functions": ["fail"], "deny_receivers": ["w2"], "function_serdes": {"picture": ["raw"]}}
    admin = watched.start(house, None, tmp_path, settings={"policy": policy, "limits": {"message_bytes": 20000}})
    worker = house.worker(admin.bridge.port)
    refusals = {
        "member": {"function": "add", "receiver": "hidden"}, "receiver": {"function": "add", "receiver": "w2"},
        "function": {"function": "fail", "receiver": "w1"}, "serde": {"function": "picture", "receiver": "w1"},
    }
    with Page(admin.bridge.ws_url, "asker") as page:
        page.wait_for_member("w1")
        for call in refusals.values():
            with pytest.raises(RemoteError):
                page.call(call["function"], 1, receiver=call["receiver"])
        with pytest.raises(RemoteError):
            page.call("echo", "x" * 30000)
        page.send(wire.Message(uuid=999, flag=wire.REQUEST, transmitter="asker", receiver="w1", function="echo", payload=b'{"args":[1],"kwargs":'))
        with pytest.raises(RemoteError):
            page.finish_call(999)
        assert page.call("echo", 1) == 1
        numbers = admin.metrics()
    for reason in (*refusals, "size", "payload"):
        assert count(numbers, "refused_calls_total", reason) == 1, reason
    assert count(numbers, "refused_calls_total", "rate") == 0
    house.end(worker)
    limited = watched.start(house, None, tmp_path, settings={"policy": {"calls_per_second": 1}})
    with Page(limited.bridge.ws_url, "asker") as page:
        for _ in range(5):
            with pytest.raises(RemoteError):
                page.call("echo", 1)
        assert count(limited.metrics(), "refused_calls_total", "rate") >= 3


def test_tls_and_the_certificate(house, tmp_path):
    """A handshake that fails is told apart, and when the certificate ends is what openssl says."""
    admin = watched.start(house, None, tmp_path, tls=True)
    with socket.create_connection(("127.0.0.1", admin.bridge.port), 10) as stranger:
        stranger.sendall(b"this is no TLS at all\r\n\r\n")
        read_to_the_end(stranger)
    numbers = admin.wait_for_metric((OURS + "tls_handshakes_total", "failed"), lambda value: value == 1)
    ends = subprocess.run(["openssl", "x509", "-in", house.certificate.cert, "-noout", "-enddate"], check=True, capture_output=True, text=True).stdout
    expected = ssl.cert_time_to_seconds(ends.strip().removeprefix("notAfter="))
    assert count(numbers, "certificate_expiry_timestamp_seconds", house.certificate.cert, "https://127.0.0.1:0") == expected


def test_an_upstream_that_is_not_there_or_goes(house, tmp_path):
    port = free_port()
    admin = watched.start(house, port, tmp_path)
    with pytest.raises(RemoteError):
        Page(admin.bridge.ws_url, "early")
    numbers = admin.metrics()
    assert count(numbers, "upstream_connects_total", "failed", "default") >= 1
    assert count(numbers, "handshakes_total", "page", "refused") == 1
    router = house.router(port)
    with Page(admin.bridge.ws_url, "late") as page:
        house.kill(router)
        assert page.expect_close()[0] == 1012
    numbers = admin.wait_for_metric((OURS + "connections", "page"), lambda value: value == 0)
    assert count(numbers, "upstream_losses_total", "default") >= 1
    assert count(numbers, "closed_sessions_total", "1012") == 1


def test_requests_and_the_process(house, tmp_path):
    admin = watched.start(house, None, tmp_path)
    for path in ("/daffi.js", "/daffi.mjs", "/healthz"):
        connection = http.client.HTTPConnection("127.0.0.1", admin.bridge.port, timeout=10)
        connection.request("GET", path)
        assert connection.getresponse().read()
        connection.close()
    numbers = admin.metrics()
    assert count(numbers, "http_requests_total", "asset") == 2
    assert count(numbers, "http_requests_total", "page") == 1
    assert numbers[("process_resident_memory_bytes",)] > 1e6
    assert numbers[("process_open_fds",)] >= 5
    assert numbers[("process_cpu_seconds_total",)] > 0
    assert count(numbers, "queued_limit_bytes") == 1 << 30
    assert count(numbers, "connections_limit") > 0
    assert count(numbers, "build_info", "0.1.0") == 1


def test_a_reload_keeps_the_numbers(house, tmp_path):
    """Counters go on; what the configuration says is told anew."""
    admin = watched.start(house, None, tmp_path)
    worker = house.worker(admin.bridge.port)
    with Page(admin.bridge.ws_url, "asker") as page:
        page.wait_for_member("w1")
        assert page.call("add", 1, 2) == 3
        file = tmp_path / "bridge.json"
        file.write_text(file.read_text().replace("{", '{"limits": {"memory_bytes": 268435456}, "hosts": ["new.example"], ', 1))
        assert admin.get("/metrics", Host="new.example")[0] == 403
        admin.bridge.popen.send_signal(1)
        admin.bridge.wait_for("the configuration has been reloaded")
        assert admin.get("/metrics", Host="new.example")[0] == 200
        assert page.call("add", 1, 2) == 3
        numbers = admin.metrics()
    assert count(numbers, "calls_total", "default") == 2
    assert count(numbers, "queued_limit_bytes") == 268435456
    house.end(worker)
