#!/usr/bin/env python3
"""Compares daffi-bridge with nginx in front of the same echo peer: CPU of the server per unit of work.

Runs take turns, so that a machine whose speed drifts slows all alike; each figure is the median of the runs, each ratio
the median of the ratios pair by pair. Prints a Markdown table.

    tests/bench/compare.py [--build build/release] [--runs 5] [--seconds 2]
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from servers import Bench, Server, start_bridge, start_nginx

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Work:
    """One row of the table: what the load generator does, and what one unit of it is called."""

    title: str
    options: tuple[str, ...]
    unit: str = "calls"


WORKS = (
    Work("small raw call, 32 connections, one at a time", ("--connections", "32")),
    Work("small raw calls, 16 connections × 16 in flight", ("--connections", "16", "--in-flight", "16")),
    Work("64 KiB raw echo, 8 connections", ("--connections", "8", "--size", "65536")),
    Work("connect: TCP, TLS, upgrade, daffi handshake", ("--mode", "connects", "--connections", "8"), "connects"),
)


def load(bench: Bench, server: Server, options: tuple[str, ...]) -> dict:
    """Runs the load generator once; returns what it measured. Raises when an answer was wrong."""
    command = [bench.tool("bench_load"), "--port", str(server.port), "--tls", bench.cert, "--ws", server.ws_path,
               *options]
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


def idle_memory(bench: Bench, server: Server, connections: int) -> float:
    """Bytes of the server's memory for each idle connection, both legs."""
    before = server.memory_bytes()
    generator = subprocess.Popen(
        [bench.tool("bench_load"), "--port", str(server.port), "--tls", bench.cert, "--ws", server.ws_path,
         "--mode", "idle", "--connections", str(connections)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    line = generator.stdout.readline()
    after = server.memory_bytes()
    generator.stdin.close()
    generator.wait(30)
    if not line:
        raise RuntimeError(f"{server.name}: the idle connections did not all open")
    return (after - before) / connections


def machine() -> str:
    """One line on the machine, for whoever reads the table."""
    model = next((line.split(":", 1)[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines()
                  if line.startswith("model name")), platform.machine())
    return f"{os.cpu_count()} cores, {model}, Linux {platform.release().split('-')[0]}"


def print_table(results: dict[str, dict[str, list[dict]]], memory: dict[str, float], works: tuple[Work, ...]) -> None:
    """The table: CPU per unit of each server, their ratio, and the latency."""
    print("| work over wss | daffi-bridge, CPU µs | nginx, CPU µs | ratio | p50 µs, bridge · nginx | a second, bridge · nginx |")
    print("| --- | --- | --- | --- | --- | --- |")
    for work in works:
        ours, theirs = results[work.title]["daffi-bridge"], results[work.title]["nginx"]

        def median(rows: list[dict], key: str) -> float:
            return statistics.median(row[key] for row in rows)

        ratio = statistics.median(a["cpu_us"] / b["cpu_us"] for a, b in zip(ours, theirs))
        rate = f"{work.unit}_per_second"
        latency = f"{median(ours, 'p50_us'):.0f} · {median(theirs, 'p50_us'):.0f}" if work.unit == "calls" else "–"
        print(f"| {work.title} | {median(ours, 'cpu_us'):.1f} | {median(theirs, 'cpu_us'):.1f} | {ratio:.2f} | "
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
            results: dict[str, dict[str, list[dict]]] = {}
            for work in WORKS:
                rows = results.setdefault(work.title, {server.name: [] for server in servers})
                for server in servers:
                    load(bench, server, (*work.options, "--seconds", "0.3", "--warmup", "0"))
                for _ in range(options.runs):
                    for server in servers:
                        rows[server.name].append(measure(bench, server, work, options.seconds))
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
