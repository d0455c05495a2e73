#!/usr/bin/env python3
"""How cost grows with work, as plots: latency against the size of a message, and what a member that joins and leaves costs a Router
against how many members are there.

    tests/bench/growth.py [--build build/release] [--runs 5] [--seconds 0.5] [--out build/bench] [--quick]
"""

from __future__ import annotations

import contextlib
import sys
import tempfile
from pathlib import Path

from measure import Entrant, Work, bench_parser, idle_crowd, measure, median, publish_plots, take_turns
from servers import NO_PROXY, Bench, Server, no_proxy, start_bridge, start_haproxy, start_nginx, start_own_router, start_python_router
from svg_plot import Axis, Plot, size

KIB, MIB = 1 << 10, 1 << 20
SIZES, QUICK_SIZES = (32, KIB, 16 * KIB, 64 * KIB, 256 * KIB, MIB, 4 * MIB, 20 * MIB), (32, MIB)
MEMBERS, QUICK_MEMBERS = (10, 30, 100, 300, 1000, 3000), (10, 20)
THREADS_MEMBERS = 300  # the Python Router has a thread for each
MESSAGE_MAX = 33554431


def latency_by_size(bench: Bench, sizes: tuple[int, ...], runs: int, seconds: float) -> Plot:
    """One connection, one call at a time, echoed."""
    plot = Plot("Latency of an echo, p50", Axis("message (logarithmic)", log=True, ticks=sizes, show=size),
                Axis("µs (logarithmic)", log=True))
    with contextlib.ExitStack() as stack:
        servers: list[Server] = []
        for start in (lambda bench: start_bridge(bench, {"message_bytes": MESSAGE_MAX}), start_nginx, start_haproxy):
            server = start(bench)
            if server is not None:
                servers.append(server)
                stack.callback(server.stop)
        entrants = [Entrant(server.name, server) for server in (*servers, no_proxy(bench))]
        for length in sizes:
            print(f"messages of {size(length)} …", file=sys.stderr, flush=True)
            rows = take_turns(bench, entrants, Work(f"echo of {size(length)}", ("--connections", "1", "--size", str(length))), runs, seconds)
            for name, some in rows.items():
                plot.lines.setdefault(name, []).append((length, median(some, "p50_us")))
    return plot


def joins_by_members(bench: Bench, members: tuple[int, ...], runs: int, seconds: float) -> Plot:
    """A member that joins and leaves, while so many are there and each of them hears of both."""
    plot = Plot("CPU of the Router for a join", Axis("members that are there (logarithmic)", log=True, ticks=members),
                Axis("CPU µs (logarithmic)", log=True))
    work = Work("joins", ("--mode", "connects", "--connections", "4"), "connects")
    for start, most in ((start_own_router, members[-1]), (start_python_router, THREADS_MEMBERS)):
        server = start(bench)
        try:
            for count in (count for count in members if count <= most):
                print(f"{server.name}: {count} members …", file=sys.stderr, flush=True)
                with idle_crowd(bench, server, count):
                    rows = [measure(bench, Entrant(server.name, server), work, seconds) for _ in range(runs)]
                plot.lines.setdefault(server.name, []).append((count, median(rows, "cpu_us")))
        finally:
            server.stop()
    return plot


def main() -> int:
    """Parses the options, runs."""
    options = bench_parser(__doc__, 0.5, "few points, one short run of each").parse_args()
    sizes, members = SIZES, MEMBERS
    if options.quick:
        options.runs, options.seconds, sizes, members = 1, 0.2, QUICK_SIZES, QUICK_MEMBERS
    with tempfile.TemporaryDirectory(prefix="daffi-bench-") as folder, contextlib.closing(Bench(options.build.resolve(), Path(folder))) as bench:
        plots = {"growth-latency": latency_by_size(bench, sizes, options.runs, options.seconds),
                 "growth-joins": joins_by_members(bench, members, options.runs, options.seconds)}
    publish_plots(options.out, plots)
    print(f"bench: {sum(len(plot.lines) for plot in plots.values())} passed, 0 failed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
