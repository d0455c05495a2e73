"""What the service manager is told, and the units it is given."""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest
from processes import BUILD, Bridge

ROOT = Path(__file__).resolve().parents[2]
UNIT = ROOT / "systemd" / "daffi-bridge.service"


class Manager:
    """The end of the socket that sd_notify(3) writes to."""

    def __init__(self, path: Path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))
        self.told: list[str] = []

    def wait_for(self, word: str, seconds: float = 20.0) -> str:
        """Reads until a message holds the word."""
        deadline = time.monotonic() + seconds
        while True:
            self.socket.settimeout(max(0.01, deadline - time.monotonic()))
            self.told.append(self.socket.recv(4096).decode())
            if word in self.told[-1]:
                return self.told[-1]

    def drop(self) -> None:
        """Forgets what has come."""
        self.socket.setblocking(False)
        try:
            while True:
                self.socket.recv(4096)
        except BlockingIOError:
            pass


@pytest.fixture
def manager(tmp_path):
    made = Manager(tmp_path / "notify")
    yield made
    made.socket.close()


def start(house, manager, tmp_path, watchdog_ms: int = 0) -> Bridge:
    """A bridge that was started by a service manager."""
    told = [f"NOTIFY_SOCKET={tmp_path}/notify", f"WATCHDOG_USEC={watchdog_ms * 1000}"]
    bridge = house.keep(Bridge(before=("env", *told)))
    manager.wait_for("READY=1")
    return bridge


def test_the_manager_is_told(house, manager, tmp_path):
    bridge = start(house, manager, tmp_path)
    os.kill(bridge.popen.pid, signal.SIGHUP)
    assert "MONOTONIC_USEC=" in manager.wait_for("RELOADING=1")
    manager.wait_for("READY=1")
    bridge.terminate()
    assert "EXTEND_TIMEOUT_USEC=15000000" in manager.wait_for("STOPPING=1").splitlines()  # timeouts_ms.drain, and a while


def test_the_manager_is_told_what_became_of_a_reload(house, manager, tmp_path):
    """Which `systemctl reload` does not know."""
    file = tmp_path / "bridge.json"
    file.write_text('{"listen": [{"url": "http://127.0.0.1:0"}]}')
    bridge = house.keep(Bridge("-c", str(file), listeners=(), before=("env", f"NOTIFY_SOCKET={tmp_path}/notify")))
    assert manager.wait_for("READY=1").splitlines()[1:] == ["STATUS=listening"]
    for written, status in (('{"listen": [], "lisen": []}', f"STATUS=listening; the configuration was not reloaded: {file}: line 1: lisen: unknown key; "),
                            ('{"listen": [{"url": "http://127.0.0.1:0"}]}', "STATUS=listening")):
        file.write_text(written)
        os.kill(bridge.popen.pid, signal.SIGHUP)
        manager.wait_for("RELOADING=1")
        told = manager.wait_for("READY=1").splitlines()
        assert len(told) == 2 and told[1].startswith(status), told
    assert told[1] == status


def test_the_journal_is_told_why_it_can_not_start(tmp_path):
    """As an error, by JOURNAL_STREAM."""
    ours, theirs = socket.socketpair()
    status = os.fstat(theirs.fileno())
    done = subprocess.run([BUILD / "daffi-bridge", "-c", str(tmp_path / "none.json")], stderr=theirs, check=False, timeout=20,
                          env={**os.environ, "JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"})
    theirs.close()
    said = ours.recv(65536).decode()
    ours.close()
    assert done.returncode == 2
    assert re.fullmatch(f"<3>{tmp_path}/none.json[^\n]*No such file or directory\n", said), said


def threads(bridge) -> list[int]:
    """Its threads' ids, the first is main's."""
    return sorted(int(name) for name in os.listdir(f"/proc/{bridge.popen.pid}/task"))


def test_the_watchdog_hears_of_an_event_loop_that_hangs(house, manager, tmp_path):
    """A debugger stops one thread after another; only where that is an event loop the manager has nothing to hear."""
    libc = ctypes.CDLL(None, use_errno=True)
    attach, go_on, wait_all = 16, 17, 0x40000000
    bridge = start(house, manager, tmp_path, watchdog_ms=1000)
    for _ in range(3):
        manager.wait_for("WATCHDOG=1")
    hanging = 0
    for thread in threads(bridge)[1:]:
        if libc.ptrace(attach, thread, None, None) != 0:
            pytest.skip(f"no ptrace here: {os.strerror(ctypes.get_errno())}")
        os.waitpid(thread, wait_all)
        manager.drop()
        try:
            for _ in range(3):
                manager.wait_for("WATCHDOG=1", 4)
        except TimeoutError:
            hanging += 1
        libc.ptrace(go_on, thread, None, None)
        manager.wait_for("WATCHDOG=1")
    assert hanging == (os.cpu_count() or 1)


needs_analyze = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")


@needs_analyze
def test_the_unit_is_hardened():
    """An exposure of 0 is the best, 10 the worst."""
    done = subprocess.run(["systemd-analyze", "security", "--offline=true", "--no-pager", UNIT], capture_output=True, text=True, check=False, timeout=60)
    exposure = re.search(r"Overall exposure level for daffi-bridge.service: ([0-9.]+)", done.stdout)
    assert exposure and float(exposure[1]) <= 1.5, done.stdout + done.stderr


@needs_analyze
def test_the_unit_is_sound(tmp_path):
    """With a program where it will be."""
    unit, listener = tmp_path / "daffi-bridge.service", tmp_path / "daffi-bridge.socket"
    unit.write_text(UNIT.read_text().replace("/usr/sbin/daffi-bridge", "/bin/true"))
    listener.write_text(UNIT.with_suffix(".socket").read_text())
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", unit, listener], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@pytest.mark.skipif(shutil.which("systemd-sysusers") is None, reason="systemd is not installed")
def test_its_user_and_folders_are_made(tmp_path):
    for program, kind in (("systemd-sysusers", "sysusers"), ("systemd-tmpfiles", "tmpfiles")):
        more = ["--create"] if kind == "tmpfiles" else []
        (tmp_path / "etc").mkdir(exist_ok=True)
        done = subprocess.run([program, f"--root={tmp_path}", *more, ROOT / "systemd" / f"daffi-bridge.{kind}.conf"], capture_output=True, text=True,
                              check=False, timeout=60)
        assert done.returncode == 0, done.stderr
    assert "daffi-bridge:" in (tmp_path / "etc" / "passwd").read_text()
    assert (tmp_path / "var" / "lib" / "daffi-bridge" / "assets").is_dir()


def test_the_process_that_takes_over_is_the_one_to_watch(house, manager, tmp_path):
    """The watchdog is told of it, and then by it."""
    told = [f"NOTIFY_SOCKET={tmp_path}/notify", "WATCHDOG_USEC=1000000"]
    bridge = house.keep(Bridge(before=("sh", "-c", 'export WATCHDOG_PID=$$; exec env "$@"', "sh", *told)))
    manager.wait_for("READY=1")
    manager.wait_for("WATCHDOG=1")
    os.kill(bridge.popen.pid, signal.SIGUSR2)
    seen = len(manager.told)
    successor = int(manager.wait_for("MAINPID=").split("MAINPID=")[1].split()[0])
    # Before, nobody hears it; and from the moment on that it is named, it is init's child: the manager waits for no other main process to end.
    assert not any("READY=1" in told for told in manager.told[seen:])
    assert int(Path(f"/proc/{successor}/stat").read_text().rsplit(")", 1)[1].split()[1]) not in (bridge.popen.pid, os.getpid())
    try:
        bridge.popen.wait(20)
        manager.drop()
        for _ in range(3):
            manager.wait_for("WATCHDOG=1")
    finally:
        os.kill(successor, signal.SIGTERM)
    manager.wait_for("STOPPING=1")
