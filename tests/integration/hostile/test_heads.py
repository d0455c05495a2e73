"""Request heads that two readers could read differently, each from a real socket: the door and civetweb behind it never disagree
about where a request ends.

Behind each head stands a request for the site. Where the head is taken, it is answered and then that one is, with exactly what
belongs to it; where it is refused, there is one answer, the verdict, and the connection ends.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from attacks import dial, read_to_end

VERDICTS = Path(__file__).parents[2] / "vectors" / "heads" / "verdicts.txt"
BEHIND = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


def cases() -> list[tuple[int, bytes]]:
    """What the file holds: expected status, head."""
    lines = VERDICTS.read_text("ascii").splitlines()
    return [(int(line[:3]), line[4:].encode().decode("unicode_escape").encode("latin-1")) for line in lines if line and not line.startswith("#")]


def answers(data: bytes, methods: list[str]) -> list[tuple[int, bytes]]:
    """Reads what came as the answers to these methods: status and body each. Bytes too many, or too few, are an error."""
    found = []
    while data:
        head, _, rest = data.partition(b"\r\n\r\n")
        status = int(re.match(rb"HTTP/1\.1 (\d{3}) ", head)[1])
        length = int(re.search(rb"\r\nContent-Length: (\d+)", head)[1]) if status != 304 else 0
        if len(found) < len(methods) and methods[len(found)] == "HEAD":
            length = 0
        assert len(rest) >= length
        found.append((status, rest[:length]))
        data = rest[length:]
    return found


def ask(world, request: bytes) -> bytes:
    """All that comes for these bytes."""
    with dial(world.bridge) as connection:
        connection.sendall(request)
        return read_to_end(connection)


@pytest.mark.parametrize("expected, head", cases(), ids=range(len(cases())))
def test_a_head_of_the_corpus(world, expected, head):
    if expected != 200:
        assert [status for status, _ in answers(ask(world, head + BEHIND), ["GET"])] == [expected]
        return
    method = head.split(b" ", 1)[0].decode()
    got = answers(ask(world, head + BEHIND), [method, "GET"])
    assert got[0][0] in (200, 403, 404)  # an asset; the name of a stranger, which ends it; civetweb's word that there is no such page
    keeps = got[0][0] != 403 and b"HTTP/1.0" not in head
    assert got[1:] == ([(200, b"ok\n")] if keeps else [])


@pytest.mark.parametrize("host", [b"localhost", b"127.0.0.1:80", b"[::1]"])
@pytest.mark.parametrize("expected, head", [case for case in cases() if case[0] == 200], ids=range(sum(case[0] == 200 for case in cases())))
def test_a_head_that_is_taken_reaches_civetweb_as_one_request(world, expected, head, host):
    """Under a name of one's own and for the site: whatever else stands in the head, civetweb's answer is the door's idea of it."""
    own = re.sub(rb"(?i)(\r\nhost:[ \t]*)[a-z\[:][^\r\t]*", rb"\g<1>" + host, head, count=1)
    own = re.sub(rb"^(GET|HEAD) [^ ]+", rb"\1 /healthz", own)
    method = own.split(b" ", 1)[0].decode()
    got = answers(ask(world, own * 3 + BEHIND), [method] * 3 + ["GET"])
    expected_body = b"" if method == "HEAD" else b"ok\n"
    assert got == ([(200, expected_body)] * 3 + [(200, b"ok\n")] if b"HTTP/1.0" not in head else [(200, b"ok\n")])


@pytest.mark.parametrize("behind", [b"hello\r\n\r\n", b"\0", b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nabc" + BEHIND, b"\r\n" + BEHIND])
def test_what_stands_behind_a_head_is_never_of_it(world, behind):
    """A body that no head announces is the next request, and none."""
    got = answers(ask(world, BEHIND.replace(b"Connection: close\r\n", b"") + behind), ["GET", "GET"])
    assert got[0] == (200, b"ok\n")
    assert len(got) <= 2 and all(status in (400, 405) for status, _ in got[1:])


@pytest.mark.parametrize("head, status", [
    (b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"X: y\r\n" * 99 + b"\r\n", 404),
    (b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"X: y\r\n" * 100 + b"\r\n", 431),
    (b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"y" * 16_000 + b"\r\n\r\n", 404),
    (b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"y" * 17_000 + b"\r\n\r\n", 431),
    (b"GET /" + b"y" * 16_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", 404),
    (b"GET /" + b"y" * 17_000, 414),
    (b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 1_000_000, 431),
    (b"y" * 20_000, 414),
], ids=["100 fields", "101 fields", "16 KB", "17 KB", "a path of 16 KB", "a path of 17 KB", "a million fields", "no end"])
def test_size_and_count_of_a_head(world, head, status):
    with dial(world.bridge) as connection:
        try:
            connection.sendall(head + (b"" if status in (414, 431) else BEHIND))
        except OSError:
            pass  # it has been answered and ended before all was sent
        data = read_to_end(connection)
    assert data == b"" or int(data[9:12]) == status  # a reset may overtake the answer where it had not read all
    assert data or len(head) > 1_000_000
    world.check(1)


def test_the_bystander_noticed_nothing(world):
    world.check(20)
