"""docs/operations.md says of each number of /metrics and of each line of the log what it is: neither more nor fewer than the source has."""

from __future__ import annotations

import re

from processes import ROOT

DOCUMENT = ROOT / "docs" / "operations.md"
TEXT = r'((?:"(?:[^"\\]|\\.)*"|PRI\w+|\s)+)'
CALLS = re.compile(r"\blog_(?:write|peer)\(\s*([^;]*?CONFIG_LOG_\w+[^;]*?|level),\s*" + TEXT)
SESSION = re.compile(r"\bLOG_SESSION\(\s*session,\s*CONFIG_LOG_(\w+),\s*" + TEXT)
FIELDS = re.compile(r"\blog_fields\([^;]*?,\s*" + TEXT + r",\s*\w+->")
NOTES = re.compile(r"snprintf\((?:note|text), sizeof (?:note|text), " + TEXT)
CONVERSION = re.compile(r"%[-+ #0]*[\d*]*(?:\.[\d*]+)?(?:hh|h|ll|l|z|t|j)?[a-zA-Z]")


def text_of(literal: str) -> str:
    """C literals side by side as one text, with `…` for what is filled in."""
    parts = re.findall(r'"((?:[^"\\]|\\.)*)"|PRI(\w+)', literal)
    joined = "".join(part if part or not macro else "d" for part, macro in parts)
    return re.sub("…(?:[.]…|…)+", "…", CONVERSION.sub("…", joined.replace('\\"', '"').replace("%%", "%")))


def lines_of_source() -> set[str]:
    """Every form of a line, `…` for what is filled in."""
    found = set()
    for path in sorted((ROOT / "daemon").rglob("*.c")):
        text = path.read_text()
        found |= {text_of(match[2]) for match in CALLS.finditer(text)}
        found |= {f"{text_of(match[2])} …: …" for match in SESSION.finditer(text)}
        found |= {text_of(match[1]) for match in FIELDS.finditer(text)}
        if path.name == "log.c":
            found |= {text_of(match[1]) for match in NOTES.finditer(text)}
    return found


def metrics_of_source() -> dict[str, str]:
    """Families by name: their types."""
    text = (ROOT / "daemon/ops/counters.def").read_text()
    found = {match[1]: match[2] for match in re.finditer(r'^COUNTER_FAMILY\("(\w+)", "(\w+)"', text, re.MULTILINE)}
    report = (ROOT / "daemon/server/report.c").read_text()
    for name in re.findall(r'"((?:daffi_bridge|process)_\w+)"', report):
        found.setdefault(name, "")
    return found


def rows(heading: str) -> dict[str, list[str]]:
    """The rows of the table below a heading, by their first cell."""
    below = DOCUMENT.read_text().split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]
    cells = [re.split(r"(?<!\\)\|", line.strip()[1:-1]) for line in below.splitlines() if line.startswith("| `")]
    return {row[0].strip()[1:-1].replace("\\|", "|"): [cell.strip() for cell in row[1:]] for row in cells}


def test_the_source_is_read():
    """The patterns above find what is there: one of each kind."""
    lines = lines_of_source()
    for known in ("shutting down", "refused a call of …: …", "no connection is accepted for a moment: …; raise LimitNOFILE or ulimit -n"):
        assert known in lines
    assert any(line.startswith("closed … ") for line in lines)
    assert any("more lines of this kind" in line for line in lines)
    calls = sum(len(re.findall(r"\b(?:log_write|log_peer|LOG_SESSION|log_fields)\(", path.read_text())) for path in (ROOT / "daemon").rglob("*.c"))
    matched = sum(len(CALLS.findall(text)) + len(SESSION.findall(text)) + len(FIELDS.findall(text))
                  for text in (path.read_text() for path in (ROOT / "daemon").rglob("*.c")))
    definitions = 3  # of log.c itself
    assert matched == calls - definitions


def test_each_line_of_the_log_is_explained():
    explained = rows("Lines of the log")
    assert set(explained) == lines_of_source()
    assert all(len(cells) == 2 and all(cells) for cells in explained.values())


def test_each_number_is_explained():
    explained = rows("Numbers")
    known = metrics_of_source()
    assert set(explained) == set(known)
    for name, cells in explained.items():
        assert len(cells) == 3 and cells[0] in ("counter", "gauge", "histogram") and cells[2], name
        assert known[name] in ("", cells[0]), name


def test_each_close_code_that_is_explained_is_counted():
    table = DOCUMENT.read_text().split("## Close codes\n", 1)[1].split("\n## ", 1)[0]
    explained = {code for cell in re.findall(r"^\| (1[\d, ]+) \|", table, re.MULTILINE) for code in cell.split(", ")}
    counted = set(re.findall(r'code=\\"(\d+)\\"', (ROOT / "daemon/ops/counters.def").read_text()))
    assert explained == counted
