#!/usr/bin/env python3
"""Compares daffi-bridge with Debian's nginx, HAProxy, hitch and Caddy, and with a bare relay of our own, in front of the same echo
peer and with the same certificate: CPU of the server per unit of work. What is not installed is left out.

Runs take turns, so that a machine whose speed drifts slows all alike; each figure is the median of the runs, each ratio
the median of the ratios pair by pair. Prints a Markdown table.

    tests/bench/compare.py [--build build/release] [--runs 5] [--seconds 2]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from measure import Work, idle_memory, machine, median, ratio, take_turns
from servers import Bench, Server, start_bridge, start_caddy, start_haproxy, start_hitch, start_nginx, start_relay

ROOT = Path(__file__).resolve().parents[2]
CPU, P50, P99 = "cpu_us", "p50_us", "p99_us"

WORKS = (
    Work("small raw call, 32 connections, one at a time", ("--connections", "32")),
    Work("small raw calls, 16 connections × 16 in flight", ("--connections", "16", "--in-flight", "16")),
    Work("64 KiB raw echo, 8 connections", ("--connections", "8", "--size", "65536")),
    Work("connect: TCP, TLS, upgrade, daffi handshake", ("--mode", "connects", "--connections", "8"), "connects"),
)


def print_table(results: dict[str, dict[str, list[dict]]], memory: dict[str, float], works: tuple[Work, ...], peers: list[str]) -> None:
    """CPU per unit of work of each server, and the ratio to the best of the peers (the relay is the floor, and none)."""
    columns = ["daffi-bridge", *peers]
    rivals = [name for name in peers if name != "bare relay"]
    print(f"| work over wss, CPU µs | {' | '.join(columns)} | beside the best |")
    print("| --- " * (len(columns) + 2) + "|")
    for work in works:
        rows = results[work.title]
        best = min(rivals, key=lambda name: median(rows[name], CPU))
        print(f"| {work.title} | {' | '.join(f'{median(rows[name], CPU):.1f}' for name in columns)} | "
              f"{ratio(rows['daffi-bridge'], rows[best]):.2f} |")
    best = min(memory[name] for name in rivals)
    print(f"| memory per idle browser, both legs | {' | '.join(f'{memory[name] / 1024:.1f} KB' for name in columns)} | "
          f"{memory['daffi-bridge'] / best:.2f} |")
    print(f"\n| latency, p50 · p99 µs | {' | '.join(columns)} |")
    print("| --- " * (len(columns) + 1) + "|")
    for work in works:
        if work.unit == "calls":
            rows = results[work.title]
            print(f"| {work.title} | {' | '.join(f'{median(rows[name], P50):.0f} · {median(rows[name], P99):.0f}' for name in columns)} |")


def main() -> int:
    """Parses the options, runs, prints; 1 when there is no peer."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", type=Path, default=ROOT / "build" / "release")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--idle", type=int, default=500, help="idle connections for the memory row")
    parser.add_argument("--quick", action="store_true", help="one short run of each: does it work at all?")
    options = parser.parse_args()
    if options.quick:
        options.runs, options.seconds, options.idle = 1, 0.3, 50
    with tempfile.TemporaryDirectory(prefix="daffi-bench-") as folder:
        bench = Bench(options.build.resolve(), Path(folder))
        servers: list[Server] = []
        try:
            for start in (start_bridge, start_nginx, start_haproxy, start_hitch, start_caddy, start_relay):
                server = start(bench)
                if server is not None:
                    servers.append(server)
            peers = [server.name for server in servers[1:]]
            if peers == ["bare relay"]:
                print("none of the peers is installed: scripts/install-deps --tests", file=sys.stderr)
                return 1
            memory = {server.name: idle_memory(bench, server, options.idle) for server in servers}
            results = take_turns(bench, servers, WORKS, options.runs, options.seconds)
            print(f"{machine()}; median of {options.runs} interleaved runs of {options.seconds:g} s.\n")
            print_table(results, memory, WORKS, peers)
        finally:
            for server in servers:
                server.stop()
            bench.close()
    print(f"\nbench: {len(WORKS) + 1} passed, 0 failed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
