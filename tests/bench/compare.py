#!/usr/bin/env python3
"""Compares daffi-bridge with Debian's nginx, HAProxy, hitch and Caddy, and with a bare relay of our own, in front of the same echo
peer and with the same certificate: CPU of the server per unit of work. What is not installed is left out.

Runs take turns, so that a machine whose speed drifts slows all alike; each figure is the median of the runs, each ratio
the median of the ratios pair by pair. Prints Markdown tables, and keeps them in --out.

    tests/bench/compare.py [--build build/release] [--runs 5] [--seconds 1] [--out build/bench] [--quick]
"""

from __future__ import annotations

import contextlib
import json
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from measure import Entrant, Work, bench_parser, how_measured, idle_memory, median, publish, ratio, table, take_turns, verdict
from servers import (NO_PROXY, OVER_UNIX, RELAY, RELAY_OVER_UNIX, Bench, Server, no_proxy, start_bridge, start_bridge_over_unix, start_caddy, start_haproxy,
                     start_hitch, start_nginx, start_relay, start_relay_over_unix, start_roomy_bridge)

OURS, BATCHES, RELAY_BATCHES, RESUMED = "daffi-bridge", "daffi-bridge, batches", "bare relay, batches", ", resumed"
P50, P99 = "p50_us", "p99_us"

SMALL = Work("small raw call, 32 connections, one at a time", ("--connections", "32"))
MANY = Work("small raw calls, 16 connections × 16 in flight", ("--connections", "16", "--in-flight", "16"))
LARGE = Work("64 KiB raw echo, 8 connections", ("--connections", "8", "--size", "65536"))
ONE = Work("small raw call, one connection, one at a time", ("--connections", "1"))
HANDSHAKE = Work("full TLS 1.3 handshake", (), "handshakes", "bench_handshakes")
CONNECT = Work("connect: TCP, TLS, upgrade, daffi handshake", ("--mode", "connects", "--connections", "8"), "connects")
FETCH = Work("app.wasm over https, keep-alive", (), "requests", "bench_fetch")


@dataclass(frozen=True)
class Row:
    """A line of the table: ours in that work, against whom, and what is to be reached."""

    title: str
    work: Work
    ours: str = OURS
    of: tuple[tuple[str, float | None], ...] = (("best", None),)  # "best" is the best of the peers
    suffix: str = ""  # of the entrants' names that stand in this line
    relay: str = RELAY  # who stands in the column of the bare relay: the floor of that way of working


ROWS = (
    Row(SMALL.title, SMALL, of=(("best", 0.9), (RELAY, 1.0))),
    Row("the same; ours and the relay over a Unix upstream", SMALL, OVER_UNIX, (("best", 0.75), (RELAY, None)), relay=RELAY_OVER_UNIX),
    Row(MANY.title, MANY, of=(("best", 0.95), (RELAY, None))),
    Row("the same; ours and the relay with daffi.js's batches", MANY, BATCHES, (("best", 0.4), (RELAY, None)), relay=RELAY_BATCHES),
    Row(LARGE.title, LARGE, of=(("best", 0.85), (RELAY, None))),
    Row(HANDSHAKE.title, HANDSHAKE, of=(("nginx", 0.9), (RELAY, None))),
    Row("resumed TLS 1.3 handshake", HANDSHAKE, OURS + RESUMED, ((OURS, 0.5), ("best", None)), RESUMED, RELAY + RESUMED),
    Row(CONNECT.title, CONNECT),
    Row(FETCH.title, FETCH, of=(("nginx", 0.7),)),
)
MEMORY_BAR_KB = 16

Results = dict[Work, dict[str, list[dict]]]


def line_of(row: Row, results: dict[str, list[dict]], peers: list[str]) -> list[str]:
    """CPU per unit of each, and the ratios."""
    ours = results[row.ours]
    rivals = [name for name in peers if name != RELAY and name + row.suffix in results]
    named = {"best": min(rivals, key=lambda name: median(results[name + row.suffix], "cpu_us"))}
    columns = (row.ours, *(row.relay if peer == RELAY else peer + row.suffix for peer in peers))
    cells = [f"{median(results[name], 'cpu_us'):.1f}" if name in results else "–" for name in columns]
    ratios, bars = [], []
    for against, bar in row.of:
        name = named.get(against, against)
        value = ratio(ours, results[{OURS: OURS, RELAY: row.relay}.get(against, name + row.suffix)])
        ratios.append(f"{value:.2f} of {'the full one' if against == OURS else name}")
        bars.append(verdict(value, bar))
    return [row.title, *cells, ", ".join(ratios), ", ".join(filter(None, bars))]


def cpu_table(results: Results, memory: dict[str, float], idle: int, peers: list[str]) -> str:
    """The table of README.md."""
    lines = [line_of(row, results[row.work], peers) for row in ROWS]
    best = min((name for name in peers if name != RELAY), key=lambda name: memory[name])
    lines.append([f"memory per idle browser of {idle:,}, both legs", *(f"{memory[name] / 1024:.1f} KB" for name in (OURS, *peers)),
                  f"{memory[OURS] / memory[best]:.2f} of {best}", verdict(memory[OURS] / 1024, MEMORY_BAR_KB, "≤ {} KB")])
    return table(["work over wss, CPU µs", OURS, *peers, "ratio", "to reach"], lines)


def latency_table(results: Results, peers: list[str]) -> str:
    """Latencies under load."""
    names = [OURS, *peers]
    lines = [[work.title, *(f"{median(results[work][name], P50):.0f} · {median(results[work][name], P99):.0f}" for name in names)]
             for work in (SMALL, MANY, LARGE)]
    return table(["latency, p50 · p99 µs", *names], lines)


def added_table(rows: dict[str, list[dict]], peers: list[str]) -> str:
    """What each adds to the latency of one call at a time: medians of the differences, run by run."""
    def added(name: str, key: str) -> float:
        return statistics.median(a[key] - b[key] for a, b in zip(rows[name], rows[NO_PROXY]))

    lines = [[name, *(f"{median(rows[name], key):.0f}" for key in (P50, P99)), *("0" if name == NO_PROXY else f"{added(name, key):+.0f}" for key in (P50, P99))]
             for name in (NO_PROXY, OURS, OVER_UNIX, *peers)]
    reached = [verdict(added(OURS, key), min(added(name, key) for name in peers if name != RELAY), f"{word} ≤ {{:.0f}} µs") for key, word in ((P50, "p50"), (P99, "p99"))]
    return (f"{table(['one connection, one call at a time', 'p50 µs', 'p99 µs', 'added to p50', 'added to p99'], lines)}\n\n"
            f"To reach, what the best peer adds: {', '.join(reached)}.")


def floor_of(bench: Bench, count: int) -> dict[str, float]:
    """OpenSSL's handshake alone, the server's side: the quickest of three runs."""
    command = [bench.tool("bench_tls_floor"), bench.cert, bench.key, str(count)]
    tried = [json.loads(subprocess.run(command, check=True, capture_output=True, text=True, timeout=120).stdout) for _ in range(3)]
    return min(tried, key=lambda one: one["full_us"])


def measure_all(bench: Bench, servers: list[Server], over_unix: tuple[Server, Server], runs: int, seconds: float) -> Results:
    """Every work, by whom it is for."""
    everybody = [Entrant(server.name, server) for server in servers]
    ours, relay = servers[0], servers[-1]
    unix, relay_over_unix = (Entrant(server.name, server) for server in over_unix)
    resumed = [Entrant(server.name + RESUMED, server, ("--resume",)) for server in servers if server.name != RELAY]  # which shares no ticket between its threads
    app = ("--path", "/app.wasm", "--file", str(bench.assets / "app.wasm"))
    works = {
        SMALL: [*everybody, unix, relay_over_unix],
        MANY: [*everybody, Entrant(BATCHES, ours, ("--batch",)), Entrant(RELAY_BATCHES, relay, ("--batch",))],
        LARGE: everybody,
        ONE: [Entrant(NO_PROXY, no_proxy(bench)), *everybody, unix],
        HANDSHAKE: [*everybody, *resumed],
        CONNECT: everybody,
        FETCH: [Entrant(server.name, server, app) for server in servers if server.name in (OURS, "nginx")],
    }
    results = {}
    for work, entrants in works.items():
        print(f"{work.title} …", file=sys.stderr, flush=True)
        results[work] = take_turns(bench, entrants, work, runs, seconds)
    return results


def main() -> int:
    """Parses the options, runs, prints; 1 when there is no peer."""
    parser = bench_parser(__doc__)
    parser.add_argument("--idle", type=int, default=4000,
                        help="idle connections for the memory row: with a few hundred, what a server makes once is still a part of it")
    options = parser.parse_args()
    if options.quick:
        options.runs, options.seconds, options.idle = 1, 0.2, 50
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="daffi-bench-"))
        bench = Bench(options.build.resolve(), Path(folder), options.quick)
        stack.callback(bench.close)
        servers: list[Server] = []
        for start in (start_bridge, start_nginx, start_haproxy, start_hitch, start_caddy, start_relay):
            server = start(bench)
            if server is not None:
                servers.append(server)
                stack.callback(server.stop)
        peers = [server.name for server in servers[1:]]
        if "nginx" not in peers:
            print("nginx is not installed: scripts/install-deps --tests", file=sys.stderr)
            return 1
        memory = {server.name: idle_memory(bench, server, options.idle) for server in servers[1:]}
        roomy = start_roomy_bridge(bench)
        try:
            memory[OURS] = idle_memory(bench, roomy, options.idle)
        finally:
            roomy.stop()
        over_unix = start_bridge_over_unix(bench), start_relay_over_unix(bench)
        for server in over_unix:
            stack.callback(server.stop)
        results = measure_all(bench, servers, over_unix, options.runs, options.seconds)
        floor = floor_of(bench, 50 if options.quick else 2000)
        size = (bench.assets / "app.wasm").stat().st_size
    how = how_measured(options.runs, options.seconds)
    publish(options.out, "bench", f"{how}\n\n{cpu_table(results, memory, options.idle, peers)}")
    publish(options.out, "latency", f"{how}\n\n{latency_table(results, peers)}")
    publish(options.out, "added", f"{how}\n\n{added_table(results[ONE], peers)}")
    publish(options.out, "floor", f"OpenSSL's handshake alone, both ends in memory, the server's side: {floor['full_us']:.0f} µs in full, "
            f"{floor['resumed_us']:.0f} µs resumed ({floor['resumed_us'] / floor['full_us']:.2f} of it); "
            f"what a connection holds afterwards, its record buffers let go: {floor['idle_bytes'] / 1024:.1f} KB. app.wasm here: {size / 1000:.1f} KB.")
    print(f"bench: {len(ROWS) + 3} passed, 0 failed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
