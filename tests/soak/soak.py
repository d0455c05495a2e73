"""Thousands of pages that come, call, go and vanish, with workers that are killed and a configuration that is reloaded: every answer is
compared, and the bridge ends with the memory and the descriptors that it had after the first round.

    soak.py [--build DIR] [--connections N] [--seconds S] [--rounds N]

The bridge is the Router; its workers are real daffi peers. A round opens all connections, lets them call and churn for its share
of the time, and ends them; between rounds the bridge must be as it was. Exit status 0, or 1 with what went wrong.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import os
import random
import resource
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "integration"))

WORKERS = ("w1", "w2")
PATIENCE = 30.0  # for an answer, with all of them calling at once
PAUSE = 1.0  # between the calls of one page, on average
KILL_EVERY = 4.0
RELOAD_EVERY = 3.0
SLACK_BYTES = 4 << 20
SLACK_SHARE = 0.10
SETTLE_SECONDS = 20.0
# What a call may be answered with in place of its result, where the worker it was for is killed meanwhile.
LOSSES = {"Disconnected", "NoSuchMember", "NoSuchMethod", "Busy"}
UPGRADE = (b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
           b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")


class Wrong(Exception):
    """What must not be."""


class Page:
    """A page as small as can be: 2,000 of them have to fit into one Python."""

    def __init__(self, port: int, name: str):
        self.port, self.name, self.uuid = port, name, 1

    async def open(self) -> None:
        """Connects and shakes hands."""
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port)
        self.writer.write(UPGRADE)
        head = await self.reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 101 "):
            raise Wrong(f"{self.name}: {head!r}")
        self.send(wire.handshake(self.name))
        while True:
            answer = await self.receive()
            if answer.uuid == 1 and answer.transmitter == self.name:
                break
        if answer.flag != wire.HANDSHAKE:
            raise Wrong(f"{self.name} was refused: {answer.payload!r}")

    def send(self, message: wire.Message) -> None:
        """Sends a message as one masked frame; the mask is zero."""
        data = message.encode()
        size = bytes([0x80 | len(data)]) if len(data) < 126 else b"\xfe" + len(data).to_bytes(2, "big")
        self.writer.write(b"\x82" + size + b"\0\0\0\0" + data)

    async def receive(self) -> wire.Message:
        """The next message."""
        while True:
            head = await self.reader.readexactly(2)
            size = head[1]
            if size >= 126:
                size = int.from_bytes(await self.reader.readexactly(2 if size == 126 else 8), "big")
            data = await self.reader.readexactly(size)
            if head[0] == 0x88:
                raise Wrong(f"{self.name} was closed: {data!r}")
            if head[0] == 0x82 and data:
                return wire.decode(data)

    async def call(self) -> str:
        """One call of a random kind. `answered`, or what it was lost to."""
        self.uuid = self.uuid % 65535 + 1
        message = wire.Message(self.uuid, wire.REQUEST, transmitter=self.name, receiver=random.choice(WORKERS))
        if random.random() < 0.5:
            a, b = random.randrange(1 << 40), random.randrange(1 << 40)
            message.function, expected = "add", a + b
            message.payload = json.dumps({"args": [a, b], "kwargs": {}}).encode()
        else:
            message.function, message.decoder, message.is_bytes = "echo", wire.OPAQUE, 1
            expected = message.payload = random.randbytes(random.choice((1, 100, 1000, 20_000)))
        self.send(message)
        while True:
            answer = await self.receive()
            if answer.flag in (wire.RESPONSE, wire.ERROR):
                break
        if answer.uuid != self.uuid:
            raise Wrong(f"{self.name}: an answer to {answer.uuid}, the call was {self.uuid}")
        if answer.flag == wire.ERROR:
            kind = answer.json()["args"][0][0]
            if kind not in LOSSES:
                raise Wrong(f"{self.name}: {answer.payload!r}")
            return kind
        got = answer.payload if answer.decoder == wire.OPAQUE else answer.json()["args"][0]
        if got != expected:
            raise Wrong(f"{self.name}: {str(got)[:80]} in place of {str(expected)[:80]}")
        return "answered"

    def leave(self) -> None:
        """In good order, or without a word."""
        if random.random() < 0.5:
            self.writer.write(b"\x88\x82\0\0\0\0\x03\xe8")
            self.writer.close()
        else:
            self.writer.transport.abort()


class Soak:
    """One bridge, its workers, and whoever calls."""

    def __init__(self, house, options):
        self.options = options
        self.limits = {"connections": 2 * options.connections + 100, "connections_per_address": 2 * options.connections + 100,
                  "half_open": options.connections}
        self.folder = tempfile.TemporaryDirectory(prefix="daffi-soak-")
        self.file = Path(self.folder.name) / "bridge.json"
        self.configure(["w*"])
        self.bridge = house.keep(processes.Bridge("-c", str(self.file), "--log-level", "error"))
        self.house = house
        self.workers = {name: house.worker(self.bridge.port, name) for name in WORKERS}
        self.tally, self.faults, self.names = Counter(), [], 0

    def configure(self, visible: list[str]) -> None:
        """Writes the bridge's file."""
        self.file.write_text(json.dumps({"limits": self.limits, "policy": {"visible": visible}}))

    def resident(self) -> int:
        """Bytes of the bridge."""
        with open(f"/proc/{self.bridge.popen.pid}/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * resource.getpagesize()

    def descriptors(self) -> int:
        """Of the bridge."""
        return len(os.listdir(f"/proc/{self.bridge.popen.pid}/fd"))

    async def live(self, until: float) -> None:
        """One seat: a page after the other, each for some calls."""
        await asyncio.sleep(random.random() * 5)
        while time.monotonic() < until and not self.faults:
            self.names += 1
            page = Page(self.bridge.port, f"page{self.names}")
            try:
                async with asyncio.timeout(PATIENCE):
                    await page.open()
                self.tally["opened"] += 1
                for _ in range(random.randrange(2, 30)):
                    async with asyncio.timeout(PATIENCE):
                        self.tally[await page.call()] += 1
                    await asyncio.sleep(random.expovariate(1 / PAUSE))
                    if time.monotonic() >= until:
                        break
                page.leave()
            except (Wrong, OSError, EOFError, TimeoutError, ValueError) as fault:
                self.faults.append(f"{page.name}: {fault!r}")

    async def kill_workers(self, until: float) -> None:
        """One at a time, now and then; another of the same name comes at once."""
        while time.monotonic() + 2 * KILL_EVERY < until:
            await asyncio.sleep(KILL_EVERY)
            name = random.choice(WORKERS)
            self.house.kill(self.workers[name])
            self.workers[name] = await asyncio.to_thread(self.house.worker, self.bridge.port, name)
            self.tally["killed"] += 1

    async def reload(self, until: float) -> None:
        """Another file each time, which says the same in other words; now and then one that can't be used."""
        for number in itertools.count():
            await asyncio.sleep(RELOAD_EVERY)
            if time.monotonic() >= until:
                break
            if number % 3 == 2:
                self.file.write_text("{ no configuration")
            else:
                self.configure([["w*"], ["w1", "w2"]][number % 2])
            os.kill(self.bridge.popen.pid, signal.SIGHUP)
            self.tally["reloads"] += 1

    async def round(self, seconds: float) -> None:
        """All seats, for so long."""
        until = time.monotonic() + seconds
        await asyncio.gather(self.kill_workers(until), self.reload(until), *(self.live(until) for _ in range(self.options.connections)))

    def settle(self, descriptors: int, resident: int) -> None:
        """Waits until the bridge is as it was: what is given back is given back by and by."""
        deadline = time.monotonic() + SETTLE_SECONDS
        allowed = resident * (1 + SLACK_SHARE) + SLACK_BYTES
        while self.descriptors() > descriptors or self.resident() > allowed:
            if time.monotonic() > deadline:
                self.faults.append(f"{self.descriptors()} descriptors and {self.resident() >> 10} KiB, {descriptors} and {resident >> 10} before")
                return
            time.sleep(0.1)

    def run(self) -> int:
        """All rounds; the first shows what is usual."""
        descriptors, share = self.descriptors(), self.options.seconds / self.options.rounds
        usual = 0
        for number in range(self.options.rounds):
            asyncio.run(self.round(share))
            if number == 0:
                self.settle(descriptors, 1 << 40)
                time.sleep(2)  # memory that was used is given back to the system by a timer
                usual = self.resident()
            else:
                self.settle(descriptors, usual)
            print(f"round {number + 1}: {dict(self.tally)}; {self.descriptors()} descriptors, {self.resident() >> 10} KiB", flush=True)
            if self.faults:
                print("\n".join(self.faults[:20]), f"\n{len(self.faults)} faults", self.bridge.log()[-3000:], sep="\n")
                return 1
        return 0


def main() -> int:
    """Runs it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build/release")
    parser.add_argument("--connections", type=int, default=2000)
    parser.add_argument("--seconds", type=float, default=180.0)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    os.environ["DAFFI_BUILD"] = options.build

    global processes, wire  # pylint: disable=global-statement
    import conftest
    import processes
    import wire
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    house = conftest.House(None)
    try:
        return Soak(house, options).run()
    finally:
        house.close()


if __name__ == "__main__":
    sys.exit(main())
