"""What the documents show is so: each block of JSON is a configuration, as `-t` sees it, and what is said to be said stands in the source."""

from __future__ import annotations

import json
import re
import subprocess

import pytest
from processes import BUILD, ROOT

DOCS = ROOT / "docs"
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


TROUBLE = (DOCS / "troubleshooting.md").read_text()
FOREIGN = re.compile(r"net::|Unexpected response|Mixed Content|violates the following|InitializationError|Exception in thread")  # browsers' and Python's own words
FILLED_IN = re.compile(r"…|: |Permission denied|^key|400|certificate unknown|--cert FILE")  # what a sentence of the source leaves open, or another one says


def said_by_source() -> str:
    """All texts of the daemon and of daffi.js, those that stand side by side as one, `…` for what is filled in."""
    sources = [path.read_text() for folder in ("daemon", "js-client/src") for path in sorted((ROOT / folder).rglob("*.[cj]*"))]
    joined = re.sub(r'"\s+(?:PRI\w+\s+)?"', "", "\n".join(sources)).replace('\\"', '"')
    return re.sub(r"%[-+ #0]*[\d*]*(?:\.[\d*]+)?(?:hh|h|ll|l|z|t|j)?[a-zA-Z]|\$\{[^}]*\}", "…", joined)


def sentences() -> list[str]:
    """What the first columns of troubleshooting.md's tables quote, but for names, addresses and others' words."""
    quoted = [quote for line in TROUBLE.splitlines() if line.startswith("| ") for quote in re.findall(r"`([^`]+)`", " ".join(line.split(" | ")[:-1]))]
    return [quote for quote in quoted if " " in quote and not FOREIGN.search(quote)]


@pytest.mark.parametrize("sentence", sorted(set(sentences())))
def test_what_is_seen_when_something_does_not_work_is_said_by_the_source(sentence):
    source = said_by_source()
    for piece in FILLED_IN.split(sentence):
        assert len(piece.strip()) < 4 or piece.strip() in source, piece


def test_there_are_sentences():
    assert len(set(sentences())) > 15
