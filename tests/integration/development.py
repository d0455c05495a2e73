"""`daffi-bridge dev` as a process of the tests: its own data folder, free ports, requests as curl would make them."""

from __future__ import annotations

import http.client
import os
import signal
import ssl
import subprocess
from pathlib import Path

import pytest
from processes import BUILD, Process

IS_ROOT = os.geteuid() == 0
LAN = ("ip link add lan type veth peer name phone; ip addr add 10.9.8.7/24 dev lan; ip addr add fd09::7/64 dev lan nodad; "
       "ip link set phone up; ip link set lan up; ")
NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")  # as `before` of Dev


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


# -- where it runs: as `before` of Dev, commands that run another one --

def apart(spaces: str, script: str) -> tuple[str, ...]:
    """In namespaces of its own (unshare's letters), after the shell's `script`."""
    own_users = "" if IS_ROOT or "r" in spaces else "r"
    return ("unshare", f"-{own_users}{spaces}", "sh", "-ec", f'{script}\nexec "$@"', "sh")


def networked(network: str = LAN) -> tuple[str, ...]:
    """In a network of its own, which the shell's `network` makes."""
    return apart("n", f"ip link set lo up; {network}")


def limited(watches: int = 1000, instances: int = 1000) -> tuple[str, ...]:
    """Where the system allows so many of inotify's, in a namespace of users, root's too."""
    return apart("r", f"echo {watches} > /proc/sys/user/max_inotify_watches; echo {instances} > /proc/sys/user/max_inotify_instances")


def with_stores() -> tuple[str, ...]:
    """Where the system's stores of certificates are empty copies, and the host name is its own."""
    return apart("mu", "mount -t tmpfs none /usr/local/share/ca-certificates\nmount -t tmpfs none /etc/ssl/certs")


def allowed(before: tuple[str, ...]) -> pytest.MarkDecorator:
    """A test that needs one of these."""
    return needed(subprocess.run([*before, "true"], capture_output=True).returncode == 0,
                  "no namespaces are to be had here: unshare(1) is not permitted, or ip(8) or mount(8) not there")


def nobodys(folder: Path) -> Path:
    """The folder, made where it is not there: nobody's own, and within reach (pytest's folders are root's alone)."""
    folder.mkdir(exist_ok=True)
    os.chown(folder, 65534, 65534)
    for parent in folder.parents:
        if parent.owner() == "root" and str(parent).startswith("/tmp/"):
            parent.chmod(parent.stat().st_mode | 0o011)
    return folder
