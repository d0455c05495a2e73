"""The control: what test_harm.py sends, sent to a bare Router of the released package, does the harm that the bridge keeps from it. Were it not
so, those tests would show nothing.
"""

from __future__ import annotations

import json
import os
import pickle
import socket
import subprocess
import time

import pytest
import wire
from page import Page
from test_harm import BODY, NO_MESSAGES, UNDECODABLE, Mark
from websockets.exceptions import ConnectionClosed, InvalidMessage

PATIENCE = 2.0


class Bare:
    """A Router and its worker, with nothing in front of them."""

    def __init__(self, house):
        self.router = house.router()
        self.worker = house.worker(self.router.port)
        self.url = f"ws://127.0.0.1:{self.router.port}/"

    def page(self, name: str | None, **options) -> Page:
        """One of it. It never answers a close: nobody waits for that."""
        return Page(self.url, name, close_timeout=0.1, **options)

    def dies(self, page: Page, data) -> None:
        """The whole Router, of these bytes."""
        page.send(data)
        self.died()

    def died(self) -> None:
        """It has been ended by a signal: abort, or segmentation fault."""
        try:
            assert self.router.popen.wait(10) < 0, self.router.log()
        except subprocess.TimeoutExpired:
            raise AssertionError("the Router lives on") from None

    def answers(self, page: Page) -> bool:
        """Whether the worker answers a call that is as it should be."""
        try:
            return page.call("add", 3, 4, seconds=PATIENCE) == 7
        except TimeoutError:
            return False


@pytest.fixture
def bare(house):
    """For one test: most of them end it."""
    return Bare(house)


def test_a_text_message(bare):
    bare.dies(bare.page("culprit"), "hello")


def test_a_message_in_several_frames(bare):
    page = bare.page("culprit")
    message = wire.Message(5, wire.REQUEST, wire.OPAQUE, 1, 1, "culprit", "w1", "echo", os.urandom(131_072)).encode()
    page.socket.send([message[:131_072], message[131_072:]])
    bare.died()


@pytest.mark.parametrize("what, data", NO_MESSAGES)
def test_a_message_that_is_none(bare, what, data):
    bare.dies(bare.page("culprit"), data)


def test_a_handshake_of_somebody_else(bare):
    message = wire.handshake("culprit", uuid=5)
    message.transmitter = "somebody"
    bare.dies(bare.page(None), message)


def test_a_second_member(bare):
    with bare.page("bystander") as bystander:
        page = bare.page(None)
        message = wire.handshake("culprit", uuid=5)
        message.payload = json.dumps({"meta": {"type": "client"}, "members": [{"name": "culprit", "methods": None},
                                                                             {"name": "bystander", "methods": None}]}).encode()
        page.send(message)
        with pytest.raises((ConnectionClosed, AssertionError)):
            bystander.wait_for_event("never", "comes")


def test_pickle(bare, tmp_path):
    mark = tmp_path / "ran"
    with bare.page("culprit") as page:
        page.send(wire.Message(5, wire.REQUEST, wire.PICKLE, 1, 1, "culprit", "w1", "echo", pickle.dumps(((Mark(str(mark)),), {}))))
        page.receive()
    assert mark.exists()


@pytest.mark.parametrize("what, decoder, payload", UNDECODABLE)
def test_what_no_worker_can_decode(bare, what, decoder, payload):
    with bare.page("culprit") as page:
        assert page.call("add", 3, 4) == 7
        page.send(wire.Message(5, wire.REQUEST, decoder, int(decoder == wire.MSGPACK), 1, "culprit", "w1", "echo", payload))
        assert not bare.answers(page)


def test_a_json_call_of_a_function_that_returns_bytes(bare):
    with bare.page("culprit") as page:
        page.send(wire.Message(5, wire.REQUEST, wire.JSON, 0, 1, "culprit", "w1", "picture", b'{"args":[3],"kwargs":{}}'))
        assert not bare.answers(page)


def test_under_another_s_name(bare):
    with bare.page("bystander") as bystander, bare.page("culprit") as culprit:
        culprit.send(wire.Message(5, wire.RESPONSE, transmitter="w1", receiver="bystander", function="add", payload=b'{"args": [666], "kwargs": {}}'))
        assert bystander.finish_call(5) == 666


def test_a_page_of_any_other_site(bare):
    with bare.page("culprit", origin="https://evil.example") as page:
        assert bare.answers(page)


def test_a_name_that_is_taken(bare):
    with bare.page("holder") as holder, bare.page("holder"):
        with pytest.raises((ConnectionClosed, AssertionError)):
            holder.wait_for_event("never", "comes")


def test_one_connection_that_sends_nothing(bare):
    with socket.create_connection(("127.0.0.1", bare.router.port)):
        time.sleep(0.2)  # it is accepted by a thread that nothing tells of
        with pytest.raises((TimeoutError, InvalidMessage)):
            bare.page("newcomer", open_timeout=PATIENCE)


def test_connections_opened_and_closed(bare):
    def descriptors() -> int:
        return len(os.listdir(f"/proc/{bare.router.popen.pid}/fd"))

    before = descriptors()
    for number in range(30):
        bare.page(f"page{number}").close()
    time.sleep(1.0)  # for what it might give back
    assert descriptors() >= before + 25


def test_a_ping(bare):
    with bare.page("culprit") as page:
        assert page.call("add", 3, 4) == 7
        page.socket.ping()
        with pytest.raises((ConnectionClosed, AssertionError)):
            assert bare.answers(page)


def test_a_call_whose_id_is_0(bare):
    with bare.page("culprit") as page:
        page.send(wire.Message(0, wire.REQUEST, transmitter="culprit", receiver="w1", function="add", payload=BODY))
        assert not bare.answers(page)
