"""The package, and a Debian of its own to put it into."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
RELEASE = ROOT / "build" / "release"


def run(*command: str | Path, **more) -> str:
    """Its output; the test fails, with all it said, when the command does."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600, **more)
    assert done.returncode == 0, f"{' '.join(map(str, command))}:\n{done.stdout}{done.stderr}"
    return done.stdout


def make(folder: Path, version: str | None = None) -> Path:
    """A package of what is built, as another version if wished."""
    more = ["-D", f"CPACK_PACKAGE_VERSION={version}"] if version else []
    os.umask(0o022)
    run("cpack", *more, "-B", folder, cwd=RELEASE)
    (made,) = folder.glob("*.deb")
    return made


def mirror() -> str | None:
    """Where this machine's own Debian comes from."""
    done = subprocess.run(["apt-get", "indextargets", "--format", "$(REPO_URI) $(CODENAME)", "Created-By: Packages"], capture_output=True, text=True,
                          check=False, timeout=60)
    for line in done.stdout.splitlines():
        place, _, name = line.partition(" ")
        if name == "bookworm":
            return place
    return None


def make_debian(folder: Path) -> None:
    """A Debian 12 in that folder, with the libraries and no more."""
    run("debootstrap", "--variant=minbase", "--include=libssl3,libjansson4,libcivetweb1,libqrencode4,libsystemd0,systemd", "bookworm", folder, mirror())
