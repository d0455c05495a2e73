"""Checks the project's own rules that no other tool knows: banned functions, length of files, left-overs, and that the documents
and files which others name are there.

    check_source.py     exit status 1 and a line FILE:LINE: WHAT for each that does not hold
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LINES_MAX = 500
TEST_LINES_MAX = 1200  # a suite of one module stays together
SOURCES = {".c", ".h", ".js", ".mjs", ".py", ".sh", ".css", ".html"}

BANNED = {
    "strcpy": "memcpy with a known length, or strdup",
    "strncpy": "memcpy with a known length",
    "strcat": "snprintf",
    "strncat": "snprintf",
    "sprintf": "snprintf",
    "vsprintf": "vsnprintf",
    "gets": "fgets",
    "scanf": "a parser that tells what was wrong",
    "sscanf": "a parser that tells what was wrong",
    "atoi": "strtol, checked",
    "atol": "strtol, checked",
    "atof": "strtod, checked",
    "strtok": "strcspn",
    "system": "nothing: the daemon starts no programs",
    "popen": "nothing: the daemon starts no programs",
    "alloca": "a bounded array or malloc",
    "mktemp": "mkstemp",
    "tmpnam": "mkstemp",
    "usleep": "an event that is awaited",
    "sleep": "an event that is awaited",
    "gmtime": "gmtime_r",
    "localtime": "localtime_r",
    "strerror_r": "strerrordesc_np or strerror",
}
BANNED_OUTSIDE_TESTS = {"rand": "getrandom", "random": "getrandom", "srand": "getrandom"}  # a test repeats its numbers
CALL = re.compile(r"(?<![\w.>])(" + "|".join([*BANNED, *BANNED_OUTSIDE_TESTS]) + r")\s*\(")
LEFT_OVER = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b|<<<<<<<|>>>>>>>")
DOCUMENT = re.compile(r"(?<![\w/.-])(?:docs/)?([A-Za-z]+\.md)\b")
FOREIGN_DOCUMENTS = {"spec.md"}  # msgpack's
BUILT = {"daffi.mjs"}
COMMENT_OR_TEXT = re.compile(r"/\*.*?\*/|//[^\n]*|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'", re.DOTALL)


def tracked() -> list[Path]:
    """The files that git knows, or would when they were added."""
    listed = subprocess.run(["git", "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, check=True,
                            capture_output=True, text=True).stdout
    return [ROOT / name for name in sorted(set(listed.split("\0"))) if name and (ROOT / name).is_file()]


def code_only(text: str) -> str:
    """C without its comments and texts, line by line as it was."""
    return COMMENT_OR_TEXT.sub(lambda found: re.sub(r"[^\n]", " ", found.group()), text)


def problems(path: Path) -> list[tuple[int, str]]:
    """What does not hold in one file, by line."""
    try:
        text = path.read_text()
    except UnicodeDecodeError:
        return [(1, "not UTF-8")]
    lines = text.splitlines()
    found = []
    is_test = ROOT / "tests" in path.parents
    lines_max = TEST_LINES_MAX if is_test else LINES_MAX
    if len(lines) > lines_max:
        found.append((lines_max + 1, f"{len(lines)} lines; a file is one idea of at most {lines_max}"))
    for number, line in enumerate(lines, 1):
        if line != line.rstrip():
            found.append((number, "blanks at the end of the line"))
        if LEFT_OVER.search(line) and path != Path(__file__).resolve():
            found.append((number, "something left over: say it in an issue, or do it"))
    if path.suffix in {".c", ".h"}:
        banned = BANNED if is_test else BANNED | BANNED_OUTSIDE_TESTS
        for number, line in enumerate(code_only(text).splitlines(), 1):
            for call in CALL.finditer(line):
                if call[1] in banned:
                    found.append((number, f"{call[1]}() is banned; take {banned[call[1]]}"))
    if path.suffix == ".h" and not re.search(r"^#ifndef (\w+)\n#define \1$", text, re.MULTILINE):
        found.append((1, "a header has an include guard"))
    return found


def missing_documents(path: Path, documents: set[str]) -> list[tuple[int, str]]:
    """What a source names in its comments, and is not there."""
    return [(number, f"there is no {name[1]} in this project") for number, line in enumerate(path.read_text().splitlines(), 1)
            for name in DOCUMENT.finditer(line) if name[1] not in documents | FOREIGN_DOCUMENTS]


def missing_files(path: Path, names: set[str]) -> list[tuple[int, str]]:
    """Files of the project that a document walks its reader through, and that are not there."""
    return [(number, f"there is no {name[1]} in this project") for number, line in enumerate(path.read_text().splitlines(), 1)
            for name in re.finditer(r"(?:`|\*\*|/)(\w+\.(?:c|h|def|py|mjs))\b", line) if name[1] not in names | BUILT]


def main() -> int:
    """1 when something does not hold."""
    files = [path for path in tracked() if path.suffix in SOURCES or (path.parent == ROOT / "scripts" and not path.suffix)]
    bad = [(path, number, what) for path in files for number, what in problems(path)]
    names = {path.name for path in tracked()}
    documents = {name for name in names if name.endswith(".md")}
    bad += [(path, number, what) for path in files if path.suffix in {".c", ".h", ".js"} for number, what in missing_documents(path, documents)]
    bad += [(path, number, what) for path in [ROOT / "ARCHITECTURE.md", *ROOT.glob("docs/*.md")] for number, what in missing_files(path, names)]
    for path, number, what in bad:
        print(f"{path.relative_to(ROOT)}:{number}: {what}")
    print(f"check_source: {len(files)} files, {len(bad)} problems")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
