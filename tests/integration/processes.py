"""Processes of the tests: started, waited for by what they say, ended by their ids."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = (ROOT / os.environ.get("DAFFI_BUILD", "build/dev")).resolve()
PEER = ROOT / "tests" / "peers" / "daffi_peer.py"
READY_SECONDS = 60.0
LISTENING = re.compile(r'(?:^|"message":")listening ([^"\s]+)')  # as text, and in JSON


def free_port() -> int:
    """A TCP port of the loopback that nobody holds just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until(is_so, seconds: float = 20.0) -> None:
    """Looks until it is; there is no event for what is looked at so."""
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, f"it was not so within {seconds} s"
        time.sleep(0.02)


@contextlib.contextmanager
def visitors(count: int, visit):
    """`count` threads that `visit()` time and again until the context ends. Gives ([what that returned], [what it raised]), which grow;
    at the end nobody may have met a fault."""
    ended, faults, answers = threading.Event(), [], []

    def run() -> None:
        try:
            while not ended.is_set():
                answers.append(visit())
        except BaseException as fault:  # noqa: BLE001 - told to the test
            faults.append(fault)

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    try:
        yield answers, faults
    finally:
        ended.set()
        for thread in threads:
            thread.join(60)
    assert not faults, faults


class Process:
    """A child whose output is read all the while; `wait_for` waits for a line of it, not for time."""

    def __init__(self, *command, env: dict[str, str] | None = None):
        self.command = [str(part) for part in command]
        self.lines: list[str] = []
        self._news = threading.Condition()
        self.popen = subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                      text=True, errors="replace", env={**os.environ, **(env or {})})
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        for line in self.popen.stdout:
            with self._news:
                self.lines.append(line.rstrip("\n"))
                self._news.notify_all()
        with self._news:
            self._news.notify_all()

    def begin_stop(self) -> None:
        """Tells the bridge to end, and waits until it has begun to."""
        said = len(self.lines)
        self.terminate()
        self.wait_for("shutting down", after=said)

    def log(self) -> str:
        """All it said so far."""
        return "\n".join(self.lines)

    def wait_for(self, pattern: str, seconds: float = READY_SECONDS, after: int = 0) -> re.Match:
        """The first line, from line `after` on, that `pattern` is found in. Raises AssertionError when it does not come."""
        deadline = time.monotonic() + seconds
        with self._news:
            while True:
                for line in self.lines[after:]:
                    found = re.search(pattern, line)
                    if found:
                        return found
                left = deadline - time.monotonic()
                if left <= 0 or (self.popen.poll() is not None and not self._reader.is_alive()):
                    raise AssertionError(f"{self.command} did not say {pattern!r} but:\n" + "\n".join(self.lines))
                self._news.wait(min(left, 0.25))

    def stop(self, seconds: float = 15.0) -> int:
        """Ends it in good order (end of its input, or SIGTERM for what does not read it); returns its exit status."""
        if self.popen.poll() is None:
            self.popen.stdin.close()
            self.terminate()
        try:
            return self.popen.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"{self.command} did not end in {seconds} s:\n{self.log()}") from None
        finally:
            self._reader.join(5)

    def terminate(self) -> None:
        """What asks it to end, besides the end of its input. Python peers need nothing more."""

    def kill(self) -> None:
        """Ends it at once, as a crash would."""
        if self.popen.poll() is None:
            self.popen.send_signal(signal.SIGKILL)
        self.popen.wait(10)


class Peer(Process):
    """A real daffi Router, Service or worker (tests/peers/daffi_peer.py)."""

    def __init__(self, role: str, *options: str, port: int | None = None, name: str | None = None):
        where = [] if port is None else ["--port", str(port)]
        super().__init__(sys.executable, PEER, role, *where, *([] if name is None else ["--name", name]), *options)
        self.port = port
        self._role = role
        self.wait_for("^ready$")

    def stop(self, seconds: float = 2.0) -> int:
        """Ends it; a Service that had clients never ends by itself, so it is not waited for."""
        self.popen.stdin.close()
        if self._role == "service":
            self.kill()
            return 0
        try:
            return self.popen.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            return 0


class Bridge(Process):
    """daffi-bridge, with sanitizers where the build has them: what they find fails the test at stop()."""

    def __init__(self, *options: str, listeners: tuple[str, ...] = ("http://127.0.0.1:0",), before: tuple[str, ...] = ()):
        listen = [part for url in listeners for part in ("--listen", url)]
        super().__init__(*before, BUILD / "daffi-bridge", *listen, *options,
                         env={"ASAN_OPTIONS": "detect_leaks=1:abort_on_error=0", "UBSAN_OPTIONS": "print_stacktrace=1"})
        self.urls = []
        for number in range(len(listeners)):
            self.wait_for_listeners(number + 1)

    def wait_for_listeners(self, count: int) -> None:
        """Waits until so many `listening URL` lines are there; keeps the URLs in `urls`."""
        deadline = time.monotonic() + READY_SECONDS
        while len(self.urls) < count:
            self.wait_for(LISTENING, max(0.1, deadline - time.monotonic()), after=0)
            self.urls = [found[1] for found in map(LISTENING.search, self.lines) if found]
            if time.monotonic() > deadline:
                raise AssertionError(f"not all listeners came up:\n{self.log()}")

    @property
    def url(self) -> str:
        """The first listener's, as http(s)://HOST:PORT."""
        return self.urls[0]

    @property
    def ws_url(self) -> str:
        """The first listener's, as ws(s)://HOST:PORT/."""
        return self.url.replace("http", "ws", 1) + "/"

    @property
    def port(self) -> int:
        """The first listener's."""
        return int(self.url.rsplit(":", 1)[1])

    def terminate(self) -> None:
        self.popen.send_signal(signal.SIGTERM)

    def stop(self, seconds: float = 20.0) -> int:
        status = super().stop(seconds)
        assert status == 0, f"daffi-bridge ended with {status}:\n{self.log()}"
        return status
