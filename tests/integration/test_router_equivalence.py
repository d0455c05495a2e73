"""One table: each scenario is played before the real Python Router and before the router inside, and what every peer saw of it is
compared, event by event, over TCP, TLS and Unix sockets. Peers are native
ones, every byte of them in the test's hands; those of real Python clients and of pages are in test_router.py.

Of two peers' messages to a third no order is promised, nor of the news of two joins, where the real Router's threads race; so
scenarios let only one speak at a time to whoever listens, and wait for the news of one join before the next.
"""

from __future__ import annotations

import json
import socket
import struct
import tempfile

import pytest
import wire
from native import Native
from processes import Peer
from test_router import calls, comparable, eviction, fence, joins_and_leaves, ours, seen_by

NOWAIT = {"return_result": 0}


def call(uuid: int, receiver: str, body: bytes, **more) -> wire.Message:
    """A raw call of "caller"."""
    return wire.Message(uuid, wire.REQUEST, wire.OPAQUE, 1, **{"return_result": 1, **more}, transmitter="caller", receiver=receiver,
                        function="f", payload=body)


def is_request(message: wire.Message) -> bool:
    return message.flag == wire.REQUEST


def reply(worker: Native, request: wire.Message, body: bytes) -> None:
    """A worker's raw answer."""
    worker.send(wire.Message(request.uuid, wire.RESPONSE, wire.OPAQUE, 1, 0, worker.name, request.transmitter, request.function, body))


def vanish(peer: Native) -> None:
    """Ends it by a reset, without a word."""
    peer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.socket.close()


def without_late_news(scenes: list) -> list:
    """Less what the real Router's threads tell of a join to one that came later, and has it in its list already: now and then."""
    known: dict[str, set[str]] = {}
    for scene in scenes:
        for key, messages in scene.items() if isinstance(scene, dict) else ():
            members, kept = known.setdefault(key, set()), []
            for message in messages:
                if message[0] == wire.HANDSHAKE and message[5]:
                    members |= {member["name"] for member in message[8][1]["members"]}
                elif message[0] == wire.EVENTS:
                    event = json.loads(message[8])
                    if event["type"] == "connected" and event["member"] in members:
                        continue
                    (members.add if event["type"] == "connected" else members.discard)(event["member"])
                kept.append(message)
            scene[key] = kept
    return scenes


# -- the scenarios: each takes a port, plays, and yields what was seen --


def handshake_of_one_alone(port: int):
    with Native(port, "alone", ["b", "a"]) as alone:
        fence(port, 1, alone)
        yield seen_by(alone)


def handshakes_with_any_call_id(port: int):
    with Native(port, "watch") as watch:
        for number, uuid in enumerate((0, 1, 0x7FFF, 0xFFFF)):
            with Native(port, f"peer{number}", shake=False) as peer:
                peer.send(wire.handshake(peer.name, uuid, ["f"]))
                peer.wait_for(lambda message, uuid=uuid, name=peer.name: message.uuid == uuid and message.transmitter == name)
                watch.wait_for_news("connected", peer.name)
                yield seen_by(watch, peer)
            watch.wait_for_news("disconnected", peer.name)
        yield seen_by(watch)


def hundreds_that_come_and_go(port: int):
    count = 200
    with Native(port, "first") as first:
        peers = []
        for number in range(count):
            peers.append(Native(port, f"m{number}", ["f"] if number % 2 else None))
            first.wait_for_news("connected", f"m{number}")
        yield seen_by(first)
        yield comparable(peers[-1].seen[0])  # the list of all
        for number in range(0, count, 3):
            peers[number].close()
            first.wait_for_news("disconnected", f"m{number}")
        yield seen_by(first)
        with Native(port, "late") as late:  # what is left, in its order
            yield comparable(late.seen[0])
        first.wait_for_news("disconnected", "late")
        for number, peer in enumerate(peers):
            if number % 3:
                peer.close()
                first.wait_for_news("disconnected", f"m{number}")


def those_that_die_without_a_word(port: int):
    with Native(port, "watch") as watch:
        for number in range(5):
            peer = Native(port, f"dies{number}", ["f"])
            watch.wait_for_news("connected", peer.name)
            if number % 2:
                peer.socket.sendall(wire.request(peer.name, "watch", "f", "x" * 100).encode()[:40])  # in the midst of it
            vanish(peer)
            watch.wait_for_news("disconnected", peer.name)
        yield seen_by(watch)


def those_that_end_their_side_only(port: int):
    """They could still listen: it is the end all the same."""
    with Native(port, "watch") as watch:
        for number in range(3):
            with Native(port, f"half{number}", ["f"]) as peer:
                watch.wait_for_news("connected", peer.name)
                peer.socket.shutdown(socket.SHUT_WR)
                watch.wait_for_news("disconnected", peer.name)
                yield seen_by(watch)


def a_name_taken_again_and_again(port: int):
    with Native(port, "watch") as watch:
        holders = []
        for number in range(4):
            holders.append(Native(port, "same", [f"f{number}"]))
            watch.wait_for_news("connected", "same")
            if number:
                holders[-2].wait_for_end()
            fence(port, number, watch, holders[-1])
        yield seen_by(watch, *holders)
        for holder in holders:
            holder.close()
        watch.wait_for_news("disconnected", "same")
        yield seen_by(watch)


def calls_go_to_the_one_that_has_the_name_now(port: int):
    with Native(port, "caller") as caller:
        old = Native(port, "worker", ["f"])
        caller.wait_for_news("connected", "worker")
        with Native(port, "worker", ["f"]) as new:
            old.wait_for_end()
            caller.wait_for_news("connected", "worker")
            caller.send(call(5, "worker", b"x"))
            reply(new, new.wait_for(is_request), b"new")
            caller.wait_for(lambda message: message.flag == wire.RESPONSE)
            yield seen_by(caller, old, new)
        old.close()


def a_stream_and_its_order(port: int):
    """What Python makes of a stream: calls one behind another, of all sizes."""
    with Native(port, "caller") as caller, Native(port, "worker", ["f"]) as worker:
        sizes = [0, 1, 8, 9, 10, 1000, 4095, 4096, 65535, 65536, 131072, 300_000] * 4
        for number, size in enumerate(sizes):
            caller.send(call(number + 1, "worker", bytes([number]) * size))
        for number, size in enumerate(sizes):
            request = worker.wait_for(is_request)
            assert (request.uuid, len(request.payload)) == (number + 1, size)
            reply(worker, request, request.payload)
        caller.wait_for(lambda message: message.flag == wire.RESPONSE and message.uuid == len(sizes))
        fence(port, 1, caller, worker)
        yield seen_by(caller, worker)


def answers_out_of_order(port: int):
    with Native(port, "caller") as caller, Native(port, "worker", ["f"]) as worker:
        caller.send(*(call(number, "worker", b"%d" % number) for number in range(1, 65)))
        requests = [worker.wait_for(is_request) for _ in range(64)]
        for request in reversed(requests):
            reply(worker, request, request.payload)
        caller.wait_for(lambda message: message.uuid == 1 and message.flag == wire.RESPONSE)
        yield seen_by(caller, worker)


def a_cast(port: int):
    with Native(port, "caller") as caller:
        workers = []
        for number in range(20):
            newcomer = Native(port, f"w{number}", ["f"])
            for peer in (caller, *workers):
                peer.wait_for_news("connected", newcomer.name)
            workers.append(newcomer)
        caller.send(*(call(100 + number, worker.name, b"cast") for number, worker in enumerate(workers)))
        for number, worker in enumerate(workers):
            request = worker.wait_for(is_request)
            reply(worker, request, worker.name.encode())
            caller.wait_for(lambda message, uuid=100 + number: message.uuid == uuid)
        yield seen_by(caller, *workers)
        for worker in workers:
            worker.close()
            caller.wait_for_news("disconnected", worker.name)


def calls_that_wait_for_no_answer(port: int):
    with Native(port, "caller") as caller, Native(port, "worker", ["f"]) as worker:
        caller.send(*(call(number, "worker", b"%d" % number, **NOWAIT) for number in range(1, 21)))
        caller.send(call(99, "nobody", b"", **NOWAIT), call(100, "worker", b"last", **NOWAIT))
        worker.wait_for(lambda message: message.uuid == 100)
        fence(port, 1, caller, worker)
        yield seen_by(caller, worker)


def the_same_id_again(port: int):
    with Native(port, "caller") as caller, Native(port, "worker", ["f"]) as worker:
        for number in range(10):
            caller.send(call(7, "worker", b"%d" % number))
            reply(worker, worker.wait_for(is_request), b"-%d" % number)
            caller.wait_for(lambda message: message.flag == wire.RESPONSE)
        yield seen_by(caller, worker)


def calls_with_any_id(port: int):
    with Native(port, "caller") as caller, Native(port, "worker", ["f"]) as worker:
        for uuid in (1, 0x7FFF, 0x8000, 0xFFFF):  # 0 is the servers' own: a Python worker does not survive it, so ours refuses it
            caller.send(call(uuid, "worker", b"x"))
            reply(worker, worker.wait_for(is_request), b"y")
            caller.wait_for(lambda message: message.flag == wire.RESPONSE)
        yield seen_by(caller, worker)


def both_call_each_other(port: int):
    with Native(port, "caller", ["f"]) as caller, Native(port, "worker", ["f"]) as worker:
        caller.wait_for_news("connected", "worker")
        caller.send(call(5, "worker", b"out"))
        outer = worker.wait_for(is_request)
        worker.send(wire.Message(5, wire.REQUEST, wire.OPAQUE, 1, 1, "worker", "caller", "f", b"back"))  # the same id, the other way
        reply(caller, caller.wait_for(is_request), b"inner")
        worker.wait_for(lambda message: message.flag == wire.RESPONSE)
        reply(worker, outer, b"outer")
        caller.wait_for(lambda message: message.flag == wire.RESPONSE)
        yield seen_by(caller, worker)


def a_call_with_the_handshake(port: int):
    """A peer in a hurry: what it sends before its handshake is answered is not lost, and keeps its order."""
    with Native(port, "worker", ["f"]) as worker:
        for number in range(5):
            with Native(port, "caller", shake=False) as caller:
                caller.send(wire.handshake("caller", 77), *(call(uuid, "worker", b"%d" % uuid) for uuid in range(1, 9)))
                for _ in range(8):
                    request = worker.wait_for(is_request)
                    reply(worker, request, request.payload)
                caller.wait_for(lambda message: message.flag == wire.RESPONSE and message.uuid == 8)
                fence(port, number, caller, worker)
                yield seen_by(caller, worker)
            worker.wait_for_news("disconnected", "caller")


SCENARIOS = [handshake_of_one_alone, handshakes_with_any_call_id, hundreds_that_come_and_go, those_that_die_without_a_word,
             those_that_end_their_side_only, a_name_taken_again_and_again,
             calls_go_to_the_one_that_has_the_name_now, a_stream_and_its_order, answers_out_of_order, a_cast, calls_that_wait_for_no_answer,
             the_same_id_again, calls_with_any_id, both_call_each_other, a_call_with_the_handshake]


# What the real Router does not bear there: over TLS it ends the newcomer together with whom it evicts; over a Unix socket it stops
# reading where a peer's messages are many or large. Ours is held to what the real one does over TCP.
NOT_OVER_TLS = {a_name_taken_again_and_again, calls_go_to_the_one_that_has_the_name_now}
NOT_OVER_A_UNIX_SOCKET = {hundreds_that_come_and_go, a_stream_and_its_order}


def assert_the_same(mine: list, play_theirs) -> None:
    """What `play_theirs` yields before a fresh Router. Whoever has been welcomed by the real one a moment ago may miss the news of the next join: it
    answers before it lists a member for news; on a busy machine half its plays differ from one another. So what differs is asked of others."""
    for _ in range(6):
        theirs = without_late_news(list(play_theirs()))
        if mine == theirs:
            break
    assert mine == theirs


@pytest.mark.parametrize("scenario", [joins_and_leaves, eviction, calls, *SCENARIOS])
def test_peers_see_the_same(house, scenario):
    assert_the_same(list(scenario(ours(house))), lambda: scenario(house.router().port))


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_peers_see_the_same_over_tls(house, certificate, scenario):
    secure = ["--tls", "--cert", certificate.cert, "--key", certificate.key]

    def play_theirs():
        if scenario in NOT_OVER_TLS:
            return scenario(house.router().port)
        return scenario((house.router(None, *secure).port, certificate.cert))

    assert_the_same(list(scenario((ours(house, tls=True), certificate.cert))), play_theirs)


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_peers_see_the_same_over_a_unix_socket(house, scenario):
    with tempfile.TemporaryDirectory(prefix="d", dir="/tmp") as folder:  # the real one cuts a path at 26 bytes
        numbers = iter("123")

        def play_theirs():
            if scenario in NOT_OVER_A_UNIX_SOCKET:
                return scenario(house.router().port)
            where = f"{folder}/{next(numbers)}"
            house.keep(Peer("router", "--unix", where))
            return scenario(where)

        house.bridge(None, listeners=(f"unix:{folder}/ours",))
        assert_the_same(list(scenario(f"{folder}/ours")), play_theirs)


@pytest.mark.parametrize("which", ["theirs", "ours"])
def test_a_second_handshake_ends_its_sender(house, which):
    """No daffi client sends one. The real Router evicts its sender in favour of itself and ends it then; ours ends it: to all it is gone."""
    port = house.router().port if which == "theirs" else ours(house)
    with Native(port, "watch") as watch, Native(port, "again", ["f"]) as again:
        watch.wait_for_news("connected", "again")
        again.send(wire.handshake("again", 78, ["f", "g"]))
        again.wait_for_end()
        watch.wait_for_news("disconnected", "again")
        with Native(port, "late") as late:
            assert [member["name"] for member in late.seen[0].json()["members"]] == ["watch", "late"]
