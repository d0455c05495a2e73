"""Certificates: new ones are noticed, old ones warned of; several on one listener; those of clients; sessions that are resumed."""

from __future__ import annotations

import json
import os
import signal
import socket
import ssl
import subprocess
from pathlib import Path

import pytest
import wire
from certificates import make
from native import Ended, Native
from page import Page, RemoteError
from processes import BUILD, free_port
from websockets.exceptions import WebSocketException

DAY = 86400
KEPT_OUT = (ssl.SSLError, ConnectionError, EOFError, WebSocketException)  # wherever a page is when it meets the alert


class Secure:
    """A bridge before a real Router with a worker, and its file, with one https:// listener."""

    def __init__(self, house, folder: Path, **listener):
        self.port = free_port()
        house.router(self.port)
        house.worker(self.port, "w1")
        self.file = folder / "bridge.json"
        self.listener = {"url": "https://127.0.0.1:0", "native": "all", **listener}
        self.upstreams = {"default": f"tcp://127.0.0.1:{self.port}"}
        self.write()
        self.bridge = house.bridge(None, "-c", str(self.file), listeners=())
        self.bridge.wait_for_listeners(1)

    def write(self, **listener) -> None:
        self.listener = {key: value for key, value in {**self.listener, **listener}.items() if value is not None}
        self.file.write_text(json.dumps({"listen": [self.listener], "upstreams": self.upstreams}))

    def reload(self, **listener) -> None:
        self.write(**listener)
        said = len(self.bridge.lines)
        os.kill(self.bridge.popen.pid, signal.SIGHUP)
        self.bridge.wait_for("has been reloaded", after=said)

    def shown(self, name: str = "localhost") -> str:
        """The common name in the certificate that is shown to who asks for `name`."""
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with socket.create_connection(("127.0.0.1", self.bridge.port), timeout=20) as plain, context.wrap_socket(plain, server_hostname=name) as secure:
            der = secure.getpeercert(binary_form=True)
        text = subprocess.run(["openssl", "x509", "-inform", "DER", "-noout", "-subject", "-nameopt", "multiline"], input=der, capture_output=True, check=True).stdout
        return text.decode().rsplit("=", 1)[1].strip()

    def page(self, name: str, ca: str, client=None, url: str | None = None) -> Page:
        """A page, with a client's certificate if one is given."""
        context = ssl.create_default_context(cafile=ca)
        if client is not None:
            context.load_cert_chain(client.cert, client.key)
        return Page(url or self.bridge.ws_url, name, context=context)


def replace(new, old) -> None:
    """As certbot does it: another file under the name, the certificate first."""
    for source, target in ((new.cert, old.cert), (new.key, old.key)):
        os.replace(source, target)


def test_new_files_are_noticed(house, tmp_path):
    """Who is there stays; a certificate without its key is not taken, and said; nobody sends a signal."""
    one, two, three = (make(tmp_path / name, name) for name in ("one", "two", "three"))
    secure = Secure(house, tmp_path, cert=one.cert, key=one.key)
    assert secure.shown() == "one"
    ca = Path(one.cert).read_text()
    (tmp_path / "ca.pem").write_text(ca)
    with secure.page("old", str(tmp_path / "ca.pem")) as page:
        page.wait_for_member("w1")
        replace(two, one)
        secure.bridge.wait_for("certificates have changed and are used from now on")
        assert secure.shown() == "two"
        said = len(secure.bridge.lines)
        os.replace(three.cert, one.cert)
        line = secure.bridge.wait_for("certificates have changed, but can't be used, those before stay", after=said).string
        assert one.key in line and "does not match" in line
        assert secure.shown() == "two"
        os.replace(three.key, one.key)
        secure.bridge.wait_for("certificates have changed and are used from now on", after=said)
        assert secure.shown() == "three"
        assert page.call("add", 1, 2) == 3


@pytest.mark.parametrize(("begins", "ends", "wanted"), [
    (-90 * DAY, 13 * DAY, "warning.*expires at .* in 31[12] hours"), (-5 * DAY, 1 * DAY, "warning.*expires at .* in 2[34] hours"),
    (-DAY, -60, "error.*has expired at .*: browsers refuse it"), (DAY, 9 * DAY, "warning.*holds from .* on: until then browsers refuse it"),
])
def test_a_certificate_near_its_end_is_warned_of(house, tmp_path, begins, ends, wanted):
    pair = make(tmp_path, "tired", begins=begins, ends=ends)
    secure = Secure(house, tmp_path, cert=pair.cert, key=pair.key)
    assert pair.cert in secure.bridge.wait_for(wanted).string
    assert secure.shown() == "tired"
    fresh = make(tmp_path / "fresh", "fresh", begins=-DAY, ends=89 * DAY)
    said = len(secure.bridge.lines)
    replace(fresh, pair)
    secure.bridge.wait_for("are used from now on", after=said)
    assert secure.shown() == "fresh"
    secure.reload()
    assert not [line for line in secure.bridge.lines[said:] if pair.cert in line]


def test_several_certificates_by_name(house, tmp_path):
    first, second, third = make(tmp_path, "first"), make(tmp_path, "second", "DNS:second.test"), make(tmp_path, "third", "DNS:*.third.test")
    pair = lambda one: {"cert": one.cert, "key": one.key}
    secure = Secure(house, tmp_path, **pair(first), certificates=[pair(second), pair(third)])
    assert [secure.shown(name) for name in ("localhost", "second.test", "a.third.test", "unknown.test", "third.test")] == ["first", "second", "third", "first", "first"]
    port = secure.bridge.port
    for name, who in (("second.test", second), ("a.third.test", third)):  # and each name is the bridge's own
        context = ssl.create_default_context(cafile=who.cert)
        with Page(f"wss://{name}:{port}/", "page", context=context, sock=socket.create_connection(("127.0.0.1", port))) as page:
            page.wait_for_member("w1")
            assert page.call("add", 1, 2) == 3
    secure.reload(certificates=[pair(third)])
    assert secure.shown("second.test") == "first"


def test_sessions_are_resumed_on_any_core_and_behind_a_reload(house, tmp_path):
    """Many connections, so that all reactors are met; every one of them takes up the first one's session."""
    pair = make(tmp_path, "one")
    secure = Secure(house, tmp_path, cert=pair.cert, key=pair.key)
    context = ssl.create_default_context(cafile=pair.cert)

    def visit(session):
        with socket.create_connection(("127.0.0.1", secure.bridge.port), timeout=20) as plain, \
                context.wrap_socket(plain, server_hostname="localhost", session=session) as connection:
            connection.sendall(b"GET /daffi.d.ts HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            while connection.recv(65536):
                pass
            return connection.session_reused, connection.session

    reused, session = visit(None)
    assert not reused
    assert all([visit(session)[0] for _ in range(12)])
    secure.reload()
    assert visit(session)[0]


def test_certificates_of_clients(house, tmp_path):
    server, ca = make(tmp_path, "server"), make(tmp_path, "ca")
    alice, bob, mallory = make(tmp_path, "alice", ca=ca), make(tmp_path, "bob", ca=ca), make(tmp_path, "mallory")
    secure = Secure(house, tmp_path, cert=server.cert, key=server.key, client_ca=ca.cert)
    with secure.page("anything", server.cert, alice) as page:
        page.wait_for_member("w1")
        assert page.call("add", 1, 2) == 3
    for client, reason in ((None, "showed no certificate"), (mallory, "certificate is not trusted")):
        said = len(secure.bridge.lines)
        with pytest.raises(KEPT_OUT):
            secure.page("anything", server.cert, client)
        secure.bridge.wait_for(f"connection from 127.0.0.1 ended: .*{reason}", after=said)
    with pytest.raises((ssl.SSLError, Ended, ConnectionError)):
        Native(secure.bridge.port, "native", ca=server.cert)
    # by their name as well
    secure.reload(client_name=True)
    with secure.page("alice", server.cert, alice) as page:
        page.wait_for_member("w1")
        with pytest.raises(RemoteError, match="not that of the certificate"):
            secure.page("alice2", server.cert, alice)
        with secure.page("bob", server.cert, bob):
            pass
    # a CA that is not trusted any more: nobody comes in by it, whatever session they have
    other = make(tmp_path, "other")
    secure.reload(client_ca=other.cert)
    with pytest.raises(KEPT_OUT):
        secure.page("alice", server.cert, alice)
    secure.reload(client_ca=None, client_name=None)
    secure.page("alice", server.cert).close()


def test_python_peers_by_the_name_of_their_certificate(house, tmp_path):
    server, ca = make(tmp_path, "server"), make(tmp_path, "ca")
    worker = make(tmp_path, "worker", ca=ca)
    secure = Secure(house, tmp_path, cert=server.cert, key=server.key, client_ca=ca.cert, client_name=True)
    with Native(secure.bridge.port, "worker", ca=server.cert, client=worker) as native:
        assert native.call("w1", "add", 1, 2).json()["args"][0] == 3
    native = Native(secure.bridge.port, "somebody", ca=server.cert, client=worker, shake=False)
    native.send(wire.handshake("somebody"))
    assert "not that of the certificate" in native.receive().json()["meta"]["error"]
    native.close()


def test_an_upstream_is_verified(house, tmp_path):
    """By the system's CAs unless told otherwise; by its name; and other CAs hold behind a reload."""
    good, other = make(tmp_path, "good"), make(tmp_path, "other")
    wrong = make(tmp_path, "wrong", "DNS:elsewhere.test")
    inner = free_port()
    house.router(inner)
    house.worker(inner, "w1")
    listen = lambda pair: house.bridge(inner, "--native", "all", "--cert", pair.cert, "--key", pair.key, listeners=("https://127.0.0.1:0",))
    right, misnamed = listen(good), listen(wrong)  # a TLS server before the Router
    file = tmp_path / "bridge.json"

    def write(**upstreams):
        file.write_text(json.dumps({"listen": [{"url": "http://127.0.0.1:0"}], "upstreams": upstreams}))

    url, misnamed_url = f"tls://127.0.0.1:{right.port}", f"tls://127.0.0.1:{misnamed.port}"
    write(default=url, known={"url": url, "ca": good.cert}, foreign={"url": url, "ca": other.cert}, misnamed={"url": misnamed_url, "ca": wrong.cert})
    bridge = house.bridge(None, "-c", str(file), listeners=())
    bridge.wait_for_listeners(1)
    for name, reason in (("default", "self-signed certificate"), ("foreign", "self-signed certificate"), ("misnamed", "IP address mismatch")):
        with pytest.raises(RemoteError, match=f"not trusted: {reason}"):
            Page(bridge.ws_url + name, "page")
    with Page(bridge.ws_url + "known", "page") as page:
        page.wait_for_member("w1")
        write(known={"url": url, "ca": other.cert}, foreign={"url": url, "ca": good.cert})
        said = len(bridge.lines)
        os.kill(bridge.popen.pid, signal.SIGHUP)
        bridge.wait_for("has been reloaded", after=said)
        assert page.call("add", 1, 2) == 3
        with pytest.raises(RemoteError, match="not trusted"):
            Page(bridge.ws_url + "known", "second")
        with Page(bridge.ws_url + "foreign", "third") as third:
            third.wait_for_member("w1")


PAIR = {"url": "https://127.0.0.1:0", "cert": "good.pem", "key": "good.key"}


@pytest.mark.parametrize(("listener", "wanted"), [
    ({"certificates": {}}, "listen.0.certificates: {} can't be taken; a list of at most 16"),
    ({"certificates": [{"cert": "good.pem"}]}, 'listen.0.certificates.0: "key" is missing'),
    ({"certificates": [{"key": "good.key"}]}, 'listen.0.certificates.0: "cert" is missing'),
    ({"certificates": [{"cart": "good.pem"}]}, 'listen.0.certificates.0.cart: unknown key; did you mean "cert"?'),
    ({"certificates": [{"cert": "good.pem", "key": "other.key"}]}, "does not match certificate"),
    ({"certificates": [{"cert": "nowhere.pem", "key": "good.key"}]}, "nowhere.pem cannot be read: No such file"),
    ({"client_ca": "nowhere.pem"}, "nowhere.pem cannot be read: No such file"),
    ({"client_ca": "good.key"}, "no certificate in it"),
    ({"client_ca": "good.pem", "client_name": "yes"}, "listen.0.client_name: \"yes\" is no truth value"),
    ({"client_name": True}, 'listen.0.client_name: no certificates are asked for; "client_ca" is expected beside it'),
    ({"url": "http://127.0.0.1:0", "cert": None, "key": None, "client_ca": "good.pem"}, "listen.0.client_ca: http://127.0.0.1:0 takes no certificate"),
    ({"url": "http://127.0.0.1:0", "cert": None, "key": None, "certificates": [{"cert": "good.pem", "key": "good.key"}]}, "takes no certificate"),
], ids=lambda value: value[:60] if isinstance(value, str) else "")
def test_what_makes_no_sense_is_said(tmp_path_factory, tmp_path, listener, wanted):
    make(tmp_path, "good")
    make(tmp_path, "other")
    file = tmp_path / "bridge.json"
    file.write_text(json.dumps({"listen": [{key: value for key, value in {**PAIR, **listener}.items() if value is not None}]}))
    ended = subprocess.run([BUILD / "daffi-bridge", "-t", "-c", file], capture_output=True, text=True, check=False)
    assert ended.returncode == 2 and len(ended.stderr.splitlines()) == 1 and wanted in ended.stderr, ended.stderr
