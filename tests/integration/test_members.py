"""Who is there: joins, leaves, events, two pages, several workers; what a page is shown and what it is not."""

from __future__ import annotations

import pytest
import wire
from page import Page


@pytest.fixture
def router(house):
    return house.router()


def test_a_page_learns_who_is_there_and_who_comes_and_goes(house, router):
    house.worker(router.port, "first")
    bridge = house.bridge(router.port)
    with Page(bridge.ws_url) as page:
        assert "add" in page.members["first"]
        second = house.worker(router.port, "second")
        page.wait_for_event("connected", "second")
        assert "add" in page.members["second"]
        house.kill(second)
        page.wait_for_event("disconnected", "second")
        assert "second" not in page.members
        assert page.call("whoami", receiver="first") == "first"


def test_two_pages_see_each_other_and_keep_their_answers_apart(house, router):
    house.worker(router.port)
    bridge = house.bridge(router.port)
    with Page(bridge.ws_url, "one") as one, Page(bridge.ws_url, "two") as two:
        one.wait_for_event("connected", "two")
        ones = {one.start_call("add", 1000, number, receiver="w1"): 1000 + number for number in range(100)}
        twos = {two.start_call("add", 2000, number, receiver="w1"): 2000 + number for number in range(100)}
        for page, calls in ((one, ones), (two, twos)):
            while calls:
                answer = page.receive()
                if answer.flag == wire.RESPONSE:
                    assert page.result(answer) == calls.pop(answer.uuid)
        two.close()
        one.wait_for_event("disconnected", "two")


def test_a_worker_killed_and_restarted_is_there_again(house, router):
    worker = house.worker(router.port)
    bridge = house.bridge(router.port)
    with Page(bridge.ws_url) as page:
        page.wait_for_member("w1")
        house.kill(worker)
        page.wait_for_event("disconnected", "w1")
        house.worker(router.port)
        page.wait_for_event("connected", "w1")
        assert page.call("add", 3, 4) == 7


def test_the_news_is_the_bridge_s_own(house, router):
    """EVENTS and HANDSHAKE come rewritten: the uuid and the empty transmitter of a server's news, compact JSON."""
    bridge = house.bridge(router.port)
    with Page(bridge.ws_url) as page:
        house.worker(router.port, "late")
        handshake = page.receive()
        event = page.receive()
        assert (handshake.flag, handshake.uuid, handshake.transmitter) == (wire.HANDSHAKE, 0, "")
        assert (event.flag, event.uuid, event.transmitter) == (wire.EVENTS, 0, "")
        assert event.payload == b'{"type":"connected","member":"late"}'


def test_a_service_answers_everybody_when_somebody_joins(house):
    """Another client's answer comes with that client's uuid and transmitter; daffi.js reads members out of all of them."""
    service = house.service()
    bridge = house.bridge(service.port)
    with Page(bridge.ws_url, "one") as one:
        with Page(bridge.ws_url, "two"):
            while (news := one.receive()).transmitter.startswith("daffi-bridge-watch-"):
                pass  # the bridge's own connection, which joins when the first page does
            assert (news.flag, news.transmitter) == (wire.HANDSHAKE, "two")
            assert "add" in one.members["service"]
            assert one.call("add", 1, 2, receiver="service") == 3
