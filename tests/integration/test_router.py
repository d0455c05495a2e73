"""The router inside, beside the real Python Router: the same scenarios, and what clients see compared event by event; then where it is
meant to be better.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import subprocess
import sys
import threading
import time

import msgpack
import pytest
import wire
from native import Ended, Native
from page import Page, RemoteError
from processes import Peer
from reactors import assert_spread

LARGE = 33_000_000


def ours(house, *options: str, **more) -> int:
    """The port of a bridge with its router inside."""
    return house.bridge(None, *options, **more).port


def fence(port: int, number: int, *peers: Native) -> None:
    """Returns when the peers have read all that was under way: they read on until they hear of a newcomer."""
    with Native(port, f"fence{number}"):
        for peer in peers:
            peer.wait_for_news("connected", f"fence{number}")
    for peer in peers:
        peer.wait_for_news("disconnected", f"fence{number}")


def comparable(message: wire.Message) -> tuple:
    """A message, byte for byte; but the real Router tells a member's functions in the order of its hash table."""
    payload: object = message.payload
    if message.flag == wire.HANDSHAKE:
        told = message.json()
        for member in told["members"]:
            member["methods"] = member["methods"] and sorted(member["methods"])
        payload = (len(message.payload), told)
    return (message.flag, message.uuid, message.decoder, message.is_bytes, message.return_result, message.transmitter, message.receiver,
            message.function, payload)


def seen_by(*peers: Native) -> dict[str, list[tuple]]:
    """What each saw since the last time."""
    seen = {}
    for number, peer in enumerate(peers):
        seen[f"{number} {peer.name}"] = [comparable(message) for message in peer.seen]
        peer.seen = []
    return seen


# -- scenarios: each takes a port, plays, and returns all that was seen --


def joins_and_leaves(port: int):
    zeta = Native(port, "zeta", ["f0"])
    alpha = Native(port, "alpha")
    one = Native(port, "one", ["f2", "g"])
    none = Native(port, "none", [])
    last = Native(port, "last", ["ü", 'with "quotes" and \\'])
    fence(port, 1, zeta, alpha, one, none, last)
    yield seen_by(zeta, alpha, one, none, last)
    alpha.close()
    zeta.wait_for_news("disconnected", "alpha")
    after = Native(port, "after")  # the list's order after a leave
    fence(port, 2, zeta, one, none, last, after)
    yield seen_by(zeta, one, none, last, after)
    for peer in (zeta, one, none, last, after):
        peer.close()


def eviction(port: int):
    first = Native(port, "first")
    old = Native(port, "w1", ["f"])
    other = Native(port, "other")
    new = Native(port, "w1", ["g"])
    old.wait_for_end()
    fence(port, 1, first, other, new)
    yield seen_by(first, old, other, new)
    old.close()
    new.close()
    first.wait_for_news("disconnected", "w1")
    fence(port, 2, first, other)
    yield seen_by(first, other)
    first.close()
    other.close()


def calls(port: int):
    caller = Native(port, "caller")
    worker = Native(port, "worker", ["f", "g"])
    bodies = [
        (wire.JSON, 0, b'{"args":[1],"kwargs":{}}', b'{"args": [2], "kwargs": {}}'),
        (wire.MSGPACK, 1, msgpack.packb([[1], {}]), msgpack.packb([[2], {}])),
        (wire.OPAQUE, 1, b"\x00\xff", b"\x01\xff"),
        (wire.OPAQUE, 0, "ü".encode(), b"text"),
        (wire.PICKLE, 1, b"\x80\x04K\x01.", b"\x80\x04K\x02."),
        (wire.OPAQUE, 1, b"", b""),
        (wire.OPAQUE, 1, bytes(300_000), bytes(70_000)),
    ]
    for number, (decoder, is_bytes, asked, answered) in enumerate(bodies):
        caller.send(wire.Message(100 + number, wire.REQUEST, decoder, is_bytes, 1, "caller", "worker", "f", asked))
        request = worker.wait_for(lambda message: message.flag == wire.REQUEST)
        worker.send(wire.Message(request.uuid, wire.RESPONSE, decoder, is_bytes, 0, "worker", "caller", "f", answered))
        caller.wait_for(lambda message: message.flag == wire.RESPONSE)
    caller.send(wire.request("caller", "worker", "g", uuid=200))
    worker.answer(worker.wait_for(lambda message: message.flag == wire.REQUEST), ["ValueError", "builtins", "no", None], wire.ERROR)
    caller.wait_for(lambda message: message.flag == wire.ERROR)
    # Calls without an answer, of oneself, crossing each other; an answer to nobody.
    caller.send(*(wire.Message(300 + number, wire.REQUEST, wire.JSON, 0, 0, "caller", "worker", "f", b'{"args":[],"kwargs":{}}')
                  for number in range(5)))
    worker.send(wire.request("worker", "worker", "f", uuid=301))
    worker.wait_for(lambda message: message.uuid == 301 and message.transmitter == "worker")
    worker.send(wire.Message(1, wire.RESPONSE, wire.JSON, 0, 0, "worker", "nobody", "f", b'{"args":[1],"kwargs":{}}'))
    fence(port, 1, caller, worker)
    seen = seen_by(caller, worker)
    # To whom nothing is said in one order: a caller's own messages are.
    yield {name: [m for m in list_ if m[1] != 301] for name, list_ in seen.items()}
    caller.close()
    worker.close()


SCRIPT = """
import os, sys
from daffi import Client, SerdeFormat
host, port, tls, ca = sys.argv[1], int(sys.argv[2]), sys.argv[3] == "tls", sys.argv[4]
client = Client(app_name="caller", host=host, port=port, tls=tls, ca_file=ca)
conn = client.connect()
conn.wait_for_members("w1", "w2")
for serde in SerdeFormat.PICKLE, SerdeFormat.JSON, SerdeFormat.MSGPACK:
    print(conn.rpc(timeout=10, serde=serde, receiver="w1").add(3, 4))
    print(conn.rpc(timeout=10, serde=serde).echo({"a": [1, "x"]}))
    print(sorted(conn.cast(timeout=10, serde=serde).whoami().items()))
    print(sorted(conn.rpc(timeout=10, serde=serde).whoami() for _ in range(4)))
print(conn.rpc(timeout=10, serde=SerdeFormat.OPAQUE).echo(b"\\x00raw"))
try:
    conn.rpc(timeout=10).fail("kaboom")
except Exception as error:
    print(type(error).__name__, error)
print({name: type(error).__name__ for name, error in sorted(conn.cast(timeout=10).fail("kaboom").items())})
conn.stream(serde=SerdeFormat.JSON, receiver="w1").note(n for n in range(20))
conn.stream_nowait(serde=SerdeFormat.JSON, receiver="w1").note(n for n in range(20, 40))
conn.rpc_nowait(receiver="w1").note("once")
conn.cast_nowait(receiver=["w1"]).note("cast")
print(conn.rpc(timeout=10, receiver="w1").notes())
try:
    conn.rpc(timeout=2).no_such_function()
except Exception as error:
    print(type(error).__name__)
try:
    conn.rpc(timeout=2, receiver="nobody").add(1, 2)
except Exception as error:
    print(type(error).__name__)
sys.stdout.flush()
os._exit(0)
"""


def play_script(where: int | str, tls: bool = False, ca: str = "") -> str:
    """A real Python client through all it can do; what it prints."""
    host, port = ("127.0.0.1", where) if isinstance(where, int) else (where, 0)
    done = subprocess.run([sys.executable, "-c", SCRIPT, host, str(port), "tls" if tls else "plain", ca], capture_output=True, text=True,
                          timeout=90)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def real_output(shared_house) -> str:
    """What the script prints with the real Router."""
    port = shared_house.router().port
    shared_house.worker(port, "w1")
    shared_house.worker(port, "w2")
    return play_script(port)


@pytest.mark.parametrize("transport", ["tcp", "tls", "unix"])
def test_python_clients_and_workers_can_not_tell_it_from_theirs(house, certificate, real_output, transport, tmp_path_factory):
    if transport == "unix":
        where: int | str = f"/tmp/daffi-r{os.getpid()}"
        house.bridge(None, listeners=(f"unix:{where}",))
        for name in ("w1", "w2"):
            house.keep(Peer("worker", "--unix", where, name=name))
        assert play_script(where) == real_output
        return
    tls = transport == "tls"
    port = ours(house, tls=tls)
    options = ["--tls", "--ca", certificate.cert] if tls else []
    house.worker(port, "w1", *options)
    house.worker(port, "w2", *options)
    assert play_script(port, tls, certificate.cert if tls else "") == real_output


@pytest.mark.parametrize("tls", [False, True], ids=["ws", "wss"])
def test_pages_and_python_workers(house, certificate, tls):
    bridge = house.bridge(None, tls=tls)
    house.worker(bridge.port, "w1", *(["--tls", "--ca", certificate.cert] if tls else []))
    ca = certificate.cert if tls else None
    with Page(bridge.ws_url, ca=ca) as page, Page(bridge.ws_url, "second", ca=ca) as second:
        assert set(page.members) == {"w1", "page"}
        assert set(second.members) == {"w1", "page", "second"}
        page.wait_for_event("connected", "second")
        for serde in "json", "msgpack":
            assert page.call("add", 3, 4, serde=serde) == 7
            with pytest.raises(RemoteError, match="kaboom"):
                page.call("fail", "kaboom", serde=serde)
        assert page.call("echo", b"\x00\xff", serde="raw") == b"\x00\xff"
        with pytest.raises(RemoteError, match="NoSuchMethod"):
            page.call("add", 1, 2, receiver="second")
        with pytest.raises(RemoteError, match="name is taken"):
            Page(bridge.ws_url, "second", ca=ca)
        with pytest.raises(RemoteError, match="name is taken"):
            Page(bridge.ws_url, "w1", ca=ca)
        assert page.call("add", 3, 4) == 7
    assert page.events == [("connected", "second")]


# -- where it is better --


def error_of(message: wire.Message) -> list:
    """type and module of an ERROR of the router's."""
    assert message.flag == wire.ERROR and message.decoder == wire.JSON
    return message.json()["args"][0][:2]


def test_what_can_not_be_called_is_answered_at_once(house):
    port = ours(house)
    with Native(port, "caller") as caller, Native(port, "worker", ["f"]):
        assert error_of(caller.call("nobody", "f")) == ["NoSuchMember", "daffi_bridge"]
        assert error_of(caller.call("worker", "no_such", uuid=3)) == ["NoSuchMethod", "daffi_bridge"]


def test_callers_of_a_killed_worker_hear_it_before_the_news(house):
    bridge = house.bridge(None)
    worker = house.worker(bridge.port, "w1", "--threads", "8")
    with Native(bridge.port, "caller") as caller, Page(bridge.ws_url) as page:
        for uuid in (10, 11, 12):
            caller.send(wire.request("caller", "w1", "slow", 60, uuid=uuid))
        waiting = page.start_call("slow", 60, receiver="w1")
        assert caller.call("w1", "add", 1, 2, uuid=20).json()["args"] == [3]
        caller.seen = []
        house.kill(worker)
        caller.wait_for_news("disconnected", "w1")
        assert sorted(message.uuid for message in caller.seen[:-1]) == [10, 11, 12]
        assert all(error_of(message) == ["Disconnected", "daffi_bridge"] for message in caller.seen[:-1])
        with pytest.raises(RemoteError, match="Disconnected"):
            page.finish_call(waiting)
        assert ("disconnected", "w1") not in page.events
        page.wait_for_event("disconnected", "w1")


def test_a_python_client_hears_at_once_that_its_worker_died(house):
    port = ours(house)
    script = """
import sys, os
from daffi import Client
conn = Client(app_name="caller", host="127.0.0.1", port=int(sys.argv[1])).connect()
try:
    conn.rpc(timeout=50).slow(60)
except Exception as error:
    print(type(error).__name__, error, flush=True)
os._exit(0)
"""
    with Native(port, "w1", ["slow"]) as worker:
        caller = subprocess.Popen([sys.executable, "-c", script, str(port)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        try:
            worker.wait_for(lambda message: message.flag == wire.REQUEST and message.function == "slow", 30)
            worker.close()
            since = time.monotonic()
            output, _ = caller.communicate(timeout=40)
            seconds = time.monotonic() - since
        finally:
            caller.kill()
            caller.wait()
    assert output == "Disconnected the member that was called left before it answered\n"
    assert seconds < 3  # of 50: the end of a Python process on a busy machine included


def test_answers_that_nobody_waits_for_do_not_pass(house):
    port = ours(house)
    with Native(port, "caller") as caller, Native(port, "worker", ["f"]) as worker, Native(port, "other", ["f"]) as other:
        caller.send(wire.request("caller", "worker", "f", uuid=5))
        request = worker.wait_for(lambda message: message.flag == wire.REQUEST)
        other.answer(request, "forged")
        worker.answer(request, "first")
        worker.answer(request, "second")
        fence(port, 1, caller, worker, other)
        answers = [message.json()["args"] for message in caller.seen if message.flag == wire.RESPONSE]
        assert answers == [["first"]]
        other.send(wire.Message(9, wire.RESPONSE, wire.JSON, 0, 0, "worker", "caller", "f", b'{"args":[1],"kwargs":{}}'))
        other.wait_for_end()  # another's name


def test_a_native_newcomer_that_takes_a_page_s_name(house):
    bridge = house.bridge(None)
    with Page(bridge.ws_url, "tab") as page:
        with Native(bridge.port, "tab"):
            code, reason = page.expect_close()
            assert (code, "evicted" in reason) == (1008, True)
            assert page.events == [("evicted", "tab")]


@pytest.mark.parametrize("transport", ["tcp", "tls", "unix"])
def test_messages_of_33_megabytes(house, certificate, tmp_path, transport):
    configuration = tmp_path / "bridge.json"
    configuration.write_text('{"limits": {"message_bytes": 33554431}}')
    value = os.urandom(1 << 20) * 31 + bytes(LARGE - (31 << 20))
    options: list[str] = []
    if transport == "unix":
        where: int | str | tuple[int, str] = f"/tmp/daffi-l{os.getpid()}"
        house.bridge(None, "-c", str(configuration), listeners=(f"unix:{where}",))
        house.keep(Peer("worker", "--unix", where, name="w1"))
    else:
        where = port = ours(house, "-c", str(configuration), tls=transport == "tls")
        if transport == "tls":
            where, options = (port, certificate.cert), ["--tls", "--ca", certificate.cert]
        house.worker(port, "w1", *options)
    with Native(where, "caller") as caller, Native(where, "worker", ["f"]) as worker:
        caller.send(wire.Message(5, wire.REQUEST, wire.OPAQUE, 1, 1, "caller", "worker", "f", value))
        request = worker.wait_for(lambda message: message.flag == wire.REQUEST, 60)
        assert request.payload == value
        worker.send(wire.Message(5, wire.RESPONSE, wire.OPAQUE, 1, 0, "worker", "caller", "f", value))
        assert caller.wait_for(lambda message: message.flag == wire.RESPONSE, 60).payload == value
        caller.send(wire.Message(6, wire.REQUEST, wire.OPAQUE, 1, 1, "caller", "w1", "digest", value))
        answer = caller.wait_for(lambda message: message.uuid == 6, 60)
        assert answer.flag == wire.RESPONSE
        assert f"{LARGE} {hashlib.sha256(value).hexdigest()}".encode() in answer.payload


@pytest.mark.parametrize("transport", ["tcp", "tls"])
def test_a_peer_that_stops_reading_is_felt_by_none_of_a_hundred(house, certificate, tmp_path, transport):
    """All of them call it, with more than it can be kept; over TLS they are spread over the reactors."""
    configuration = tmp_path / "bridge.json"
    configuration.write_text('{"limits": {"queue_bytes": 1048576, "queue_high": 65536, "message_bytes": 131072}}')
    bridge = house.bridge(None, "-c", str(configuration), tls=transport == "tls")
    where = (bridge.port, certificate.cert) if transport == "tls" else bridge.port
    body, turns = bytes(100_000), range(3)
    with contextlib.ExitStack() as stack:
        deaf = stack.enter_context(Native(where, "deaf", ["f"]))
        peers = [stack.enter_context(Native(where, f"p{number}", ["f"])) for number in range(100)]
        if transport == "tls":
            assert_spread(bridge, 1 + len(peers), apart=20)
        for turn in turns:
            for number, peer in enumerate(peers):
                other = peers[number - 1]
                peer.send(wire.Message(100 + turn, wire.REQUEST, wire.OPAQUE, 1, 1, peer.name, "deaf", "f", body),
                          wire.request(peer.name, other.name, "f", uuid=1 + turn))
                other.answer(other.wait_for(lambda message: message.flag == wire.REQUEST), number)
                answer = peer.wait_for(lambda message, uuid=1 + turn: message.uuid == uuid and message.flag == wire.RESPONSE)
                assert answer.json()["args"] == [number]
        deaf.close()
        for peer in peers:
            peer.wait_for_news("disconnected", "deaf")
            refused = [message for message in peer.seen if message.flag == wire.ERROR]
            assert sorted(message.uuid for message in refused) == [100 + turn for turn in turns]
        assert error_of(refused[-1]) == ["Busy", "daffi_bridge"]


def test_a_worker_that_does_not_read_is_busy_and_hurts_nobody_else(house, tmp_path):
    configuration = tmp_path / "bridge.json"
    configuration.write_text('{"limits": {"queue_bytes": 4194304, "queue_high": 65536, "message_bytes": 1048576}}')
    port = ours(house, "-c", str(configuration))
    house.worker(port, "w1")
    deaf = Native(port, "deaf", ["f"])
    with Native(port, "caller") as caller, deaf:
        body = bytes(1_000_000)
        for uuid in range(1, 41):
            caller.send(wire.Message(uuid, wire.REQUEST, wire.OPAQUE, 1, 1, "caller", "deaf", "f", body))
        refused = caller.wait_for(lambda message: message.flag == wire.ERROR)
        assert error_of(refused) == ["Busy", "daffi_bridge"]
        assert caller.call("w1", "add", 3, 4, uuid=1000).json()["args"] == [7]
        deaf.close()
        caller.wait_for_news("disconnected", "deaf")
        told = [message.uuid for message in caller.seen if message.flag == wire.ERROR]
        assert sorted(told) == list(range(1, 41))  # each was answered, once


def test_a_caller_that_does_not_read_its_answers_is_closed(house, tmp_path):
    configuration = tmp_path / "bridge.json"
    configuration.write_text('{"limits": {"queue_bytes": 4194304, "queue_high": 65536, "message_bytes": 1048576}}')
    port = ours(house, "-c", str(configuration))
    house.worker(port, "w1")
    body = bytes(1_000_000)
    with Native(port, "watch") as watch, Native(port, "deaf") as deaf:
        def flood():
            try:
                for uuid in range(1, 400):
                    deaf.send(wire.Message(uuid, wire.REQUEST, wire.OPAQUE, 1, 1, "deaf", "w1", "echo", body))
            except OSError:
                pass
        sender = threading.Thread(target=flood)
        sender.start()
        watch.wait_for(lambda m: m.flag == wire.EVENTS and m.json() == {"type": "disconnected", "member": "deaf"}, 60)
        sender.join()
        assert watch.call("w1", "add", 3, 4).json()["args"] == [7]


def test_names_are_free_once_their_holder_is_gone(house):
    port = ours(house)
    with Native(port, "watch") as watch:
        for _ in range(5):
            with Native(port, "again", ["f"]):
                watch.wait_for_news("connected", "again")
            watch.wait_for_news("disconnected", "again")
            watch.seen = []


def test_a_thousand_members(house, tmp_path):
    configuration = tmp_path / "bridge.json"
    configuration.write_text('{"limits": {"connections_per_address": 5000}}')
    port = ours(house, "-c", str(configuration))
    first = Native(port, "first")
    peers = [Native(port, f"m{number}", ["f"]) for number in range(1000)]
    assert len(peers[-1].seen[0].json()["members"]) == 1001
    first.wait_for_news("connected", "m999")
    news = [json.loads(message.payload)["member"] for message in first.seen if message.flag == wire.EVENTS]
    assert news == [f"m{number}" for number in range(1000)]
    for number in (0, 500, 999):
        first.send(wire.request("first", f"m{number}", "f", uuid=number + 1))
        peers[number].answer(peers[number].wait_for(lambda message: message.flag == wire.REQUEST), number)
        assert first.wait_for(lambda message: message.flag == wire.RESPONSE).json()["args"] == [number]
    for peer in peers:
        peer.close()
    first.wait_for(lambda m: m.flag == wire.EVENTS and m.json()["type"] == "disconnected")
    gone = 1
    while gone < 1000:
        gone += first.receive(30).flag == wire.EVENTS
    with Native(port, "after") as after:
        assert len(after.seen[0].json()["members"]) == 2
    first.close()


def test_half_a_message_and_then_the_end(house):
    port = ours(house)
    with Native(port, "watch") as watch:
        worker = Native(port, "worker", ["f"])
        watch.send(wire.request("watch", "worker", "f", uuid=5))
        request = worker.wait_for(lambda message: message.flag == wire.REQUEST)
        half = wire.Message(request.uuid, wire.RESPONSE, wire.OPAQUE, 1, 0, "worker", "watch", "f", bytes(1000)).encode()[:500]
        worker.socket.sendall(half)
        worker.close()
        assert error_of(watch.wait_for(lambda message: message.uuid == 5)) == ["Disconnected", "daffi_bridge"]


def test_two_routers_and_a_python_one_on_one_bridge(house):
    python = house.router()
    house.worker(python.port, "far")
    bridge = house.bridge(None, "--upstream", "router:", "--upstream", "second=router:", "--upstream", f"python=tcp://127.0.0.1:{python.port}")
    with Page(bridge.ws_url) as first, Page(bridge.ws_url + "second") as second, Page(bridge.ws_url + "python") as third:
        assert set(first.members) == {"page"}
        assert set(second.members) == {"page"}
        assert third.call("add", 3, 4, receiver="far") == 7
        with pytest.raises(RemoteError, match="NoSuchMember"):
            first.call("add", 3, 4, receiver="far")


def test_no_call_is_lost_when_peers_are_killed_at_random(house):
    """Workers that come, answer, and vanish in the midst of it; each call is answered once, right or by an error."""
    port = ours(house)
    stop = threading.Event()
    faults: list[str] = []

    def work(name: str) -> None:
        try:
            while not stop.is_set():
                with Native(port, name, ["f"]) as worker:
                    for _ in range(20):
                        request = worker.wait_for(lambda message: message.flag == wire.REQUEST, 1)
                        worker.answer(request, json.loads(request.payload)["args"][0])
        except (TimeoutError, Ended, OSError) as fault:
            if not stop.is_set():
                faults.append(repr(fault))

    def ask(name: str, counts: list[int]) -> None:
        with Native(port, name) as caller:
            for uuid in range(1, 1001):
                answer = caller.call(f"w{uuid % 3}", "f", uuid, uuid=uuid)
                if answer.flag == wire.RESPONSE:
                    if answer.json()["args"] != [uuid]:
                        faults.append(f"{answer}")
                    counts[0] += 1
                else:
                    counts[1] += error_of(answer)[0] in ("NoSuchMember", "Disconnected")

    counts = [[0, 0] for _ in range(4)]
    workers = [threading.Thread(target=work, args=(f"w{number}",)) for number in range(3)]
    askers = [threading.Thread(target=ask, args=(f"a{number}", counts[number])) for number in range(4)]
    for thread in workers + askers:
        thread.start()
    for thread in askers:
        thread.join()
    stop.set()
    for thread in workers:
        thread.join()
    assert not faults
    assert [sum(pair) for pair in counts] == [1000] * 4
    assert sum(pair[0] for pair in counts) > 1000
