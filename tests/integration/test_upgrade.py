"""Taking over: a new process gets the listening sockets of the old one, or systemd's; no connect is refused or lost, whatever the load."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys

import pytest
from native import Native
from page import Page, RemoteError
from processes import BUILD, Process, free_port, visitors, wait_until

ENVIRONMENT = {"ASAN_OPTIONS": "detect_leaks=1:abort_on_error=0", "UBSAN_OPTIONS": "print_stacktrace=1"}


def is_alive(pid: int) -> bool:
    """Whether that process is there; one that has ended and is not waited for is not."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


class Upgradable:
    """A bridge whose successors are ended with it."""

    def __init__(self, house, folder, **keys):
        self.file = folder / "bridge.json"
        self.write(**keys)
        self.bridge = house.bridge(None, "-c", str(self.file), listeners=())
        self.bridge.wait_for_listeners(len(keys["listen"]))
        self.pids = [self.bridge.popen.pid]

    def write(self, **keys) -> None:
        self.file.write_text(json.dumps(keys))

    def begin(self) -> int:
        """SIGUSR2 to the one that is there now; the line from which on to read."""
        said = len(self.bridge.lines)
        os.kill(self.pids[-1], signal.SIGUSR2)
        return said

    def upgrade(self) -> None:
        """From one process to the next; the old one ends, and is found without fault."""
        said = self.begin()
        pid = int(self.bridge.wait_for(r"process (\d+) has taken over", after=said)[1])
        old = self.pids[-1]
        self.pids.append(pid)
        wait_until(lambda: not is_alive(old))

    def end(self) -> None:
        for pid in self.pids[1:]:
            if is_alive(pid):
                os.kill(pid, signal.SIGTERM)
        wait_until(lambda: not any(is_alive(pid) for pid in self.pids[1:]))
        assert "Sanitizer" not in self.bridge.log()


@pytest.fixture
def upgradable(house, tmp_path):
    made = []

    def make(**keys):
        made.append(Upgradable(house, tmp_path, **keys))
        return made[-1]

    yield make
    for one in made:
        one.end()


def test_the_same_sockets_in_another_process(upgradable, house, tmp_path, certificate):
    """Over TCP, TLS, a Unix socket and the admin listener, twice; the pages are told to come again, and do."""
    python, admin, path = free_port(), free_port(), str(tmp_path / "bridge.sock")
    house.router(python)
    house.worker(python, "w1")
    bridge = upgradable(listen=[{"url": "http://127.0.0.1:0"}, {"url": "https://127.0.0.1:0", "cert": certificate.cert, "key": certificate.key}, {"url": f"unix:{path}"}],
                        upstreams={"default": f"tcp://127.0.0.1:{python}"}, admin={"listen": f"http://127.0.0.1:{admin}"})
    plain, secure = (url.replace("http", "ws", 1) + "/" for url in bridge.bridge.urls[:2])
    inode = os.stat(path).st_ino
    for turn in range(2):
        with Page(plain, "plain") as page:
            page.wait_for_member("w1")
            bridge.upgrade()
            assert page.expect_close() == (1001, "the bridge is shutting down")
        for url, ca in ((plain, None), (secure, certificate.cert)):
            with Page(url, f"page-{turn}", ca=ca) as page:
                page.wait_for_member("w1")
                assert page.call("add", 1, 2) == 3
        with Native(path, f"native-{turn}") as native:
            assert native.call("w1", "add", 1, 2).json()["args"][0] == 3
        assert os.stat(path).st_ino == inode
        with socket.create_connection(("127.0.0.1", admin), timeout=10) as health:
            health.sendall(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
            assert b" 200 " in health.recv(1000)
    assert len(set(bridge.pids)) == 3
    bridge.end()
    assert not os.path.exists(path)  # its last owner has taken it along


def test_whoever_asks_for_health_hears_of_the_one_that_goes_on(upgradable):
    """The old process waits for a page that does not answer its goodbye; a balancer is not to hear of that."""
    admin = free_port()
    bridge = upgradable(listen=[{"url": "http://127.0.0.1:0"}], timeouts_ms={"drain": 60000}, admin={"listen": f"http://127.0.0.1:{admin}"})
    with socket.create_connection(("127.0.0.1", bridge.bridge.port), 10) as silent:
        silent.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                       b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
        assert silent.recv(12) == b"HTTP/1.1 101"
        said = bridge.begin()
        bridge.pids.append(int(bridge.bridge.wait_for(r"process (\d+) has taken over", after=said)[1]))
        bridge.bridge.wait_for("shutting down", after=said)
        for _ in range(30):
            with socket.create_connection(("127.0.0.1", admin), timeout=10) as health:
                health.sendall(b"GET /readyz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
                assert health.recv(1000).startswith(b"HTTP/1.1 200 ")


def test_no_connect_is_refused_or_lost(upgradable):
    """Three upgrades under load: each connect is accepted and each request is answered."""
    bridge = upgradable(listen=[{"url": "http://127.0.0.1:0"}], timeouts_ms={"drain": 60000})
    port = bridge.bridge.port

    def visit():
        with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
            connection.sendall(b"GET /daffi.d.ts HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            first = connection.recv(65536)
            assert first.startswith(b"HTTP/1.1 200 "), first
            while connection.recv(65536):
                pass

    with visitors(4, visit) as (answered, faults):
        for _ in range(3):
            before = len(answered)
            wait_until(lambda: len(answered) > before + 20 or faults)
            bridge.upgrade()
    assert len(answered) > 60
    print(f"{len(answered)} connects over three upgrades")


def test_a_new_process_that_can_not_start_changes_nothing(upgradable):
    keys = {"listen": [{"url": "http://127.0.0.1:0"}]}
    bridge = upgradable(**keys)
    with Page(bridge.bridge.ws_url, "page") as page:
        bridge.write(**keys, limts={})
        said = bridge.begin()
        bridge.bridge.wait_for("does not take over, this one goes on: it ended before it was ready", after=said)
        assert 'did you mean "limits"' in bridge.bridge.log()
        with pytest.raises(RemoteError):
            page.call("f", receiver="nobody")
        bridge.write(**keys)
        bridge.upgrade()
        assert page.expect_close()[0] == 1001
    Page(bridge.bridge.ws_url, "again").close()


def test_listeners_that_came_or_went_meanwhile(upgradable):
    """The new process goes by the file as it is now; what it has no listener for is closed."""
    first, second, third = free_port(), free_port(), free_port()
    url = "http://127.0.0.1:{}".format
    bridge = upgradable(listen=[{"url": url(first)}, {"url": url(second)}])
    bridge.write(listen=[{"url": url(third)}, {"url": url(second)}])
    bridge.upgrade()
    assert "1 sockets were passed on that no listener is for" in bridge.bridge.log()
    for port in (second, third):
        Page(f"ws://127.0.0.1:{port}/", "page").close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", first), timeout=10)


ACTIVATE = """
import os, socket, sys
made = [socket.create_server(("127.0.0.1", 0)), socket.socket(socket.AF_UNIX)]
made[1].bind(sys.argv[1])
made[1].listen()
for number, one in enumerate(made):
    os.dup2(one.fileno(), 10 + number)
for number in range(2):
    os.dup2(10 + number, 3 + number)
print("port", made[0].getsockname()[1], flush=True)
os.environ.update(LISTEN_FDS="2", LISTEN_PID=str(os.getpid() if sys.argv[2] == "own" else 1))
port = made[0].getsockname()[1]
os.execv(sys.argv[3], [sys.argv[3], "--listen", f"http://127.0.0.1:{port}", "--listen", f"unix:{sys.argv[1]}"])
"""


def test_sockets_of_systemd(house, tmp_path):
    """As sd_listen_fds(3) has it: they are taken, and their files are left alone."""
    path = str(tmp_path / "given.sock")
    bridge = house.keep(Process(sys.executable, "-c", ACTIVATE, path, "own", BUILD / "daffi-bridge", env=ENVIRONMENT))
    bridge.terminate = lambda: bridge.popen.send_signal(signal.SIGTERM)
    port = int(bridge.wait_for(r"^port (\d+)")[1])
    waiting = socket.create_connection(("127.0.0.1", port), timeout=10)  # before it listens itself, or behind: there is one queue
    bridge.wait_for("^listening unix:")
    with Page(f"ws://127.0.0.1:{port}/", "page", sock=waiting) as page, Native(path, "native", ["f"]) as native:
        page.wait_for_member("native")
        call = page.start_call("f", receiver="native")
        request = native.wait_for(lambda message: message.function == "f")
        said = len(bridge.lines)
        bridge.terminate()
        bridge.wait_for("shutting down", after=said)
        for where in (port, path):  # they are systemd's: who comes waits there for the next process
            Native(where, "early", shake=False).close()
        native.answer(request, 1)
        assert page.finish_call(call) == 1
    house.end(bridge)
    assert os.path.exists(path)


def test_a_socket_of_systemd_at_another_address_is_named(tmp_path):
    script = ACTIVATE.replace('f"http://127.0.0.1:{port}"', 'f"http://0.0.0.0:{port}"')
    ended = subprocess.run([sys.executable, "-c", script, str(tmp_path / "given.sock"), "own", BUILD / "daffi-bridge"], capture_output=True, text=True,
                           timeout=20, env={**os.environ, **ENVIRONMENT}, check=False)
    port = ended.stdout.split()[1]
    assert ended.returncode == 2
    assert f"cannot listen on 0.0.0.0:{port}: a socket that was passed on, by systemd or the process before, listens at 127.0.0.1:{port}" in ended.stderr


def test_sockets_that_are_meant_for_another_process(tmp_path):
    """LISTEN_PID says so: they are not touched, and the address is then taken."""
    ended = subprocess.run([sys.executable, "-c", ACTIVATE, str(tmp_path / "other.sock"), "other", BUILD / "daffi-bridge"], capture_output=True, text=True,
                           timeout=20, env={**os.environ, **ENVIRONMENT}, check=False)
    assert ended.returncode == 2 and re.search("another process listens there", ended.stderr), ended.stderr
