"""`daffi-bridge dev --host`: each address that it prints works, Python workers come in wherever it listens, and the QR code is that of an address
that phones reach. In namespaces of the network (unshare(1), ip(8)), so that the machine's own addresses are known."""

from __future__ import annotations

import ctypes
import ctypes.util
import os
import pty
import re
import shlex
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from development import IS_ROOT, LAN, NOBODY, Dev, allowed, needed, networked, nobodys
from processes import BUILD, free_port

can_be_networked = allowed(networked())

WORKER = """
import os
from daffi import Client, callback

@callback
def add(a, b):
    return a + b

client = Client(app_name="worker", host=os.environ["DAFFI_HOST"], port=int(os.environ["DAFFI_PORT"]))
client.connect()
print("joined by", os.environ["DAFFI_HOST"])
client.join()
"""


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "index.html").write_text("<h1>a page</h1>")
    (tmp_path / "worker.py").write_text(WORKER)
    return folder


def visit(dev: Dev, url: str, *options: str) -> str:
    """The status that curl gets where `dev` is, believing its authority alone."""
    inside = ("nsenter", "-t", str(dev.popen.pid), *(() if IS_ROOT else ("-U", "--preserve-credentials")), "-n")
    done = subprocess.run([*inside, "curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", "--noproxy", "*", "--max-time", "10", "--cacert", dev.authority, *options, url],
                          capture_output=True, text=True, timeout=30)
    return done.stdout if done.returncode == 0 else done.stderr


HOSTS = {None: {"localhost"}, "127.0.0.1": {"localhost"}, "localhost": {"localhost"}, "127.0.0.2": {"127.0.0.2"}, "::1": {"[::1]"},
         "0.0.0.0": {"localhost", "10.9.8.7"}, "::": {"localhost", "10.9.8.7", "[fd09::7]"},
         "10.9.8.7": {"10.9.8.7", "localhost"}, "fd09::7": {"[fd09::7]", "localhost"}}


@can_be_networked
@pytest.mark.parametrize("host", HOSTS)
def test_each_address_that_is_printed_works_and_workers_come_in(house, folder, tmp_path, host):
    options = () if host is None else ("--host", host)
    dev = house.keep(Dev(folder, tmp_path, *options, "--", sys.executable, str(tmp_path / "worker.py"), before=networked()))
    assert {re.match(r"https?://(.*):\d+/", url)[1] for url in dev.urls} == HOSTS[host]
    for url in dev.urls:
        for families in (["-4"], ["-6"]) if "//localhost:" in url else ([],):
            assert visit(dev, url, *families) == "200", (url, families)
    dev.wait_for(r"^worker\.py \| joined by \S+$")


@can_be_networked
def test_a_python_peer_from_the_lan_is_told_where_they_come_in(house, folder, tmp_path):
    (tmp_path / "peer.py").write_text(
        "import os, socket\n"
        "peer = socket.create_connection(('10.9.8.7', int(os.environ['DAFFI_PORT'])))\n"
        "peer.sendall(b'\\x1f' * 9)\n"
        "peer.settimeout(10)\n"
        "try:\n    print('got', peer.recv(1))\nexcept ConnectionError:\n    print('got', b'')\n")
    dev = house.keep(Dev(folder, tmp_path, "--host", "10.9.8.7", "--", sys.executable, str(tmp_path / "peer.py"), before=networked()))
    dev.wait_for(r"^peer\.py \| got b''$")
    dev.wait_for(r"refused a connection from 10\.9\.8\.7: Python peers come in by localhost alone$")


@can_be_networked
@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "10.9.8.7"])
def test_where_there_is_no_ipv6_nothing_is_said_of_it(house, folder, tmp_path, host):
    dev = house.keep(Dev(folder, tmp_path, "--host", host, before=networked(LAN.replace("ip addr add fd09::7/64 dev lan nodad; ", "ip -6 addr del ::1/128 dev lo; "))))
    for url in dev.urls:
        assert visit(dev, url) == "200", url
    assert "::1" not in dev.log()


@can_be_networked
def test_an_address_that_the_certificate_can_not_speak_for_is_said_to_be_one(house, folder, tmp_path):
    """The authority was made elsewhere, where the machine had other addresses; this one is a public one."""
    house.end(house.keep(Dev(folder, tmp_path, before=networked())))
    public = LAN.replace("fd09::7/64", "2001:db8::7/64")
    for host, named in (("0.0.0.0", None), ("::", "2001:db8::7"), ("2001:db8::7", "2001:db8::7"), ("10.9.8.7", None)):
        dev = house.keep(Dev(folder, tmp_path, "--host", host, before=networked(public)))
        said = re.search(r"^  Browsers will warn at (.*): the authority \(", dev.log(), re.MULTILINE)
        assert (said[1] if said else None) == named
        for url in dev.urls:
            assert visit(dev, url, *(["--insecure"] if named and named in url else [])) == "200", url
        house.end(dev)


@can_be_networked
def test_a_machine_that_is_on_no_lan_says_so(house, folder, tmp_path):
    dev = house.keep(Dev(folder, tmp_path, "--host", "0.0.0.0", before=networked("")))
    assert "nobody on a LAN can reach it now" in dev.log()
    assert [visit(dev, url) for url in dev.urls] == ["200", "200", "200"]


@pytest.fixture
def browser(tmp_path):
    """An environment whose browser notes what it is told to open, and the file that it notes it in."""
    noted = tmp_path / "noted"
    for name in ("browser", "xdg-open"):
        (tmp_path / name).write_text(f'#!/bin/sh\nprintf "%s" "$1" > {noted}.new && mv {noted}.new {noted} && echo opened\n')
        (tmp_path / name).chmod(0o755)
    return {"BROWSER": str(tmp_path / "browser"), "PATH": f"{tmp_path}:{os.environ['PATH']}"}, noted


@can_be_networked
@pytest.mark.parametrize("host", HOSTS)
def test_the_page_that_is_opened_is_the_one_that_is_printed(house, folder, tmp_path, browser, host):
    env, noted = browser
    options = () if host is None else ("--host", host)
    dev = house.keep(Dev(folder, tmp_path, "--open", *options, env=env, before=networked()))
    dev.wait_for("^opened$")
    assert noted.read_text() == dev.urls[0]


def test_nothing_is_opened_by_itself(house, folder, tmp_path, browser):
    env, noted = browser
    dev = house.keep(Dev(folder, tmp_path, env=env))
    house.end(dev)  # a browser would have its output for its own, which is read to the end
    assert not noted.exists() and "opened" not in dev.lines


# -- a terminal --

class QrCode(ctypes.Structure):
    """libqrencode's own, of version 4."""
    _fields_ = [("version", ctypes.c_int), ("width", ctypes.c_int), ("data", ctypes.POINTER(ctypes.c_ubyte))]


def encode(text: str) -> list[list[bool]]:
    """What libqrencode makes of a text: rows of dark modules."""
    library = ctypes.CDLL(ctypes.util.find_library("qrencode"))
    library.QRcode_encodeString8bit.restype = ctypes.POINTER(QrCode)
    code = library.QRcode_encodeString8bit(text.encode(), 0, 0).contents
    return [[bool(code.data[y * code.width + x] & 1) for x in range(code.width)] for y in range(code.width)]


def read_code(shown: str, light: bool) -> list[list[bool]]:
    """The dark modules in lines of half blocks, without the margin; `light`: what is written is light."""
    rows = []
    for line in shown.splitlines():
        rows += [[cell in halves for cell in line] for halves in ("▀█", "▄█")]
    rows = [[cell != light for cell in row] for row in rows]
    size = len(rows[0])
    rows = rows[:size]
    margin = [row[:2] + row[-2:] for row in rows] + rows[:2] + rows[-2:]
    assert not any(map(any, margin))
    return [row[2:-2] for row in rows[2:-2]]


def show_on_a_terminal(folder: Path, data: Path, host: str, env: dict[str, str]) -> str:
    """All of the greeting, as a terminal gets it."""
    master, slave = pty.openpty()
    command = [*networked(), BUILD / "daffi-bridge", "dev", folder, "--port", "0", "--http-port", "0", "--host", host]
    clean = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=slave, stderr=subprocess.DEVNULL, env={**clean, "XDG_DATA_HOME": str(data), **env}) as popen:
        os.close(slave)
        try:
            said = b""
            while b"Ctrl-C ends it." not in said:
                said += os.read(master, 4096)
            popen.send_signal(signal.SIGINT)
            assert popen.wait(20) == 0
        finally:
            popen.kill()
            os.close(master)
    return said.decode().replace("\r\n", "\n")


@can_be_networked
@needed(ctypes.util.find_library("qrencode") is not None, "libqrencode is not there to compare with")
@pytest.mark.parametrize("colours", [True, False], ids=["colours", "NO_COLOR"])
@pytest.mark.parametrize("host,reached", [("0.0.0.0", "10.9.8.7"), ("::", "10.9.8.7"), ("10.9.8.7", "10.9.8.7"), ("fd09::7", "[fd09::7]"),
                                          ("127.0.0.1", None), ("::1", None)])
def test_a_terminal_gets_a_code_for_phones_and_colours_where_they_are_wanted(folder, tmp_path, host, reached, colours):
    said = show_on_a_terminal(folder, tmp_path, host, {} if colours else {"NO_COLOR": "1"})
    assert ("\x1b" in said) == colours
    begin, end = ("\x1b[30;107m", "\x1b[0m") if colours else ("", "")
    lines = re.findall(rf"^    {re.escape(begin)}([ ▀▄█]{{20,}}){re.escape(end)}$", said, re.MULTILINE)
    if reached is None:
        assert lines == []
        return
    url = re.search(rf"https://{re.escape(reached)}:\d+/(?!\S)", re.sub(r"\x1b\[\d*m", " ", said))[0]
    assert read_code("\n".join(lines), light=not colours) == encode(url)
    if colours:
        assert re.search(r"^    \x1b\[1mhttps://\S+ *\x1b\[0m this folder$", said, re.MULTILINE)


# -- ports --

def refused(folder: Path, data: Path, *options: str, before: tuple[str, ...] = ()) -> str:
    """What it says that does not start."""
    done = subprocess.run([*before, BUILD / "daffi-bridge", "dev", folder, *options], capture_output=True, text=True,
                          env={**os.environ, "XDG_DATA_HOME": str(data)}, timeout=30, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    return done.stderr


def hold(*addresses: str) -> tuple[int, list[socket.socket]]:
    """A port that is held on each of the addresses, and what holds it."""
    while True:
        port, held = free_port(), []
        try:
            for address in addresses:
                held.append(socket.create_server((address, port), family=socket.AF_INET6 if ":" in address else socket.AF_INET))
            return port, held
        except OSError:  # somebody else has it there
            for one in held:
                one.close()


def test_both_ports_are_taken(house, folder, tmp_path):
    https, held = hold("127.0.0.1")
    http, held_too = hold("127.0.0.1")
    dev = house.keep(Dev(folder, tmp_path, "--port", str(https), "--http-port", str(http), ports=False))
    assert f"  For https port {https} is taken: {dev.https} it is. For http port {http} is taken: {dev.http} it is.\n" in dev.log()
    same = house.keep(Dev(folder, tmp_path, "--port", str(dev.https + 1), "--http-port", str(dev.https + 1), ports=False))
    assert same.http > same.https
    assert f"port {http} of 127.0.0.1 is taken; another one is expected by --http-port, or --strict-port left out" in refused(
        folder, tmp_path, "--port", "0", "--http-port", str(http), "--strict-port")
    for one in held + held_too:
        one.close()


def test_a_port_that_is_taken_where_a_browser_may_go_for_localhost(house, folder, tmp_path):
    """Another server, on ::1 alone."""
    if not socket.has_dualstack_ipv6():
        pytest.skip("no IPv6 here")
    taken, held = hold("::1")
    for host in ("127.0.0.1", "0.0.0.0"):
        dev = house.keep(Dev(folder, tmp_path, "--host", host, "--port", str(taken), "--http-port", "0", ports=False))
        assert f"  For https port {taken} is taken: {dev.https} it is.\n" in dev.log()
        assert f"port {taken} of {host} is taken" in refused(folder, tmp_path, "--host", host, "--port", str(taken), "--strict-port")
    held[0].close()


@can_be_networked
def test_the_loopbacks_port_for_workers_is_looked_at_too(house, folder, tmp_path):
    """`--host` of the LAN: port 8080 is free there, and held by somebody else on 127.0.0.1, until the input of both ends."""
    other = [sys.executable, "-c", "import socket, sys\nheld = socket.create_server(('127.0.0.1', 8080))\nprint('held', flush=True)\nsys.stdin.read()"]
    dev = house.keep(Dev(folder, tmp_path, "--host", "10.9.8.7", ports=False, env={"OTHER": shlex.join(other)},
                         before=networked(LAN + 'mkfifo "$XDG_DATA_HOME/held"; exec 3<&0; sh -c "$OTHER" <&3 >"$XDG_DATA_HOME/held" & read line < "$XDG_DATA_HOME/held"; ')))
    assert "  For http port 8080 is taken: 8081 it is.\n" in dev.log()
    assert "http://10.9.8.7:8081/" in dev.urls and "http://localhost:8081/" in dev.urls


def test_no_port_is_free_in_the_range(folder, tmp_path):
    first = 20_000
    held = []
    for port in range(first, first + 100):
        try:
            held.append(socket.create_server(("127.0.0.1", port)))
        except OSError:
            pass  # it is taken, anyhow
    assert f"no port of 127.0.0.1 from {first} to {first + 99} is free; one is expected by --http-port" in refused(
        folder, tmp_path, "--port", "0", "--http-port", str(first))
    for one in held:
        one.close()


@can_be_networked
@needed(IS_ROOT, "who is not root can't become somebody else")
def test_ports_that_are_not_for_this_user(house, folder, tmp_path):
    data = nobodys(tmp_path / "data")
    nobody = (*networked(""), *NOBODY)
    assert "no port of 127.0.0.1 from 80 to 179 is for this user (those below 1024 are root's); one is expected by --port" in refused(
        folder, data, "--port", "80", before=nobody)
    assert "port 80 of 127.0.0.1 is not for this user" in refused(folder, data, "--port", "80", "--strict-port", before=nobody)
    dev = house.keep(Dev(folder, data, "--port", "1000", "--http-port", "0", ports=False, before=nobody))
    assert "  For https port 1000 is not for this user: 1024 it is.\n" in dev.log()
