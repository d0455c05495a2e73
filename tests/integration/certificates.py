"""Certificates made for a test."""

from __future__ import annotations

import datetime
import subprocess
from pathlib import Path
from types import SimpleNamespace


def _openssl(*arguments) -> None:
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


def _date(seconds: float) -> str:
    """UTCTime, so far from now."""
    return (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)).strftime("%y%m%d%H%M%SZ")


def make(folder: Path, name: str, names: str = "IP:127.0.0.1,DNS:localhost", ca: SimpleNamespace | None = None,
         begins: float = -3600, ends: float = 86400) -> SimpleNamespace:
    """`name`.pem and its key, of common name `name`: signed by `ca`, or by itself and a CA then. Times are seconds from now."""
    folder.mkdir(exist_ok=True)
    made = SimpleNamespace(cert=str(folder / f"{name}.pem"), key=str(folder / f"{name}.key"))
    request, extensions, database = (folder / f"{name}.{end}" for end in ("csr", "ext", "db"))
    _openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", made.key, "-out", request, "-subj", f"/CN={name}")
    extensions.write_text(f"[x]\nsubjectAltName={names}\nbasicConstraints=critical,CA:{'FALSE' if ca else 'TRUE'}\n"
                          f"[ca]\ndefault_ca=d\n[d]\ndatabase={database}\nnew_certs_dir={folder}\nrand_serial=yes\nunique_subject=no\n"
                          "default_md=sha256\npolicy=p\n[p]\ncommonName=supplied\n")
    database.write_text("")
    signer = ["-cert", ca.cert, "-keyfile", ca.key] if ca else ["-selfsign", "-keyfile", made.key]
    _openssl("ca", "-batch", "-notext", "-config", extensions, "-extensions", "x", "-in", request, "-out", made.cert,
             "-startdate", _date(begins), "-enddate", _date(ends), *signer)
    return made
