"""The router inside among 200 peers that come, call, answer, and end in every ugly way: each call that was made is answered
once, right or by an error, and none is lost in silence. Some come without TLS, which are all on one event loop, most over TLS, which are on all.

DAFFI_CHAOS_SECONDS says how long (6), DAFFI_CHAOS_SEED repeats a run; the seed is printed.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import socket
import ssl
import struct
from dataclasses import dataclass, field

import wire
from reactors import spread

SECONDS = float(os.environ.get("DAFFI_CHAOS_SECONDS", "6"))
WORKERS, CALLERS = 60, 140
PLAIN_SHARE = 0.3  # of those that come
ANSWER_SECONDS = 20.0
ERRORS = {"NoSuchMember", "NoSuchMethod", "Disconnected", "Busy"}


@dataclass(frozen=True)
class Doors:
    """Where peers come in."""

    plain: int
    secure: int
    context: ssl.SSLContext

    def one(self, dice: random.Random) -> dict:
        """One of the two, as arguments of asyncio.open_connection."""
        if dice.random() < PLAIN_SHARE:
            return {"port": self.plain}
        return {"port": self.secure, "ssl": self.context, "server_hostname": "localhost"}


@dataclass
class Account:
    """What came of all calls."""

    right: int = 0
    errors: dict[str, int] = field(default_factory=dict)
    ends: dict[str, int] = field(default_factory=dict)
    spread: list[int] = field(default_factory=list)  # of those over TLS, towards the end
    faults: list[str] = field(default_factory=list)


class Peer:
    """A native connection after its handshake."""

    def __init__(self, name, reader, writer):
        self.name, self.reader, self.writer = name, reader, writer

    @classmethod
    async def join(cls, door: dict, name: str, methods: list[str] | None = None) -> Peer:
        """Connects and shakes hands."""
        reader, writer = await asyncio.open_connection("127.0.0.1", **door)
        peer = cls(name, reader, writer)
        writer.write(wire.PROBE + wire.handshake(name, methods=methods).encode())
        while True:
            answer = await asyncio.wait_for(peer.receive(), ANSWER_SECONDS)
            if answer.flag == wire.HANDSHAKE and answer.transmitter == name:
                assert answer.json()["meta"]["error"] is None, answer
                return peer

    async def receive(self) -> wire.Message:
        """The next message; IncompleteReadError or ConnectionError at the end."""
        head = await self.reader.readexactly(wire.HEADER)
        return wire.decode(head + await self.reader.readexactly(wire.size_at_front(head) - wire.HEADER))

    def send(self, message: wire.Message) -> None:
        self.writer.write(message.encode())

    def end(self, how: str, piece: wire.Message, dice: random.Random) -> None:
        """In good order, by a reset, or in the midst of a message."""
        if how == "reset":
            self.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.writer.transport.abort()
            return
        if how == "half":
            data = piece.encode()
            self.writer.write(data[:dice.randrange(1, len(data))])
        self.writer.close()


ENDS = ("order", "reset", "half")


def answer(worker: Peer, request: wire.Message, dice: random.Random) -> None:
    """The answer; now and then a second one as well, and one to a call that was never made."""
    if worker.writer.is_closing():
        return
    worker.send(wire.Message(request.uuid, wire.RESPONSE, request.decoder, request.is_bytes, 0, worker.name, request.transmitter,
                             request.function, request.payload))
    if dice.random() < 0.02:
        for uuid in (request.uuid, request.uuid ^ 0x4000):
            worker.send(wire.Message(uuid, wire.RESPONSE, wire.JSON, 0, 0, worker.name, request.transmitter, "f",
                                     b'{"args":["forged"],"kwargs":{}}'))


async def work(doors: Doors, name: str, dice: random.Random, over: asyncio.Event, account: Account) -> None:
    """A worker, again and again: answers what comes, some of it late and out of order, until it ends in the midst of it."""
    loop = asyncio.get_running_loop()
    while not over.is_set():
        worker = await Peer.join(doors.one(dice), name, ["f"])
        life = dice.randrange(5, 80)
        try:
            while life > 0:
                request = await worker.receive()
                if request.flag == wire.REQUEST:
                    life -= 1
                    loop.call_later(dice.choice((0, 0, 0.001, 0.05)), answer, worker, request, dice)
        except (asyncio.IncompleteReadError, ConnectionError) as fault:
            account.faults.append(f"{name} was cut off: {fault!r}")
        except asyncio.CancelledError:
            worker.writer.transport.abort()
            raise
        how = dice.choice(ENDS)
        account.ends[how] = account.ends.get(how, 0) + 1
        worker.end(how, wire.request(name, "a0", "f", "x" * 500), dice)


def call_of(name: str, uuid: int, dice: random.Random) -> wire.Message:
    """A call of a random size; what it says is its caller's and its own."""
    text = f"{name} {uuid} " + "x" * int(10 ** dice.uniform(0, 4.5))
    receiver = f"w{dice.randrange(WORKERS + 2)}"  # two of them are never there
    if dice.random() < 0.3:
        return wire.Message(uuid, wire.REQUEST, wire.OPAQUE, 1, 1, name, receiver, "f", text.encode())
    return wire.Message(uuid, wire.REQUEST, wire.JSON, 0, 1, name, receiver, "f" if dice.random() < 0.97 else "g",
                        json.dumps({"args": [text], "kwargs": {}}).encode())


def settle(account: Account, caller: Peer, open_calls: dict[int, wire.Message], answer: wire.Message) -> None:
    """Puts an answer to its call."""
    call = open_calls.pop(answer.uuid, None)
    if call is None:
        account.faults.append(f"{caller.name} got an answer that it does not wait for: {answer}")
    elif answer.flag == wire.RESPONSE:
        account.right += 1
        if answer.payload != call.payload or answer.receiver != caller.name:
            account.faults.append(f"a wrong answer: {answer} to {call}")
    else:
        kind = answer.json()["args"][0][0]
        account.errors[kind] = account.errors.get(kind, 0) + 1
        if kind not in ERRORS:
            account.faults.append(f"an error of no known kind: {answer}")


async def ask(doors: Doors, name: str, dice: random.Random, over: asyncio.Event, account: Account) -> None:
    """A caller, again and again: some calls at a time, each awaited, until it vanishes with some of them open."""
    while not over.is_set():
        caller = await Peer.join(doors.one(dice), name)
        open_calls: dict[int, wire.Message] = {}
        uuid, life, most = 0, dice.randrange(5, 120), dice.randrange(1, 17)
        while open_calls or (life > 0 and not over.is_set()):
            while life > 0 and len(open_calls) < most and not over.is_set():
                uuid, life = uuid % 0x3FFF + 1, life - 1
                open_calls[uuid] = call_of(name, uuid, dice)
                caller.send(open_calls[uuid])
            if life == 0 and not over.is_set() and dice.random() < 0.5:
                break  # its open calls are nobody's any more
            try:
                message = await asyncio.wait_for(caller.receive(), ANSWER_SECONDS)
            except TimeoutError:
                account.faults.append(f"{name}: no answer within {ANSWER_SECONDS:g} s to {list(open_calls.values())}")
                return
            except (asyncio.IncompleteReadError, ConnectionError) as fault:
                account.faults.append(f"{name} was cut off: {fault!r}")
                return
            if message.flag in (wire.RESPONSE, wire.ERROR):
                settle(account, caller, open_calls, message)
        caller.end("order" if over.is_set() else dice.choice(ENDS), call_of(name, 1, dice), dice)


async def run(bridge, doors: Doors, seed: int) -> Account:
    """All of them at once, for a while, then to the last answer."""
    account, over = Account(), asyncio.Event()
    tasks = [asyncio.create_task(role(doors, f"{letter}{i}", random.Random(f"{seed} {letter}{i}"), over, account))
             for role, letter, count in ((work, "w", WORKERS), (ask, "a", CALLERS)) for i in range(count)]
    callers = tasks[WORKERS:]
    await asyncio.wait(tasks, timeout=SECONDS, return_when=asyncio.FIRST_EXCEPTION)
    account.spread = spread(bridge, doors.secure)
    over.set()
    await asyncio.gather(*callers)
    for worker in tasks[:WORKERS]:
        worker.cancel()
    await asyncio.gather(*tasks[:WORKERS], return_exceptions=True)
    return account


def test_among_peers_that_end_in_every_ugly_way_no_call_is_lost(house, certificate):
    seed = int(os.environ.get("DAFFI_CHAOS_SEED", random.SystemRandom().randrange(1 << 32)))
    print(f"DAFFI_CHAOS_SEED={seed}")
    bridge = house.bridge(None, listeners=("http://127.0.0.1:0", "https://127.0.0.1:0"))
    plain, secure = (int(url.rsplit(":", 1)[1]) for url in bridge.urls)
    doors = Doors(plain, secure, ssl.create_default_context(cafile=certificate.cert))
    account = asyncio.run(run(bridge, doors, seed))
    print(account.right, account.errors, account.ends, account.spread)
    assert not account.faults, account.faults[:5]
    assert account.right > 20 * SECONDS
    assert os.cpu_count() == 1 or account.spread[-2] > 0, account.spread
    assert {"NoSuchMember", "NoSuchMethod", "Disconnected"} <= account.errors.keys()
    assert set(account.ends) == set(ENDS)
