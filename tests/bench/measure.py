"""What one run of a load generator costs a server: CPU per unit of work, latency, memory.

CPU time is that of all the server's threads, by the clocks of its processes, between the moments at which the generator says
that it begins and ceases to count; runs of servers that are compared take turns.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import re
import statistics
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from servers import Bench, Server
from svg_plot import Plot

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 120.0
SETTLE_PATIENCE_S = 15.0
WARMUP_S = 0.2


@dataclass(frozen=True)
class Work:
    """What a load generator does, and what one unit of it is called."""

    title: str
    options: tuple[str, ...]
    unit: str = "calls"
    tool: str = "bench_load"


@dataclass(frozen=True)
class Entrant:
    """A server in a comparison, with options that the generator gets for it alone."""

    name: str
    server: Server
    options: tuple[str, ...] = ()


def bench_parser(doc: str, seconds: float = 1.0, quick: str = "one short run of each") -> argparse.ArgumentParser:
    """The options that all measurements have; `doc` is the script's own."""
    made = argparse.ArgumentParser(description=doc.splitlines()[0])
    made.add_argument("--build", type=Path, default=ROOT / "build" / "release")
    made.add_argument("--out", type=Path, default=ROOT / "build" / "bench")
    made.add_argument("--runs", type=int, default=5)
    made.add_argument("--seconds", type=float, default=seconds)
    made.add_argument("--quick", action="store_true", help=f"{quick}: does it work at all?")
    return made


def measure(bench: Bench, entrant: Entrant, work: Work, seconds: float) -> dict:
    """One run: the generator's figures and `cpu_us`, microseconds of the server's CPU for each unit of work. Raises when an answer was wrong."""
    pids = entrant.server.pids()
    command = [*bench.way_to(entrant.server, work.tool), *work.options, *entrant.options, "--seconds", str(seconds), "--warmup", str(WARMUP_S)]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as generator:
        late = threading.Timer(PATIENCE_S + seconds, generator.kill)
        late.start()
        try:
            spent = {}
            for line in generator.stdout:
                if line.startswith("{"):
                    figures = json.loads(line)
                else:
                    spent[line.strip()] = entrant.server.cpu_seconds(pids)
            failure = generator.stderr.read().strip()
        finally:
            late.cancel()
    if generator.returncode != 0:
        raise RuntimeError(f"{work.title}: {entrant.name}: {failure or 'the load generator was late'}")
    if figures[work.unit] == 0:
        raise RuntimeError(f"{work.title}: {entrant.name}: no {work.unit} in {seconds:g} s")
    figures["cpu_us"] = (spent["measured"] - spent["measuring"]) * 1e6 / figures[work.unit]
    return figures


def take_turns(bench: Bench, entrants: Sequence[Entrant], work: Work, runs: int, seconds: float) -> dict[str, list[dict]]:
    """The work on all of them, `runs` times, one after another; figures by the entrant's name."""
    rows: dict[str, list[dict]] = {entrant.name: [] for entrant in entrants}
    for _ in range(runs):
        for entrant in entrants:
            rows[entrant.name].append(measure(bench, entrant, work, seconds))
    return rows


def settled_memory(bench: Bench, server: Server) -> int:
    """Its memory, once it has not become less for a while: what a crowd that comes leaves behind is given back a second later."""
    least, since, begun = server.memory_bytes(), time.monotonic(), time.monotonic()
    while time.monotonic() - since < bench.settled_s and time.monotonic() - begun < SETTLE_PATIENCE_S:
        time.sleep(0.1)
        now = server.memory_bytes()
        if now < least:
            least, since = now, time.monotonic()
    return least


@contextlib.contextmanager
def idle_crowd(bench: Bench, server: Server, connections: int) -> Iterator[float]:
    """That many connections that have shaken hands and say nothing, all there in the block; gives the seconds until they were."""
    begun = time.monotonic()
    generator = subprocess.Popen([*bench.way_to(server), "--mode", "idle", "--connections", str(connections)],
                                 stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    late = threading.Timer(PATIENCE_S, generator.kill)
    late.start()
    try:
        line = generator.stdout.readline()
        late.cancel()
        if not line:
            raise RuntimeError(f"{server.name}: the {connections} idle connections did not all open")
        yield time.monotonic() - begun
    finally:
        late.cancel()
        generator.stdin.close()
        try:
            generator.wait(60)
        except subprocess.TimeoutExpired:
            generator.kill()
            generator.wait()


def idle_memory(bench: Bench, server: Server, connections: int) -> float:
    """Bytes of the server's memory for each idle connection, both legs: what the last four fifths of so many add to the first fifth,
    with which come the things that a server makes once (buffers of its threads, the first pages of its heap)."""
    first = max(1, connections // 5)
    with idle_crowd(bench, server, first):
        before = settled_memory(bench, server)
        with idle_crowd(bench, server, connections - first):
            return (settled_memory(bench, server) - before) / (connections - first)


def machine() -> str:
    """One line on the machine, for whoever reads the table."""
    model = next((line.split(":", 1)[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines()
                  if line.startswith("model name")), platform.machine())
    memory = int(re.search(r"MemTotal:\s+(\d+)", Path("/proc/meminfo").read_text()).group(1)) / (1 << 20)
    return f"{os.cpu_count()} cores, {model}, {memory:.0f} GB, Linux {platform.release().split('-')[0]}"


def median(rows: list[dict], key: str) -> float:
    """The median of one figure of all runs."""
    return statistics.median(row[key] for row in rows)


def ratio(ours: list[dict], theirs: list[dict], key: str = "cpu_us") -> float:
    """The median of the ratios, run by run."""
    return statistics.median(a[key] / b[key] for a, b in zip(ours, theirs))


def how_measured(runs: int, seconds: float) -> str:
    """The machine, and how the figures of a table came about."""
    return f"{machine()}; median of {runs} interleaved runs of {seconds:g} s."


def verdict(value: float, bar: float | None, wanted: str = "≤ {:.2f}") -> str:
    """What is to be reached, and whether it is, as rounded as it is shown."""
    return "" if bar is None else f"{wanted.format(bar)} {'✓' if round(value, 2) <= bar else '✗'}"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """As Markdown."""
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows))


def publish(folder: Path, name: str, text: str) -> None:
    """Prints it, and keeps it as NAME.md for write_tables.py."""
    print(text, end="\n\n", flush=True)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.md").write_text(text + "\n")


def publish_plots(folder: Path, plots: dict[str, Plot]) -> None:
    """Each plot as NAME.svg, its figures as the table NAME.md."""
    for name, plot in plots.items():
        plot.write(folder / f"{name}.svg")
        head, *rows = plot.rows()
        publish(folder, name, table(head, rows))
