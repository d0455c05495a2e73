#!/usr/bin/env python3
"""What many connections cost: memory and CPU against their number (plots), and 500 browsers that call while 9,000 say nothing.

    tests/bench/crowd.py [--build build/release] [--runs 5] [--seconds 1] [--out build/bench] [--quick]
"""

from __future__ import annotations

import contextlib
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from measure import Entrant, Work, bench_parser, how_measured, idle_crowd, measure, median, publish, publish_plots, ratio, settled_memory, table, take_turns, verdict
from servers import Bench, Server, start_haproxy, start_nginx, start_roomy_bridge
from svg_plot import Axis, Plot

STEPS, QUICK_STEPS = (100, 300, 1000, 3000, 9000), (20, 40)
CALLERS = 100
P99_BAR = 1.5
MB = 1 << 20


class Growth:
    """Memory, and CPU of a call, as a crowd of idle connections grows."""

    def __init__(self, bench: Bench, steps: tuple[int, ...], seconds: float, runs: int):
        self.bench, self.steps, self.seconds, self.runs = bench, steps, seconds, runs
        self.memory: dict[str, list[tuple[float, float]]] = {}
        self.cpu: dict[str, list[tuple[float, float]]] = {}

    def watch(self, server: Server) -> None:
        """Steps up, each on top of the one before."""
        callers = Work(f"{CALLERS} that call", ("--connections", str(CALLERS)))
        measure(self.bench, Entrant(server.name, server), callers, self.seconds)  # pools are there once, whoever comes
        memory, cpu = self.memory.setdefault(server.name, []), self.cpu.setdefault(f"{server.name}, {CALLERS} more call", [])
        with contextlib.ExitStack() as crowds:
            there = 0
            for step in self.steps:
                print(f"{server.name}: {step} connections …", file=sys.stderr, flush=True)
                crowds.enter_context(idle_crowd(self.bench, server, step - there))
                there = step
                memory.append((step, settled_memory(self.bench, server) / MB))
                rows = [measure(self.bench, Entrant(server.name, server), callers, self.seconds) for _ in range(self.runs)]
                cpu.append((step, median(rows, "cpu_us")))

    def watch_all_calling(self, server: Server) -> None:
        """Nobody idle: as many as there are call, one at a time each."""
        line = self.cpu.setdefault(f"{server.name}, all call", [])
        for step in self.steps:
            print(f"{server.name}: {step} callers …", file=sys.stderr, flush=True)
            rows = [measure(self.bench, Entrant(server.name, server), Work("all call", ("--connections", str(step))), self.seconds)
                    for _ in range(self.runs if step < 3000 else 1)]
            line.append((step, median(rows, "cpu_us")))

    def plots(self) -> dict[str, Plot]:
        """By the names of their files."""
        x = Axis("browsers connected, wss (logarithmic)", log=True, ticks=self.steps)
        return {"growth-memory": Plot("All memory of the server, browsers idle", x, Axis("MiB (logarithmic)", log=True), self.memory),
                "growth-cpu": Plot("CPU of the server for a call", x, Axis("CPU µs"), self.cpu)}


def busy_among_idle(bench: Bench, idle: int, active: int, runs: int, seconds: float) -> str:
    """Two bridges, one with the idle crowd; the active ones on each in turn."""
    work = Work(f"{active} that call", ("--connections", str(active)))
    with contextlib.ExitStack() as stack:
        calm, crowded = start_roomy_bridge(bench), start_roomy_bridge(bench)
        stack.callback(calm.stop)
        stack.callback(crowded.stop)
        took = stack.enter_context(idle_crowd(bench, crowded, idle))
        entrants = [Entrant("alone", calm), Entrant(f"among {idle:,} idle", crowded)]
        rows = take_turns(bench, entrants, work, runs, seconds)
    alone, among = rows.values()
    value = ratio(among, alone, "p99_us")
    lines = [[name, f"{median(some, 'p50_us'):.0f}", f"{median(some, 'p99_us'):.0f}", f"{median(some, 'cpu_us'):.1f}", f"{median(some, 'calls_per_second'):.0f}"]
             for name, some in rows.items()]
    return (f"{table([f'{active} browsers that call, one at a time each', 'p50 µs', 'p99 µs', 'CPU µs a call', 'calls a second'], lines)}\n\n"
            f"p99 among the idle ones: {value:.2f} of that without; to reach: {verdict(value, P99_BAR)}. "
            f"The {idle:,} were connected in {took:.1f} s, 512 at a time, by one process from one address.")


def main() -> int:
    """Parses the options, runs, prints."""
    options = bench_parser(__doc__, quick="few connections, one short run of each").parse_args()
    steps, idle, active = STEPS, 9000, 500
    if options.quick:
        options.runs, options.seconds, steps, idle, active = 1, 0.2, QUICK_STEPS, 200, 50
    with tempfile.TemporaryDirectory(prefix="daffi-bench-") as folder, contextlib.closing(Bench(options.build.resolve(), Path(folder), options.quick)) as bench:
        among = busy_among_idle(bench, idle, active, options.runs, options.seconds)
        growth = Growth(bench, steps, options.seconds, min(3, options.runs))
        starts: tuple[Callable[[Bench], Server | None], ...] = (start_roomy_bridge, start_nginx, start_haproxy)
        for start in starts:
            server = start(bench)
            if server is not None:
                try:
                    growth.watch(server)
                    if start is start_roomy_bridge:
                        growth.watch_all_calling(server)
                finally:
                    server.stop()
    publish(options.out, "crowd", f"{how_measured(options.runs, options.seconds)}\n\n{among}")
    publish_plots(options.out, growth.plots())
    print(f"bench: {1 + len(growth.memory) + len(growth.cpu)} passed, 0 failed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
