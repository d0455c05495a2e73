"""SECURITY.md: each promise names a test that holds it, and each test that it names is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "SECURITY.md").read_text("utf-8")
PROMISES = re.split(r"^\* ", TEXT.split("## Promised", 1)[1].split("## Not promised", 1)[0], flags=re.M)[1:]
REFERENCE = re.compile(r"`((?:[\w/]+\.(?:py|c|mjs))?)(?:::(\w+))?`")


def references(text: str) -> list[tuple[str, str]]:
    """File and test of each reference; one without a file is of the file named last."""
    found, last = [], ""
    for file, test in REFERENCE.findall(text):
        if file or test:
            last = file or last
            found.append((last, test))
    return found


def place(file: str) -> Path:
    """Where a file of the document is."""
    return ROOT / file if file.startswith("tests/") else ROOT / "tests" / "integration" / file


@pytest.mark.parametrize("promise", PROMISES, ids=[promise[:40] for promise in PROMISES])
def test_each_promise_has_its_test(promise):
    assert any(place(file).name.startswith(("test_", "fuzz_")) for file, _ in references(promise)), promise


@pytest.mark.parametrize("file, test", sorted(set(references(TEXT))))
def test_each_test_that_is_named_is_there(file, test):
    source = place(file).read_text("utf-8")
    assert not test or re.search(rf"\b{test}\(", source), f"{file} has no {test}"
