"""Writes pickles.json: errors as Python workers pickle them, with what a reader has to find in each.

    make_pickles.py > pickles.json

With tblib (PyPI) installed, its traceback objects are among them.
"""

import json
import pickle
import sys


WORKER = """
def inner(error):
    raise error

def outer(error):
    inner(error)
"""


def raised(error: BaseException):
    """The traceback of `error`, raised two frames deep in a file of no machine in particular."""
    module = {"__name__": "worker", "__file__": "worker.py"}
    exec(compile(WORKER, "worker.py", "exec"), module)
    try:
        module["outer"](error)
    except type(error):
        return sys.exc_info()[2].tb_next


def main() -> None:
    same = "".join(["Same", "Error"])  # one object, three times: the pickle repeats it by its memo
    plain = ("ValueError", "builtins", "kaboom")
    errors = [
        ("plain", plain),
        ("text is empty", ("KeyError", "builtins", "")),
        ("type and text are one object", (same, "my.module", same)),
        ("type and module are one object", (same, same, "text")),
        ("all three are one object", (same, same, same)),
        ("no module", ("Odd", None, "its class has none")),
        ("beyond ASCII", ("ValueError", "пакет", "é 😀 \x00 \" \\ \n")),
        ("longer than a short string", ("ValueError", "builtins", "x" * 300)),
        ("longer than a frame", ("ValueError", "builtins", "y" * 70000)),
    ]
    vectors = []

    def add(name: str, error: tuple, protocol: int, traceback=None) -> None:
        data = pickle.dumps((((*error, traceback),), {}), protocol=protocol)
        vectors.append({"name": f"{name}, protocol {protocol}", "type": error[0], "module": error[1] or "", "text": error[2],
                        "pickle": data.hex() if len(data) < 2000 else None})
        if len(data) >= 2000:  # kept small: one letter, many times
            letter, head = error[2][0], data.index(error[2].encode())
            vectors[-1] |= {"pickle": data[:head].hex(), "repeat": [letter, len(error[2])],
                            "text": "", "behind": data[head + len(error[2]):].hex()}

    for name, error in errors:
        for protocol in range(2, 6):
            add(name, error, protocol)
    lone = pickle.dumps(((("ValueError", "builtins", "half \ud800", None),), {}))
    vectors.append({"name": "half of a surrogate pair", "type": "ValueError", "module": "builtins", "text": "half \ufffd\ufffd\ufffd",
                    "pickle": lone.hex()})
    try:
        import tblib.pickling_support
    except ImportError:
        print("tblib is not there: no tracebacks", file=sys.stderr)
    else:
        tblib.pickling_support.install()
        for protocol in range(2, 6):
            add("with a traceback", plain, protocol, raised(ValueError("kaboom")))
    json.dump({"python": sys.version.split()[0], "vectors": vectors}, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
