"""`daffi-bridge dev`: what it serves and what it does not, header by header; ports; calls and errors on the terminal."""

from __future__ import annotations

import http.client
import os
import re
import signal
import socket
import subprocess
from urllib.parse import unquote_to_bytes

import pytest
from development import Dev
from page import Page, RemoteError
from processes import BUILD, free_port, wait_until
from websockets.sync.client import connect

PAGE = b"<!doctype html><title>t</title><body><h1>hello</h1></body>"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A site, what must not be seen of it, and a neighbour."""
    above = tmp_path_factory.mktemp("above")
    (above / "neighbour.txt").write_text("not for you")
    site = above / "site"
    (site / "sub" / "deep").mkdir(parents=True)
    (site / "index.html").write_bytes(PAGE)
    (site / "style.css").write_text("h1 { color: red }")
    (site / "app.mjs").write_text("export const x = 1;")
    (site / "sub" / "note é #1?.txt").write_text("note")
    (site / "sub" / "deep" / "index.html").write_bytes(PAGE)
    (site / "large.bin").write_bytes(os.urandom(5_000_001))
    (site / "empty.txt").write_bytes(b"")
    (site / ".env").write_text("SECRET=1")
    (site / ".git").mkdir()
    (site / ".git" / "config").write_text("secret")
    (site / "to-style").symlink_to("style.css")
    (site / "to-env").symlink_to(".env")
    (site / "to-neighbour").symlink_to("../neighbour.txt")
    (site / "to-passwd").symlink_to("/etc/passwd")
    (site / "to-above").symlink_to("..")
    os.mkfifo(site / "pipe")
    return site


@pytest.fixture(scope="module")
def dev(folder, tmp_path_factory):
    process = Dev(folder, tmp_path_factory.mktemp("data"))
    yield process
    assert process.stop() == 0


TYPES = {"/index.html": "text/html; charset=utf-8", "/style.css": "text/css; charset=utf-8", "/app.mjs": "text/javascript; charset=utf-8",
         "/sub/note%20%C3%A9%20%231%3F.txt": "text/plain; charset=utf-8", "/large.bin": "application/octet-stream", "/empty.txt": "text/plain; charset=utf-8",
         "/to-style": "application/octet-stream"}


@pytest.mark.parametrize("path", TYPES)
def test_a_file_comes_whole_with_its_headers(dev, folder, path):
    status, headers, body = dev.get(path)
    name = path.replace("%20%C3%A9%20%231%3F", " é #1?")
    assert (status, body) == (200, (folder / name[1:]).read_bytes())
    assert headers["Content-Type"] == TYPES[path]
    assert headers["Content-Length"] == str(len(body))
    assert headers["Cache-Control"] == "no-cache"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert headers["Access-Control-Allow-Origin"] is None
    assert headers["ETag"].startswith('"') and headers["Last-Modified"].endswith(" GMT")
    head = dev.get(path, "HEAD")
    assert (head[0], head[2]) == (200, b"") and head[1].items() == headers.items()


def test_conditional_requests_and_ranges(dev, folder):
    whole = (folder / "large.bin").read_bytes()
    _, headers, _ = dev.get("/large.bin", "HEAD")
    tag, date = headers["ETag"], headers["Last-Modified"]
    assert dev.get("/large.bin", If_None_Match=tag)[0] == 304
    assert dev.get("/large.bin", If_None_Match='"other"')[0] == 200
    assert dev.get("/large.bin", If_Modified_Since=date)[0] == 304
    assert dev.get("/large.bin", If_Modified_Since="Thu, 01 Jan 1970 00:00:00 GMT")[0] == 200
    assert dev.get("/large.bin", If_Modified_Since=date, If_None_Match='"other"')[0] == 200  # RFC 9110, 13.1.3
    assert dev.get("/large.bin", If_Modified_Since="yesterday")[0] == 200
    for text, part, said in (("bytes=0-0", whole[:1], "bytes 0-0/5000001"), ("bytes=100-3000099", whole[100:3000100], "bytes 100-3000099/5000001"),
                             ("bytes=-5", whole[-5:], "bytes 4999996-5000000/5000001"), ("bytes=4999999-", whole[4999999:], "bytes 4999999-5000000/5000001")):
        status, headers, body = dev.get("/large.bin", Range=text)
        assert (status, headers["Content-Range"], body == part) == (206, said, True)
    status, headers, body = dev.get("/large.bin", Range="bytes=6000000-")
    assert (status, headers["Content-Range"], body) == (416, "bytes */5000001", b"")
    assert dev.get("/large.bin", Range="bytes=0-1", If_Range='"other"')[2] == whole
    assert dev.get("/large.bin", Range="bytes=0-1", If_Range=tag)[0] == 206


def test_a_file_comes_whole_also_where_the_connection_ends_behind_it(dev, folder):
    whole = (folder / "large.bin").read_bytes()
    for _ in range(10):
        assert dev.get("/large.bin", Connection="close")[2] == whole


def test_a_file_that_changed_has_another_tag(dev, folder):
    page = folder / "changing.txt"
    page.write_text("one")
    tag = dev.get("/changing.txt")[1]["ETag"]
    page.write_text("two")
    status, headers, body = dev.get("/changing.txt", If_None_Match=tag)
    assert (status, body) == (200, b"two") and headers["ETag"] != tag


@pytest.mark.parametrize("name", ["same.txt", "same.html"])
def test_a_file_that_changed_and_kept_its_length_and_date_has_another_tag(dev, folder, name):
    """As cp -p, rsync -t and reproducible builds leave them: written over, or put in the place of the former one."""
    asks = {"Sec_Fetch_Dest": "document"}

    def write(file, text: str) -> None:
        file.write_text(text)
        os.utime(file, ns=(1_000_000_000_000_000_000, 1_000_000_000_000_000_000))

    write(folder / name, "one")
    tag = dev.get(f"/{name}", **asks)[1]["ETag"]
    assert dev.get(f"/{name}", If_None_Match=tag, **asks)[0] == 304
    write(folder / name, "two")
    status, headers, body = dev.get(f"/{name}", If_None_Match=tag, **asks)
    assert (status, body[-3:]) == (200, b"two")
    tag = headers["ETag"]
    write(folder.parent / "beside", "six")
    (folder.parent / "beside").rename(folder / name)
    status, headers, body = dev.get(f"/{name}", If_None_Match=tag, **asks)
    assert (status, body[-3:]) == (200, b"six") and headers["ETag"] != tag


def test_folders(dev):
    assert dev.get("/")[2] == PAGE
    status, headers, _ = dev.get("/sub/deep?a=1")
    assert (status, headers["Location"]) == (308, "/sub/deep/?a=1")
    assert dev.get("/sub/deep/")[2] == PAGE
    status, headers, body = dev.get("/sub/")
    text = body.decode()
    assert (status, headers["Content-Type"], headers["Cache-Control"]) == (200, "text/html; charset=utf-8", "no-store")
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert 'href="./note%20%C3%A9%20%231%3F.txt">note é #1?.txt<' in text and 'href="./deep/"' in text and 'href="../"' in text
    assert dev.get("/empty.txt/")[0] == 404  # a file is no folder


def test_a_listing_shows_names_as_text_and_nothing_that_is_not_served(house, tmp_path):
    site = tmp_path / "site"
    site.mkdir()
    (site / "<img src=x onerror=alert(1)>").write_text("x")
    (site / "a&b'\".txt").write_text("x")
    (site / ".hidden").write_text("x")
    (site / "out").symlink_to("/etc/passwd")
    (site / "in").symlink_to("a&b'\".txt")
    os.mkfifo(site / "pipe")
    text = house.keep(Dev(site, tmp_path / "data")).get("/")[2].decode()
    assert "<img" not in text and "&lt;img src=x onerror=alert(1)&gt;" in text and "a&amp;b&#39;&quot;.txt" in text
    assert ".hidden" not in text and ">out<" not in text and ">pipe<" not in text and ">in<" in text


def test_a_listing_names_nothing_that_can_not_be_asked_for(house, tmp_path):
    """Names that are no path of a URL's, as few as there are; all others lead to their files."""
    site = os.fsencode(tmp_path / "site")
    odd = [b"a\nb.txt", b"back\\slash.txt", b"bell\x07", b"\x7f"]
    fine = [b"\xff\xfe.txt", "é.txt".encode(), b"50%.txt", b"%41", b"a?b#c", b" ", b"a+b&c=d;e", b"x" * 255, b"'\"<>"]
    deep = b"/".join([b"d" * 250] * 4)
    os.makedirs(os.path.join(site, deep))
    for name in (*odd, *fine, os.path.join(deep, b"y" * 30)):
        with open(os.path.join(site, name), "wb") as file:
            file.write(name[:9])
    dev = house.keep(Dev(tmp_path / "site", tmp_path / "data"))
    links = re.findall(rb'href="\./([^"]*)"', dev.get("/")[2])
    assert sorted(map(unquote_to_bytes, links)) == sorted([*fine, b"d" * 250 + b"/"])
    for link in links:
        assert dev.get("/" + link.decode())[0] == 200, link
    assert b"y" * 30 not in dev.get(f"/{deep.decode()}/")[2]  # longer than what may be asked for


def test_a_listing_ends_somewhere(house, tmp_path):
    site = tmp_path / "site"
    site.mkdir()
    (site / ".hidden").touch()
    for i in range(10000):
        (site / f"{i}.txt").touch()
    dev = house.keep(Dev(site, tmp_path / "data"))
    text = dev.get("/")[2].decode()
    assert (text.count("<tr>"), "There are more than" in text) == (10000, False)
    (site / "one more.txt").touch()
    text = dev.get("/")[2].decode()
    assert (text.count("<tr>"), "There are more than 10000 entries" in text) == (10000, True)


ESCAPES = ["/../neighbour.txt", "/sub/../../neighbour.txt", "/%2e%2e/neighbour.txt", "/%2e%2e%2fneighbour.txt", "/..%2fneighbour.txt", "/.%2e/neighbour.txt",
           "/sub/%2e%2e/%2e%2e/neighbour.txt", "/%252e%252e/neighbour.txt", "/..%5cneighbour.txt", "/..\\neighbour.txt", "/....//neighbour.txt",
           "//neighbour.txt", "/sub//note.txt", "/./index.html", "/sub/./deep/", "/%00", "/index.html%00.txt", "/index.html%0a", "/%c0%ae%c0%ae/neighbour.txt",
           "/to-neighbour", "/to-passwd", "/to-above/neighbour.txt", "/to-above/", "/etc/passwd", "//etc/passwd", "/.env", "/%2eenv", "/to-env", "/.git/config",
           "/.git/", "/pipe", "/index.html%", "/index.html%zz", "/sub%2fdeep%2findex.html", "/" + "a" * 2000, "/%7e", "/~root/", "/index.html/x"]


@pytest.mark.parametrize("path", ESCAPES)
def test_nothing_else_is_served(dev, path):
    status, headers, body = dev.get(path)
    assert status in (400, 404), path  # 400: it is no path at all
    assert headers["Cache-Control"] == "no-store"
    assert b"not for you" not in body and b"SECRET" not in body and b"root:" not in body


def test_other_hosts_and_origins_are_refused(dev):
    for host in ("evil.example", "evil.example:443", "localhost.evil.example", "127.0.0.1.evil.example", "0x7f.1"):
        status, _, body = dev.get("/index.html", Host=host)
        assert status == 403 and b"hello" not in body, host
    for host in ("localhost", f"localhost:{dev.http}", "127.0.0.1", "[::1]", socket.gethostname()):
        assert dev.get("/index.html", Host=host)[0] == 200, host
    upgrade = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec_WebSocket_Version": "13", "Sec_WebSocket_Key": "AAAAAAAAAAAAAAAAAAAAAA=="}
    for path in ("/", "/_bridge/dev/live"):
        assert dev.get(path, Origin="http://evil.example", **upgrade)[0] == 403
        assert dev.get(path, Host="evil.example", Origin="http://evil.example", **upgrade)[0] == 403
    assert dev.get("/_bridge/dev/report?x", Sec_Fetch_Site="cross-site")[0] == 403
    assert dev.get("/_bridge/dev/report?x")[0] == 403
    status, headers, _ = dev.get("/_bridge/dev/report?x", "OPTIONS", Origin="https://elsewhere.example", Access_Control_Request_Method="GET",
                                 Access_Control_Request_Headers="daffi-dev")
    assert status >= 400 and not any(name.lower().startswith("access-control-") for name in headers)


@pytest.mark.parametrize("path,status,kind", [("/index.html", 200, "text/html"), ("/", 200, "text/html"), ("/sub/", 200, "text/html"), ("/none", 404, "text/html"),
                                              ("/sub", 308, "text/plain"), ("/style.css", 200, "text/css"), ("/_bridge/dev/live.js", 200, "text/javascript"),
                                              ("/_bridge/dev/report?x", 403, None)])
def test_no_other_origin_may_read_what_is_served(dev, path, status, kind):
    """Not as a page with its line, nor as a file; whoever asks, and whatever there is."""
    for headers in ({"Sec_Fetch_Dest": "document"}, {"Origin": "https://elsewhere.example"}, {"Origin": "null", "Sec_Fetch_Dest": "iframe"}):
        got, answer, body = dev.get(path, **headers)
        assert got == status and (kind is None or status == 404 or answer["Content-Type"].startswith(kind))
        assert [name for name in answer if name.lower().startswith("access-control-")] == []
        if "Sec_Fetch_Dest" in headers and kind == "text/html":
            assert b"/_bridge/dev/live.js" in body


def test_the_clients_files_and_the_playground_are_there(dev):
    assert dev.get("/daffi.js")[2] == (BUILD / "js-client" / "daffi.js").read_bytes()
    assert dev.get("/_bridge/")[0] == 200 and dev.get("/healthz")[2] == b"ok\n"
    assert b"/_bridge/dev/live" in dev.get("/_bridge/dev/live.js")[2]


def test_a_page_gets_the_line_where_somebody_goes_there(house, folder, tmp_path):
    dev = house.keep(Dev(folder, tmp_path))
    line = b'<script src="/_bridge/dev/live.js?0"></script>'
    for headers in ({"Sec_Fetch_Dest": "document"}, {"Sec_Fetch_Dest": "iframe"}, {"Accept": "text/html,*/*"}):
        status, answer, body = dev.get("/", **headers)
        assert (status, body) == (200, PAGE.replace(b"<title>", line + b"<title>"))
        assert answer["Content-Length"] == str(len(body)) and "Sec-Fetch-Dest" in answer["Vary"]
        assert dev.get("/", If_None_Match=answer["ETag"], **headers)[0] == 304
    assert dev.get("/", Sec_Fetch_Dest="empty", Accept="text/html")[2] == PAGE
    assert dev.get("/style.css", Sec_Fetch_Dest="document")[2] == b"h1 { color: red }"


def test_who_navigates_to_what_is_not_there_gets_a_page_that_follows_the_files(dev):
    """Text for all others. In a build that begins by removing everything, whoever is shown this comes back with the page."""
    for path, shown in (("/sub/no%3Ctr%C3%A9e.html", "/sub/no&lt;trée.html"), ("/.env", "/.env"), ("/to-passwd", "/to-passwd"), ("/none/", "/none/")):
        status, headers, body = dev.get(path, Sec_Fetch_Dest="document")
        assert (status, headers["Content-Type"], headers["Cache-Control"]) == (404, "text/html; charset=utf-8", "no-store")
        assert "default-src 'none'" in headers["Content-Security-Policy"] and headers["Access-Control-Allow-Origin"] is None
        assert f"<h1>{shown}</h1>\n<p>404: there is no such file" in body.decode()
        assert re.search(rb'<script src="/_bridge/dev/live\.js\?\d+"></script>', body)
        head = dev.get(path, "HEAD", Accept="text/html")
        assert (head[0], head[1]["Content-Length"], head[2]) == (404, str(len(body)), b"")
        status, headers, body = dev.get(path, Accept="*/*")
        assert (status, headers["Content-Type"], body) == (404, "text/plain; charset=utf-8", b"there is no such file in the folder that is served\n")


def test_a_page_that_has_no_icon_gets_no_error_for_it(house, folder, tmp_path):
    site = tmp_path / "site"
    site.mkdir()
    dev = house.keep(Dev(site, tmp_path))
    status, headers, body = dev.get("/favicon.ico", Sec_Fetch_Dest="image", Accept="image/*,*/*")
    assert (status, headers["Cache-Control"], body) == (204, "no-store", b"")
    assert dev.get("/favicon.ico", Sec_Fetch_Dest="document")[0] == 404
    (site / "favicon.ico").write_bytes(b"icon")
    assert dev.get("/favicon.ico")[2] == b"icon"


def test_single_page_applications(house, folder, tmp_path):
    dev = house.keep(Dev(folder, tmp_path, "--spa"))
    assert b"hello" in dev.get("/orders/7", Sec_Fetch_Dest="document")[2]
    assert b"hello" in dev.get("/orders/7", Accept="text/html")[2]
    assert dev.get("/orders/7.json", Sec_Fetch_Dest="empty")[0] == 404  # what is fetched by a script is not a page
    assert dev.get("/.env", Sec_Fetch_Dest="document")[0] == 404
    assert dev.get("/to-passwd", Sec_Fetch_Dest="document")[2] != open("/etc/passwd", "rb").read()


def test_a_port_that_is_taken(folder, tmp_path, house):
    with socket.create_server(("127.0.0.1", free_port())) as other:
        taken = other.getsockname()[1]
        dev = house.keep(Dev(folder, tmp_path, "--port", str(taken), "--http-port", "0", ports=False))
        assert dev.https != taken
        assert f"For https port {taken} is taken: {dev.https} it is." in dev.log()
        done = subprocess.run([BUILD / "daffi-bridge", "dev", folder, "--port", str(taken), "--strict-port"], capture_output=True, text=True,
                              env={**os.environ, "XDG_DATA_HOME": str(tmp_path)}, timeout=20, check=False)
        assert done.returncode == 2
        assert f"port {taken} of 127.0.0.1 is taken" in done.stderr and "--port" in done.stderr


@pytest.mark.parametrize("arguments,said", [(["/nowhere"], "/nowhere can't be served: No such file or directory; a folder is expected"),
                                            (["/etc/passwd"], "/etc/passwd can't be served: Not a directory; a folder is expected"),
                                            (["--host", "192.0.2.77"], "--host 192.0.2.77 is no address of this machine")])
def test_what_can_not_be_done_is_said(tmp_path, arguments, said):
    done = subprocess.run([BUILD / "daffi-bridge", "dev", *arguments], capture_output=True, text=True, cwd=tmp_path,
                          env={**os.environ, "XDG_DATA_HOME": str(tmp_path)}, timeout=20, check=False)
    assert (done.returncode, done.stdout) == (2, "") and said in done.stderr


def test_the_greeting_names_the_addresses(house, folder, tmp_path):
    dev = house.keep(Dev(folder, tmp_path))
    for line in (str(folder), f"https://localhost:{dev.https}/ ", f"https://localhost:{dev.https}/_bridge/", f"http://localhost:{dev.http}/", "`daffi-bridge trust`"):
        assert line in dev.log()
    odd = tmp_path / "\x1b[2J"
    odd.mkdir()
    assert str(tmp_path / "?[2J") in house.keep(Dev(odd, tmp_path)).log()


def test_on_the_lan_its_addresses_are_printed_and_served(house, folder, tmp_path):
    dev = house.keep(Dev(folder, tmp_path, "--host", "0.0.0.0"))
    named = [line.split()[0] for line in dev.lines if line.strip().startswith("https://") and "localhost" not in line]
    if not named:
        assert "nobody on a LAN can reach it" in dev.log()
    for url in named:
        host = url.removeprefix("https://").rsplit(":", 1)[0].strip("[]")
        if ":" not in host:  # --host 0.0.0.0 is IPv4
            assert dev.get_securely("/index.html", host)[0] == 200


@pytest.mark.parametrize("host", ["::1", "[::1]"])
def test_an_address_of_ipv6_with_brackets_or_without(house, folder, tmp_path, host):
    dev = house.keep(Dev(folder, tmp_path, "--host", host))
    assert f"listening http://[::1]:{dev.http}" in dev.log()
    connection = http.client.HTTPConnection("::1", dev.http, timeout=10)
    connection.request("GET", "/index.html")
    assert connection.getresponse().status == 200
    connection.close()


def test_localhost_is_both_addresses_of_the_loopback(dev):
    """Under the same ports. Whoever comes by either is no stranger."""
    if not socket.has_dualstack_ipv6():
        pytest.skip("no IPv6 here")
    for host, authority in (("::1", f"[::1]:{dev.http}"), ("::1", f"localhost:{dev.http}"), ("127.0.0.1", f"localhost:{dev.http}")):
        with socket.create_connection((host, dev.http), timeout=10) as own, \
                connect(f"ws://{authority}/_bridge/dev/live?stale", origin=f"http://{authority}", sock=own) as page:
            assert page.recv(10) == "stale"
    assert dev.get_securely("/index.html", "::1")[0] == 200


def test_pages_of_its_own_may_connect_by_https_and_http_alike_and_others_when_they_are_named(house, folder, tmp_path):
    def status_of(origin: str) -> int:
        return dev.get("/", Host=f"localhost:{dev.http}", Origin=origin, Connection="upgrade", Upgrade="websocket", Sec_WebSocket_Version="13",
                       Sec_WebSocket_Key="dGhlIHNhbXBsZSBub25jZQ==")[0]

    dev = house.keep(Dev(folder, tmp_path))
    assert (status_of("http://localhost:5173"), status_of("null")) == (403, 403)
    dev.wait_for(r"origin http://localhost:5173 is not allowed; add it by --allow-origin http://localhost:5173$")
    for own in (f"http://localhost:{dev.http}", f"https://localhost:{dev.https}"):
        Page(f"ws://127.0.0.1:{dev.http}/", "tab", origin=own).close()
        Page(f"wss://127.0.0.1:{dev.https}/", "tab", ca=str(dev.authority), origin=own).close()
    house.end(dev)
    dev = house.keep(Dev(folder, tmp_path, "--allow-origin", "http://localhost:5173", "--allow-origin=null"))
    for named in ("http://localhost:5173", "null"):
        Page(f"wss://127.0.0.1:{dev.https}/", "tab", ca=str(dev.authority), origin=named).close()
    assert status_of("http://localhost:5174") == 403


def test_it_is_called_by_a_further_name_when_that_is_named(house, folder, tmp_path):
    dev = house.keep(Dev(folder, tmp_path))
    status, _, body = dev.get("/", Host="shop.test")
    assert status == 403 and b"configuration" not in body
    dev.wait_for(r"host shop\.test is not one of this bridge's own; add its name by --allow-host$")
    house.end(dev)
    dev = house.keep(Dev(folder, tmp_path, "--allow-host", "shop.test"))
    assert dev.get("/", Host="shop.test")[0] == 200
    assert dev.get("/", Host="mall.test")[0] == 403
    Page(f"ws://127.0.0.1:{dev.http}/", "tab", origin=f"http://shop.test:{dev.http}").close()


def test_a_message_that_is_too_large_names_no_configuration(house, folder, tmp_path):
    dev = house.keep(Dev(folder, tmp_path))
    house.worker(dev.http, "w1")
    with Page(f"ws://127.0.0.1:{dev.http}/", "tab") as page:
        page.wait_for_member("w1")
        with pytest.raises(RemoteError, match=r"this bridge takes at most \d+'"):
            page.call("echo", "x" * 9_000_000)


def test_the_browser_is_opened_when_that_is_wanted(house, folder, tmp_path):
    noted = tmp_path / "noted"
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\nprintf "%s" "$1" > {noted}.new && mv {noted}.new {noted} && echo opened\n')
    browser.chmod(0o755)
    dev = house.keep(Dev(folder, tmp_path, "--open", env={"BROWSER": str(browser)}))
    dev.wait_for("^opened$")
    assert noted.read_text() == f"https://localhost:{dev.https}/"


def test_calls_are_shown_and_can_be_left_out(house, folder, tmp_path):
    for options, shown in (((), True), (("-q",), False)):
        dev = house.keep(Dev(folder, tmp_path, *options))
        house.worker(dev.http, "w1")
        page = Page(f"ws://127.0.0.1:{dev.http}/", "tab")
        page.wait_for_member("w1")
        assert page.call("add", 3, 4) == 7
        with pytest.raises(Exception):
            page.call("fail", "an\x1b[2Jother")
        with pytest.raises(Exception):
            page.call("add", 1, receiver="nobody")
        page.close()
        if shown:
            dev.wait_for(r"^call   tab → w1\.add  json  \d+ B  \d+(\.\d)? ms$")
            dev.wait_for(r"^call   tab → w1\.fail  json  \w+: an\?\[2Jother  \d")
            dev.wait_for(r"^call   tab → nobody\.add  json  no-such-member  ")
        house.end(dev)
        assert ("call   " in dev.log()) == shown


def test_a_call_that_is_not_answered_is_told_of_and_so_is_its_end(house, folder, tmp_path):
    dev = house.keep(Dev(folder, tmp_path))
    house.worker(dev.http, "w1")
    with Page(f"ws://127.0.0.1:{dev.http}/", "tab") as page, Page(f"ws://127.0.0.1:{dev.http}/", "guest") as guest:
        for one in (page, guest):
            one.wait_for_member("w1")
        uuid = page.start_call("slow", 7, receiver="w1")
        guest.start_call("slow", 7, receiver="w1", serde="msgpack")
        dev.wait_for(r"^call   tab → w1\.slow  json  no answer yet after 5 s$")
        guest.close()
        dev.wait_for(r"^call   guest → w1\.slow  msgpack  not answered before its caller left$")
        page.finish_call(uuid)
        dev.wait_for(r"^call   tab → w1\.slow  json  \d+ B  \d+\.\d s$")


def test_a_raw_call_that_fails_is_listed_as_raw_and_many_equal_ones_are_counted(house, folder, tmp_path):
    dev = house.keep(Dev(folder, tmp_path))
    house.worker(dev.http, "w1")
    with Page(f"ws://127.0.0.1:{dev.http}/", "tab") as page:
        page.wait_for_member("w1")
        with pytest.raises(Exception):
            page.call("fail", "x", serde="raw")
        dev.wait_for(r"^call   tab → w1\.fail  raw  ")
        for uuid in [page.start_call("add", 1, 2, receiver="w1") for _ in range(103)]:
            page.finish_call(uuid)
        dev.wait_for(r"^call   tab → w1\.add  json  … ×\d+$")
    wait_until(lambda: 3 + sum(map(int, re.findall(r"add  json  … ×(\d+)$", dev.log(), re.MULTILINE))) == 103)
    assert dev.log().count("w1.add  json  ") < 10


def test_errors_of_pages_are_shown_as_text(house, folder, tmp_path):
    dev = house.keep(Dev(folder, tmp_path))
    assert dev.get("/_bridge/dev/report?%2Fshop%2F%0Aerror%3A%20oh%1B%5B2J%20no%0Ahttps%3A%2F%2Flocalhost%2Fa.js%3A1%3A2", Daffi_Dev="report")[0] == 204
    dev.wait_for(r"^page   /shop/$")
    dev.wait_for(r"^         error: oh\?\[2J no$")
    dev.wait_for(r"^         https://localhost/a.js:1:2$")
    many = "%0A".join(["x"] * 100)
    dev.get(f"/_bridge/dev/report?{many}", Daffi_Dev="report")
    dev.wait_for("^page   x$")
    assert dev.log().count("         x") <= 9


def test_ctrl_c_ends_it_with_status_0(house, folder, tmp_path):
    dev = house.keep(Dev(folder, tmp_path))
    dev.popen.send_signal(signal.SIGINT)
    assert dev.popen.wait(10) == 0
