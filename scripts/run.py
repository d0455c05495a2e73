"""Starts the bridge, with its router and its playground, and two Python workers; ends them all together.

Called by scripts/run, which has built what this starts. Whoever ends first ends the others; so does Ctrl-C.
"""

from __future__ import annotations

import ctypes
import json
import os
import queue
import re
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
STATE = ROOT / "build" / "run"
BRIDGE = ROOT / "build" / "release" / "daffi-bridge"
FIRST_PORT, LAST_PORT = 8443, 8543
READY_SECONDS = 30
END_SECONDS = 15
DAY_SECONDS = 86400
PR_SET_PDEATHSIG = 1


class Failed(Exception):
    """Why it can't go on, as a sentence for the person who started it."""


class House:
    """The processes, and what they say: one queue of (name, line), a line of None being the end of a process."""

    def __init__(self):
        self.said: queue.Queue[tuple[str, str | None]] = queue.Queue()
        self.processes: dict[str, subprocess.Popen] = {}

    def start(self, name: str, command: list, ready: str) -> re.Match:
        """Starts a process and waits for the line that says it is ready."""
        libc = ctypes.CDLL(None)
        # In a session of its own: a Ctrl-C is ours, who end the children in order. They also go when we are killed.
        process = subprocess.Popen([str(part) for part in command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                   stderr=subprocess.STDOUT, text=True, errors="replace", start_new_session=True,
                                   preexec_fn=lambda: libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM))
        self.processes[name] = process
        threading.Thread(target=self._listen, args=(name, process), daemon=True).start()
        while True:
            try:
                speaker, line = self.said.get(timeout=READY_SECONDS)
            except queue.Empty:
                raise Failed(f"{name} was not ready within {READY_SECONDS} seconds") from None
            self._show(speaker, line)
            found = re.match(ready, line)
            if speaker == name and found:
                return found

    def watch(self) -> None:
        """Shows what the processes say, until one ends."""
        while True:
            self._show(*self.said.get())

    def end(self) -> None:
        """Ends all, the newest first; returns when they are gone."""
        for name, process in reversed(self.processes.items()):
            process.terminate()
            try:
                process.wait(END_SECONDS)
            except subprocess.TimeoutExpired:
                print(f"{name} did not end within {END_SECONDS} seconds: killed", file=sys.stderr)
                process.kill()
                process.wait()

    def _listen(self, name: str, process: subprocess.Popen) -> None:
        for line in process.stdout:
            self.said.put((name, line.rstrip("\n")))
        self.said.put((name, None))

    def _show(self, name: str, line: str | None) -> None:
        if line is None:
            status = self.processes[name].wait()
            how = f"by signal {signal.Signals(-status).name}" if status < 0 else f"with status {status}"
            raise Failed(f"{name} ended {how}; what it said is above")
        if line != "ready":
            print(f"{name:<9} | {line}", flush=True)


def free_port() -> int:
    """A port of the loopback that nobody holds just now."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


def first_free_port() -> int:
    """Where the bridge listens: 8443, or the next that is free."""
    for port in range(FIRST_PORT, LAST_PORT + 1):
        try:
            socket.create_server(("127.0.0.1", port)).close()
            return port
        except OSError:
            continue
    raise Failed(f"no port from {FIRST_PORT} to {LAST_PORT} is free")


def certificate() -> tuple[Path, Path]:
    """A self-signed certificate for this machine, made on the first start and when the old one has had its days."""
    cert, key = STATE / "cert.pem", STATE / "key.pem"
    if cert.exists() and key.exists():
        sound = subprocess.run(["openssl", "x509", "-checkend", str(DAY_SECONDS), "-noout", "-in", cert], capture_output=True, check=False)
        if sound.returncode == 0:
            return cert, key
    STATE.mkdir(parents=True, exist_ok=True)
    before = os.umask(0o077)
    try:
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc", "-days", "90",
             "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1",
             "-keyout", key, "-out", cert], check=True, capture_output=True, text=True)
    except subprocess.CalledProcessError as error:
        raise Failed(f"openssl could not make a certificate: {error.stderr.strip()}") from None
    finally:
        os.umask(before)
    print(f"made a certificate for localhost, good for 90 days: {cert.relative_to(ROOT)}")
    return cert, key


def serve(house: House, options: list[str]) -> None:
    """Starts everybody in order, says where the page is, and stays until somebody ends."""
    cert, key = certificate()
    configuration = STATE / "bridge.json"
    # Faults alone: a line for each connection would push the address out of sight, and those of browsers that do not believe the
    # certificate yet look like faults. Who wants them says --log-level info.
    configuration.write_text(json.dumps({"policy": {"expose": ["*"], "expose_shared": True}, "log": {"level": "warning"}}))
    worker_port = free_port()
    listening = house.start("bridge", [
        BRIDGE, "-c", configuration, "--listen", f"http://127.0.0.1:{worker_port}",
        "--listen", f"https://127.0.0.1:{first_free_port()}", "--cert", cert, "--key", key, "--playground", *options],
        r"listening https://\S+:(\d+)")
    for name in ("py-worker", "worker-B"):
        house.start(name, [sys.executable, ROOT / "scripts" / "demo_worker.py", name, worker_port], "ready$")
    print(f"\n    https://localhost:{listening[1]}/_bridge/\n\n"
          "Open it in a browser. It will warn you: the certificate was made on this machine, so nobody vouches for it.\n"
          "Choose \"Advanced\" and go on; or have the browser trust "
          f"{cert.relative_to(ROOT)}.\nThen press a function, and Call. Ctrl-C ends it all.\n", flush=True)
    house.watch()


def main() -> int:
    """0 when it was ended by Ctrl-C, 1 when something failed."""
    house = House()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    try:
        serve(house, sys.argv[1:])
    except KeyboardInterrupt:
        print("\nending", flush=True)
    except Failed as failed:
        print(f"scripts/run: {failed}", file=sys.stderr)
        return 1
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        house.end()
    return 0


if __name__ == "__main__":
    sys.exit(main())
