#!/usr/bin/env python3
"""Makes tests/vectors/pickles.json: errors as daffi workers pickle them, in every protocol, and what they say.

Real ones of daffi 3.0.1 (protocol 4, with and without tblib's traceback behind) and made-up ones of the other protocols.
Run it again when the form changes; the file is committed, as tblib's bytes depend on its version.
"""

import json
import pickle
from pathlib import Path


class Traceback:
    """Stands for tblib's traceback object: something whose unpickling would call a function."""

    def __reduce__(self):
        return (print, ("a pickle was executed",))


def case(name: str, error: tuple, protocol: int) -> dict:
    """One vector."""
    return {"name": f"{name}, protocol {protocol}", "pickle": pickle.dumps(((error,), {}), protocol=protocol).hex(),
            "type": error[0], "module": error[1], "text": error[2]}


ERRORS = {
    "plain": ("ValueError", "builtins", "kaboom", None),
    "module and type alike": ("same", "same", "text", None),
    "all alike": ("x", "x", "x", None),
    "empty text": ("KeyError", "builtins", "", None),
    "not ASCII": ("Fehler", "modul", "grüße € 😀 \" \\ \n\x00", None),
    "long text": ("E", "m", "x" * 70000, None),
    "with a traceback": ("ValueError", "builtins", "kaboom", Traceback()),
}

vectors = [case(name, error, protocol) for protocol in (2, 3, 4, 5) for name, error in ERRORS.items()]
Path(__file__).with_name("pickles.json").write_text(json.dumps(vectors, indent=1, ensure_ascii=True) + "\n")
