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


def test_the_lines_that_sri_is_said_to_print():
    """`…` stands for anything."""
    command, shown = re.search(r"^    \$ (daffi-bridge sri .*)\n((?:    .*\n)+)", (DOCS / "cdn.md").read_text(), re.MULTILINE).groups()
    done = subprocess.run([BUILD / "daffi-bridge", *command.split()[1:]], capture_output=True, text=True, check=True, timeout=30)
    pattern = re.escape(re.sub("^    ", "", shown.rstrip(), flags=re.MULTILINE)).replace("…", r"[\s\S]*")
    assert re.fullmatch(pattern, done.stdout.rstrip()), done.stdout
