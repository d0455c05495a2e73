"""Frames that no WebSocket may hold, floods of those that it may, peers that say nothing, and what all of it may cost at most."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
import time

import pytest
import wire
from attacks import dial, feed, frame, processor_seconds, read_to_end, reset, upgraded
from conftest import Bystander
from native import Ended, Native
from page import Page, RemoteError
from processes import Bridge
from websockets.exceptions import WebSocketException

MIB = 1 << 20
MASK = b"\0\0\0\0"
CALL = wire.request("culprit", "w1", "add", 1, 2).encode()


def closed_with(world, data: bytes, code: int) -> None:
    """An attached page that sends these bytes is closed with that code, and nobody else notices."""
    with upgraded(world.bridge, "culprit") as connection:
        connection.sendall(data)
        assert code.to_bytes(2, "big") in read_to_end(connection)
    world.check(2)


FAULTS = {
    "RSV1": (b"\xc2\x81" + MASK + b"x", 1002),
    "RSV2": (b"\xa2\x81" + MASK + b"x", 1002),
    "RSV3": (b"\x92\x81" + MASK + b"x", 1002),
    "RSV1 of a ping": (b"\xc9\x80" + MASK, 1002),
    **{f"opcode {opcode}": (bytes([0x80 | opcode, 0x80]) + MASK, 1002) for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)},
    "no mask": (b"\x82\x01x", 1002),
    "no mask of a ping": (b"\x89\x00", 1002),
    "length 2^63": (b"\x82\xff" + (1 << 63).to_bytes(8, "big") + MASK, 1002),
    "length 2^64 - 1": (b"\x82\xff" + b"\xff" * 8 + MASK, 1002),
    "length 2^63 - 1": (b"\x82\xff" + ((1 << 63) - 1).to_bytes(8, "big") + MASK, 1009),
    "length 2^32": (b"\x82\xff" + (1 << 32).to_bytes(8, "big") + MASK, 1009),
    "fragments of 2^63 - 1 together": (b"\x02\x81" + MASK + b"x\x80\xff" + ((1 << 63) - 1).to_bytes(8, "big") + MASK, 1009),
    "5 bytes in two bytes of length": (b"\x82\xfe\0\5" + MASK + b"hello", 1002),
    "125 bytes in two bytes of length": (b"\x82\xfe\0\x7d" + MASK + b"h" * 125, 1002),
    "126 bytes in eight bytes of length": (b"\x82\xff" + (126).to_bytes(8, "big") + MASK + b"h" * 126, 1002),
    "65,535 bytes in eight bytes of length": (b"\x82\xff" + (65_535).to_bytes(8, "big") + MASK + b"h" * 65_535, 1002),
    "a ping in fragments": (b"\x09\x80" + MASK, 1002),
    "a ping of 126 bytes": (b"\x89\xfe\0\x7e" + MASK + b"p" * 126, 1002),
    "a close of 1 byte": (b"\x88\x81" + MASK + b"x", 1002),
    "a close with code 1005": (b"\x88\x82" + MASK + (1005).to_bytes(2, "big"), 1002),
    "a close with code 65,535": (b"\x88\x82" + MASK + b"\xff\xff", 1002),
    "a close whose reason is no UTF-8": (b"\x88\x84" + MASK + b"\x03\xe8\xff\xfe", 1007),
    "a continuation of nothing": (frame(b"x", opcode=0), 1002),
    "a message in a message": (frame(b"x", final=False) + frame(b"y"), 1002),
    "text in fragments": (frame(b"a", opcode=1, final=False) + frame(b"b", opcode=0), 1003),
}


@pytest.mark.parametrize("what", FAULTS)
def test_a_frame_that_may_not_be(world, what):
    closed_with(world, *FAULTS[what])


FLOODS = {
    "pings": frame(b"p" * 125, opcode=9),
    "empty pings": frame(b"", opcode=9),
    "pongs": frame(b"p" * 125, opcode=10),
    "empty continuations": frame(b"", opcode=0, final=False),
    "fragments of a byte": frame(b"\0", opcode=0, final=False),
    "pings between fragments": frame(b"\0", opcode=0, final=False) + frame(b"", opcode=9),
    "calls that are none": frame(wire.Message(5, wire.REQUEST, wire.JSON, 0, 0, "culprit", "w1", "echo", b"{").encode()),
    "calls in PICKLE": frame(wire.Message(5, wire.REQUEST, wire.PICKLE, 1, 1, "culprit", "w1", "echo", b"\x80\x04.").encode()),
}


@pytest.mark.parametrize("what", FLOODS)
def test_a_flood(world, what):
    """As fast as the socket takes it, for a second, by somebody who reads nothing: a bystander's calls go on, and the bridge works
    neither without bound nor when it is over."""
    continues = b"\x00" == FLOODS[what][:1]
    flood = FLOODS[what] * 500
    with upgraded(world.bridge, "culprit") as connection:
        if continues:
            connection.sendall(frame(b"\0", final=False))
        connection.settimeout(0.2)
        until = time.monotonic() + 1.0
        with contextlib.suppress(OSError):  # not taken any more, or closed for it: both are fine
            while time.monotonic() < until:
                connection.sendall(flood)
        world.check(3)
        reset(connection)
    world.check(3)
    deadline = time.monotonic() + 20
    used, now = 0.0, processor_seconds(world.bridge)
    while now - used >= 0.25:  # what the kernel had taken before the reset is read to its end
        assert time.monotonic() < deadline
        time.sleep(0.3)
        used, now = now, processor_seconds(world.bridge)


@pytest.mark.parametrize("sent", [b"", b"\x16", b"\x16\x03\x01\x02\x00", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 40],
                         ids=["nothing", "a byte", "a record's head", "half a hello"])
def test_silence_in_tls_is_ended(house, tmp_path, sent):
    file = tmp_path / "bridge.json"
    file.write_text(json.dumps({"timeouts_ms": {"tls": 300}}))
    bridge = house.bridge("router:", "-c", str(file), tls=True)
    with Page(bridge.ws_url, "bystander", ca=house.certificate.cert), dial(bridge) as silent:
        silent.sendall(sent)
        began = time.monotonic()
        read_to_end(silent)
        assert 0.2 < time.monotonic() - began < 5
        with Page(bridge.ws_url, "newcomer", ca=house.certificate.cert):
            pass


def resident(process) -> int:
    """Bytes."""
    with open(f"/proc/{process.popen.pid}/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


LIMIT = 64 * MIB
OVERHEAD = 48 * MIB  # what a peer costs beside its queues, what is on its way, and what the allocator keeps (AddressSanitizer: some more)


@pytest.mark.parametrize("what", ["answers that nobody reads", "messages that never end", "both"])
def test_memory_stays_below_its_bound(house, tmp_path, what):
    """Sixty pages would use 1 GB; they get what memory_bytes says, and a bystander goes on."""
    file = tmp_path / "bridge.json"
    file.write_text(json.dumps({"limits": {"memory_bytes": LIMIT, "queue_bytes": 32 * MIB, "queue_high": 32 * MIB}}))
    router = house.router()
    house.worker(router.port)
    options = "quarantine_size_mb=1:thread_local_quarantine_size_kb=64:detect_leaks=1:abort_on_error=0"
    bridge = house.keep(Bridge("--upstream", f"tcp://127.0.0.1:{router.port}", "-c", str(file), before=("env", f"ASAN_OPTIONS={options}")))
    bystander = Bystander(bridge.ws_url, patience=20)
    bystander.check(50)
    before, most, hogs = resident(bridge), 0, []
    try:
        for number in range(60):
            try:
                if what == "answers that nobody reads" or (what == "both" and number % 2):
                    hog = Page(bridge.ws_url, f"hog{number}", max_queue=1)
                    feed(hog, [wire.Message(5, wire.REQUEST, wire.OPAQUE, 1, 1, hog.name, "w1", "echo", b"\0" * 2_000_000)] * 8)
                else:
                    hog = upgraded(bridge, f"hog{number}")
                    hog.settimeout(1)
                    with contextlib.suppress(OSError):
                        hog.sendall(frame(b"\0" * 7_000_000, length=8_000_000))
            except (RemoteError, OSError, EOFError, WebSocketException):
                continue  # refused, before the upgrade or behind it: there is no memory for it
            hogs.append(hog)
            most = max(most, resident(bridge))
        until = time.monotonic() + 4
        while time.monotonic() < until:
            bystander.check(1)
            most = max(most, resident(bridge))
        assert most - before < LIMIT + OVERHEAD, f"{(most - before) / MIB:.0f} MiB more than without them"
        assert most - before > LIMIT / 4, f"the hogs took {(most - before) / MIB:.0f} MiB: this shows nothing"
    finally:
        for hog in hogs:
            reset(hog)
        bystander.leave()
    assert router.popen.poll() is None


@pytest.mark.parametrize("then", ["", "messages that never end"])
def test_what_is_sent_to_a_worker_is_not_its_fault(house, tmp_path, then):
    """A worker of the router inside is slow; a page sends it more than memory_bytes. It hears `busy`; the worker stays, and answers all else."""
    file = tmp_path / "bridge.json"
    file.write_text(json.dumps({"limits": {"memory_bytes": 16 * MIB, "queue_bytes": 16 * MIB, "queue_high": 8 * MIB}}))
    bridge = house.bridge("router:", "-c", str(file))
    hogs = []
    with Native(bridge.port, "slow", ["take"]) as worker, Page(bridge.ws_url, "caller", max_queue=None) as page:
        page.wait_for_member("slow")
        waiting = {page.start_call("take", b"x" * 1_000_000, receiver="slow", serde="raw") for _ in range(40)}
        busy = 0

        def take_answer():
            nonlocal busy
            answer = page.receive(20)
            if answer.flag in (wire.RESPONSE, wire.ERROR):
                waiting.remove(answer.uuid)
                busy += answer.flag == wire.ERROR
                assert answer.flag == wire.RESPONSE or answer.json()["args"][0][0] == "Busy", answer

        while busy < 10:  # the others wait for the worker
            take_answer()
        try:
            for number in range(10 if then else 0):
                hogs.append(upgraded(bridge, f"hog{number}"))
                hogs[-1].settimeout(1)
                with contextlib.suppress(OSError):
                    hogs[-1].sendall(frame(b"\0" * 3_000_000, length=8_000_000))

            def work():
                with contextlib.suppress(Ended, OSError):
                    while True:
                        worker.answer(worker.wait_for(lambda message: message.flag == wire.REQUEST, 60), "taken")

            threading.Thread(target=work, daemon=True).start()
            while waiting:
                take_answer()
        finally:
            for hog in hogs:
                reset(hog)
    assert busy < 40
