// A real daffi client in Python that calls what others expose, and says what its user gets.
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { join } from "node:path";
import { ROOT } from "./peers.mjs";

const PROGRAM = `
import json, os, random, sys, time
from daffi import Client, SerdeFormat
JSON, MSGPACK, RAW, PICKLE = SerdeFormat.JSON, SerdeFormat.MSGPACK, SerdeFormat.OPAQUE, SerdeFormat.PICKLE
conn = Client(app_name=sys.argv[1], host="127.0.0.1", port=int(sys.argv[2])).connect()

def once(call):
    """What it gives as soon as the function is known here."""
    end = time.monotonic() + 15
    while True:
        try:
            return call()
        except Exception as error:
            if type(error).__name__ != "TransmissionFailure" or time.monotonic() > end:
                raise
            time.sleep(0.002)

def fails(call):
    """The ways in which it fails until the function is known here no more."""
    end = time.monotonic() + 10
    ways = set()
    while "TransmissionFailure" not in ways and time.monotonic() < end:
        try:
            call()
        except Exception as error:
            ways.add(type(error).__name__)
    return sorted(ways)

def text(draw):
    return "".join(chr(draw.choice([draw.randrange(32, 127), draw.randrange(0xD800), draw.randrange(0x10000, 0x110000)])) for _ in range(draw.randrange(6)))

def value(draw, packed, depth=0):
    """Any value that the serde has, and JavaScript too."""
    kinds = [lambda: None, lambda: draw.random() < 0.5, lambda: draw.randrange(-(2**53) + 1, 2**53), lambda: draw.uniform(-1e300, 1e300),
             lambda: draw.randrange(300), lambda: text(draw)]
    if packed:
        kinds += [lambda: draw.randrange(-(2**63), 2**64), lambda: draw.randbytes(draw.randrange(300))]
    if depth < 4:
        kinds += [lambda: [value(draw, packed, depth + 1) for _ in range(draw.randrange(5))],
                  lambda: {text(draw): value(draw, packed, depth + 1) for _ in range(draw.randrange(5))}]
    return draw.choice(kinds)()

def differing(echo, serde, count, seed):
    """The values, of so many, that do not come back as they went."""
    draw = random.Random(seed)
    wrong = []
    for _ in range(count):
        sent = draw.randbytes(draw.randrange(1, 3000)) if serde == RAW else value(draw, serde == MSGPACK)
        got = echo(sent)
        if got != sent:
            wrong.append([repr(sent), repr(got)])
    return wrong

print("ready", flush=True)
for line in sys.stdin:
    try:
        print(json.dumps(eval(line), default=repr), flush=True)
    except Exception as error:
        print(json.dumps({"module": type(error).__module__, "type": type(error).__name__, "text": str(error)}), flush=True)
os._exit(0)
`;

/** Resolves to { run(expression) → its value, or { module, type, text } of what it raised; stop() }. */
export async function startCaller(name, port) {
  const child = spawn(process.env.DAFFI_PYTHON ?? join(ROOT, ".venv/bin/python"), ["-c", PROGRAM, name, String(port)], { stdio: ["pipe", "pipe", "inherit"] });
  child.stdin.on("error", () => {});
  const lines = createInterface({ input: child.stdout });
  const waiting = [];
  const gone = new Promise((done) => child.once("close", done));
  gone.then(() => { for (const { failed } of waiting) failed(new Error("the Python caller has ended")); });
  lines.on("line", (line) => waiting.shift().done(line));
  const next = () => new Promise((done, failed) => waiting.push({ done, failed }));
  const late = setTimeout(() => child.kill("SIGKILL"), 20000);
  await next();
  clearTimeout(late);
  return {
    run(expression) {
      child.stdin.write(`${expression}\n`);
      return next().then(JSON.parse);
    },
    async stop() {
      child.stdin.end();
      const hard = setTimeout(() => child.kill("SIGKILL"), 2000);
      await gone;
      clearTimeout(hard);
    },
  };
}
