// Names, handshakes, events, members and call ids through the built app.wasm.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { App, BAD, MEMORY, NONE, TOO_LARGE, fromHex, vectors } from "./app.mjs";

const TYPES = ["connected", "disconnected", "evicted"];

function fresh(own = "me") {
  const app = new App();
  assert.equal(app.call.members_reset(app.put(own)), 0);
  return app;
}

function methodsOf(app, index) {
  const count = app.call.member_methods(index);
  return count === NONE ? null : Array.from({ length: count }, (_, method) => app.windowText(app.call.member_method(index, method)));
}

const membersOf = (app) => Array.from({ length: app.call.members_count() }, (_, index) =>
  ({ name: app.windowText(app.call.member_name(index)), methods: methodsOf(app, index) }));

describe("names", () => {
  const app = new App();
  for (const { name, hex, accepted } of vectors("core/names.json")) {
    test(name, () => {
      const bytes = fromHex(hex);
      app.window.set(bytes);
      assert.equal(app.call.members_reset(bytes.length), accepted ? 0 : BAD);
      assert.equal(app.call.handshake_begin(bytes.length, 0), accepted ? 0 : BAD);
    });
  }
  test("lengths past the window", () => {
    for (const run of ["members_reset", "member_pick", "member_find", "handshake_begin"]) {
      for (const length of [16385, 0xffffffff]) assert.equal(app.call[run](length, 0), TOO_LARGE, run);
    }
  });
});

describe("handshakes of servers", () => {
  for (const { name, json, refused, type, error = null, bridge = [0, 0, 0, 0], members } of vectors("core/handshakes.json")) {
    test(name, () => {
      const app = fresh();
      const read = app.readHandshake(json);
      if (refused) {
        assert.ok(read === BAD || read === MEMORY);
        assert.ok(app.fault().length > 10);
        assert.equal(app.call.members_count(), 0);
        return;
      }
      assert.equal(read, type === "service" ? 1 : 2);
      assert.equal(app.fields[0] === 0 ? null : app.pointed(0), error);
      assert.deepEqual([...app.fields.subarray(2, 6)], bridge);
      assert.equal(app.fields[6], members.length);
      assert.equal(app.pointed(7), members.map((member) => member.name).join("|"));
      assert.deepEqual(membersOf(app), members);
    });
  }

  test("replaced or added, and untouched by a refusal or by what can't be read", () => {
    const app = fresh();
    const of = (members, error = null) => JSON.stringify({ meta: { type: "router", error }, members });
    const [a, b, c] = ["a", "b", "c"].map((name) => ({ name, methods: [`f-${name}`] }));
    app.readHandshake(of([a, b]));
    app.readHandshake(of([c]), 0);
    assert.deepEqual(membersOf(app), [a, b, c]);
    assert.equal(app.readHandshake(of([], "taken")), 2);
    assert.ok(app.readHandshake("nonsense") < 0);
    assert.deepEqual(membersOf(app), [a, b, c]);
    app.readHandshake(of([b]));
    assert.deepEqual(membersOf(app), [b]);
    assert.equal(app.call.member_pick(app.put("f-a")), NONE);
  });
});

describe("one's own handshake", () => {
  const app = new App();
  const json = (name, methods) => JSON.stringify({ meta: { type: "client" }, members: [{ name, methods }] });
  for (const [name, methods] of [["me", null], ["me", []], ["мир", ["f"]], ['a "b" \\', ["f", "ж", "g\t\u0001\"\\"]],
    ["many", Array.from({ length: 4096 }, (_, index) => `method-${index}`)]]) {
    test(`${name} with ${methods?.length ?? "no"} methods`, () => {
      assert.deepEqual(JSON.parse(app.handshake(name, methods)), JSON.parse(json(name, methods)));
    });
  }
  test("byte for byte as JSON.stringify writes it, where nothing is escaped", () => {
    assert.equal(app.handshake("me", ["f", "g"]), json("me", ["f", "g"]));
  });
  test("out of order, twice the same, one too many", () => {
    app.handshake("me", null);
    assert.equal(app.call.handshake_method(app.put("f")), BAD);
    assert.equal(app.call.handshake_end(), BAD);
    assert.equal(app.handshake("me", ["f", "f"]), BAD);
    assert.equal(app.handshake("me", Array.from({ length: 4097 }, (_, index) => `m${index}`)), TOO_LARGE);
    assert.equal(typeof app.handshake("me", null), "string");
  });
});

describe("events", () => {
  const app = fresh();
  for (const { name, json, refused, type, member } of vectors("core/events.json")) {
    test(name, () => {
      const read = app.readEvent(json);
      if (refused) {
        assert.equal(read, BAD);
        return;
      }
      assert.equal(TYPES[read], type);
      assert.equal(app.windowText(app.fields[0]), member);
    });
  }
});

describe("members", () => {
  for (const { name, self, steps } of vectors("core/members.json")) {
    test(name, () => {
      const app = fresh(self);
      const find = (member) => app.call.member_find(app.put(member));
      for (const [verb, first, second, third] of steps) {
        switch (verb) {
          case "put":
            assert.equal(app.readHandshake(JSON.stringify({ meta: { type: "router" }, members: [{ name: first, methods: second }] }), 0), 2);
            break;
          case "leave":
            assert.equal(app.readEvent(JSON.stringify({ type: "disconnected", member: first })), 1);
            break;
          case "count":
            assert.equal(app.call.members_count(), first);
            break;
          case "pick":
            assert.equal(app.windowText(app.call.member_pick(app.put(first))), second);
            break;
          case "names":
            assert.deepEqual(membersOf(app).map((member) => member.name), first);
            break;
          case "methods":
            assert.deepEqual(methodsOf(app, find(first)), second);
            break;
          case "exposes": {
            const index = find(first);
            assert.equal(app.call.member_exposes(index, app.put(second)) === 1, third);
            break;
          }
          default:
            assert.fail(verb);
        }
      }
    });
  }

  test("indexes and methods that are not there", () => {
    const app = fresh();
    for (const index of [0, 1, 0xffffffff]) {
      assert.equal(app.call.member_name(index), NONE);
      assert.equal(app.call.member_methods(index), NONE);
      assert.equal(app.call.member_method(index, 0), NONE);
      assert.equal(app.call.member_exposes(index, app.put("f")), NONE);
    }
  });

  test("before there is a registry", () => {
    const app = new App();
    assert.equal(app.call.members_count(), 0);
    assert.equal(app.call.member_pick(app.put("f")), NONE);
    assert.equal(app.call.member_find(app.put("f")), NONE);
    assert.equal(app.readEvent('{"type":"disconnected","member":"w"}'), 1);
    assert.equal(app.readHandshake('{"meta":{"type":"router"},"members":[{"name":"w","methods":["f"]}]}', 0), 2);
    assert.equal(app.call.members_count(), 1);
  });
});

describe("call ids", () => {
  test("start where the page's seed says, never at 0, and go round", () => {
    const firsts = [[0, 1], [1, 2], [4711, 4712], [65533, 65534], [65534, 65535], [65535, 1], [65536, 2], [0xffffffff, 1]];
    for (const [seed, first] of firsts) assert.equal(new App(seed).call.call_open(), first, `seed ${seed}`);
    const app = new App(65533);
    assert.deepEqual(Array.from({ length: 4 }, () => app.call.call_open()), [65534, 65535, 1, 2]);
  });

  test("start at 1 where an older daffi.js gives no seed for them", () => {
    const app = new App();
    assert.equal(app.call.call_open(), 1);
  });

  test("are not moved once one is given out", () => {
    const app = new App(99);
    assert.equal(app.call.call_open(), 100);
    app.call.seed(1, 7777);
    assert.equal(app.call.call_open(), 101);
  });

  test("never 0, never one in flight, the longest unused first", () => {
    const app = new App();
    const first = app.call.call_open();
    assert.ok(first > 0);
    assert.equal(app.call.call_close(first), 0);
    assert.equal(app.call.call_close(first), NONE);
    const again = app.call.call_open();
    assert.notEqual(again, first);
    app.call.call_close(again);
    const seen = new Set();
    for (let index = 0; index < 65535; index++) seen.add(app.call.call_open());
    assert.equal(seen.size, 65535);
    assert.ok(!seen.has(0) && Math.min(...[...seen].slice(0, 1000)) > 0);
    assert.equal(app.call.call_open(), NONE);
    assert.equal(app.call.calls_count(), 65535);
    assert.equal(app.call.call_close(4242), 0);
    assert.equal(app.call.call_open(), 4242);
    for (const id of [0, 65536 + 4242, 0xffffffff]) assert.equal(app.call.call_close(id), NONE);
  });
});
