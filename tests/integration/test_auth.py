"""Tokens: who shows none that holds does not come in, and what one says holds for its bearer; none of it reaches the log."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import signal
import subprocess
from pathlib import Path

import pytest
from page import Page, RemoteError
from processes import BUILD, free_port
from websockets.exceptions import ConnectionClosed

OLD, NEW, WRONG = "old-secret-" * 4, "new-secret-" * 4, "not-a-secret" * 4

DOCUMENT = (Path(__file__).parents[2] / "docs" / "tokens.md").read_text()
documented: dict = {}
exec(re.search(r"```python\n(.*?)```", DOCUMENT, re.S).group(1), documented)  # noqa: S102 - what the document tells is what is tested
make_token = documented["make_token"]


def configured(tmp_path, secrets: str = f"# two\n{NEW}\n\n{OLD}\n", mode: int = 0o600, port: int = 1) -> str:
    """A configuration with that file of secrets; its path."""
    (tmp_path / "secrets.txt").write_text(secrets)
    (tmp_path / "secrets.txt").chmod(mode)
    file = tmp_path / "bridge.json"
    file.write_text(json.dumps({"listen": [{"url": "http://127.0.0.1:0"}], "auth": {"secrets": "secrets.txt"}, "log": {"level": "debug"},
                                "upstreams": {"default": f"tcp://127.0.0.1:{port}", "other": f"tcp://127.0.0.1:{port}"}}))
    return str(file)


@pytest.fixture
def bridge(house, tmp_path):
    """Before a real Router with a worker, and with two secrets."""
    port = free_port()
    house.router(port)
    house.worker(port, "w1")
    bridge = house.bridge(None, "-c", configured(tmp_path, port=port), listeners=())
    bridge.wait_for_listeners(1)
    yield bridge
    log = bridge.log()
    assert "eyJ" not in log and "token=" not in log and "Bearer" not in log


def refused(url: str, name: str = "page", **options) -> str:
    page = Page(url, None, **options)
    page.name = name
    with pytest.raises(RemoteError) as caught:
        page.shake_hands()
    with pytest.raises(ConnectionClosed) as closed:
        page.receive()
    assert closed.value.rcvd.code == 1008 and caught.value.args[0] == "Refused"
    return caught.value.args[2]


@pytest.mark.parametrize("secret", [OLD, NEW])
@pytest.mark.parametrize("way", ["query", "header", "cookie"])
def test_a_signed_token_lets_in(bridge, secret, way):
    token = make_token(secret)
    url = f"{bridge.ws_url}?a=b&daffi-token={token}" if way == "query" else bridge.ws_url
    headers = {"header": {"Authorization": f"Bearer {token}"}, "cookie": {"Cookie": f"a=b; daffi-token={token}"}, "query": {}}[way]
    with Page(url, "page", additional_headers=headers) as page:
        page.wait_for_member("w1")
        assert page.call("add", 1, 2) == 3


def test_others_do_not_come_in(bridge):
    good = make_token(NEW)
    text, signature = good.split(".")
    other = make_token(NEW, name="b").split(".")[0]
    assert "a token is needed" in refused(bridge.ws_url)
    for token in ("x", good + "A", text + ".", text, "A" * 9000, good.replace(".", "..")):
        assert "expected" in refused(f"{bridge.ws_url}?daffi-token={token}"), token
    for token in ("." + signature, make_token(WRONG), f"{other}.{signature}", f"{text[:-1]}.{signature}"):
        assert "not signed" in refused(f"{bridge.ws_url}?daffi-token={token}"), token
    assert "expired" in refused(f"{bridge.ws_url}?daffi-token={make_token(NEW, seconds=-1)}")
    for claims in ({"exp": None}, {"exp": "soon"}, {"admin": True}, {"functions": "add"}, {"functions": [1]}, {"name": ""}, {"upstream": "a/b"}):
        assert "claims" in refused(f"{bridge.ws_url}?daffi-token={make_token(NEW, **claims)}"), claims


def test_who_is_not_let_in_costs_the_router_nothing(bridge):
    """Nothing is said to the upstream before a token has been seen; a stranger is not told what upstreams there are."""
    reason = refused(f"{bridge.ws_url}nowhere")
    assert "a token is needed" in reason
    with Page(f"{bridge.ws_url}?daffi-token={make_token(NEW)}", "witness") as witness:
        for _ in range(5):
            refused(bridge.ws_url, "stranger")
        witness.wait_for_member("w1")
        assert witness.call("add", 1, 1) == 2
        assert not [event for event in witness.events if event[1] == "stranger"]


def test_a_token_binds_name_functions_and_upstream(bridge):
    url = f"{bridge.ws_url}?daffi-token={make_token(NEW, name='alice-*', functions=['add', 'ec*'], upstream='default')}"
    assert '"alice-*"' in refused(url, "bob")
    with Page(url, "alice-1") as page:
        page.wait_for_member("w1")
        assert page.call("add", 1, 2) == 3
        assert page.call("echo", "x") == "x"
        with pytest.raises(RemoteError) as caught:
            page.call("whoami")
        assert caught.value.args[0] == "Refused"
        assert set(page.members["w1"]) <= {"add", "echo"}
    assert "another upstream" in refused(url.replace("/?", "/other?"), "alice-2")


def test_a_session_ends_when_its_token_expires(bridge):
    """Another one, with a token that holds, goes on; a new token lets the page in again."""
    with Page(f"{bridge.ws_url}?daffi-token={make_token(NEW)}", "stays") as stays:
        page = Page(f"{bridge.ws_url}?daffi-token={make_token(NEW, seconds=5)}", "page")
        assert page.call("add", 1, 2, receiver="w1") == 3
        code, reason = page.expect_close()
        assert code == 1008 and reason == "the token has expired: connect with a new one"
        stays.wait_for_event("disconnected", "page")
        with Page(f"{bridge.ws_url}?daffi-token={make_token(NEW)}", "page") as again:
            assert again.call("add", 1, 2, receiver="w1") == 3
        assert stays.call("add", 2, 2, receiver="w1") == 4


def reload(bridge) -> None:
    said = len(bridge.lines)
    bridge.popen.send_signal(signal.SIGHUP)
    bridge.wait_for("has been reloaded", after=said)


def test_secrets_are_changed_while_pages_are_there(bridge, tmp_path):
    """The new one beside the old one, then without it: who came with the old one stays until its token expires."""
    file = tmp_path / "secrets.txt"
    next_one = "next-secret-" * 4
    with Page(f"{bridge.ws_url}?daffi-token={make_token(OLD)}", "early") as early:
        file.write_text(f"{next_one}\n{NEW}\n{OLD}\n")
        reload(bridge)
        for secret in (next_one, NEW, OLD):
            Page(f"{bridge.ws_url}?daffi-token={make_token(secret)}", "page").close()
        file.write_text(f"{next_one}\n")
        reload(bridge)
        for secret in (NEW, OLD):
            assert "not signed" in refused(f"{bridge.ws_url}?daffi-token={make_token(secret)}")
        with Page(f"{bridge.ws_url}?daffi-token={make_token(next_one)}", "page") as page:
            assert page.call("add", 1, 2, receiver="w1") == 3
        assert early.call("add", 2, 2, receiver="w1") == 4


def test_the_example_of_the_documents(house, tmp_path):
    """conf/examples/public-with-tokens.json as it stands, but for addresses: names by pattern, functions denied, and a token for all."""
    port = free_port()
    house.router(port)
    house.worker(port, "w1")
    example = json.loads((Path(__file__).parents[2] / "conf/examples/public-with-tokens.json").read_text())
    del example["$schema"]
    example["listen"][0]["url"] = "https://127.0.0.1:0"
    example["upstreams"]["default"] = f"tcp://127.0.0.1:{port}"
    example["policy"]["deny_functions"].append("whoami")
    for name, source in (("cert.pem", house.certificate.cert), ("key.pem", house.certificate.key)):
        (tmp_path / name).write_bytes(Path(source).read_bytes())
    (tmp_path / "secrets.txt").write_text(f"{NEW}\n")
    (tmp_path / "secrets.txt").chmod(0o600)
    (tmp_path / "bridge.json").write_text(json.dumps(example))
    bridge = house.bridge(None, "-c", str(tmp_path / "bridge.json"), listeners=())
    bridge.wait_for_listeners(1)
    ca = house.certificate.cert
    assert "a token is needed" in refused(bridge.ws_url, "web-1", ca=ca)
    url = f"{bridge.ws_url}?daffi-token={make_token(NEW)}"
    assert '"web-*"' in refused(url, "w1", ca=ca)
    with Page(url, "web-1", ca=ca, origin="https://www.example.org") as page:
        assert page.call("add", 1, 2, receiver="w1") == 3
        with pytest.raises(RemoteError) as caught:
            page.call("whoami", receiver="w1")
        assert caught.value.args[0] == "Refused"


def complaint(file: str) -> str:
    """What -t says of a configuration that can't be used; no secret is in it."""
    ended = subprocess.run([BUILD / "daffi-bridge", "-t", "-c", file], capture_output=True, text=True, check=False)
    assert ended.returncode == 2 and OLD not in ended.stderr and len(ended.stderr.splitlines()) == 1
    return ended.stderr


@pytest.mark.parametrize("mode", [0o644, 0o620, 0o666, 0o601])
def test_a_file_that_others_can_read_is_refused(tmp_path, mode):
    assert "a file of mode 0600, or 0640, is expected" in complaint(configured(tmp_path, mode=mode))


@pytest.mark.parametrize(("secrets", "reason"), [
    ("", "holds no secret"), ("# none\n\n", "holds no secret"), ("short\n", "line 1: a secret of 5 bytes; 32 to 512 are expected"),
    (f"{OLD}\n{'x' * 513}\n", "line 2: a secret of 51"), ("".join(f"{number}{OLD}\n" for number in range(9)), "at most 8"),
])
def test_a_file_that_makes_no_sense_is_refused(tmp_path, secrets, reason):
    assert reason in complaint(configured(tmp_path, secrets))


def test_the_pair_of_the_document(bridge):
    """As other programs are told to make them."""
    secret, text = "0123456789abcdef0123456789abcdef", '{"exp":4102444800,"name":"alice"}'
    encode = lambda data: base64.urlsafe_b64encode(data).rstrip(b"=")
    claims = encode(text.encode())
    assert (claims + b"." + encode(hmac.new(secret.encode(), claims, hashlib.sha256).digest())).decode() in DOCUMENT


def test_auth_without_secrets_is_warned_of(house, tmp_path):
    file = tmp_path / "bridge.json"
    file.write_text(json.dumps({"listen": [{"url": "http://127.0.0.1:0"}], "auth": {}}))
    house.bridge(None, "-c", str(file), listeners=()).wait_for('warning.*"auth" names no "secrets": pages need no token')
