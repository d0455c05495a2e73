"""Whoever takes up memory, descriptors or time takes up its own; and gives all of it back."""

from __future__ import annotations

import contextlib
import resource
import socket
import time

import pytest
import wire
from attacks import UPGRADE, accept_queue, descriptors, dial, feed, frame, processor_seconds, read_to_end, read_until, reset, upgraded
from processes import Bridge, wait_until
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


def test_the_rate_of_new_connections_to_a_router_is_limited(make_world):
    """A real Router keeps a descriptor of each for ever. A page that comes and goes without pause costs it as many as one may have
    at once, and then two a second; who is in goes on, and who waits a moment gets in."""
    world = make_world(limits={"connections_per_address": 8, "upstream_connects_per_address": 2})
    before, began = descriptors(world.upstream), time.monotonic()
    opened = 0
    while time.monotonic() - began < 3:
        Page(world.url, f"churn{opened}").close()
        opened += 1
    assert 7 <= opened <= 7 + 2 * (time.monotonic() - began) + 1
    assert descriptors(world.upstream) - before <= opened + 1

    crowd = [Page(world.url, None) for _ in range(7)]  # at once: some would have to wait for too long
    for number, page in enumerate(crowd):
        page.send(wire.handshake(f"crowd{number}"))
    flags = [page.receive().flag for page in crowd]
    assert set(flags) == {wire.HANDSHAKE, wire.ERROR}
    assert {page.expect_close()[0] for page, flag in zip(crowd, flags) if flag == wire.ERROR} == {1013}
    world.bridge.wait_for("limits.upstream_connects_per_address")
    world.check(20)
    for page in crowd:
        page.close()


@pytest.mark.parametrize("first", [b"", b"GET / HTTP/1.1\r\nHost: ", UPGRADE, b"GET /daffi.js HTTP/1.1\r\nHost: localhost\r\n\r\n" * 400, b"\x1f"],
                         ids=["silent", "in the head", "upgraded", "not reading", "in the probe"])
def test_slow_ones_keep_nobody_out_however_many_they_are(world, first):
    """Three times as many as one address may have, of that very address: who speaks up gets in at once, who stays silent gives way."""
    with contextlib.ExitStack() as crowd:
        for number in range(1500):
            with contextlib.suppress(OSError):  # it was refused: the others are younger than a second
                connection = crowd.enter_context(dial(world.bridge))
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)  # who reads nothing is full at once
                connection.setblocking(False)
                connection.send(first)
            if number % 100 == 0:
                world.check(1)
        wait_until(lambda: accept_queue(world.bridge) == 0)
        time.sleep(1.1)  # who is in has had its second
        for number in range(20):
            with Page(world.url, f"newcomer{number}") as page:
                assert page.call("add", number, 1) == number + 1
        world.check()


def test_out_of_descriptors_the_bridge_waits_and_recovers(make_world):
    """Those who are in go on; newcomers wait, nothing spins; when there are some again, all are served."""
    world = make_world()
    pid = world.bridge.popen.pid
    with Page(world.url, "early") as early:
        limits = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (descriptors(world.bridge) + 10, limits[1]))
        crowd = [dial(world.bridge) for _ in range(40)]
        began, used = time.monotonic(), processor_seconds(world.bridge)
        while time.monotonic() - began < 1.5:
            time.sleep(0.1)
            assert early.call("add", 1, 2) == 3
        spent, passed = processor_seconds(world.bridge) - used, time.monotonic() - began
        world.check()
        assert spent < 0.8 * passed, f"{spent} s of the processor in {passed} s"
        for one in crowd:
            one.close()
        resource.prlimit(pid, resource.RLIMIT_NOFILE, limits)
        with Page(world.url, "late") as late:
            assert late.call("add", 1, 2) == 3
    with dial(world.bridge) as asker:
        asker.sendall(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        assert read_until(asker, b"ok\n").startswith(b"HTTP/1.1 200 ")


def test_descriptors_are_as_many_as_the_system_allows(house):
    """The usual soft limit of 1,024 is far below limits.connections."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    try:
        bridge = house.bridge("tcp://127.0.0.1:9")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert resource.prlimit(bridge.popen.pid, resource.RLIMIT_NOFILE) == (hard, hard)


def test_connections_that_descriptors_do_not_suffice_for_are_refused_and_said_at_start(house):
    bridge = house.keep(Bridge("--upstream", "tcp://127.0.0.1:9", before=("prlimit", "--nofile=300:300")))
    bridge.wait_for(r"22 connections are taken, not 9000")
    before = descriptors(bridge)
    crowd = [dial(bridge) for _ in range(22)]
    wait_until(lambda: descriptors(bridge) >= before + 22)  # each event loop takes them in its own time
    with dial(bridge) as one_more:
        assert read_to_end(one_more) == b""
    for one in crowd:
        one.close()


def test_a_peer_that_is_gone_without_a_word_is_found_out(world):
    """A notebook that was closed sends nothing, not even a reset: the kernel asks whether it is still there."""
    with upgraded(world.bridge, "asleep") as connection:
        ours, theirs = connection.getpeername()[1], connection.getsockname()[1]

        def timers() -> list[str]:
            with open("/proc/net/tcp", encoding="ascii") as file:
                lines = [line.split() for line in file.read().splitlines()]
            return [line[5].split(":")[0] for line in lines if line[1].endswith(f":{ours:04X}") and line[2].endswith(f":{theirs:04X}")]

        until = time.monotonic() + 20
        while timers() != ["02"] and time.monotonic() < until:  # 01: its last bytes are not yet acknowledged
            time.sleep(0.05)
        assert timers() == ["02"]
