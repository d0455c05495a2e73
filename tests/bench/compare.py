#!/usr/bin/env python3
"""Compares daffi-bridge with nginx in front of the same echo peer: CPU of the server per unit of work.

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
from servers import Bench, Server, start_bridge, start_nginx

ROOT = Path(__file__).resolve().parents[2]


WORKS = (
    Work("small raw call, 32 connections, one at a time", ("--connections", "32")),
    Work("small raw calls, 16 connections × 16 in flight", ("--connections", "16", "--in-flight", "16")),
    Work("64 KiB raw echo, 8 connections", ("--connections", "8", "--size", "65536")),
    Work("connect: TCP, TLS, upgrade, daffi handshake", ("--mode", "connects", "--connections", "8"), "connects"),
)


def print_table(results: dict[str, dict[str, list[dict]]], memory: dict[str, float], works: tuple[Work, ...]) -> None:
    """The table: CPU per unit of each server, their ratio, and the latency."""
    print("| work over wss | daffi-bridge, CPU µs | nginx, CPU µs | ratio | p50 µs, bridge · nginx | a second, bridge · nginx |")
    print("| --- | --- | --- | --- | --- | --- |")
    for work in works:
        ours, theirs = results[work.title]["daffi-bridge"], results[work.title]["nginx"]
        rate = f"{work.unit}_per_second"
        latency = f"{median(ours, 'p50_us'):.0f} · {median(theirs, 'p50_us'):.0f}" if work.unit == "calls" else "–"
        print(f"| {work.title} | {median(ours, 'cpu_us'):.1f} | {median(theirs, 'cpu_us'):.1f} | {ratio(ours, theirs):.2f} | "
              f"{latency} | {median(ours, rate):.0f} · {median(theirs, rate):.0f} |")
    print(f"| memory per idle browser, both legs | {memory['daffi-bridge'] / 1024:.1f} KB | "
          f"{memory['nginx'] / 1024:.1f} KB | {memory['daffi-bridge'] / memory['nginx']:.2f} | – | – |")


def main() -> int:
    """Parses the options, runs, prints; 1 when nginx is missing or an answer was wrong."""
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
            servers = [start_bridge(bench), start_nginx(bench)]
            if None in servers:
                print("nginx is not installed: scripts/install-deps --tests", file=sys.stderr)
                return 1
            memory = {server.name: idle_memory(bench, server, options.idle) for server in servers}
            results = take_turns(bench, servers, WORKS, options.runs, options.seconds)
            print(f"{machine()}; median of {options.runs} interleaved runs of {options.seconds:g} s.\n")
            print_table(results, memory, WORKS)
        finally:
            for server in servers:
                if server is not None:
                    server.stop()
            bench.close()
    print(f"\nbench: {len(WORKS) + 1} passed, 0 failed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
