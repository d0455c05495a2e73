"""Errors of real workers as pages get them: of raw calls they come as PICKLE, with a traceback object where tblib is installed.
They are read, never executed, and arrive as JSON."""

from __future__ import annotations

import pytest
import wire
from native import Native
from page import Page, RemoteError
from processes import free_port

KINDS = [(kind, tblib) for kind in ("router", "inside", "service") for tblib in (True, False)]


@pytest.fixture(scope="module", params=KINDS, ids=lambda kind: f"{kind[0]}-{'with' if kind[1] else 'without'}-tblib")
def place(request, shared_house):
    """A page, and the member that answers it."""
    kind, tblib = request.param
    more = [] if tblib else ["--without-tblib"]
    port = free_port()
    if kind == "service":
        shared_house.service(port, *more)
    elif kind == "router":
        shared_house.router(port)
    bridge = shared_house.bridge(None if kind == "inside" else port)
    port = bridge.port if kind == "inside" else port
    if kind != "service":
        shared_house.worker(port, "w1", *more)
    member = "service" if kind == "service" else "w1"
    page = Page(bridge.ws_url, f"page-{kind}-{tblib}")
    page.wait_for_member(member)
    yield page, member, port, tblib
    page.close()


ERRORS = {
    "quotes": ("Obstinate", "__main__", 'quotes " \\ and\nlines\0'),
    "nothing": ("ValueError", "builtins", ""),
    "chain": ("Obstinate", "__main__", "outer"),
    "deep 100": ("ZeroDivisionError", "builtins", "integer division or modulo by zero"),
    "long": ("ValueError", "builtins", "é" * 300_000),
    "half a pair": ("ValueError", "builtins", None),
}


@pytest.mark.parametrize("serde", ["raw", "msgpack", "json"])
@pytest.mark.parametrize("what", [what for what in ERRORS if what != "half a pair"])
def test_errors_are_readable_in_every_serde(place, what, serde):
    page, member, _, _ = place
    with pytest.raises(RemoteError) as caught:
        page.call("fail_as", what, receiver=member, serde=serde)
    kind, module, text = caught.value.args
    assert (kind, module) == ERRORS[what][:2]
    expected = ERRORS[what][2]
    if what == "long" and serde == "raw":  # what the bridge writes itself it cuts at 16 KiB
        expected = expected[:8192]
    assert text == expected
    assert page.call("add", 1, 2, receiver=member) == 3


def test_text_that_is_no_utf_8_is_replaced(place):
    """Half of a surrogate pair passes through Python's pickle; no JSON can say it."""
    page, member, _, _ = place
    uuid = page.start_call("fail_as", "half a pair", receiver=member, serde="raw")
    while (answer := page.receive()).uuid != uuid:
        pass
    assert answer.decoder == wire.JSON
    with pytest.raises(RemoteError) as caught:
        page.result(answer)
    assert caught.value.args[:2] == ("ValueError", "builtins") and caught.value.args[2].endswith(" alone")


def test_what_comes_is_pickle_with_a_traceback_or_without(place):
    """The control: what a Python peer gets of the same call, byte for byte."""
    _, member, port, tblib = place
    with Native(port, f"native-{tblib}") as native:
        native.send(wire.Message(2, wire.REQUEST, wire.OPAQUE, 0, 1, native.name, member, "fail_as", b"quotes"))
        answer = native.wait_for(lambda message: message.uuid == 2 and message.flag == wire.ERROR)
        assert answer.decoder == wire.PICKLE
        assert (b"unpickle_traceback" in answer.payload) == tblib
