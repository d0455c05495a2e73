"""What the tests of the package share: it, and a Debian 12."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1] / "integration")]

from debian import make, make_debian, mirror  # noqa: E402


@pytest.fixture(scope="session")
def package(tmp_path_factory) -> Path:
    return make(tmp_path_factory.mktemp("package"))


@pytest.fixture(scope="session")
def debian(tmp_path_factory) -> Path:
    """A Debian 12 in a folder, with the libraries and no more."""
    if os.geteuid() != 0 or shutil.which("debootstrap") is None or mirror() is None:
        pytest.skip("debootstrap, root and a mirror of bookworm are needed")
    folder = tmp_path_factory.mktemp("debian") / "root"
    make_debian(folder)
    return folder
