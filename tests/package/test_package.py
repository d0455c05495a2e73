"""The Debian package: what is in it, how its program is hardened, and its life in a Debian where nothing else is installed.

Made of the preset `release`; `scripts/test package` builds that first.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import time
from pathlib import Path

import pytest
from debian import RELEASE, make, run


def test_no_unit_outlives_it(package):
    """Its scripts name every unit that it brings."""
    units = {Path(line.split()[-1]).name for line in run("dpkg-deb", "-c", package).splitlines() if "/systemd/system/daffi-bridge." in line}
    assert units == {"daffi-bridge.service", "daffi-bridge.socket"}
    for script in ("prerm", "postrm"):
        assert units <= set(run("dpkg-deb", "-I", package, script).split())


def test_what_is_in_it(package):
    listed = {line.split(None, 5)[5].lstrip(".") for line in run("dpkg-deb", "-c", package).splitlines()}
    assert any(line.endswith(" ./usr/bin/daffi-bridge -> ../sbin/daffi-bridge") for line in run("dpkg-deb", "-c", package).splitlines())
    for path in ("/usr/sbin/daffi-bridge", "/etc/daffi-bridge/daffi-bridge.json", "/usr/lib/systemd/system/daffi-bridge.service",
                 "/usr/lib/systemd/system/daffi-bridge.socket",
                 "/usr/lib/sysusers.d/daffi-bridge.conf", "/usr/lib/tmpfiles.d/daffi-bridge.conf", "/usr/share/man/man8/daffi-bridge.8.gz",
                 "/usr/share/man/man5/daffi-bridge.json.5.gz", "/usr/share/bash-completion/completions/daffi-bridge",
                 "/usr/share/doc/daffi-bridge/copyright", "/usr/share/doc/daffi-bridge/README.md", "/usr/share/daffi-bridge/daffi-bridge.schema.json"):
        assert path in listed
    assert run("dpkg-deb", "-I", package, "conffiles").split() == ["/etc/daffi-bridge/daffi-bridge.json"]
    needs = run("dpkg-deb", "-f", package, "Depends")
    assert "systemd | systemd-standalone-sysusers" in needs  # postinst calls systemd-sysusers
    assert all(library in needs for library in ("libc6", "libssl3", "libjansson4", "libcivetweb1", "libqrencode4"))
    assert run("dpkg-deb", "-f", package, "Suggests").strip() == "libnss3-tools"  # `daffi-bridge trust`


def test_what_its_documents_name_is_in_it(tmp_path, package):
    """Links of the documents, and the schemas that configurations name."""
    run("dpkg-deb", "-x", package, tmp_path)
    documents = tmp_path / "usr/share/doc/daffi-bridge"
    for name in ("README.md", "SECURITY.md", "ARCHITECTURE.md", "docs/performance.md", "docs/protocol.md"):
        assert (documents / name).is_file()
    for file in documents.rglob("*.md"):
        for link in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", file.read_text()):
            assert "://" in link or (file.parent / link).exists(), f"{file.relative_to(documents)}: {link}"
    configurations = [tmp_path / "etc/daffi-bridge/daffi-bridge.json", *documents.glob("conf/examples/*.json")]
    assert len(configurations) > 5
    for file in configurations:
        schema = json.loads(file.read_text())["$schema"]
        assert (tmp_path / schema.lstrip("/") if schema.startswith("/") else file.parent / schema).is_file(), file


@pytest.mark.skipif(shutil.which("lintian") is None, reason="lintian is not installed")
def test_lintian_finds_no_fault(package):
    assert run("lintian", "--allow-root", "--fail-on", "error,warning", package) == ""


def test_its_program_is_hardened(tmp_path, package):
    run("dpkg-deb", "-x", package, tmp_path)
    program = tmp_path / "usr/sbin/daffi-bridge"
    headers, dynamic, symbols = (run("readelf", option, program) for option in ("-hlW", "-dW", "-sW"))
    assert re.search(r"Type:\s+DYN \(Position-Independent", headers)
    assert "GNU_RELRO" in headers and re.search(r"FLAGS_1.*NOW", dynamic)  # nothing of the tables stays writable
    assert re.search(r"GNU_STACK\s.*RW\s", headers)  # no stack is executed
    assert "__stack_chk_fail" in symbols and re.search(r"__\w+_chk@GLIBC", symbols)  # fortified
    # CET: Debian's own start files have no note of it, so that the program as a whole can't either; its functions are ready.
    functions = len(re.findall(r"\sFUNC\s.*\s(?!UND)\d+ ", run("readelf", "-sW", RELEASE / "daffi-bridge")))
    landings = len(re.findall(r"\bendbr64\b", run("objdump", "-d", "--no-show-raw-insn", program)))
    assert landings > functions / 3 > 100
    assert "-fstack-clash-protection" in (RELEASE / "compile_commands.json").read_text()


# -- its life --


def within(debian: Path, *command: str) -> str:
    """Runs it there."""
    return run("chroot", debian, *command, env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"})


def install(debian: Path, package: Path) -> None:
    shutil.copy(package, debian / "tmp" / package.name)
    within(debian, "dpkg", "--force-confold", "-i", f"/tmp/{package.name}")


def answer(port: int) -> bytes:
    """Of /healthz."""
    deadline = time.monotonic() + 20
    while True:
        try:
            with socket.create_connection(("127.0.0.1", port), 5) as connection:
                connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                return connection.recv(4096)
        except ConnectionRefusedError:
            assert time.monotonic() < deadline


def assert_group_reaches_the_socket(debian: Path) -> None:
    """conf/examples/behind-proxy.json as the unit runs it with the drop-in of docs/deployment.md: nginx's group gets in, nobody else does."""
    folder = debian / "run/daffi-bridge"  # RuntimeDirectory=
    folder.mkdir()
    user, group = (int(within(debian, "id", option, name)) for option, name in (("-u", "daffi-bridge"), ("-g", "www-data")))
    os.chown(folder, user, group)
    example = "/usr/share/doc/daffi-bridge/conf/examples/behind-proxy.json"
    start = f"umask 0077; exec setpriv --reuid daffi-bridge --regid www-data --groups daffi-bridge /usr/sbin/daffi-bridge -c {example}"
    daemon = subprocess.Popen(["chroot", debian, "sh", "-c", start], stderr=subprocess.PIPE, text=True)
    try:
        assert any('"listening unix:/run/daffi-bridge/web.sock"' in line for line in daemon.stderr)
        connect = 'socket(S, PF_UNIX, SOCK_STREAM, 0); connect(S, sockaddr_un("/run/daffi-bridge/web.sock")) or exit 1'
        reached = {who: subprocess.run(["chroot", f"--userspec={who}", "--groups=", debian, "perl", "-MSocket", "-e", connect], check=False, timeout=60).returncode
                   for who in ("www-data:www-data", "nobody:nogroup")}
        assert reached == {"www-data:www-data": 0, "nobody:nogroup": 1}
    finally:
        daemon.terminate()
        daemon.communicate(timeout=20)
    folder.rmdir()


def test_it_installs_starts_upgrades_and_purges(debian, package, tmp_path):
    install(debian, package)
    owner = (debian / "etc/daffi-bridge").stat()
    assert owner.st_mode & 0o777 == 0o750
    group = within(debian, "getent", "group", "daffi-bridge").split(":")
    assert int(group[2]) == owner.st_gid
    within(debian, "getent", "passwd", "daffi-bridge")
    assert (debian / "var/lib/daffi-bridge/assets").is_dir()

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    own = f'{{ "listen": [ {{ "url": "http://127.0.0.1:{port}" }} ] }}\n'
    (debian / "etc/daffi-bridge/daffi-bridge.json").write_text(own)
    within(debian, "/usr/sbin/daffi-bridge", "-t", "-c", "/etc/daffi-bridge/daffi-bridge.json")
    daemon = subprocess.Popen(["chroot", debian, "/usr/sbin/daffi-bridge", "-c", "/etc/daffi-bridge/daffi-bridge.json"], stderr=subprocess.DEVNULL)
    try:
        assert answer(port).startswith(b"HTTP/1.1 200 OK")
        # Started as root, it is nobody's any more, and none of its threads can be again.
        for thread in Path(f"/proc/{daemon.pid}/task").iterdir():
            status = dict(line.split(":\t", 1) for line in (thread / "status").read_text().splitlines() if ":\t" in line)
            assert "0" not in status["Uid"].split() + status["Gid"].split()
            assert int(status["CapEff"], 16) == int(status["CapPrm"], 16) == 0
            assert (status["NoNewPrivs"], status["Groups"].split()) == ("1", [str(owner.st_gid)])
    finally:
        daemon.terminate()
        assert daemon.wait(20) == 0

    # Who asks is root, who reads is not: a key of root's alone is told of, and nothing else.
    run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "90", "-subj", "/CN=bridge.example",
        "-keyout", debian / "etc/daffi-bridge/key.pem", "-out", debian / "etc/daffi-bridge/cert.pem")
    (debian / "etc/daffi-bridge/key.pem").chmod(0o600)
    (debian / "etc/daffi-bridge/cert.pem").chmod(0o644)
    (debian / "etc/daffi-bridge/secure.json").write_text('{ "listen": [ { "url": "https://127.0.0.1:0", "cert": "cert.pem", "key": "key.pem" } ] }')
    check = ["chroot", debian, "/usr/sbin/daffi-bridge", "-t", "-c", "/etc/daffi-bridge/secure.json"]
    said = subprocess.run(check, capture_output=True, text=True, check=True, timeout=60).stderr
    assert said.count("can't be read by the user daffi-bridge") == 1 and "/etc/daffi-bridge/key.pem can't be read" in said
    os.chown(debian / "etc/daffi-bridge/key.pem", 0, owner.st_gid)
    (debian / "etc/daffi-bridge/key.pem").chmod(0o640)
    assert subprocess.run(check, capture_output=True, text=True, check=True, timeout=60).stderr == "the configuration is fine\n"
    for name in ("key.pem", "cert.pem", "secure.json"):
        (debian / "etc/daffi-bridge" / name).unlink()

    assert_group_reaches_the_socket(debian)

    (debian / "etc/daffi-bridge").chmod(0o710)
    install(debian, make(tmp_path, "0.1.1"))
    assert (debian / "etc/daffi-bridge").stat().st_mode & 0o777 == 0o710
    assert (debian / "etc/daffi-bridge/daffi-bridge.json").read_text() == own  # the administrator's stays
    assert within(debian, "dpkg-query", "-W", "-f", "${Version}", "daffi-bridge") == "0.1.1"

    within(debian, "dpkg", "--purge", "daffi-bridge")
    for path in ("etc/daffi-bridge", "usr/sbin/daffi-bridge", "usr/share/doc/daffi-bridge", "usr/lib/systemd/system/daffi-bridge.service",
                 "var/lib/daffi-bridge"):
        assert not (debian / path).exists(), path
