"""What can be wrong before the first connection: exit status 2 and one line that a person can act on."""

from __future__ import annotations

import json
import socket
import subprocess

import pytest
import wire
from certificates import make as make_certificate
from page import Page
from processes import BUILD, free_port


def run(*options: str) -> subprocess.CompletedProcess:
    """The daemon, which has to end by itself."""
    return subprocess.run([BUILD / "daffi-bridge", *options], capture_output=True, text=True, timeout=20)


def refused(*options: str) -> str:
    """The one line of a start that is refused."""
    done = run(*options)
    lines = done.stderr.strip().splitlines()
    assert done.returncode == 2, done.stderr
    assert len(lines) == 1, done.stderr
    return lines[0]


UPSTREAM = ("--upstream", "tcp://127.0.0.1:5000")


def test_port_taken():
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        line = refused("--listen", f"http://127.0.0.1:{port}", *UPSTREAM)
    assert str(port) in line
    assert "another process listens there" in line


def test_no_upstream_is_the_router_inside(house):
    """Nothing named: the daemon is a Router itself, and says so in the first answer."""
    bridge = house.bridge(None)
    with Page(bridge.ws_url, None) as page:
        page.send(wire.handshake("page"))
        assert page.receive().json()["meta"]["type"] == "router"


def test_no_listener_has_a_hint():
    assert "--listen" in refused(*UPSTREAM)


def test_https_without_certificate():
    assert "--cert" in refused("--listen", "https://127.0.0.1:0", *UPSTREAM)


def test_certificate_missing(certificate):
    line = refused("--listen", "https://127.0.0.1:0", "--cert", "/nowhere/cert.pem", "--key", certificate.key, *UPSTREAM)
    assert "/nowhere/cert.pem" in line


def test_certificate_unreadable(certificate, tmp_path):
    broken = tmp_path / "cert.pem"
    broken.write_text("not a certificate")
    line = refused("--listen", "https://127.0.0.1:0", "--cert", str(broken), "--key", certificate.key, *UPSTREAM)
    assert str(broken) in line


def test_key_of_another_certificate(certificate, tmp_path):
    key = tmp_path / "other.pem"
    subprocess.run(["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", key], check=True, capture_output=True)
    line = refused("--listen", "https://127.0.0.1:0", "--cert", certificate.cert, "--key", str(key), *UPSTREAM)
    assert str(key) in line
    assert certificate.cert in line


def test_configuration_not_there():
    assert "/nowhere.json" in refused("-c", "/nowhere.json")


@pytest.mark.parametrize("text, wanted", [
    ('{"limits": {"message_bites": 1}}', ["line 1", "message_bites", "message_bytes"]),
    ('{\n "limits": {\n  "nesting": "deep"\n }\n}', ["line 3", "nesting", "deep"]),
    ('{\n "limits": {\n  "nesting": 0\n }\n}', ["line 3", "nesting", "0"]),
    ("{\n  oops\n}", ["line 2"]),
    ('{"listen": [{"url": "ftp://x"}]}', ["listen", "ftp://x", "https://"]),
], ids=["unknown key", "wrong type", "out of bounds", "no JSON", "wrong URL"])
def test_configuration_wrong(tmp_path, text, wanted):
    file = tmp_path / "bridge.json"
    file.write_text(text)
    line = refused("-c", str(file), "--listen", "http://127.0.0.1:0", *UPSTREAM)
    for part in [str(file), *wanted]:
        assert part in line, line


def test_check_mode(tmp_path):
    file = tmp_path / "bridge.json"
    file.write_text(json.dumps({"listen": [{"url": f"http://127.0.0.1:{free_port()}"}], "upstreams": {"default": "tcp://127.0.0.1:5000"}}))
    done = run("-c", str(file), "-t")
    assert done.returncode == 0, done.stderr
    file.write_text("{")
    assert run("-c", str(file), "-t").returncode == 2


def checked(tmp_path, **keys) -> subprocess.CompletedProcess:
    """`-t` of a file of these keys."""
    file = tmp_path / "bridge.json"
    file.write_text(json.dumps(keys))
    return run("-c", str(file), "-t")


@pytest.mark.parametrize(("keys", "wanted"), [
    ({"listen": [{"url": "http://127.0.0.1:7010"}, {"url": "http://127.0.0.1:7010"}]}, ["line 1", "listen.1.url", "is also the address of"]),
    ({"listen": [{"url": "http://127.0.0.1:7010"}], "admin": {"listen": "http://127.0.0.1:7010"}}, ["admin.listen", "is also the address of"]),
    ({"listen": [{"url": "http://127.0.0.1:7010"}], "admin": {"listen": "http://localhost:7010"}},
     ["cannot listen on http://localhost:7010: http://127.0.0.1:7010 takes that address, too"]),
    ({"listen": [{"url": "http://127.0.0.1:7010"}, {"url": "http://0.0.0.0:7010"}]}, ["takes that address, too"]),
    ({"listen": [{"url": "http://no.such.name.invalid:7010"}]}, ["cannot listen on no.such.name.invalid port 7010"]),
    ({"listen": [{"url": "http://192.0.2.1:7010"}]}, ["cannot listen on 192.0.2.1:7010: this machine has no such address"]),
    ({"listen": [{"url": "unix:/dev/null"}]}, ["a file that is no socket is in the way"]),
], ids=["twice", "admin", "by another name", "within all", "no such name", "no such address", "no socket"])
def test_check_mode_looks_at_addresses(tmp_path, keys, wanted):
    done = checked(tmp_path, **keys)
    assert done.returncode == 2
    for part in wanted:
        assert part in done.stderr
    assert "fine" not in done.stderr


def test_check_mode_leaves_one_that_runs_alone(house, tmp_path):
    path = tmp_path / "web.sock"
    bridge = house.bridge(None, listeners=("http://127.0.0.1:0", f"unix:{path}"))
    done = checked(tmp_path, listen=[{"url": bridge.url}, {"url": f"unix:{path}"}])
    assert done.returncode == 0, done.stderr
    with Page(bridge.ws_url, "page"):
        pass
    assert path.is_socket()


def test_check_mode_warns_as_a_start_does(tmp_path):
    pair = make_certificate(tmp_path, "old", begins=-86400, ends=-60)
    done = checked(tmp_path, listen=[{"url": "https://127.0.0.1:0", "cert": str(pair.cert), "key": str(pair.key), "policy": {"serdes": ["pickle"]}}], auth={})
    assert done.returncode == 0
    for warning in ("has expired at", "takes pickle", '"auth" names no "secrets"'):
        assert warning in done.stderr
    assert done.stderr.endswith("the configuration is fine\n")


def test_one_address_is_for_one_listener():
    url = f"http://127.0.0.1:{free_port()}"
    assert f"--listen {url}: the address of another --listen {url}" in refused("--listen", url, "--listen", url)


def test_the_process_itself_is_named_where_it_is_in_its_own_way():
    port = free_port()
    line = refused("--listen", f"http://127.0.0.1:{port}", "--listen", f"http://0.0.0.0:{port}")
    assert f"cannot listen on 0.0.0.0:{port}: this process itself listens at 127.0.0.1:{port}" in line


def test_unknown_option_and_help():
    assert "--lisen" in refused("--lisen", "http://127.0.0.1:0")
    done = run("--help")
    assert done.returncode == 0
    for option in ("--listen", "--cert", "--key", "--upstream", "--allow-origin", "--native", "--playground", "--log-level", "--log-format"):
        assert option in done.stdout
