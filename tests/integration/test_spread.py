"""Connections are spread over the event loops, one a core: whoever comes is taken by one that has not clearly more than another."""

from __future__ import annotations

import contextlib
import os
import socket
import ssl

import pytest
from native import Native
from processes import wait_until
from reactors import assert_spread, spread

CORES = os.cpu_count() or 1
COUNT = 20
pytestmark = pytest.mark.skipif(CORES < 2, reason="there is one event loop")


def test_members_of_the_router_inside_over_tls(house, certificate):
    bridge = house.bridge(None, tls=True)
    with contextlib.ExitStack() as stack:
        for number in range(COUNT):
            stack.enter_context(Native((bridge.port, certificate.cert), f"p{number}"))
        assert_spread(bridge, COUNT)


def test_peers_before_a_python_router(house):
    """Without TLS, too, where the router is not inside."""
    router = house.router()
    bridge = house.bridge(router.port)
    with contextlib.ExitStack() as stack:
        for number in range(COUNT):
            stack.enter_context(Native(bridge.port, f"p{number}"))
        assert_spread(bridge, COUNT)


def test_after_those_of_one_event_loop_have_left_newcomers_make_up_for_it(house, certificate):
    """Every second one leaves: most of one event loop's, where they have been taken in turn."""
    bridge = house.bridge(None, tls=True)
    where = (bridge.port, certificate.cert)
    with contextlib.ExitStack() as stack:
        peers = [Native(where, f"p{number}") for number in range(COUNT)]
        for peer in peers[::2]:
            peer.close()
        for peer in peers[1::2]:
            stack.callback(peer.close)
        wait_until(lambda: sum(spread(bridge)) == COUNT // 2)
        for number in range(COUNT):
            stack.enter_context(Native(where, f"q{number}"))
        assert_spread(bridge, COUNT // 2 + COUNT)


def test_who_comes_without_tls_to_the_router_inside_is_on_one(house, certificate):
    """By design (ARCHITECTURE.md); those over TLS go elsewhere, then."""
    bridge = house.bridge(None, listeners=("http://127.0.0.1:0", "https://127.0.0.1:0"))
    secure = int(bridge.urls[1].rsplit(":", 1)[1])
    with contextlib.ExitStack() as stack:
        for number in range(COUNT):
            stack.enter_context(Native(bridge.port, f"p{number}"))
        assert spread(bridge) == [COUNT]
        for number in range(COUNT):
            stack.enter_context(Native((secure, certificate.cert), f"q{number}"))
        counts = spread(bridge, port=secure)
        assert len(counts) == CORES and sum(counts) == COUNT
        assert counts[0] < COUNT // 2, counts


def test_a_crowd_that_comes_at_once(house, certificate):
    """All are in the kernel's queue, or about to be, before one has been served."""
    bridge = house.bridge(None, tls=True)
    context = ssl.create_default_context(cafile=certificate.cert)
    with contextlib.ExitStack() as stack:
        crowd = [stack.enter_context(socket.create_connection(("127.0.0.1", bridge.port))) for _ in range(10 * COUNT)]
        for connection in crowd:
            stack.enter_context(context.wrap_socket(connection, server_hostname="localhost"))
        assert_spread(bridge, 10 * COUNT, apart=2 * COUNT)
