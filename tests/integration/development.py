"""`daffi-bridge dev` as a process of the tests: its own data folder, free ports, requests as curl would make them."""

from __future__ import annotations

import http.client
import os
import signal
import ssl
from pathlib import Path

import pytest
from processes import BUILD, Process


class Dev(Process):
    """`data` is the data folder (the certificates); `https` and `http` are its ports. `before` is a command that runs it."""

    def __init__(self, folder: Path, data: Path, *options: str, env: dict[str, str] | None = None, ports: bool = True, before: tuple[str, ...] = ()):
        chosen = ("--port", "0", "--http-port", "0") if ports else ()
        self.data = data
        super().__init__(*before, BUILD / "daffi-bridge", "dev", folder, *chosen, *options,
                         env={"XDG_DATA_HOME": str(data), "NO_COLOR": "", **(env or {})})
        self.https = int(self.wait_for(r"^listening https://\S+:(\d+)$")[1])
        self.http = int(self.wait_for(r"^listening http://\S+:(\d+)$")[1])
        self.wait_for("Ctrl-C ends it")

    def terminate(self) -> None:
        """As a Ctrl-C does."""
        self.popen.send_signal(signal.SIGINT)

    def stop(self, seconds: float = 20.0) -> int:
        """As Bridge.stop: what sanitizers have found fails the test."""
        status = super().stop(seconds)
        assert status == 0, f"daffi-bridge dev ended with {status}:\n{self.log()}"
        return status

    @property
    def urls(self) -> list[str]:
        """Those that the greeting shows, in order."""
        return [line.split()[0] for line in self.lines if line.startswith(("    http://", "    https://"))]

    @property
    def authority(self) -> Path:
        """The file of the certificate authority."""
        return self.data / "daffi-bridge" / "ca.pem"

    def get(self, path: str, method: str = "GET", **headers: str) -> tuple[int, http.client.HTTPMessage, bytes]:
        """Status, headers and body, over http; `Accept_Encoding` is a header's name, too. The path goes as it is."""
        connection = http.client.HTTPConnection("127.0.0.1", self.http, timeout=10)
        return request(connection, path, method, headers)

    def get_securely(self, path: str, host: str = "localhost") -> tuple[int, http.client.HTTPMessage, bytes]:
        """Over https, believing that authority alone."""
        context = ssl.create_default_context(cafile=self.authority)
        connection = http.client.HTTPSConnection(host, self.https, timeout=10, context=context)
        return request(connection, path, "GET", {})


def request(connection, path: str, method: str, headers: dict[str, str]):
    """One request on a connection of its own."""
    connection.putrequest(method, path, skip_host="Host" in headers)
    for name, value in headers.items():
        connection.putheader(name.replace("_", "-"), value)
    connection.endheaders()
    response = connection.getresponse()
    body = response.read()
    connection.close()
    return response.status, response.headers, body


def home_of(folder: Path) -> dict[str, str]:
    """An environment in which nothing of this user's own is found."""
    (folder / "home").mkdir(exist_ok=True)
    return {"HOME": str(folder / "home"), "XDG_DATA_HOME": str(folder / "data"), "PATH": os.environ["PATH"]}


def needed(is_there: bool, why: str) -> pytest.MarkDecorator:
    """A test that needs something of the machine: left out without it, but not by CI, where a test that is left out tells nobody."""
    return pytest.mark.skipif(not is_there and not os.environ.get("CI"), reason=why)
