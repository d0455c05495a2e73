"""Configurations that the documents show are ones: each block of JSON is checked as `-t` does."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest
from processes import BUILD

DOCS = Path(__file__).resolve().parents[2] / "docs"
BLOCKS = [(file.name, number, block) for file in sorted(DOCS.glob("*.md"))
          for number, block in enumerate(re.findall(r"^```json\n(.*?)^```", file.read_text(), re.MULTILINE | re.DOTALL))]


@pytest.mark.parametrize("block", [pytest.param(block, id=f"{name}-{number}") for name, number, block in BLOCKS])
def test_each_shown_configuration_is_one(block, certificate, tmp_path):
    for shown, own in (("/etc/daffi-bridge/cert.pem", certificate.cert), ("/etc/daffi-bridge/key.pem", certificate.key),
                       ("/var/lib/daffi-bridge/assets", str(tmp_path))):
        block = block.replace(shown, str(own))
    file = tmp_path / "bridge.json"
    file.write_text(json.dumps({"listen": [{"url": "http://127.0.0.1:0"}], **json.loads(block)}))
    done = subprocess.run([BUILD / "daffi-bridge", "-t", "-c", file], capture_output=True, text=True, check=False, timeout=30)
    assert (done.returncode, done.stderr.strip()) == (0, "the configuration is fine")


def test_there_are_some():
    assert len(BLOCKS) >= 2
