#!/usr/bin/env python3
"""Puts tables and plots into documents: FOLDER/NAME.md goes between <!-- NAME --> and <!-- /NAME -->, wherever that stands;
FOLDER/NAME.svg beside each document that shows it.

    tests/bench/write_tables.py [--check] FOLDER DOCUMENT...

Fails where a table or a plot is in none of the documents. --check does no more than that.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path


def write_table(file: Path, documents: list[Path], changes: bool) -> int:
    """In how many places it stands."""
    place = re.compile(rf"(<!-- {file.stem} -->\n).*?(<!-- /{file.stem} -->)", re.DOTALL)
    found = 0
    for document in documents:
        text, count = place.subn(lambda match: f"{match[1]}{file.read_text().strip()}\n{match[2]}", document.read_text())
        found += count
        if changes and count > 0:
            document.write_text(text)
    return found


def write_plot(file: Path, documents: list[Path], changes: bool) -> int:
    """How many documents show it."""
    showing = [document for document in documents if f"]({file.name})" in document.read_text()]
    if changes:
        for document in showing:
            (document.parent / file.name).write_bytes(file.read_bytes())
    return len(showing)


def main(folder: Path, documents: list[Path], changes: bool) -> int:
    """1 when something has no place in any of the documents."""
    homeless = [f"no document has <!-- {file.stem} -->" for file in sorted(folder.glob("*.md")) if write_table(file, documents, changes) == 0]
    homeless += [f"no document shows {file.name}" for file in sorted(folder.glob("*.svg")) if write_plot(file, documents, changes) == 0]
    for complaint in homeless:
        print(f"write_tables: {complaint}", file=sys.stderr)
    return 1 if homeless else 0


if __name__ == "__main__":
    names = [argument for argument in sys.argv[1:] if argument != "--check"]
    sys.exit(main(Path(names[0]), [Path(name) for name in names[1:]], len(names) == len(sys.argv) - 1))
