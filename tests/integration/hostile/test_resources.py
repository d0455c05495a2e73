"""Whoever takes up memory, descriptors or time takes up its own; and gives all of it back."""

from __future__ import annotations

import resource
import socket
import time

import pytest
import wire
from attacks import descriptors, dial, feed, frame, processor_seconds, read_to_end, read_until, reset, upgraded
from page import Page, RemoteError
from websockets.exceptions import ConnectionClosed

MIB = 1 << 20


def test_messages_that_never_end_do_not_use_up_everybody_s_memory(make_world):
    """Each has sent nearly all of a large message, and waits. Together they are more than memory_bytes."""
    world = make_world(limits={"memory_bytes": 16 * MIB, "queue_bytes": 16 * MIB})
    hogs = []
    for size in [7_000_000, 3_500_000, 1_700_000, 800_000, 400_000, 200_000, 100_000, 50_000, *[15_000] * 40]:
        hog = upgraded(world.bridge, f"hog{len(hogs)}")
        hogs.append(hog)
        hog.settimeout(2)
        try:
            hog.sendall(frame(b"\0" * size, length=8_000_000))
        except OSError:
            pass  # it has been cut, as it should
        world.check(2)
    with Page(world.url, "newcomer") as page:
        assert page.call("echo", "x" * 100_000) == "x" * 100_000
    world.check(50)
    for hog in hogs:
        hog.close()


def test_answers_that_nobody_reads_do_not_use_up_everybody_s_memory(make_world):
    world = make_world(limits={"memory_bytes": 16 * MIB, "queue_bytes": 8 * MIB, "queue_high": 8 * MIB})
    hogs = [Page(world.url, f"hog{number}", max_queue=1) for number in range(4)]
    feeders = [feed(hog, [wire.Message(5, wire.REQUEST, wire.OPAQUE, 1, 1, hog.name, "w1", "echo", b"\0" * 2_000_000)] * 10) for hog in hogs]
    until = time.monotonic() + 3
    while time.monotonic() < until:
        world.check()
    with Page(world.url, "newcomer") as page:
        assert page.call("echo", "x" * 100_000) == "x" * 100_000
    for hog in hogs:
        reset(hog)
    for feeder in feeders:
        feeder.join(5)
    world.check(50)
