"""Where the connections of a bridge are, as the kernel tells it: what each of its event loops watches."""

from __future__ import annotations

import os
import re
from pathlib import Path

LISTENING, ESTABLISHED = "0A", "01"


def _targets(folder: Path) -> dict[int, str]:
    """What each descriptor of the process is of."""
    targets = {}
    for entry in folder.iterdir():
        try:
            targets[int(entry.name)] = os.readlink(entry)
        except FileNotFoundError:  # closed meanwhile
            continue
    return targets


def _sockets(pid: int, port: int) -> dict[str, str]:
    """The states of the IPv4 sockets that have that port on their own side, by what /proc calls them."""
    lines = [line.split() for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]]
    return {f"socket:[{fields[9]}]": fields[3] for fields in lines if int(fields[1].split(":")[1], 16) == port}


def spread(bridge, port: int | None = None) -> list[int]:
    """How many connections to that port (the first listener's) are on each of the event loops that accept there, the fewest first."""
    process = Path(f"/proc/{bridge.popen.pid}")
    targets, states = _targets(process / "fd"), _sockets(bridge.popen.pid, port or bridge.port)
    counts = []
    for epoll in (number for number, target in targets.items() if target == "anon_inode:[eventpoll]"):
        watched = re.findall(r"^tfd:\s*(\d+)", (process / "fdinfo" / str(epoll)).read_text(), re.MULTILINE)
        seen = [states.get(targets.get(int(number), "")) for number in watched]
        if LISTENING in seen:
            counts.append(seen.count(ESTABLISHED))
    return sorted(counts)


def assert_spread(bridge, count: int, port: int | None = None, apart: int = 8) -> None:
    """Connections to that port are `count`, on event loops of all cores, and no event loop has more than `apart` of them more than another."""
    counts = spread(bridge, port)
    assert len(counts) == os.cpu_count(), counts
    assert sum(counts) == count and counts[-1] - counts[0] <= apart, counts
