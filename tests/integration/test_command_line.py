"""The faces of the command line: --help, the manual page and the completion of bash, which all know the same commands and options."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from processes import BUILD

ROOT = Path(__file__).resolve().parents[2]
COMPLETION = ROOT / "conf/completion/daffi-bridge"
MANUAL = ROOT / "docs/man/daffi-bridge.8"


def ask(*arguments: str) -> str:
    """What it prints on standard output, having ended well."""
    done = subprocess.run([BUILD / "daffi-bridge", *arguments], capture_output=True, text=True, check=False, timeout=30)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def complete(folder: Path, *words: str) -> set[str]:
    """What bash offers for the last of the words."""
    script = 'source "$1"; shift; COMP_WORDS=(daffi-bridge "$@"); COMP_CWORD=$#; _daffi_bridge daffi-bridge "${COMP_WORDS[-1]}" "${COMP_WORDS[-2]}"; ' \
             'printf "%s\\n" "${COMPREPLY[@]}"'
    done = subprocess.run(["bash", "--norc", "-c", script, "bash", COMPLETION, *words], capture_output=True, text=True, check=True, timeout=30, cwd=folder)
    assert done.stderr == ""
    return set(done.stdout.split())


def options_of(text: str) -> dict[str, str]:
    """Each option with what is said of it, as --help and the rendered manual show them."""
    return dict(re.findall(r"^  +(?:-\w, )?(--[a-z-]+)(?: [A-Z\[\]=]+)?  +(\S.*)$", text, re.MULTILINE))


WHOLE = ask("--help").split("\nkeys of the file")[0].split("\noptions\n")[1].split("\ndaffi-bridge dev ")[0]
COMMANDS = {"dev", "trust", "untrust", "sri"}


def test_the_help_of_a_command():
    assert options_of(ask("dev", "--help")).keys() > {"--host", "--port", "--strict-port", "--spa", "--quiet"}
    assert ask("dev", "-h") in ask("--help")
    assert set(re.findall(r"^  daffi-bridge (\w+)", ask("--help"), re.MULTILINE)) == COMMANDS
    for command in COMMANDS - {"dev"}:
        assert ask(command, "--help") == ask("--help")


@pytest.mark.parametrize("words,text", [((), WHOLE), (("dev",), ask("dev", "--help"))], ids=["daffi-bridge", "dev"])
def test_the_completion_knows_every_option_and_no_other(tmp_path, words, text):
    known = set(options_of(text)) | ({"--", "--help"} if words else set())
    assert len(known) > 5
    assert complete(tmp_path, *words, "--") == known


def test_the_completion_of_what_stands_where(tmp_path):
    (tmp_path / "public").mkdir()
    (tmp_path / "worker.py").touch()
    assert complete(tmp_path, "") > COMMANDS
    assert complete(tmp_path, "--log-level", "") == complete(tmp_path, "dev", "--log-level", "") == {"error", "warning", "info", "debug"}
    assert complete(tmp_path, "--check", "de") == set()  # a command stands first
    assert complete(tmp_path, "dev", "") == complete(tmp_path, "dev", "pub") == {"public"}
    assert complete(tmp_path, "dev", "--port", "") == set()
    assert complete(tmp_path, "trust", "") == complete(tmp_path, "sri", "--") == {"--help"}
    assert "bash" in complete(tmp_path, "dev", "public", "--", "bas")
    assert complete(tmp_path, "dev", "--", "python", "wor") == {"worker.py"}


def test_the_manual_knows_every_option_and_command():
    text = MANUAL.read_text().replace("\\-", "-")
    general, of_dev = text.split(".SH OPTIONS OF DEV")
    for option in options_of(WHOLE):
        assert re.search(rf"^\.BR? .*{option}\b", general, re.MULTILINE), option
    for option, said in options_of(ask("dev", "--help")).items():
        assert re.search(rf"^\.BR? .*{option}\b.*\n{re.escape(said)}$", of_dev, re.MULTILINE), option
    for command in COMMANDS:
        assert re.search(rf"^\.BR? {command}\b", general, re.MULTILINE), command


@pytest.mark.skipif(shutil.which("man") is None, reason="man-db is not installed")
@pytest.mark.parametrize("page", ["daffi-bridge.8", "daffi-bridge.json.5"])
def test_the_manual_pages_have_no_faults(page):
    done = subprocess.run(["man", "--warnings", "-l", ROOT / "docs/man" / page], capture_output=True, text=True, check=False, timeout=60,
                          env={**os.environ, "MANWIDTH": "100", "LC_ALL": "C.UTF-8"})
    assert (done.returncode, done.stderr) == (0, "")
