"""Assets as a CDN serves them: versions side by side, ranges, and lines with hashes for pages that check what they load."""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from page import Page, RemoteError
from processes import BUILD
from test_reload import Configured

CDN = "/gh/600apples/daffi@{}/js-client/{}"
YEAR = "public, max-age=31536000, immutable"


def get(port: int, path: str, **headers: str) -> tuple[int, http.client.HTTPMessage, bytes]:
    """Status, headers and body; `Accept_Encoding` is a header's name, too."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", path, headers={name.replace("_", "-"): value for name, value in headers.items()})
    response = connection.getresponse()
    body = response.read()
    connection.close()
    return response.status, response.headers, body


@pytest.fixture
def folder(tmp_path):
    """Two versions that were kept."""
    kept = tmp_path / "assets"
    for version in ("1.9.0", "2.0.0-rc.1"):
        (kept / version).mkdir(parents=True)
        (kept / version / "daffi.js").write_text(f'console.log("{version}");' * 20)
        (kept / version / "app.wasm").write_bytes(b"\0asm" + version.encode())
    (kept / "1.9.0" / "daffi.js.br").write_bytes(b"compressed")
    return kept


def test_each_version_answers_for_itself(house, tmp_path, folder):
    bridge = Configured(house, tmp_path, assets={"dir": str(folder)}).bridge
    for version in ("1.9.0", "2.0.0-rc.1"):
        for name, kind in (("daffi.js", "text/javascript; charset=utf-8"), ("app.wasm", "application/wasm")):
            status, headers, body = get(bridge.port, CDN.format(version, name))
            assert (status, body) == (200, (folder / version / name).read_bytes())
            assert (headers["Content-Type"], headers["Cache-Control"]) == (kind, YEAR)
            assert (headers["Access-Control-Allow-Origin"], headers["Cross-Origin-Resource-Policy"]) == ("*", "cross-origin")
            assert (headers["Timing-Allow-Origin"], headers["X-Content-Type-Options"]) == ("*", "nosniff")
            assert get(bridge.port, CDN.format(version, name), If_None_Match=headers["ETag"])[0] == 304
    _, headers, body = get(bridge.port, CDN.format("1.9.0", "daffi.js"), Accept_Encoding="gzip, br")
    assert (headers["Content-Encoding"], body) == ("br", b"compressed")
    assert get(bridge.port, CDN.format("1.9.0", "daffi.mjs"))[0] == 404  # never a file of another version
    for version in ("1.9", "2.0.0", "latest", "%5E1.9.0"):  # ours answers for those that are not there
        _, headers, body = get(bridge.port, CDN.format(version, "daffi.js"))
        assert (headers["Cache-Control"], body) == ("no-cache", (BUILD / "js-client" / "daffi.js").read_bytes())


def test_a_name_that_may_mean_another_version_tomorrow_is_asked_for_anew(house, tmp_path, folder):
    """What lies in the folder answers for it, and no browser keeps it for a year."""
    exact = ["0.0.1", "10.20.30", "1.2.3-rc.1", "1.2.3-x-Y.0"]
    moving = ["latest", "1.9", "2", "main", "v1.9.0", "1.9.x", "1.9.0.1", "1..0", "1.9.", "1.9.0-", "1.9.0+build", "1.9.0-rc_1", "01-9-0"]
    for version in exact + moving:
        (folder / version).mkdir()
        (folder / version / "daffi.js").write_text(f"// {version}")
    bridge = Configured(house, tmp_path, assets={"dir": str(folder)}).bridge
    for version in exact + moving:
        path = CDN.format(version, "daffi.js")
        status, headers, body = get(bridge.port, path)
        assert (status, body) == (200, f"// {version}".encode())
        assert headers["Cache-Control"] == (YEAR if version in exact else "no-cache"), version
        assert get(bridge.port, path, If_None_Match=headers["ETag"])[0] == 304


def test_its_own_version_is_the_one_that_stays(house):
    """By the line that `daffi-bridge sri` prints."""
    bridge = house.bridge(None)
    lines = subprocess.run([BUILD / "daffi-bridge", "sri", f"http://127.0.0.1:{bridge.port}"], capture_output=True, text=True, check=True, timeout=30).stdout
    path = re.search(r'src="http://127\.0\.0\.1:\d+(/gh/[^"]+/daffi\.js)"', lines)[1]
    for name in ("daffi.js", "daffi.mjs", "daffi.standalone.js", "app.wasm", "daffi.d.ts"):
        status, headers, body = get(bridge.port, path.replace("daffi.js", name))
        assert (status, headers["Cache-Control"], body) == (200, YEAR, (BUILD / "js-client" / name).read_bytes())
        _, headers, other = get(bridge.port, f"/{name}")
        assert (headers["Cache-Control"], other) == ("no-cache", body)


def test_a_version_comes_with_a_reload(house, tmp_path, folder):
    configured = Configured(house, tmp_path, assets={"dir": str(folder)})
    (folder / "1.8.0").mkdir()
    (folder / "1.8.0" / "daffi.js").write_text("eight")
    assert get(configured.bridge.port, CDN.format("1.8.0", "daffi.js"))[1]["Cache-Control"] == "no-cache"
    configured.reload()
    assert get(configured.bridge.port, CDN.format("1.8.0", "daffi.js"))[2] == b"eight"
    shutil.rmtree(folder / "1.9.0")
    (folder / "no version").mkdir()
    assert "no version: not the name of a version" in configured.refused()
    assert get(configured.bridge.port, CDN.format("1.9.0", "app.wasm"))[2] == b"\0asm1.9.0"


def test_a_bridge_that_is_a_cdn_and_nothing_else(house, tmp_path, folder, certificate):
    """conf/examples/self-hosted-cdn.json, but for its places."""
    example = json.loads((Path(__file__).parents[2] / "conf/examples/self-hosted-cdn.json").read_text())
    example.pop("$schema")
    example["listen"][0].update(url="http://127.0.0.1:0")
    for name in ("cert", "key"):
        example["listen"][0].pop(name)
    example["assets"]["dir"] = str(folder)
    configured = Configured(house, tmp_path, **example)
    assert get(configured.bridge.port, CDN.format("1.9.0", "daffi.js"))[0] == 200
    with pytest.raises(RemoteError, match="name"):
        Page(configured.ws_url, "anybody")


def test_a_folder_that_is_not_there(tmp_path):
    file = tmp_path / "bridge.json"
    file.write_text('{"listen": [{"url": "http://127.0.0.1:0"}], "assets": {"dir": "nowhere"}}')
    done = subprocess.run([BUILD / "daffi-bridge", "-t", "-c", file], capture_output=True, text=True, check=False, timeout=30)
    assert (done.returncode, done.stderr.strip()) == (2, f"daffi-bridge: assets.dir: {tmp_path}/nowhere: No such file or directory")


def test_a_download_that_was_cut_off_goes_on(house):
    bridge = house.bridge(None)
    _, headers, whole = get(bridge.port, "/app.wasm", Accept_Encoding="br")
    assert headers["Accept-Ranges"] == "bytes"
    tag, half = headers["ETag"], len(whole) // 2
    status, headers, rest = get(bridge.port, "/app.wasm", Accept_Encoding="br", Range=f"bytes={half}-", If_Range=tag)
    assert (status, headers["Content-Range"]) == (206, f"bytes {half}-{len(whole) - 1}/{len(whole)}")
    assert (headers["ETag"], headers["Content-Encoding"], whole[:half] + rest) == (tag, "br", whole)
    status, headers, body = get(bridge.port, "/app.wasm", Accept_Encoding="br", Range=f"bytes={len(whole)}-")
    assert (status, headers["Content-Range"], body) == (416, f"bytes */{len(whole)}", b"")


def test_lines_with_hashes():
    """What browsers check: SHA-384 of the file, in base64."""
    done = subprocess.run([BUILD / "daffi-bridge", "sri", "https://static.example/"], capture_output=True, text=True, check=True, timeout=30)
    lines = re.findall(r'<script(| type="module") src="https://static.example/gh/600apples/daffi@([^/]+)/js-client/([\w.]+)"\s+'
                       r'integrity="(sha384-[^"]+)" crossorigin="anonymous"></script>', done.stdout)
    assert [name for _, _, name, _ in lines] == ["daffi.js", "daffi.standalone.js", "daffi.mjs"]
    for kind, _, name, integrity in lines:
        digest = hashlib.sha384((BUILD / "js-client" / name).read_bytes()).digest()
        assert integrity == "sha384-" + base64.b64encode(digest).decode()
        assert bool(kind) == name.endswith(".mjs")


@pytest.mark.parametrize("arguments", [["x"], ["https://a", "https://b"], ["https://a/\"><script>"], ["--listen"]])
def test_sri_says_what_it_takes(arguments):
    done = subprocess.run([BUILD / "daffi-bridge", "sri", *arguments], capture_output=True, text=True, check=False, timeout=30)
    assert (done.returncode, done.stdout) == (2, "")
    assert "https://HOST:PORT" in done.stderr
