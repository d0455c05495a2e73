"""What is not daffi: assets, pages, health, Origin and Host, over one port."""

from __future__ import annotations

import gzip
import hashlib
import http.client
import re
import socket

import pytest
from page import Page
from processes import BUILD
from websockets.exceptions import InvalidStatus

FILES = {"daffi.js": "text/javascript", "daffi.mjs": "text/javascript", "daffi.standalone.js": "text/javascript", "app.wasm": "application/wasm",
         "daffi.d.ts": "text/", "daffi.d.mts": "text/"}


@pytest.fixture(scope="module")
def bridge(shared_house):
    router = shared_house.router()
    shared_house.worker(router.port)
    return shared_house.bridge(router.port, "--playground", "--allow-origin", "https://app.example")


def get(bridge, path: str, method: str = "GET", **headers: str):
    """Status, headers and body of one request."""
    connection = http.client.HTTPConnection("127.0.0.1", bridge.port, timeout=10)
    connection.request(method, path, headers=headers)
    response = connection.getresponse()
    body = response.read()
    connection.close()
    return response.status, response.headers, body


@pytest.mark.parametrize("prefix", ["/", "/gh/600apples/daffi@2.0.0/js-client/", "/gh/600apples/daffi@latest/js-client/"])
@pytest.mark.parametrize("name", FILES)
def test_assets(bridge, prefix, name):
    status, headers, body = get(bridge, prefix + name)
    assert status == 200
    assert headers["Content-Type"].startswith(FILES[name])
    assert headers["Access-Control-Allow-Origin"] == "*"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cache-Control"] == "no-cache"
    assert body == (BUILD / "js-client" / name).read_bytes()
    tag = headers["ETag"]
    assert re.fullmatch(r'"[^"]+"', tag)
    assert get(bridge, prefix + name, **{"If-None-Match": tag})[0] == 304
    head = get(bridge, prefix + name, "HEAD")
    assert (head[0], head[1]["Content-Length"], head[2]) == (200, str(len(body)), b"")


@pytest.mark.parametrize("encoding", ["br", "gzip"])
def test_precompressed(bridge, encoding):
    status, headers, body = get(bridge, "/app.wasm", **{"Accept-Encoding": encoding})
    assert (status, headers["Content-Encoding"]) == (200, encoding)
    assert "Accept-Encoding" in headers["Vary"]
    plain = (BUILD / "js-client" / "app.wasm").read_bytes()
    assert len(body) < len(plain)
    if encoding == "gzip":
        assert hashlib.sha256(gzip.decompress(body)).digest() == hashlib.sha256(plain).digest()


def test_keep_alive_serves_one_after_another(bridge):
    connection = http.client.HTTPConnection("127.0.0.1", bridge.port, timeout=10)
    for _ in range(20):
        connection.request("GET", "/daffi.js")
        assert connection.getresponse().read()
    connection.close()


def test_health_and_pages(bridge):
    assert get(bridge, "/healthz")[0] == 200
    status, headers, body = get(bridge, "/_bridge/")
    assert status == 200
    assert headers["Content-Type"].startswith("text/html")
    assert "'wasm-unsafe-eval'" in headers["Content-Security-Policy"]
    assert b"<title>" in body
    assert get(bridge, "/_bridge/examples/01_service_json/index.html")[0] == 200
    assert get(bridge, "/nothing/here")[0] == 404


@pytest.mark.parametrize("path", ["/_bridge/../etc/passwd", "/_bridge/%2e%2e/%2e%2e/etc/passwd", "/_bridge/..%2f..%2fetc/passwd", "/_bridge/%00", "/_bridge/.git/config"])
def test_no_way_out_of_the_pages(bridge, path):
    assert get(bridge, path)[0] in (400, 404)


@pytest.mark.parametrize("origin, allowed", [
    (None, True),
    ("https://app.example", True),
    ("https://app.example:444", False),
    ("http://app.example", False),
    ("https://app.example.evil.example", False),
    ("https://evilapp.example", False),
    ("null", False),
    ("http://127.0.0.1:{port}", True),
])
def test_origin(bridge, origin, allowed):
    if origin is not None:
        origin = origin.format(port=bridge.port)
    if allowed:
        with Page(bridge.ws_url, "asker", origin=origin) as page:
            assert page.call("add", 1, 2) == 3
    else:
        with pytest.raises(InvalidStatus) as caught:
            Page(bridge.ws_url, "asker", origin=origin)
        assert caught.value.response.status_code == 403


def raw(bridge, request: bytes) -> bytes:
    """What the bridge answers to these bytes, to the end of the connection."""
    with socket.create_connection(("127.0.0.1", bridge.port), 10) as connection:
        connection.sendall(request)
        answer = b""
        while data := connection.recv(65536):
            answer += data
    return answer


UPGRADE = (b"GET / HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: %s\r\n"
           b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")


def test_a_host_that_is_not_one_s_own_is_refused(bridge):
    assert raw(bridge, UPGRADE % (b"rebound.example", b"13")).startswith(b"HTTP/1.1 403 ")


@pytest.mark.parametrize("host", [b"rebound.example", b"192.0.2.1:80", b"127.0.0.1.rebound.example", b"localhost.rebound.example:443"])
def test_under_a_strange_name_there_are_assets_and_health_and_no_page(bridge, host):
    """A stranger's page whose name was rebound to us reads what is public, and nothing else; a load balancer asks by an address."""
    def ask(path: bytes) -> bytes:
        return raw(bridge, b"GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n" % (path, host))[9:12]

    assert [ask(path) for path in (b"/daffi.js", b"/app.wasm", b"/healthz")] == [b"200"] * 3
    assert [ask(path) for path in (b"/_bridge/", b"/_bridge/playground.js", b"/_bridge/examples/01_service_json/index.html", b"/", b"/nothing")] == [b"403"] * 5
    bridge.wait_for('add its name to "hosts"')


def test_a_name_of_the_configuration_is_one_s_own(house, tmp_path):
    file = tmp_path / "bridge.json"
    file.write_text('{"hosts": ["cdn.example", "192.0.2.1", "[2001:db8::1]"], "playground": true}')
    bridge = house.bridge("tcp://127.0.0.1:9", "-c", str(file))
    for host in (b"cdn.example", b"CDN.example:8443", b"192.0.2.1", b"[2001:db8::1]:80"):
        assert raw(bridge, b"GET /_bridge/ HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n" % host)[9:12] == b"200"
        assert raw(bridge, UPGRADE.replace(b"\r\n\r\n", b"\r\nOrigin: http://%s\r\n\r\n") % (host, b"8", host))[9:12] == b"426"
        assert raw(bridge, UPGRADE.replace(b"\r\n\r\n", b"\r\nOrigin: http://evil.example\r\n\r\n") % (host, b"13"))[9:12] == b"403"


@pytest.mark.parametrize("method", ["GET", "POST", "HEAD"])
def test_http_at_the_port_of_https_is_told_so(shared_house, method):
    bridge = shared_house.bridge(None, tls=True)
    connection = http.client.HTTPConnection("127.0.0.1", bridge.port, timeout=10)
    connection.request(method, "/", body=b"x" * 2000 if method == "POST" else None)
    response = connection.getresponse()
    assert (response.status, response.headers["Connection"]) == (400, "close")
    assert response.read() == (b"" if method == "HEAD" else b"This port speaks https: put https:// in front of its address.\n")
    connection.close()


def test_another_version_of_websocket_is_426(bridge):
    answer = raw(bridge, UPGRADE % (b"127.0.0.1", b"8"))
    assert answer.startswith(b"HTTP/1.1 426 ")
    assert b"Sec-WebSocket-Version: 13" in answer


@pytest.mark.parametrize("request_bytes, status", [
    (b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 3\r\n\r\nabc", (400, 405, 501)),
    (b"GET / HTTP/1.1\r\n\r\n", (400,)),
    (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", (400,)),
    (b"GET / HTTP/1.1\r\nHost : 127.0.0.1\r\n\r\n", (400,)),
    (b"GET / HTTP/1.1\nHost: 127.0.0.1\n\n", (400,)),
    (b"GET / HTTP/2.0\r\nHost: 127.0.0.1\r\n\r\n", (400, 505)),
    (b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: " + b"a" * 20000 + b"\r\n\r\n", (431,)),
    (b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", (400, 501)),
], ids=["POST", "no Host", "two Hosts", "space before colon", "bare LF", "HTTP/2.0", "long head", "chunked"])
def test_strict_heads(bridge, request_bytes, status):
    answer = raw(bridge, request_bytes)
    assert int(answer.split(b" ", 2)[1]) in status
