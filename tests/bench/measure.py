"""What one run of the load generator costs a server: CPU per unit of work, latency, memory.

CPU time is that of all the server's threads by the scheduler's own account; runs of servers that are compared take turns.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from servers import Bench, Server


@dataclass(frozen=True)
class Work:
    """One row of the table: what the load generator does, and what one unit of it is called."""

    title: str
    options: tuple[str, ...]
    unit: str = "calls"


def load(bench: Bench, server: Server, options: tuple[str, ...]) -> dict:
    """Runs the load generator once; returns what it measured. Raises when an answer was wrong."""
    command = [bench.tool("bench_load"), *bench.way_to(server), *options]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)
    if done.returncode != 0:
        raise RuntimeError(f"{server.name}: {done.stderr.strip()}")
    return json.loads(done.stdout)


def measure(bench: Bench, server: Server, work: Work, seconds: float) -> dict:
    """One run: the generator's figures and `cpu_us`, microseconds of the server's CPU for each unit of work.

    The warm-up is left out of the units but not of the CPU, so there is none here: each server was warmed up once.
    """
    before = server.cpu_seconds()
    figures = load(bench, server, (*work.options, "--seconds", str(seconds), "--warmup", "0"))
    figures["cpu_us"] = (server.cpu_seconds() - before) * 1e6 / max(1, figures[work.unit])
    return figures


SETTLED_S, PATIENCE_S = 2.5, 15.0


def settled_memory(server: Server) -> int:
    """Its memory, once it has not become less for a while: what a crowd that comes leaves behind is given back a second later."""
    least, since, begun = server.memory_bytes(), time.monotonic(), time.monotonic()
    while time.monotonic() - since < SETTLED_S and time.monotonic() - begun < PATIENCE_S:
        time.sleep(0.1)
        now = server.memory_bytes()
        if now < least:
            least, since = now, time.monotonic()
    return least


def idle_memory(bench: Bench, server: Server, connections: int) -> float:
    """Bytes of the server's memory for each idle connection, both legs."""
    before = settled_memory(server)
    generator = subprocess.Popen(
        [bench.tool("bench_load"), *bench.way_to(server), "--mode", "idle", "--connections", str(connections)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    line = generator.stdout.readline()
    after = settled_memory(server)
    generator.stdin.close()
    generator.wait(30)
    if not line:
        raise RuntimeError(f"{server.name}: the idle connections did not all open")
    return (after - before) / connections


def join_seconds(bench: Bench, server: Server, members: int) -> float:
    """How long it takes until that many idle members, who all come at once, are all welcome."""
    begun = time.monotonic()
    generator = subprocess.Popen(
        [bench.tool("bench_load"), *bench.way_to(server), "--mode", "idle", "--connections", str(members)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    line = generator.stdout.readline()
    seconds = time.monotonic() - begun
    generator.stdin.close()
    generator.wait(60)
    if not line:
        raise RuntimeError(f"{server.name}: not all of {members} members could join")
    return seconds


def machine() -> str:
    """One line on the machine, for whoever reads the table."""
    model = next((line.split(":", 1)[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines()
                  if line.startswith("model name")), platform.machine())
    return f"{os.cpu_count()} cores, {model}, Linux {platform.release().split('-')[0]}"


def take_turns(bench: Bench, servers: list[Server], works: tuple[Work, ...], runs: int, seconds: float) -> dict[str, dict[str, list[dict]]]:
    """All works on all servers, `runs` times each, one after another; figures by work's title and server's name."""
    results: dict[str, dict[str, list[dict]]] = {}
    for work in works:
        rows = results.setdefault(work.title, {server.name: [] for server in servers})
        for server in servers:
            load(bench, server, (*work.options, "--seconds", "0.3", "--warmup", "0"))
        for _ in range(runs):
            for server in servers:
                rows[server.name].append(measure(bench, server, work, seconds))
    return results


def median(rows: list[dict], key: str) -> float:
    """The median of one figure of all runs."""
    return statistics.median(row[key] for row in rows)


def ratio(ours: list[dict], theirs: list[dict], key: str = "cpu_us") -> float:
    """The median of the ratios, run by run."""
    return statistics.median(a[key] / b[key] for a, b in zip(ours, theirs))
