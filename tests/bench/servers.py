"""The servers that are compared: each stands, with TLS, in front of the same echo peer.

A server is started by a function that takes a Bench and returns a Server; its processes are ended by their ids.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

NO_PROXY, OVER_UNIX = "no proxy, no TLS", "daffi-bridge, Unix upstream"
RELAY, RELAY_OVER_UNIX = "bare relay", "bare relay, Unix upstream"


@dataclass
class Server:
    """A running server: where load goes, and whose CPU time counts."""

    name: str
    port: int
    ws_path: str | None
    process: subprocess.Popen
    tls: bool = True

    def pids(self) -> list[int]:
        """The process and its children (nginx's workers)."""
        found = [self.process.pid]
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    status = (entry / "stat").read_text()
                except OSError:
                    continue
                if int(status.rsplit(")", 1)[1].split()[1]) == self.process.pid:
                    found.append(int(entry.name))
        return found

    @staticmethod
    def cpu_seconds(pids: list[int]) -> float:
        """CPU time so far, user and system, of those processes with all their threads, those that have ended too: their CPU clocks, to
        the nanosecond (the number of a process's clock: clock_getcpuclockid(3))."""
        return sum(time.clock_gettime(~pid << 3 | 2) for pid in pids)

    def memory_bytes(self) -> int:
        """Resident memory that is not shared with files."""
        total = 0
        for pid in self.pids():
            text = Path(f"/proc/{pid}/status").read_text()
            total += int(re.search(r"RssAnon:\s+(\d+)", text).group(1)) * 1024
        return total

    def stop(self) -> None:
        """Ends it, in good order where it can."""
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@dataclass
class Bench:
    """What all servers of one run share."""

    build: Path
    folder: Path
    quick: bool = False
    cert: Path = field(init=False)
    key: Path = field(init=False)
    echo: subprocess.Popen = field(init=False)
    echo_port: int = field(init=False)
    others: list[subprocess.Popen] = field(default_factory=list, init=False)  # that end with their standard input, too

    def __post_init__(self) -> None:
        self.cert, self.key = self.folder / "cert.pem", self.folder / "key.pem"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
             "-keyout", self.key, "-out", self.cert, "-days", "2", "-subj", "/CN=127.0.0.1",
             "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"],
            check=True, capture_output=True)
        self.echo = subprocess.Popen([self.tool("bench_echo_peer")], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                     text=True)
        self.echo_port = int(self.echo.stdout.readline().rsplit(":", 1)[1])

    def tool(self, name: str) -> Path:
        """A program of tests/bench in the build folder."""
        return self.build / "tests" / "bench" / name

    def way_to(self, server: Server, tool: str = "bench_load") -> list[str | Path]:
        """That load generator, and its options for that server."""
        ws = ["--ws", server.ws_path] if server.ws_path and tool == "bench_load" else []
        return [self.tool(tool), "--port", str(server.port), *(["--tls", str(self.cert)] if server.tls else []), *ws]

    @property
    def assets(self) -> Path:
        """Where app.wasm is, as built."""
        return self.build / "js-client"

    @property
    def settled_s(self) -> float:
        """Memory that has not become less for so long is what stays: the bridge gives back what a crowd left a second later."""
        return 0.3 if self.quick else 2.5

    def close(self) -> None:
        """Ends the echo peers."""
        for process in (self.echo, *self.others):
            process.stdin.close()
            process.wait(10)


def free_port() -> int:
    """A TCP port of the loopback that nobody holds just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for_port(process: subprocess.Popen, port: int) -> None:
    """Returns once the port accepts; raises when the process has ended."""
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except ConnectionRefusedError:
            try:
                raise RuntimeError(f"{process.args[0]} ended with {process.wait(0.02)}")
            except subprocess.TimeoutExpired:
                continue


def listening_port(process: subprocess.Popen) -> int:
    """Of the bridge's only listener, once it listens; raises with what it said when it ends before that."""
    said = []
    for line in process.stderr:
        found = re.match(r"listening https?://127\.0\.0\.1:(\d+)", line)
        if found:
            return int(found.group(1))
        said.append(line)
    raise RuntimeError(f"daffi-bridge said: {''.join(said)}")


def start_bridge(bench: Bench, limits: dict[str, int] | None = None, upstream: str | None = None, name: str = "daffi-bridge") -> Server:
    """daffi-bridge with its default policy, over TCP to the echo peer unless another upstream is named."""
    configuration = bench.folder / "bridge.json"
    configuration.write_text(json.dumps({"limits": limits or {}}))
    process = subprocess.Popen(
        [bench.build / "daffi-bridge", "-c", configuration, "--listen", "https://127.0.0.1:0", "--cert", bench.cert, "--key", bench.key,
         "--upstream", upstream or f"tcp://127.0.0.1:{bench.echo_port}", "--log-level", "error"],
        stderr=subprocess.PIPE, text=True)
    return Server(name, listening_port(process), "/", process)


def start_roomy_bridge(bench: Bench) -> Server:
    """With limits for a whole crowd from one address: two descriptors each, of the 20,000 that a process has here."""
    return start_bridge(bench, {"connections": 9700, "connections_per_address": 9700, "half_open": 9700, "upstream_connects": 9700,
                                "upstream_connects_per_address": 9700})


def unix_echo_peer(bench: Bench) -> Path:
    """The Unix socket of an echo peer of the same kind, started for whoever asks first."""
    path = bench.folder / "echo.sock"
    if not path.exists():
        echo = subprocess.Popen([bench.tool("bench_echo_peer"), "--unix", path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        if not echo.stdout.readline().startswith("ready "):
            raise RuntimeError("the echo peer on a Unix socket did not start")
        bench.others.append(echo)
    return path


def start_bridge_over_unix(bench: Bench) -> Server:
    """daffi-bridge, over a Unix socket to an echo peer of the same kind."""
    return start_bridge(bench, upstream=f"unix:{unix_echo_peer(bench)}", name=OVER_UNIX)


def no_proxy(bench: Bench) -> Server:
    """The echo peer itself, without TLS: the zero of added latency. Not to be stopped."""
    return Server(NO_PROXY, bench.echo_port, "/", bench.echo, tls=False)


NGINX_CONFIGURATION = """
worker_processes 2; daemon off; pid {folder}/nginx.pid; error_log {folder}/nginx-error.log;
events {{ worker_connections 20000; }}
http {{
  access_log off;
  client_body_temp_path {folder}/t1; proxy_temp_path {folder}/t2; fastcgi_temp_path {folder}/t3;
  uwsgi_temp_path {folder}/t4; scgi_temp_path {folder}/t5;
  server {{
    listen 127.0.0.1:{port} ssl reuseport;
    ssl_certificate {cert}; ssl_certificate_key {key}; ssl_protocols TLSv1.2 TLSv1.3;
    location = /app.wasm {{
      root {assets}; types {{ application/wasm wasm; }}
      sendfile on; open_file_cache max=100; open_file_cache_valid 600s; keepalive_requests 10000000;
    }}
    location / {{
      proxy_pass http://127.0.0.1:{echo_port}; proxy_http_version 1.1; proxy_read_timeout 600s;
      proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection "upgrade"; proxy_set_header Host $http_host;
    }}
  }}
}}
"""


HAPROXY_CONFIGURATION = """
global
  nbthread 2
  maxconn 9600
  tune.ssl.default-dh-param 2048
defaults
  mode tcp
  timeout connect 5s
  timeout client 600s
  timeout server 600s
listen bench
  bind 127.0.0.1:{port} ssl crt {pem}
  server echo 127.0.0.1:{echo_port}
"""

HITCH_CONFIGURATION = """
frontend = {{ host = "127.0.0.1" port = "{port}" }}
backend = "[127.0.0.1]:{echo_port}"
pem-file = "{pem}"
workers = 2
user = "nobody"
"""

CADDY_CONFIGURATION = """
{{
  admin off
  auto_https off
  log {{
    output discard
  }}
}}
https://127.0.0.1:{port} {{
  bind 127.0.0.1
  tls {cert} {key}
  reverse_proxy 127.0.0.1:{echo_port}
}}
"""


def start_peer(bench: Bench, name: str, configuration: str, command: list[str]) -> Server | None:
    """One of Debian's servers by its configuration; None where it is not installed. `command` has {file} for
    the latter's path, and {folder} for that of the run."""
    program = shutil.which(name) or shutil.which(name, path="/usr/sbin")
    if program is None:
        return None
    port = free_port()
    pem = bench.folder / "both.pem"
    pem.write_text(bench.cert.read_text() + bench.key.read_text())
    file = bench.folder / f"{name}.conf"
    file.write_text(configuration.format(port=port, echo_port=bench.echo_port, pem=pem, cert=bench.cert, key=bench.key, folder=bench.folder,
                                         assets=bench.assets))
    process = subprocess.Popen([program, *(part.format(file=file, folder=bench.folder) for part in command)], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL, env={"PATH": os.environ["PATH"], "HOME": str(bench.folder)})
    wait_for_port(process, port)
    return Server(name, port, "/", process)


def start_nginx(bench: Bench) -> Server | None:
    """nginx as WebSocket proxy with TLS, two workers; it serves app.wasm as a file, too."""
    return start_peer(bench, "nginx", NGINX_CONFIGURATION, ["-p", "{folder}", "-c", "{file}"])


def start_haproxy(bench: Bench) -> Server | None:
    """HAProxy, TCP mode, two threads."""
    return start_peer(bench, "haproxy", HAPROXY_CONFIGURATION, ["-db", "-f", "{file}"])


def start_hitch(bench: Bench) -> Server | None:
    """hitch, two workers."""
    return start_peer(bench, "hitch", HITCH_CONFIGURATION, ["--config={file}"])


def start_caddy(bench: Bench) -> Server | None:
    """Caddy, its reverse proxy."""
    return start_peer(bench, "caddy", CADDY_CONFIGURATION, ["run", "--adapter", "caddyfile", "--config", "{file}"])


def start_relay(bench: Bench, upstream: str | Path | None = None, name: str = RELAY) -> Server:
    """The bare relay: the floor. Over TCP to the echo peer unless a Unix socket is named."""
    process = subprocess.Popen([bench.tool("bench_relay"), bench.cert, bench.key, str(upstream or bench.echo_port)], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, text=True)
    return Server(name, int(process.stdout.readline().split()[1]), "/", process)


def start_relay_over_unix(bench: Bench) -> Server:
    """The bare relay, over a Unix socket to an echo peer of the same kind."""
    return start_relay(bench, unix_echo_peer(bench), RELAY_OVER_UNIX)


def start_own_router(bench: Bench) -> Server:
    """daffi-bridge as the Router, native peers on the loopback."""
    configuration = bench.folder / "router.json"
    configuration.write_text(json.dumps({"limits": {"connections": 9000, "connections_per_address": 9000, "half_open": 9000}}))
    process = subprocess.Popen([bench.build / "daffi-bridge", "-c", configuration, "--listen", "http://127.0.0.1:0", "--log-level", "error"],
                               stderr=subprocess.PIPE, text=True)
    return Server("daffi-bridge", listening_port(process), None, process, tls=False)


def start_python_router(bench: Bench) -> Server:
    """The real Router of the released package."""
    port = free_port()
    script = Path(__file__).resolve().parents[1] / "peers" / "daffi_peer.py"
    process = subprocess.Popen([sys.executable, script, "router", "--port", str(port)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    if process.stdout.readline() != "ready\n":
        raise RuntimeError("the Python Router did not start: is daffi installed for this Python?")
    return Server("Python Router", port, None, process, tls=False)


def start_echo_worker(bench: Bench, server: Server, members: int = 1) -> subprocess.Popen:
    """The C worker that echoes, as a member of that Router, or as several: echo, echo-1, ..."""
    worker = subprocess.Popen([bench.tool("bench_echo_peer"), "--connect", str(server.port), "--members", str(members)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    if worker.stdout.readline() != "ready router\n":
        raise RuntimeError(f"the echo worker could not join {server.name}")
    return worker
