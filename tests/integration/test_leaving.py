"""Who leaves a real server: its name goes to the next only when the server has read all that it sent. A real Router or Service reads
each connection in a thread of its own; for a newcomer with a taken name it closes the holder's descriptor, whatever its thread is
doing; that thread then reads from whoever got the number next, and the whole process dies ("attempt to use null value").
"""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import wire
from native import Native
from page import Page
from relay import Relay

TAB = "0123456789abcdef" * 2


@pytest.fixture
def place(house):
    """A bridge that reaches a real Router by a relay, and a worker that goes there straight."""
    router = house.router()
    house.worker(router.port)
    relay = Relay(router.port)
    yield SimpleNamespace(router=router, relay=relay, bridge=house.bridge(relay.port))
    relay.close()


def page_of(place, tab: str = TAB, name: str | None = "alice") -> Page:
    return Page(f"{place.bridge.ws_url}?daffi-tab={tab}", name)


def begin_join(place, is_native: bool = False) -> Page | Native:
    """A newcomer that has sent its handshake."""
    newcomer = Native(place.bridge.port, "alice", shake=False) if is_native else page_of(place, name=None)
    newcomer.send(wire.handshake("alice"))
    return newcomer


def answer_of(newcomer: Page | Native) -> wire.Message:
    """To its handshake."""
    while True:
        answer = newcomer.receive()
        if answer.uuid == 1 and answer.transmitter == "alice":
            return answer


def leave_unread(place, how: str) -> Page:
    """A page that has sent what the Router has not read: five calls, or its handshake alone."""
    if how == "gone before it was let in":
        page = page_of(place, name=None)
        place.relay.hold("alice")
        page.send(wire.handshake("alice"))
        place.relay.wait_for(lambda relay: relay.legs_of("alice"))
        page.close()
        return page
    page = page_of(place)
    page.wait_for_member("w1")
    place.relay.hold("alice")
    for number in range(5):
        page.start_call("add", number, 1, receiver="w1", wait=0)
    if how == "gone":
        page.close()
    return page


@pytest.mark.parametrize("how", ["taken over", "gone", "gone before it was let in", "evicted by a native peer"])
def test_a_name_is_passed_on_when_all_is_read(place, how):
    former = leave_unread(place, how)
    newcomer = begin_join(place, is_native=how == "evicted by a native peer")
    if not how.startswith("gone"):
        assert former.expect_close()[0] == 1008
    with page_of(place, tab="b" * 32, name="bob") as other:  # who comes behind the newcomer, and is not in its way
        other.wait_for_member("w1")
        assert other.call("add", 1, 2) == 3
    [leg] = place.relay.legs_of("alice")
    place.relay.release("alice")
    assert answer_of(newcomer).flag == wire.HANDSHAKE
    sent = [message.flag for message in leg.sent]
    assert sent[0] == wire.HANDSHAKE and sent[-1] == wire.RESPONSE, "what it asks for at last: has all been read?"
    assert sent[1:-1] == ([] if how == "gone before it was let in" else [wire.REQUEST] * 5)
    newcomer.close()
    assert place.router.popen.poll() is None


def test_who_waits_too_long_is_told_why(place):
    leave_unread(place, "gone")
    newcomer = begin_join(place)
    answer = answer_of(newcomer)
    assert answer.json()["args"][0][2] == ("the name is not free yet: the member that had it has left, but the upstream has not "
                                           "read all that it sent; try again later")
    assert newcomer.expect_close()[0] == 1013
    place.relay.release("alice")
    with page_of(place) as page:
        page.wait_for_member("w1")
        assert page.call("add", 1, 2) == 3
