#!/usr/bin/env python3
"""What the bridge does for a fixed piece of work, in instructions (callgrind) and system calls (strace): it must not grow unseen.

Neither depends on how fast the machine is or what else it does. Each work is done often, and more often; the difference is
what that many more cost, so that start and end do not count. Compared with counts.json beside this file, which the release build of
Debian 12's compiler made: more than MARGIN above fails; less says so, and passes.

    tests/perf/guard.py [--build build/release] [--store]

Where valgrind or strace can't run (no such program, another processor, ptrace forbidden), it says so and leaves that part out.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "integration"))

import wire  # noqa: E402
from native import Native  # noqa: E402

COUNTS = Path(__file__).with_name("counts.json")
MARGIN = 0.15  # of instructions
CALLS_MARGIN = 0.5  # system calls each; a clock's tick falls into some runs
FEW, MANY = 200, 1200
PATIENCE = 120
# One memcpy for all processors: valgrind shows programs the real one's extensions.
TUNABLES = "glibc.cpu.hwcaps=-AVX2,-AVX_Fast_Unaligned_Load,-AVX512F,-AVX512VL,-ERMS,-FSRM"
HEAD = (b"GET /%s HTTP/1.1\r\nHost: 127.0.0.1:8443\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko)\r\n"
        b"Accept: */*\r\nAccept-Encoding: gzip, deflate, br\r\nAccept-Language: en-US,en;q=0.9\r\n")
UPGRADE = b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
PING, BINARY = 9, 2


class Page:
    """A page, by its bytes: over WebSocket, without a library whose frames might change."""

    def __init__(self, port: int):
        self.socket = socket.create_connection(("127.0.0.1", port), PATIENCE)
        self.buffer = bytearray()
        self.socket.sendall(HEAD % b"" + UPGRADE)
        while b"\r\n\r\n" not in self.buffer:
            self.more()
        assert self.buffer.startswith(b"HTTP/1.1 101"), bytes(self.buffer)
        del self.buffer[:self.buffer.index(b"\r\n\r\n") + 4]
        self.send(BINARY, wire.handshake("page").encode())
        self.receive(BINARY)

    def more(self) -> None:
        """Waits for more bytes."""
        some = self.socket.recv(1 << 20)
        assert some, "the bridge ended the connection"
        self.buffer += some

    def send(self, opcode: int, payload: bytes) -> None:
        """One frame, in one write; its mask changes every byte."""
        length = len(payload)
        size = bytes([0x80 | length]) if length < 126 else b"\xfe" + length.to_bytes(2, "big") if length < 65536 else b"\xff" + length.to_bytes(8, "big")
        masked = (int.from_bytes(payload, "big") ^ int.from_bytes((b"mask" * (length // 4 + 1))[:length], "big")).to_bytes(length, "big")
        self.socket.sendall(bytes([0x80 | opcode]) + size + b"mask" + masked)

    def receive(self, opcode: int) -> bytes:
        """The payload of the next frame of that kind; answers are short here."""
        while True:
            while len(self.buffer) < 4 or len(self.buffer) < self.frame_size():
                self.more()
            size = self.frame_size()
            kind, payload = self.buffer[0] & 15, bytes(self.buffer[2 if self.buffer[1] < 126 else 4:size])
            del self.buffer[:size]
            if kind == opcode:
                return payload

    def frame_size(self) -> int:
        """Of the frame at the front, four bytes of which are there."""
        assert self.buffer[1] < 127
        return 2 + self.buffer[1] if self.buffer[1] < 126 else 4 + int.from_bytes(self.buffer[2:4], "big")


def play_calls(port: int, times: int, size: int) -> None:
    """A page calls a worker, one call after another; the worker answers with two bytes."""
    with Native(port, "worker", ["f"]) as worker:
        page = Page(port)
        body = bytes(range(256)) * (size // 256) + bytes(size % 256)
        for number in range(times):
            page.send(BINARY, wire.Message(number + 1, wire.REQUEST, wire.OPAQUE, 1, 1, "page", "worker", "f", body).encode())
            request = worker.wait_for(lambda message: message.flag == wire.REQUEST, PATIENCE)
            worker.seen.clear()
            worker.send(wire.Message(request.uuid, wire.RESPONSE, wire.OPAQUE, 1, 0, "worker", "page", "f", b"ok"))
            assert wire.decode(page.receive(BINARY)).payload == b"ok"
        page.socket.close()


def play_heads(port: int, times: int) -> None:
    """A browser asks for what it has already: a head, and an answer without a body."""
    with socket.create_connection(("127.0.0.1", port), PATIENCE) as browser:
        for _ in range(times):
            browser.sendall(HEAD.replace(b"GET", b"HEAD") % b"daffi.js" + b"\r\n")
            answer = b""
            while not answer.endswith(b"\r\n\r\n"):
                some = browser.recv(65536)
                assert some, answer
                answer += some
            assert answer.startswith(b"HTTP/1.1 200"), answer


def play_frames(port: int, times: int) -> None:
    """A ping, and its pong."""
    page = Page(port)
    for _ in range(times):
        page.send(PING, b"12345678")
        assert page.receive(PING + 1) == b"12345678"
    page.socket.close()


@dataclass(frozen=True)
class Work:
    """One piece of work, done `times` times before the bridge on `port`."""

    name: str
    play: Callable[[int, int], None]
    counts_calls: bool = True  # in how many reads a large message comes is the kernel's to say


WORKS = (
    Work("one call of a page", lambda port, times: play_calls(port, times, 32)),
    Work("one message of 64 KiB", lambda port, times: play_calls(port, times, 65536), False),
    Work("one request head", play_heads),
    Work("one frame", play_frames),
)


@contextmanager
def bridge(program: Path, under: list[str]) -> Iterator[int]:
    """A bridge that is a router, under a tool: its port. It ends in good order with the block."""
    process = subprocess.Popen([*under, program, "--listen", "http://127.0.0.1:0", "--log-level", "error"], stdout=subprocess.DEVNULL,
                               stderr=subprocess.PIPE, text=True, env={**os.environ, "GLIBC_TUNABLES": TUNABLES})
    try:
        for line in process.stderr:
            found = re.search(r"listening http://127\.0\.0\.1:(\d+)", line)
            if found:
                break
        else:
            raise RuntimeError(f"{under[0]} {program} did not listen")
        yield int(found.group(1))
        own = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()  # strace's child; valgrind is the program itself
        os.kill(int(own[0]) if own else process.pid, signal.SIGTERM)
        process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
        process.wait()


def count_instructions(program: Path, folder: Path, work: Work, times: int) -> int:
    """By callgrind, of all threads."""
    out = folder / "callgrind.out"
    with bridge(program, ["valgrind", "--quiet", "--tool=callgrind", f"--callgrind-out-file={out}"]) as port:
        work.play(port, times)
    return int(re.search(r"^(?:totals|summary): (\d+)", out.read_text(), re.MULTILINE).group(1))


def count_calls(program: Path, folder: Path, work: Work, times: int) -> int:
    """By strace, of all threads: those that move bytes or wait for them."""
    out = folder / "strace.out"
    kinds = "read,readv,write,writev,recvfrom,recvmsg,sendto,sendmsg,epoll_wait,epoll_pwait,epoll_pwait2,epoll_ctl,ioctl,getsockopt,setsockopt"
    with bridge(program, ["strace", "-f", "-c", "-e", f"trace={kinds}", "-o", str(out)]) as port:
        work.play(port, times)
    return int(re.search(r"^100\.00\s+[\d.]+\s+(?:\d+\s+)?(\d+)(?:\s+\d+)?\s+total", out.read_text(), re.MULTILINE).group(1))


def can_run(command: list[str]) -> bool:
    """Whether that tool does anything here."""
    try:
        return subprocess.run([*command, "true"], stdin=subprocess.DEVNULL, capture_output=True, timeout=PATIENCE).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def judge(name: str, what: str, count: float, stored: float, bound: float) -> bool:
    """Prints one line; whether it is in bounds."""
    verdict = "ok" if count <= bound else f"MORE than {bound:.1f}"
    if count < stored - (bound - stored):
        verdict = "less: store it with --store"
    print(f"{name}: {count:.1f} {what} ({stored:.1f} stored), {verdict}")
    return count <= bound


def main() -> int:
    """Counts, compares."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", type=Path, default=ROOT / "build" / "release")
    parser.add_argument("--store", action="store_true", help="write counts.json anew")
    options = parser.parse_args()
    program = options.build.resolve() / "daffi-bridge"
    counts = json.loads(COUNTS.read_text()) if COUNTS.exists() else {}
    tools = [("instructions", count_instructions, ["valgrind", "--quiet", "--tool=none"]), ("system calls", count_calls, ["strace", "-f", "-o", "/dev/null"])]
    passed = failed = 0
    for what, count, command in tools:
        if (what == "instructions" and platform.machine() != "x86_64") or not can_run(command):
            print(f"{command[0]} can't run here: {what} are not counted")
            continue
        for work in WORKS:
            if what == "system calls" and not work.counts_calls:
                continue
            with tempfile.TemporaryDirectory(prefix="daffi-perf-") as folder:
                few, many = (count(program, Path(folder), work, times) for times in (FEW, MANY))
            each = (many - few) / (MANY - FEW)
            if options.store:
                counts.setdefault(work.name, {})[what] = round(each, 1)
            stored = counts[work.name][what]
            is_fine = judge(work.name, what, each, stored, stored * (1 + MARGIN) if what == "instructions" else stored + CALLS_MARGIN)
            passed, failed = passed + is_fine, failed + (not is_fine)
    if options.store:
        COUNTS.write_text(json.dumps(counts, indent=2) + "\n")
    print(f"perf: {passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
