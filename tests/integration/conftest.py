"""Fixtures of the integration tests: real daffi peers, the bridge as built, free ports, readiness by event."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from processes import Bridge, Peer, free_port  # noqa: E402


@pytest.fixture(scope="session")
def certificate(tmp_path_factory) -> SimpleNamespace:
    """A self-signed certificate for 127.0.0.1 and localhost: `cert` (also its own CA) and `key`, paths as text."""
    folder = tmp_path_factory.mktemp("certificate")
    cert, key = folder / "cert.pem", folder / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key,
         "-out", cert, "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost",
         "-addext", "basicConstraints=critical,CA:TRUE"],
        check=True, capture_output=True)
    return SimpleNamespace(cert=str(cert), key=str(key))


class House:
    """What a test started; all of it is ended when the test is over, the newest first."""

    def __init__(self, certificate):
        self.certificate = certificate
        self._processes = []

    def keep(self, process):
        """Ends `process` with the others."""
        self._processes.append(process)
        return process

    def router(self, port: int | None = None, *options: str) -> Peer:
        """A real Router."""
        return self.keep(Peer("router", *options, port=port or free_port()))

    def service(self, port: int | None = None, *options: str) -> Peer:
        """A real Service."""
        return self.keep(Peer("service", *options, port=port or free_port()))

    def worker(self, port: int, name: str = "w1", *options: str) -> Peer:
        """A real worker of the Router (or of the bridge) on `port`."""
        return self.keep(Peer("worker", *options, port=port, name=name))

    def bridge(self, upstream: str | int | None, *options: str, tls: bool = False, listeners: tuple[str, ...] | None = None) -> Bridge:
        """The bridge before `upstream`: a URL, or a port of the loopback."""
        url = f"tcp://127.0.0.1:{upstream}" if isinstance(upstream, int) else upstream
        where = ["--upstream", url] if url else []
        secure = ["--cert", self.certificate.cert, "--key", self.certificate.key]
        if listeners is None:
            listeners = ("https://127.0.0.1:0",) if tls else ("http://127.0.0.1:0",)
        needs = secure if any(url.startswith("https") for url in listeners) else []
        return self.keep(Bridge(*where, *needs, *options, listeners=listeners))

    def end(self, process) -> None:
        """Ends one of them now."""
        self._processes.remove(process)
        process.stop()

    def kill(self, process) -> None:
        """Ends one of them as a crash would."""
        self._processes.remove(process)
        process.kill()

    def account(self, lines: int = 40) -> str:
        """What each is doing now, and the last `lines` it said: for whoever reads of a failure elsewhere."""
        parts = []
        for process in self._processes:
            status = process.popen.poll()
            state = "runs" if status is None else f"ended with {status}"
            parts.append("\n".join([f"{' '.join(process.command)}: {state}", *process.lines[-lines:]]))
        return "\n\n".join(parts)

    def close(self) -> None:
        """Ends all; a fault of one does not keep the others alive."""
        faults = []
        while self._processes:
            try:
                self._processes.pop().stop()
            except AssertionError as fault:
                faults.append(fault)
        if faults:
            raise faults[0]


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """A failed test tells what its processes said."""
    report = (yield).get_result()
    if call.when == "call" and report.failed:
        for name in ("house", "shared_house"):
            made = getattr(item, "funcargs", {}).get(name)
            if made is not None:
                report.sections.append((f"processes of {name}", made.account()))


@pytest.fixture
def house(certificate):
    """Starts processes for one test."""
    made = House(certificate)
    yield made
    made.close()


@pytest.fixture(scope="module")
def shared_house(certificate):
    """Starts processes for all tests of a module."""
    made = House(certificate)
    yield made
    made.close()


@pytest.fixture
def configured(house, tmp_path):
    """A bridge with a configuration of the test's own, before a real Router with a worker."""
    def start(**configuration):
        file = tmp_path / "bridge.json"
        file.write_text(json.dumps(configuration))
        router = house.router()
        house.worker(router.port)
        return house.bridge(router.port, "-c", str(file))
    return start
