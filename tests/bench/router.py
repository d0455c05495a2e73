#!/usr/bin/env python3
"""Compares the router inside daffi-bridge with the real Python Router: same load generator, same echo worker, runs in turn.

Prints a Markdown table. Run it with a Python that has daffi 3.0.1.

    tests/bench/router.py [--build build/release] [--runs 5] [--seconds 1] [--out build/bench] [--quick]
"""

from __future__ import annotations

import contextlib
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from measure import Entrant, Work, bench_parser, how_measured, idle_crowd, idle_memory, median, publish, ratio, table, take_turns
from servers import Bench, Server, start_echo_worker, start_own_router, start_python_router

WORKS = (
    Work("small raw call, 32 connections, one at a time", ("--connections", "32")),
    Work("small raw call, one connection, one at a time", ("--connections", "1")),
    Work("small raw calls, 16 connections × 16 in flight", ("--connections", "16", "--in-flight", "16")),
    Work("64 KiB raw echo, 8 connections", ("--connections", "8", "--size", "65536")),
)


@contextlib.contextmanager
def routers(bench: Bench, count: int) -> Iterator[list[Server]]:
    """Ours and theirs, each with the echo worker as `count` members; ended with the block."""
    with contextlib.ExitStack() as stack:
        servers = []
        for start in (start_own_router, start_python_router):
            servers.append(start(bench))
            stack.callback(servers[-1].stop)
            worker = start_echo_worker(bench, servers[-1], count)
            stack.callback(worker.wait, 10)
            stack.callback(worker.stdin.close)
        yield servers


def main() -> int:
    """Parses the options, runs, prints."""
    parser = bench_parser(__doc__)
    parser.add_argument("--idle", type=int, default=500, help="idle members for the memory row")
    parser.add_argument("--workers", type=int, default=500, help="workers for the row of many workers")
    parser.add_argument("--joins", type=int, default=5000, help="members that join at once (the bridge's router alone: each costs the other a thread)")
    options = parser.parse_args()
    if options.quick:
        options.runs, options.seconds, options.idle, options.workers, options.joins = 1, 0.2, 50, 20, 500
    cast = Work(f"a cast to {options.workers} workers", ("--connections", "1", "--in-flight", str(options.workers), "--receivers", str(options.workers)))
    with tempfile.TemporaryDirectory(prefix="daffi-bench-") as folder, contextlib.closing(Bench(options.build.resolve(), Path(folder), options.quick)) as bench:
        results = {}
        with routers(bench, 1) as servers:
            entrants = [Entrant(server.name, server) for server in servers]
            for work in WORKS:
                results[work] = take_turns(bench, entrants, work, options.runs, options.seconds)
            memory = [idle_memory(bench, server, options.idle) for server in servers]
            with idle_crowd(bench, servers[0], options.joins) as joined:
                pass
        # Many workers hear of each caller that comes and goes: by themselves, or that would be most of what a short run costs.
        with routers(bench, options.workers) as servers:
            results[cast] = take_turns(bench, [Entrant(server.name, server) for server in servers], cast, options.runs, options.seconds)
    lines = []
    for work, rows in results.items():
        ours, theirs = rows.values()
        lines.append([work.title, f"{median(ours, 'cpu_us'):.1f}", f"{median(theirs, 'cpu_us'):.1f}", f"{ratio(ours, theirs):.2f}",
                      f"{median(ours, 'p50_us'):.0f} · {median(theirs, 'p50_us'):.0f}",
                      f"{median(ours, 'calls_per_second'):.0f} · {median(theirs, 'calls_per_second'):.0f}"])
    lines.append(["memory per idle member", f"{memory[0] / 1024:.1f} KB", f"{memory[1] / 1024:.1f} KB", f"{memory[0] / memory[1]:.3f}", "–", "–"])
    head = ["work, daffi's own framing", "daffi-bridge, CPU µs a call", "Python Router, CPU µs a call", "ratio", "p50 µs, bridge · Router",
            "calls a second, bridge · Router"]
    publish(options.out, "router", f"{how_measured(options.runs, options.seconds)}\n\n{table(head, lines)}\n\n"
            f"{options.joins} members that join all at once, and hear of each other: {joined:.1f} s.")
    print(f"bench: {len(lines) + 1} passed, 0 failed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
