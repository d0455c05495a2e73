"""A bridge with its admin listener, and what that says: health, readiness, numbers."""

from __future__ import annotations

import http.client
import json
import re
import socket
import time

SAMPLE = re.compile(r'([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)')
LABEL = re.compile(r'([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"')


class OverUnix(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: str):
        super().__init__("localhost", timeout=10)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Watched:
    """The admin listener of a bridge that `start` has made."""

    def __init__(self, bridge):
        self.bridge = bridge
        self.where = bridge.wait_for(r"health and numbers are at (\S+)")[1]

    def connect(self) -> http.client.HTTPConnection:
        """A connection to it."""
        if self.where.startswith("unix:"):
            return OverUnix(self.where.removeprefix("unix:"))
        return http.client.HTTPConnection(self.where.removeprefix("http://"), timeout=10)

    def get(self, path: str, method: str = "GET", seconds: float = 10, **headers: str) -> tuple[int, str]:
        """Status and text of one request."""
        connection = self.connect()
        connection.timeout = seconds
        connection.request(method, path, headers=headers)
        response = connection.getresponse()
        text = response.read().decode()
        connection.close()
        return response.status, text

    def metrics(self) -> dict[tuple, float]:
        """The samples, by name and label values in the order of their names."""
        return read_samples(self.get("/metrics")[1])

    def wait_for_metric(self, key: tuple, wanted, seconds: float = 15.0) -> dict[tuple, float]:
        """The first numbers of which `wanted(value)` is true."""
        deadline = time.monotonic() + seconds
        while not wanted((numbers := self.metrics()).get(key, 0)):
            assert time.monotonic() < deadline, f"{key} is {numbers.get(key)}"
        return numbers

    def wait_for_ready(self, wanted: int, path: str = "/readyz", seconds: float = 15.0) -> str:
        """The first text that comes with the status `wanted`."""
        deadline = time.monotonic() + seconds
        while (answer := self.get(path))[0] != wanted:
            assert time.monotonic() < deadline, answer
        return answer[1]


def read_samples(text: str) -> dict[tuple, float]:
    """The samples of Prometheus' text format."""
    samples = {}
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        found = SAMPLE.fullmatch(line)
        assert found, line
        labels = sorted(LABEL.findall(found[2] or ""))
        samples[(found[1], *(value for _, value in labels))] = float(found[3])
    return samples


def start(house, upstream, folder, *options: str, settings: dict | None = None, where: str = "http://127.0.0.1:0", **more) -> Watched:
    """A bridge of `house` with an admin listener; `settings` besides it."""
    file = folder / "bridge.json"
    merged = dict(settings or {})
    merged["admin"] = {"listen": where, **merged.get("admin", {})}
    file.write_text(json.dumps(merged))
    return Watched(house.bridge(upstream, "-c", str(file), *options, **more))
