"""The certificate authority of `daffi-bridge dev`: who can read its key, and how little one can do who has stolen it."""

from __future__ import annotations

import os
import re
import resource
import shutil
import signal
import socket
import stat
import subprocess
from pathlib import Path

import pytest
from development import Dev, home_of
from processes import BUILD

# What this machine is called, where that can stand in a certificate.
OWN = [f"DNS:{name}" for name in [socket.gethostname().lower()] if re.fullmatch(r"[a-z0-9-][a-z0-9.-]*", name)]


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> Path:
    """The folder of an authority, as the first start has left it."""
    site, data = tmp_path_factory.mktemp("site"), tmp_path_factory.mktemp("data")
    dev = Dev(site, data)
    assert dev.get_securely("/healthz")[0] == 200
    dev.stop()
    return data / "daffi-bridge"


def openssl(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """openssl(1), whatever its exit status."""
    return subprocess.run(["openssl", *arguments], capture_output=True, text=True, check=False, timeout=30)


def forge(store: Path, folder: Path, names: str, more: str = "") -> Path:
    """A certificate for these subjectAltNames, or one with other extensions, as who has the authority's key can make it."""
    key, request, cert, extensions = (folder / name for name in ("key.pem", "request.pem", "cert.pem", "extensions"))
    extensions.write_text(f"subjectAltName={names}\n{more}")
    made = openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out", request, "-subj", "/O=thief")
    assert made.returncode == 0, made.stderr
    made = openssl("x509", "-req", "-in", request, "-CA", store / "ca.pem", "-CAkey", store / "ca-key.pem", "-days", "1", "-extfile", extensions, "-out", cert)
    assert made.returncode == 0, made.stderr
    return cert


def test_its_files_are_for_the_user_alone(store):
    assert stat.S_IMODE(store.stat().st_mode) == 0o700
    keys = [file for file in store.iterdir() if "PRIVATE KEY" in file.read_text()]
    assert {file.name for file in keys} > {"ca-key.pem"}
    assert {stat.S_IMODE(file.stat().st_mode) for file in keys} == {0o600}
    assert "CERTIFICATE" in (store / "ca.pem").read_text()


def test_a_key_that_others_can_read_is_refused(store, tmp_path):
    (store / "ca-key.pem").chmod(0o640)
    try:
        done = subprocess.run([BUILD / "daffi-bridge", "dev", tmp_path], capture_output=True, text=True, timeout=20, check=False,
                              env={**os.environ, "XDG_DATA_HOME": str(store.parent)})
    finally:
        (store / "ca-key.pem").chmod(0o600)
    assert (done.returncode, "ca-key.pem: others may read this private key" in done.stderr) == (2, True), done.stderr


def loop(file: Path) -> None:
    """In its place a link that leads nowhere, which no root can read either."""
    file.unlink()
    file.symlink_to(file.name)


SPOILT = {"of other text": lambda file: file.write_text("no PEM"), "empty": lambda file: file.write_text(""), "cut off": lambda file: os.truncate(file, 100),
          "not to be read": loop}


@pytest.mark.parametrize("name", ["ca.pem", "ca-key.pem"])
@pytest.mark.parametrize("how", SPOILT)
def test_an_authority_that_can_not_be_read_is_not_put_aside_for_another_one(store, tmp_path, name, how):
    """Browsers believe the one that there is."""
    copy = tmp_path / "data" / "daffi-bridge"
    shutil.copytree(store, copy)
    SPOILT[how](copy / name)
    before = {file.name: file.lstat().st_ino for file in copy.iterdir()}
    done = subprocess.run(["timeout", "20", BUILD / "daffi-bridge", "dev", tmp_path, "--port", "0", "--http-port", "0"], capture_output=True, text=True, check=False,
                          env={**home_of(tmp_path), "XDG_DATA_HOME": str(copy.parent)})
    assert (done.returncode, done.stdout) == (2, "") and f"{copy / name} can't be read" in done.stderr, done.stdout + done.stderr
    assert {file.name: file.lstat().st_ino for file in copy.iterdir()} == before


@pytest.mark.parametrize("size", [100, 400, 900])
def test_on_a_full_disk_it_says_so_and_goes_on_when_there_is_room(tmp_path, size):
    """No file can be longer than that: the authority's key, its certificate, then the one that is signed."""
    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    env = {**home_of(tmp_path), "XDG_DATA_HOME": str(tmp_path / "data")}
    done = subprocess.run([BUILD / "daffi-bridge", "dev", tmp_path, "--port", "0", "--http-port", "0"], capture_output=True, text=True, timeout=20, check=False,
                          env=env, preexec_fn=limit)
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    assert re.search(r"/daffi-bridge/[a-z-]+\.pem can't be written: File too large$", done.stderr, re.MULTILINE), done.stderr
    assert list((tmp_path / "data" / "daffi-bridge").glob("*.new")) == []
    dev = Dev(tmp_path, tmp_path / "data")
    assert dev.get_securely("/healthz")[0] == 200
    dev.stop()


@pytest.mark.parametrize("names", ["DNS:localhost", "DNS:page.localhost", "DNS:printer.local", "IP:127.0.0.1", "IP:::1", "IP:192.168.1.7", "IP:10.1.2.3",
                                   "IP:172.31.0.1", "IP:fd00::1", "IP:fe80::1", *OWN])
def test_what_it_may_speak_for(store, tmp_path, names):
    done = openssl("verify", "-CAfile", store / "ca.pem", forge(store, tmp_path, names))
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("names", ["DNS:bank.example", "DNS:localhost.bank.example", "DNS:localhost,DNS:bank.example", "DNS:*.example", "IP:203.0.113.7", "IP:172.32.0.1",
                                   "IP:127.0.0.1,IP:203.0.113.7", "IP:2001:db8::1", "IP:::ffff:203.0.113.7"])
def test_a_stolen_key_speaks_for_nobody_else(store, tmp_path, names):
    done = openssl("verify", "-CAfile", store / "ca.pem", forge(store, tmp_path, names))
    assert done.returncode != 0 and "permitted subtree violation" in done.stderr, done.stderr


def test_a_stolen_key_makes_no_further_authority(store, tmp_path):
    further = forge(store, tmp_path, "DNS:localhost", "basicConstraints=critical,CA:TRUE\nkeyUsage=keyCertSign\n")
    (tmp_path / "ca.pem").write_text(further.read_text())
    (tmp_path / "ca-key.pem").write_text((tmp_path / "key.pem").read_text())
    below = tmp_path / "below"
    below.mkdir()
    done = openssl("verify", "-CAfile", store / "ca.pem", "-untrusted", tmp_path / "ca.pem", forge(tmp_path, below, "DNS:localhost"))
    assert done.returncode != 0 and "path length constraint exceeded" in done.stderr, done.stderr
