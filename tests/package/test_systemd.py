"""The service under a real systemd: what the units, the package and the documents promise an administrator."""

from __future__ import annotations

import contextlib
import re
import shutil
import socket
import ssl
import subprocess
import threading
import time
from pathlib import Path

import pytest
from debian import make
from machine import ERROR, INFO, UNIT, Machine, why_not
from native import Native
from page import Page
from processes import Peer, visitors, wait_until

SOCKET = "daffi-bridge.socket"
PORT, SECURE, ADMIN = 8080, 8443, 9443
PLAIN = {"listen": [{"url": f"http://127.0.0.1:{PORT}"}]}
LACKING = why_not()
pytestmark = pytest.mark.skipif(LACKING is not None, reason=LACKING or "nothing lacks")
KEYS = {"cert": "/etc/daffi-bridge/cert.pem", "key": "/etc/daffi-bridge/key.pem"}


@pytest.fixture(scope="module")
def booted(debian, package, tmp_path_factory):
    """A machine with the package, and a certificate whose key the service's group may read."""
    shared = tmp_path_factory.mktemp("machine")
    shutil.copy(package, shared / "package.deb")
    with Machine(debian, shared) as machine:
        machine.run("dpkg", "--install", "/run/host/package.deb")
        folder = machine.root / "etc/daffi-bridge"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "90", "-subj", "/CN=bridge.example",
                        "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", folder / "key.pem", "-out", folder / "cert.pem"], check=True, capture_output=True)
        machine.run("chgrp", "daffi-bridge", KEYS["key"])
        machine.run("chmod", "0640", KEYS["key"])
        yield machine


@pytest.fixture
def machine(booted):
    """The same, with nothing started, and as the package left it."""
    booted.configure(**PLAIN)
    yield booted
    booted.attempt("systemctl", "kill", "--signal=CONT", UNIT)
    booted.attempt("systemctl", "stop", SOCKET, UNIT)
    booted.attempt("systemctl", "disable", SOCKET, UNIT)
    booted.attempt("systemctl", "reset-failed")
    for unit in (UNIT, SOCKET):
        shutil.rmtree(booted.root / f"etc/systemd/system/{unit}.d", ignore_errors=True)
    booted.run("systemctl", "daemon-reload")


def ask(port: int, secure: bool = False, path: str = "/healthz") -> bytes:
    """The body of an answer, from within the machine's network."""
    connection = socket.create_connection(("127.0.0.1", port), 20)
    if secure:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        connection = context.wrap_socket(connection)
    with connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        said = b""
        while more := connection.recv(65536):
            said += more
    assert said.startswith(b"HTTP/1.1 "), said
    return said.split(b"\r\n\r\n", 1)[1]


def status_of(machine) -> dict[str, str]:
    """/proc/PID/status of the main process."""
    text = Path(f"{machine.root}/proc/{machine.show('MainPID')}/status").read_text()
    return dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)


def test_the_package_starts_nothing(machine):
    assert machine.show("ActiveState") == machine.show("ActiveState", SOCKET) == "inactive"
    assert machine.attempt("systemctl", "is-enabled", UNIT, SOCKET).stdout.split() == ["disabled", "disabled"]


def test_the_units_are_sound(machine):
    """In the place where they are, with the programs that a small Debian has."""
    said = machine.attempt("systemd-analyze", "verify", "--man=no", UNIT, SOCKET)
    assert (said.returncode, said.stdout + said.stderr) == (0, "")
    exposure = re.search(r"Overall exposure level for daffi-bridge.service: ([0-9.]+)", machine.run("systemd-analyze", "security", UNIT))
    assert float(exposure[1]) <= 1.1


def test_it_has_started_when_it_listens(machine):
    machine.configure(listen=[{"url": f"https://127.0.0.1:{SECURE}", **KEYS}, *PLAIN["listen"]], admin={"listen": f"http://127.0.0.1:{ADMIN}"})
    since = machine.now()
    with machine.network():
        machine.run("systemctl", "start", UNIT)
        assert ask(SECURE, secure=True) == ask(PORT) == b"ok\n"
        assert ask(ADMIN, path="/readyz") == b"ready\n"
    said = machine.run("systemctl", "status", UNIT)
    assert "Active: active (running)" in said and 'Status: "listening"' in said
    own = [(priority, text) for priority, who, text in machine.lines(since) if who == "daffi-bridge"]
    for url in (f"https://127.0.0.1:{SECURE}", f"http://127.0.0.1:{PORT}"):
        assert own.count((INFO, f"listening {url}")) == 1
    assert own[0] == (INFO, f"health and numbers are at http://127.0.0.1:{ADMIN}")


def test_what_it_may_do(machine):
    """The kernel's word, not the unit's."""
    machine.run("systemctl", "start", UNIT)
    status = status_of(machine)
    user, group = (machine.run("id", option, "daffi-bridge").strip() for option in ("-u", "-g"))
    assert set(status["Uid"].split()) == {user} and set(status["Gid"].split()) == set(status["Groups"].split()) == {group}
    assert all(int(status[name], 16) == 0 for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"))
    assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")
    there = machine.attempt("nsenter", f"--target={machine.show('MainPID')}", "--mount", "touch", "/etc/daffi-bridge/new")
    assert "Read-only file system" in there.stderr
    folder = (machine.root / "run/daffi-bridge").stat()
    assert (str(folder.st_uid), str(folder.st_gid), folder.st_mode & 0o777) == (user, group, 0o755)
    limits = {name: Path(f"{machine.root}/proc/{pid}/limits").read_text() for name, pid in (("own", machine.show("MainPID")), ("most", 1))}
    files = {name: int(re.search(r"Max open files +\d+ +(\d+)", text)[1]) for name, text in limits.items()}
    assert files["own"] == 65536 or files["own"] == files["most"] < 65536  # where a machine within one may have no more


# -- faults --


def test_a_configuration_that_is_wrong_is_told(machine):
    machine.configure(lisen=[])
    since = machine.now()
    assert machine.attempt("systemctl", "start", UNIT).returncode == 1
    assert machine.show("ExecMainStatus") == "2"
    own = next(line for line in machine.lines(since) if line[1] == "daffi-bridge")
    assert own[0] == ERROR and own[2].startswith("/etc/daffi-bridge/daffi-bridge.json: line 1: lisen: unknown key; did you mean")


def test_an_address_that_is_taken_may_be_free_later(machine):
    with machine.network(), socket.create_server(("127.0.0.1", PORT)):
        assert machine.attempt("systemctl", "start", UNIT).returncode == 1
        assert machine.show("ExecMainStatus") == "2"
    machine.wait_for("SubState", "running")


@pytest.mark.parametrize("name", ["KILL", "ABRT"])
def test_it_is_started_again_after(machine, name):
    machine.run("systemctl", "start", UNIT)
    machine.signal(name)
    machine.wait_for("NRestarts", "1")
    machine.wait_for("SubState", "running")
    with machine.network():
        assert ask(PORT) == b"ok\n"


def test_one_that_hangs_is_ended_and_started_again(machine):
    machine.drop_in("[Service]\nWatchdogSec=2\n")
    machine.run("systemctl", "start", UNIT)
    first, since = machine.show("MainPID"), machine.now()
    began = machine.show("WatchdogTimestampMonotonic")
    wait_until(lambda: int(machine.show("WatchdogTimestampMonotonic")) - int(began) > 2_500_000)  # it speaks up by itself
    assert machine.show("MainPID") == first
    machine.signal("STOP")
    machine.wait_for_line(since, r"Watchdog timeout \(limit 2s\)")
    machine.wait_for("NRestarts", "1")
    machine.wait_for("SubState", "running")
    with machine.network():
        assert ask(PORT) == b"ok\n"


# -- reload, upgrade, stop --


def test_reload(machine):
    """systemd does not know what came of it; its status does, and the journal."""
    machine.run("systemctl", "start", UNIT)
    first = machine.show("MainPID")
    since = machine.now()
    machine.configure(listen=[*PLAIN["listen"], {"url": "http://127.0.0.1:8081"}])
    machine.run("systemctl", "reload", UNIT)
    machine.wait_for_line(since, "^the configuration has been reloaded$")
    with machine.network():
        assert ask(PORT) == ask(8081) == b"ok\n"
    machine.configure(lisen=[])
    since = machine.now()
    machine.run("systemctl", "reload", UNIT)
    machine.wait_for_line(since, "^the configuration was not reloaded, all stays as it was: .*unknown key")
    assert [line for line in machine.lines(since) if line[0] == ERROR and line[1] == "daffi-bridge"]
    wait_until(lambda: 'Status: "listening; the configuration was not reloaded: /etc/' in machine.run("systemctl", "status", UNIT))
    machine.configure(**PLAIN)
    machine.run("systemctl", "reload", UNIT)
    machine.wait_for("StatusText", "listening")
    assert machine.show("MainPID") == first and machine.show("SubState") == "running"


def test_another_process_takes_over(machine):
    """SIGUSR2: systemd follows, with nothing to complain of, and stops the new process as it stopped the old one."""
    machine.configure(**PLAIN, timeouts_ms={"drain": 20000})
    machine.run("systemctl", "start", UNIT)
    since, first = machine.now(), machine.show("MainPID")
    with machine.network():
        with Page(f"ws://127.0.0.1:{PORT}/", "page") as page:
            machine.signal("USR2")
            machine.wait_for_line(since, "^process [0-9]+ has taken over$")
            assert page.expect_close()[0] == 1001
        assert ask(PORT) == b"ok\n"
        second = machine.show("MainPID")
        assert second != first
        wait_until(lambda: not Path(f"{machine.root}/proc/{first}").exists())
        assert machine.show("SubState") == "running" and machine.show("StatusText") == "listening"
        with Page(f"ws://127.0.0.1:{PORT}/", "page") as page:
            machine.run("systemctl", "stop", "--no-block", UNIT)
            assert page.expect_close() == (1001, "the bridge is shutting down")
    machine.wait_for("ActiveState", "inactive")
    assert machine.show("Result") == "success"
    lines = machine.lines(since)
    assert not [text for _, who, text in lines if who == "systemd" and re.search("not our child|only permitted|Killing|Failed", text)], lines


def test_one_that_has_taken_over_is_watched(machine):
    machine.drop_in("[Service]\nWatchdogSec=2\n")
    machine.run("systemctl", "start", UNIT)
    since, first = machine.now(), machine.show("MainPID")
    machine.signal("USR2")
    machine.wait_for_line(since, "^process [0-9]+ has taken over$")
    wait_until(lambda: machine.show("MainPID") != first)
    second = machine.show("MainPID")
    began = machine.show("WatchdogTimestampMonotonic")
    wait_until(lambda: int(machine.show("WatchdogTimestampMonotonic")) - int(began) > 2_500_000)
    assert machine.show("MainPID") == second
    machine.signal("STOP")
    machine.wait_for("NRestarts", "1")
    machine.wait_for("SubState", "running")


def test_one_that_can_not_take_over_changes_nothing(machine):
    machine.run("systemctl", "start", UNIT)
    since, first = machine.now(), machine.show("MainPID")
    machine.configure(lisen=[])
    machine.signal("USR2")
    machine.wait_for_line(since, "does not take over, this one goes on: it ended before it was ready")
    assert machine.show("MainPID") == first and machine.show("SubState") == "running"


def test_a_stop_waits_as_long_as_the_configuration_says(machine):
    """Also where systemd alone would have lost its patience before."""
    machine.configure(**PLAIN, timeouts_ms={"drain": 4000})
    machine.drop_in("[Service]\nTimeoutStopSec=1\n")
    machine.run("systemctl", "start", UNIT)
    with machine.network(), Native(PORT, "worker", ["never"]) as worker, Page(f"ws://127.0.0.1:{PORT}/", "page") as page:
        page.wait_for_member("worker")
        page.start_call("never", receiver="worker")
        worker.wait_for(lambda message: message.function == "never")
        began = time.monotonic()
        machine.run("systemctl", "stop", "--no-block", UNIT)
        machine.wait_for("StatusText", "shutting down")
        assert page.expect_close()[0] == 1001
        assert time.monotonic() - began > 2
    machine.wait_for("ActiveState", "inactive")
    assert machine.show("Result") == "success"


# -- sockets that systemd holds --


def test_a_restart_refuses_and_loses_nobody(machine):
    """Who connects while it restarts waits in systemd's queue; the first connect starts it."""
    machine.drop_in(f"[Socket]\nListenStream=\nListenStream=127.0.0.1:{PORT}\n", SOCKET)
    machine.run("systemctl", "start", SOCKET)
    assert machine.show("ActiveState") == "inactive"

    def visit():
        with machine.network():
            return ask(PORT)

    with visitors(3, visit) as (answers, faults):
        machine.wait_for("SubState", "running")
        for command in (("restart",), ("restart",), ("kill", "--signal=USR2", "--kill-whom=main"), ("reload",)):
            before, pid = len(answers), machine.show("MainPID")
            machine.run("systemctl", *command, UNIT)
            wait_until(lambda: faults or command == ("reload",) or machine.show("MainPID") not in (pid, "0"))
            wait_until(lambda: faults or len(answers) > before + 10)
    assert set(answers) == {b"ok\n"}


def reaches(machine, who: str, path: str) -> bool:
    """Whether that user, by its own group alone, may connect."""
    connect = f'socket(S, PF_UNIX, SOCK_STREAM, 0); connect(S, sockaddr_un("{path}")) or exit 1'
    return machine.attempt("setpriv", f"--reuid={who}", f"--regid={machine.run('id', '-g', who).strip()}", "--clear-groups", "perl", "-MSocket", "-e",
                           connect).returncode == 0


def test_a_unix_socket_of_systemd_is_for_whom_its_unit_says(machine):
    """docs/configuration.md, "Unix sockets": also after the service was started anew, or stopped."""
    document = (machine.root / "usr/share/doc/daffi-bridge/docs/configuration.md").read_text()
    path = re.search(r"`ListenStream=(/[^`]+)`", document)[1]
    machine.drop_in(f"[Socket]\nListenStream=\nListenStream={path}\nSocketMode=0660\nSocketGroup=www-data\n", SOCKET)
    machine.configure(listen=[{"url": f"unix:{path}"}])
    machine.run("systemctl", "start", SOCKET)
    for command in (("start",), ("restart",), ("kill", "--signal=USR2", "--kill-whom=main"), ("stop",)):
        machine.run("systemctl", *command, UNIT)
        assert (reaches(machine, "www-data", path), reaches(machine, "nobody", path)) == (True, False), command
    machine.wait_for("SubState", "running")  # who came last has it started again


def test_a_unix_socket_of_its_own_is_for_whom_the_drop_in_says(machine):
    """docs/deployment.md, "Behind nginx or HAProxy"."""
    shutil.copy(machine.root / "usr/share/doc/daffi-bridge/conf/examples/behind-proxy.json", machine.root / "etc/daffi-bridge/daffi-bridge.json")
    machine.drop_in("[Service]\nGroup=www-data\nSupplementaryGroups=daffi-bridge\n")
    machine.run("systemctl", "start", UNIT)
    path = "/run/daffi-bridge/web.sock"
    assert (reaches(machine, "www-data", path), reaches(machine, "nobody", path)) == (True, False)


# -- keys, ports, the sandbox --


def test_keys_of_root_and_a_port_below_1024(machine):
    """docs/deployment.md, "Certificates" and "A port below 1024"; another process that takes over has both, too."""
    machine.run("chmod", "0600", KEYS["key"])
    machine.run("chgrp", "root", KEYS["key"])
    try:
        machine.drop_in("[Service]\n" + "".join(f"LoadCredential={name}.pem:{path}\n" for name, path in KEYS.items()) +
                        "CapabilityBoundingSet=CAP_NET_BIND_SERVICE\nAmbientCapabilities=CAP_NET_BIND_SERVICE\nPrivateUsers=no\n")
        machine.configure(listen=[{"url": "https://127.0.0.1:443", **{name: f"/run/credentials/{UNIT}/{name}.pem" for name in KEYS}}])
        machine.run("systemctl", "start", UNIT)
        since = machine.now()
        machine.run("systemctl", "reload", UNIT)
        machine.wait_for_line(since, "^the configuration has been reloaded$")
        machine.signal("USR2")
        machine.wait_for_line(since, "^process [0-9]+ has taken over$")
        with machine.network():
            assert ask(443, secure=True) == b"ok\n"
    finally:
        machine.run("chgrp", "daffi-bridge", KEYS["key"])
        machine.run("chmod", "0640", KEYS["key"])


def answer_names(names: socket.socket) -> None:
    """A name server: every name is 127.0.0.1."""
    with contextlib.suppress(OSError):
        while True:
            query, asker = names.recvfrom(2000)
            end = query.index(b"\0", 12) + 5
            is_a = query[end - 4:end - 2] == b"\0\1"
            head = query[:2] + b"\x81\x80\0\1" + (b"\0\1" if is_a else b"\0\0") + b"\0\0\0\0"
            names.sendto(head + query[12:end] + (b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\x7f\0\0\1" if is_a else b""), asker)


def test_the_sandbox_is_in_nobodys_way(machine):
    """Names of upstreams, TLS, calls to real workers behind a real Router and at the router inside, the playground, numbers, a reload, a take-over:
    where each system call that the unit forbids would be the end."""
    machine.drop_in("[Service]\nSystemCallErrorNumber=\n")
    machine.configure(listen=[{"url": f"https://127.0.0.1:{SECURE}", **KEYS}, {"url": f"http://127.0.0.1:{PORT}", "upstreams": ["inside"]}], playground=True,
                      upstreams={"default": "tcp://router.example:5000", "inside": "router:"}, admin={"listen": f"http://127.0.0.1:{ADMIN}"})
    (machine.root / "etc/resolv.conf").write_text("nameserver 127.0.0.1\n")
    context = ssl.create_default_context(cafile=str(machine.root / KEYS["cert"].lstrip("/")))
    with machine.network(), contextlib.ExitStack() as stack:
        names = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        names.bind(("127.0.0.1", 53))
        threading.Thread(target=answer_names, args=(names,), daemon=True).start()
        for role, port, name in (("router", 5000, None), ("worker", 5000, "far")):
            stack.callback(Peer(role, port=port, name=name).stop)
        since = machine.now()
        machine.run("systemctl", "start", UNIT)
        for _ in range(2):
            inside = Peer("worker", port=PORT, name="near")
            for path, worker in (("default", "far"), ("inside", "near")):
                with Page(f"wss://127.0.0.1:{SECURE}/{path}", "page", context=context) as page:
                    page.wait_for_member(worker)
                    assert page.call("add", 1, 2, receiver=worker) == 3
                    assert page.call("echo", "x" * 2_000_000, receiver=worker) == "x" * 2_000_000
            assert b"<html" in ask(SECURE, secure=True, path="/_bridge/") and b"process_open_fds" in ask(ADMIN, path="/metrics")
            inside.stop()
            machine.run("systemctl", "reload", UNIT)
            machine.wait_for_line(since, "^the configuration has been reloaded$")
            first, since = machine.show("MainPID"), machine.now()
            machine.signal("USR2")
            machine.wait_for_line(since, "^process [0-9]+ has taken over$")
            wait_until(lambda: machine.show("MainPID") != first)
        machine.run("systemctl", "stop", UNIT)
    assert (machine.show("Result"), machine.show("NRestarts")) == ("success", "0")


# -- the package --


def enabled_links(machine) -> set[str]:
    return {path.name for path in (machine.root / "etc/systemd/system").glob("*.wants/daffi-bridge.*")}


def test_upgrade_removal_and_purge(booted, tmp_path):
    """The last one: it takes the package away."""
    machine = booted
    shutil.copy(make(tmp_path, "0.1.1"), machine.shared / "newer.deb")
    machine.configure(**PLAIN)
    machine.run("systemctl", "enable", "--now", UNIT)
    first = machine.show("MainPID")
    machine.run("dpkg", "--force-confold", "--install", "/run/host/newer.deb")
    assert machine.show("SubState") == "running" and machine.show("MainPID") != first
    with machine.network():
        assert ask(PORT) == b"ok\n"

    machine.configure(lisen=[])  # is no reason for the package not to be installed
    machine.run("dpkg", "--force-confold", "--install", "/run/host/newer.deb")
    assert machine.run("dpkg-query", "--show", "--showformat=${Status}", "daffi-bridge") == "install ok installed"
    machine.configure(**PLAIN)
    machine.run("systemctl", "restart", UNIT)
    machine.run("systemctl", "stop", UNIT)
    machine.run("dpkg", "--force-confold", "--install", "/run/host/newer.deb")
    assert machine.show("ActiveState") == "inactive"  # who stopped it wants it stopped

    machine.run("systemctl", "enable", "--now", SOCKET)
    machine.run("systemctl", "start", UNIT)
    machine.run("dpkg", "--remove", "daffi-bridge")
    assert machine.show("ActiveState") == machine.show("ActiveState", SOCKET) == "inactive"
    machine.run("dpkg", "--force-confold", "--install", "/run/host/newer.deb")
    assert enabled_links(machine) == {UNIT, SOCKET}  # as it was left
    machine.run("systemctl", "start", SOCKET, UNIT)
    machine.run("dpkg", "--purge", "daffi-bridge")
    assert machine.show("ActiveState") == machine.show("ActiveState", SOCKET) == "inactive"
    assert enabled_links(machine) == set()
    assert "daffi-bridge" not in machine.run("systemctl", "list-units", "--all", "--plain", "--no-legend", "daffi-bridge*")
