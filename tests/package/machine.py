"""A machine of its own, made of namespaces (machine.sh), with a real systemd as its first process."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import re
import select
import socket
import subprocess
import time
from pathlib import Path

from processes import wait_until

SCRIPT = Path(__file__).with_name("machine.sh")
NAMESPACES = ("--pid", "--mount", "--uts", "--ipc", "--net", "--cgroup")
START_SECONDS = 60.0
CLONE_NEWNET = 0x40000000
UNIT = "daffi-bridge.service"
ERROR, WARNING, INFO = 3, 4, 6  # the journal's
ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive", "SYSTEMD_PAGER": ""}


def cgroups() -> Path | None:
    """Where this process may make cgroups of its own, in the unified hierarchy."""
    mounts = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
    own = [line.removeprefix("0::") for line in Path("/proc/self/cgroup").read_text().splitlines() if line.startswith("0::")]
    for _, place, kind, *_ in mounts:
        if kind == "cgroup2" and own:
            return Path(place) / own[0].lstrip("/")
    return None


def why_not() -> str | None:
    """What this machine lacks for one within it; None when nothing."""
    place = cgroups()
    if os.geteuid() != 0 or place is None or not os.access(place, os.W_OK):
        return "root and a cgroup2 that can be written to are needed"
    probe = subprocess.run(["unshare", *NAMESPACES, "--fork", "mount", "-t", "cgroup2", "cgroup2", "/mnt"], capture_output=True, text=True, check=False, timeout=20)
    return f"no namespaces are to be had here: {probe.stderr.strip()}" if probe.returncode != 0 else None


class Machine:
    """`debian` stays as it is. A context: what was begun in it ends with it."""

    def __init__(self, debian: Path, shared: Path):
        self.shared = shared
        told = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        told.bind(str(shared / "notify"))
        self._complaints = (shared / "complaints").open("w+")
        self._script = subprocess.Popen(["sh", SCRIPT, debian, shared, cgroups() / f"daffi-bridge-test-{os.getpid()}"], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=self._complaints, text=True)
        try:
            said = self._script.stdout.readline().split()
            assert said[:1] == ["init"], self.complaints()
            self.init = int(said[1])
            self._wait_for_start(told)
        except BaseException:
            self.close()
            raise
        finally:
            told.close()
        self.root = Path(f"/proc/{self.init}/root")

    def complaints(self) -> str:
        """What it said of its beginning."""
        self._complaints.seek(0)
        return self._complaints.read()

    def _wait_for_start(self, told: socket.socket) -> None:
        """READY=1 of process 1: all that is to be started at the beginning has been."""
        deadline = time.monotonic() + START_SECONDS
        message = ""
        while "READY=1" not in message.splitlines():
            assert select.select([told], [], [], max(0.0, deadline - time.monotonic()))[0], f"systemd did not start:\n{self.complaints()}"
            message = told.recv(4096).decode()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self) -> None:
        """Ends it, and waits until nothing of it is left."""
        self._script.stdin.close()
        self._script.wait(30)
        self._script.stdout.close()
        self._complaints.close()

    # -- from within --

    def attempt(self, *command: str | Path) -> subprocess.CompletedProcess:
        """Runs it there."""
        return subprocess.run(["nsenter", "--target", str(self.init), "--all", *command], capture_output=True, text=True, check=False, timeout=60, env=ENVIRONMENT)

    def run(self, *command: str | Path) -> str:
        """The same, where it has to succeed; its output."""
        done = self.attempt(*command)
        assert done.returncode == 0, f"{' '.join(map(str, command))}:\n{done.stdout}{done.stderr}\n{self.log()}"
        return done.stdout

    @contextlib.contextmanager
    def network(self):
        """What the calling thread does meanwhile it does on the machine's network."""
        libc = ctypes.CDLL(None, use_errno=True)
        with open("/proc/thread-self/ns/net") as here, open(f"/proc/{self.init}/ns/net") as there:
            assert libc.setns(there.fileno(), CLONE_NEWNET) == 0, os.strerror(ctypes.get_errno())
            try:
                yield
            finally:
                assert libc.setns(here.fileno(), CLONE_NEWNET) == 0

    # -- its units --

    def show(self, name: str, unit: str = UNIT) -> str:
        """A property."""
        return self.run("systemctl", "show", "--property", name, "--value", unit).strip()

    def wait_for(self, name: str, value: str, unit: str = UNIT) -> None:
        """Until the property has the value."""
        try:
            wait_until(lambda: self.show(name, unit) == value)
        except AssertionError:
            raise AssertionError(f"{name} of {unit} is {self.show(name, unit)}, not {value}:\n{self.log()}") from None

    def drop_in(self, text: str, unit: str = UNIT) -> None:
        """As `systemctl edit`."""
        folder = self.root / f"etc/systemd/system/{unit}.d"
        folder.mkdir(exist_ok=True)
        (folder / "override.conf").write_text(text)
        self.run("systemctl", "daemon-reload")

    def configure(self, **keys) -> None:
        """Writes the service's configuration."""
        (self.root / "etc/daffi-bridge/daffi-bridge.json").write_text(json.dumps(keys))

    def signal(self, name: str) -> None:
        """To the main process."""
        self.run("systemctl", "kill", f"--signal={name}", "--kill-whom=main", UNIT)

    # -- its journal --

    def now(self) -> str:
        """A place in the journal: its end."""
        return re.search(r"^-- cursor: (\S+)$", self.run("journalctl", "--lines=1", "--show-cursor", "--quiet"), re.MULTILINE)[1]

    def lines(self, since: str) -> list[tuple[int, str, str]]:
        """What was said of the service since then: priorities, who said it, and texts."""
        said = [json.loads(line) for line in self.run("journalctl", f"--unit={UNIT}", f"--after-cursor={since}", "--output=json", "--quiet").splitlines()]
        return [(int(line["PRIORITY"]), line["SYSLOG_IDENTIFIER"], line["MESSAGE"]) for line in said]

    def wait_for_line(self, since: str, pattern: str) -> re.Match:
        """Until a text holds it."""
        found = []
        try:
            wait_until(lambda: found.extend(match for _, _, text in self.lines(since) if (match := re.search(pattern, text))) or found)
        except AssertionError:
            raise AssertionError(f"nobody said {pattern}:\n{self.log()}") from None
        return found[0]

    def log(self) -> str:
        """The end of the service's journal, for who looks what went wrong."""
        return self.attempt("journalctl", f"--unit={UNIT}", "--lines=30").stdout
