"""Behind a proxy: the PROXY protocol and X-Forwarded-For, believed from configured addresses alone; and what is counted and logged is who it really is."""

from __future__ import annotations

import json
import os
import signal
import socket
import struct
import subprocess

import pytest
import wire
from page import Page
from processes import BUILD, free_port, wait_until
from websockets.exceptions import InvalidStatus, WebSocketException

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"


def one(address: str) -> bytes:
    """A header of version 1."""
    family, own = ("TCP6", "::1") if ":" in address else ("TCP4", "127.0.0.1")
    return f"PROXY {family} {address} {own} 4711 443\r\n".encode()


def two(address: str | None, extra: bytes = b"") -> bytes:
    """A header of version 2; LOCAL for None."""
    if address is None:
        return SIGNATURE + b"\x20\0" + struct.pack("!H", len(extra)) + extra
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    own = "::1" if ":" in address else "127.0.0.1"
    behind = socket.inet_pton(family, address) + socket.inet_pton(family, own) + struct.pack("!HH", 4711, 443) + extra
    return SIGNATURE + (b"\x21\x21" if ":" in address else b"\x21\x11") + struct.pack("!H", len(behind)) + behind


class Proxied:
    """A bridge before a real Router with a worker, with one listener, and connections to it that begin with a header."""

    def __init__(self, house, folder, certificate=None, listener=None, **keys):
        port = free_port()
        house.router(port)
        house.worker(port, "w1")
        secure = {"url": "https://127.0.0.1:0", "cert": certificate.cert, "key": certificate.key} if certificate else {"url": "http://127.0.0.1:0"}
        self.ca = certificate.cert if certificate else None
        self.file = folder / "bridge.json"
        self.keys = {"listen": [{**secure, "proxies": ["127.0.0.1"], **(listener or {})}], "upstreams": {"default": f"tcp://127.0.0.1:{port}"}, **keys}
        self.file.write_text(json.dumps(self.keys))
        self.bridge = house.bridge(None, "-c", str(self.file), listeners=())
        self.bridge.wait_for_listeners(1)
        self.port = self.bridge.port

    def connect(self, header: bytes = b"") -> socket.socket:
        made = socket.create_connection(("127.0.0.1", self.port), timeout=10)
        made.sendall(header)
        return made

    def page(self, name: str | None, header: bytes, **options) -> Page:
        return Page(self.bridge.ws_url, name, ca=self.ca, sock=self.connect(header), **options)

    def is_refused(self, header: bytes, reason: str) -> None:
        """The connection is closed, and the log says why."""
        said = len(self.bridge.lines)
        with self.connect(header) as connection:
            try:
                assert connection.recv(1) == b""
            except ConnectionResetError:  # what it sent was not all read
                pass
        self.bridge.wait_for(f"refused a connection .*{reason}", after=said)


@pytest.fixture(params=["http", "https"])
def proxied(house, tmp_path, certificate, request):
    return Proxied(house, tmp_path, certificate if request.param == "https" else None)


@pytest.mark.parametrize(("header", "address"), [
    (one("192.0.2.7"), "192.0.2.7"), (one("2001:db8::7"), "2001:db8::7"), (two("192.0.2.8"), "192.0.2.8"), (two("2001:db8::8"), "2001:db8::8"),
    (two("192.0.2.9", b"\x04\0\x10" + bytes(16)), "192.0.2.9"), (two(None), "127.0.0.1"), (b"PROXY UNKNOWN\r\n", "127.0.0.1"),
], ids=["1 over IPv4", "1 over IPv6", "2 over IPv4", "2 over IPv6", "2 with more behind", "2 LOCAL", "1 UNKNOWN"])
def test_the_address_of_the_client(proxied, header, address):
    with proxied.page("page", header) as page:
        page.wait_for_member("w1")
        assert page.call("add", 1, 2) == 3
        proxied.bridge.wait_for(f'open page "page" from {address}, ')


def test_a_header_in_pieces(proxied):
    """Each byte by itself."""
    connection = proxied.connect()
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for byte in one("192.0.2.7"):
        connection.sendall(bytes([byte]))
    with Page(proxied.bridge.ws_url, "page", ca=proxied.ca, sock=connection) as page:
        page.wait_for_member("w1")
    proxied.bridge.wait_for("from 192.0.2.7")


def test_a_proxy_that_does_not_say_is_refused(proxied):
    for header in (b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", wire.PROBE, b"\x16\x03\x01\x02\0\x01", b"PROXY TCP4 x y 1 2\r\n", SIGNATURE + b"\x21\x12\0\x0c" + bytes(12)):
        proxied.is_refused(header, "PROXY")
    connection = proxied.connect(one("192.0.2.7")[:-1])
    connection.shutdown(socket.SHUT_WR)
    proxied.bridge.wait_for("it ended before its PROXY header was whole")
    connection.close()


def test_who_is_no_proxy_is_not_believed(house, tmp_path):
    """A header from elsewhere is what it is without one: nonsense."""
    proxied = Proxied(house, tmp_path, listener={"proxies": ["192.0.2.0/24", "unix"]})
    with proxied.connect(one("198.51.100.1") + b"GET /daffi.js HTTP/1.1\r\nHost: x\r\n\r\n") as connection:
        assert b" 501 " in connection.recv(100) or b" 400 " in connection.recv(100)
    with proxied.page("page", b"") as page:
        page.wait_for_member("w1")
    proxied.bridge.wait_for('open page "page" from 127.0.0.1, ')
    assert "198.51.100.1" not in proxied.bridge.log()


def test_limits_are_of_the_client_and_not_of_the_proxy(house, tmp_path):
    proxied = Proxied(house, tmp_path, limits={"connections_per_address": 2})
    pages = [proxied.page(f"page-{number}", one(f"192.0.2.{number // 2}")) for number in range(8)]
    proxied.is_refused(one("192.0.2.1"), "from 192.0.2.1: limits.connections_per_address is reached")
    pages[2].close()
    pages[2].socket.recv_events_thread.join(10)
    proxied.bridge.wait_for('closed page "page-2" from 192.0.2.1')

    def is_let_in() -> bool:
        """The page is told of the end before the bridge has seen the end of its TCP connection, which held the place."""
        try:
            proxied.page("again", one("192.0.2.1")).close()
        except (WebSocketException, ConnectionError):
            return False
        return True

    wait_until(is_let_in)
    for page in pages:
        page.close()


def test_a_python_peer_is_local_only_if_it_is(house, tmp_path):
    """A proxy of this machine does not make a stranger a neighbour."""
    proxied = Proxied(house, tmp_path)
    said = len(proxied.bridge.lines)
    with proxied.connect(one("192.0.2.7") + wire.PROBE + wire.handshake("stranger").encode()) as connection:
        with pytest.raises((ConnectionError, AssertionError)):
            assert connection.recv(1)
    proxied.bridge.wait_for("refused a connection from 192.0.2.7: this listener takes no native daffi peers from there", after=said)
    for header in (two(None), one("127.0.0.1")):
        with proxied.connect(header) as connection:
            connection.sendall(wire.PROBE + wire.handshake("neighbour").encode())
            assert connection.recv(1)
        proxied.bridge.wait_for('closed .*"neighbour" from 127.0.0.1')


def test_who_never_says_is_not_waited_for(house, tmp_path):
    proxied = Proxied(house, tmp_path, timeouts_ms={"head": 300}, limits={"half_open": 2})
    first, second = proxied.connect(b"PROXY "), proxied.connect()
    assert first.recv(1) == b"" and second.recv(1) == b""
    proxied.bridge.wait_for("its PROXY header did not come in time")


def test_a_reload_and_the_end_meet_proxies_that_have_not_said(house, tmp_path):
    proxied = Proxied(house, tmp_path)
    waiting = [proxied.connect(b"PROXY TCP4 ") for _ in range(5)]
    said = len(proxied.bridge.lines)
    os.kill(proxied.bridge.popen.pid, signal.SIGHUP)
    proxied.bridge.wait_for("has been reloaded", after=said)
    waiting[0].sendall(one("192.0.2.7")[11:])
    with Page(proxied.bridge.ws_url, "page", sock=waiting.pop(0)) as page:
        page.wait_for_member("w1")
        proxied.bridge.wait_for('open page "page" from 192.0.2.7, ')
    house.end(proxied.bridge)
    assert all(connection.recv(1) == b"" for connection in waiting)


def test_over_a_unix_socket(house, tmp_path):
    path = str(tmp_path / "bridge.sock")
    port = free_port()
    house.router(port)
    house.worker(port, "w1")
    file = tmp_path / "bridge.json"
    file.write_text(json.dumps({"listen": [{"url": f"unix:{path}", "proxies": ["unix"]}], "upstreams": {"default": f"tcp://127.0.0.1:{port}"}}))
    bridge = house.bridge(None, "-c", str(file), listeners=())
    bridge.wait_for_listeners(1)
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(path)
    connection.sendall(two("192.0.2.7"))
    with Page("ws://localhost/", "page", sock=connection) as page:
        page.wait_for_member("w1")
        bridge.wait_for('open page "page" from 192.0.2.7, ')


# X-Forwarded-For


@pytest.fixture
def forwarding(house, tmp_path):
    """It trusts the loopback and 10.0.0.0/8."""
    return Proxied(house, tmp_path, listener={"proxies": ["127.0.0.1", "10.0.0.0/8"], "proxy_header": "x-forwarded-for"}, limits={"connections_per_address": 2})


def fields(*values: str) -> dict:
    return {"additional_headers": [("X-Forwarded-For", value) for value in values]}


@pytest.mark.parametrize(("values", "address"), [
    (["192.0.2.7"], "192.0.2.7"), (["198.51.100.9, 192.0.2.7, 10.1.2.3"], "192.0.2.7"), (["198.51.100.9", "192.0.2.7:4711"], "192.0.2.7"),
    (["[2001:db8::7]:80"], "2001:db8::7"), ([], "127.0.0.1"),
], ids=str)
def test_the_client_of_a_request(forwarding, values, address):
    with forwarding.page("page", b"", **fields(*values)) as page:
        page.wait_for_member("w1")
        forwarding.bridge.wait_for(f'open page "page" from {address}, ')


def test_a_field_that_makes_no_sense_is_refused(forwarding):
    for value in ("unknown", "192.0.2.7,", "_hidden"):
        with pytest.raises(InvalidStatus) as caught:
            forwarding.page("page", b"", **fields(value))
        assert caught.value.response.status_code == 400
    forwarding.bridge.wait_for("refused a request from 127.0.0.1: 400 X-Forwarded-For names no address")


def test_each_request_of_a_connection_may_be_anothers(forwarding):
    """And each client has its own limits, whatever the proxy's connections are."""
    pages = [forwarding.page(f"page-{number}", b"", **fields(f"192.0.2.{number // 2}")) for number in range(6)]
    idle = [forwarding.connect() for _ in range(4)]  # a proxy keeps some ready
    with pytest.raises((InvalidStatus, WebSocketException)) as caught:
        forwarding.page("more", b"", **fields("192.0.2.1"))
    assert caught.value.response.status_code == 503
    forwarding.bridge.wait_for("refused a request from 127.0.0.1: 503 limits.connections_per_address is reached")
    ask = "GET /daffi.d.ts HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: {}\r\nConnection: {}\r\n\r\n"
    kept = idle[0]
    kept.sendall((ask.format("192.0.2.50", "keep-alive") + ask.format("192.0.2.51", "keep-alive") + ask.format("192.0.2.2", "close")).encode())
    seen = b""
    while more := kept.recv(65536):
        seen += more
    assert seen.count(b"HTTP/1.1 200 ") == 2 and b"HTTP/1.1 503 " in seen
    for connection in (*idle, *pages):
        connection.close()


def test_a_field_of_somebody_else_is_not_believed(house, tmp_path):
    for folder, listener in (("a", {"proxies": ["10.0.0.0/8"], "proxy_header": "x-forwarded-for"}), ("b", {"proxies": []})):
        (tmp_path / folder).mkdir()
        proxied = Proxied(house, tmp_path / folder, listener=listener)
        with proxied.page("page", b"", **fields("192.0.2.7")) as page:
            page.wait_for_member("w1")
            proxied.bridge.wait_for('open page "page" from 127.0.0.1, ')


@pytest.mark.parametrize(("listener", "wanted"), [
    ({"proxies": "10.0.0.0/8"}, 'listen.0.proxies: "10.0.0.0/8" can\'t be taken; a list of at most 64 addresses and networks is expected'),
    ({"proxies": ["proxy.example.org"]}, 'listen.0.proxies.0: "proxy.example.org" is no address; an address, a network such as 10.0.0.0/8, or "unix" is expected'),
    ({"proxies": ["127.0.0.1", "10.0.0.0/99"]}, 'listen.0.proxies.1: "10.0.0.0/99": no number of bits from 0 to 32'),
    ({"proxies": ["10.1.0.0/8"]}, "has bits set behind the first 8; the network's own address is expected"),
    ({"proxies": [7]}, "listen.0.proxies.0: 7 is no text"),
    ({"proxies": ["::1"], "proxy_header": "forwarded"}, 'listen.0.proxy_header: "forwarded" is not known; "proxy" or "x-forwarded-for" is expected'),
    ({"proxy_header": "x-forwarded-for"}, 'listen.0.proxy_header: nobody is believed what it says; "proxies" is expected beside it'),
    ({"proxys": []}, 'listen.0.proxys: unknown key; did you mean "proxies"?'),
], ids=lambda value: value[:40] if isinstance(value, str) else "")
def test_what_makes_no_sense_is_said(tmp_path, listener, wanted):
    file = tmp_path / "bridge.json"
    file.write_text(json.dumps({"listen": [{"url": "http://127.0.0.1:0", **listener}]}))
    ended = subprocess.run([BUILD / "daffi-bridge", "-t", "-c", file], capture_output=True, text=True, check=False)
    assert ended.returncode == 2 and len(ended.stderr.splitlines()) == 1 and wanted in ended.stderr, ended.stderr
