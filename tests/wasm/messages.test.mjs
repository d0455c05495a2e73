// Messages and pickled errors through the built app.wasm.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { App, BAD, HEAD_MAX, MORE, TOO_LARGE, fromHex, toHex, vectors } from "./app.mjs";

const app = new App();
const FLAGS = ["HANDSHAKE", "REQUEST", "RESPONSE", "ERROR", "EVENTS"];
const text = (bytes) => new TextDecoder().decode(bytes);

/** Decodes and encodes again: the head has to be the same. */
function roundTrip(bytes) {
  const offset = app.decode(bytes);
  assert.ok(offset >= 11, app.fault());
  const [uuid, flag, decoder, isBytes, returnResult, size] = app.fields;
  assert.equal(size, bytes.length);
  app.head.fill(0xaa, 0, 9);
  const kind = flag | (decoder << 4) | (isBytes << 6) | (returnResult << 7);
  assert.equal(app.call.message_encode(uuid, kind, offset - 9, bytes.length - offset), offset);
  assert.equal(toHex(app.head.slice(0, offset)), toHex(bytes.subarray(0, offset)));
  return { uuid, flag, decoder, payload: bytes.subarray(offset) };
}

describe("what the released daffi says", () => {
  for (const { name, sent, received } of vectors("daffi-3.0.1.json")) {
    test(name, () => {
      for (const hex of [sent, received]) {
        if (typeof hex !== "string" || hex === "") continue;
        const bytes = fromHex(hex);
        const { flag, decoder, payload } = roundTrip(bytes);
        const [transmitter, receiver, method] = [6, 8, 10].map((index) => app.part(index));
        assert.equal(`${transmitter}|${receiver}|${method}`, text(bytes.subarray(9, bytes.length - payload.length)));
        if (FLAGS[flag] === "HANDSHAKE" && hex === received) {
          const { meta, members } = JSON.parse(text(payload));
          assert.equal(app.readHandshake(payload), meta.type === "service" ? 1 : 2);
          assert.equal(app.fields[6], members.length);
          assert.equal(app.pointed(7), members.map((member) => member.name).join("|"));
        } else if (FLAGS[flag] === "HANDSHAKE") {
          // a client's own: ours writes the same, byte for byte
          const { name: own, methods } = JSON.parse(text(payload)).members[0];
          if (!/unknown/.test(name) && !text(payload).includes('"error"')) assert.equal(app.handshake(own, methods), text(payload));
        } else if (FLAGS[flag] === "EVENTS") {
          const { type, member } = JSON.parse(text(payload));
          const read = app.readEvent(payload);
          assert.equal(["connected", "disconnected", "evicted"][read], type);
          assert.equal(app.windowText(app.fields[0]), member);
        } else if (decoder === 2) {
          assert.equal(app.lend(payload, app.call.pickle_error), 0);
        } else if (decoder === 3) {
          walk(payload);
        }
      }
    });
  }
});

/** Reads all heads of a msgpack payload through the window. */
function walk(payload) {
  app.window.set(payload);
  let at = 0;
  let values = 1;
  for (; values > 0; values--) {
    at = app.call.unpack(at, payload.length);
    assert.ok(at > 0);
    const [kind, , length] = app.fields;
    if (kind === 5 || kind === 6) at += length;
    if (kind === 7) values += length;
    if (kind === 8) values += 2 * length;
  }
  assert.equal(at, payload.length);
}

describe("messages", () => {
  for (const given of vectors("core/messages.json")) {
    test(given.name, () => {
      const bytes = fromHex(given.hex);
      if (given.verdict !== "message") {
        assert.equal(app.decode(bytes), given.verdict === "more" ? MORE : BAD);
        assert.ok(app.fault().length > 10);
        if (given.verdict === "more") assert.equal(app.fields[0], given.size);
        return;
      }
      const { uuid, flag, decoder, payload } = roundTrip(bytes);
      assert.equal(app.decode(bytes), bytes.length - payload.length);
      assert.deepEqual(
        { uuid, flag, decoder, is_bytes: app.fields[3] === 1, return_result: app.fields[4] === 1, payload: toHex(payload),
          transmitter: app.part(6), receiver: app.part(8), function: app.part(10) },
        Object.fromEntries(["uuid", "flag", "decoder", "is_bytes", "return_result", "payload", "transmitter", "receiver", "function"]
          .map((key) => [key, given[key]])));
    });
  }

  test("the head alone is enough, and every byte less is too little", () => {
    const bytes = fromHex(vectors("core/messages.json").find(({ name }) => name === "names of several scripts").hex);
    const offset = app.decode(bytes);
    for (let length = 0; length < bytes.length; length++) {
      const result = app.decode(bytes.subarray(0, length));
      assert.equal(result, length < offset ? MORE : offset);
      if (length < offset) assert.equal(app.fields[0], length < 9 ? 9 : bytes.length);
    }
  });

  test("the wire's limits", () => {
    app.head.fill(120);
    app.head[9] = app.head[HEAD_MAX - 1] = 124;
    assert.equal(app.call.message_encode(1, 1, 32767, 33554431 - 32767), HEAD_MAX);
    assert.equal(app.call.message_decode(0xffffffff), HEAD_MAX);
    assert.equal(app.fields[5], 33554440);
    for (const [metadata, payload] of [[32767, 33554432 - 32767], [32768, 0], [-1, -1]]) {
      assert.equal(app.call.message_encode(1, 1, metadata, payload), TOO_LARGE);
      assert.match(app.fault(), /\d{5}/);
    }
    assert.equal(app.call.message_encode(1, 15, 32767, 0), BAD);
    assert.equal(app.call.message_encode(1, 1, 5, 0), BAD);
  });
});

describe("pickled errors", () => {
  const shown = (index) => text(app.memory.slice(app.fields[index], app.fields[index] + app.fields[index + 1]));
  for (const given of [...vectors("core/pickles.json"), ...vectors("pickles.json")]) {
    test(given.name, () => {
      const { type, module, repeat: [letter, times] = ["", 0], behind = "" } = given;
      const bytes = fromHex((given.pickle ?? given.hex) + toHex(new TextEncoder().encode(letter)).repeat(times) + behind);
      const result = app.lend(bytes, (at, length) => {
        const read = app.call.pickle_error(at, length);
        return read < 0 ? read : [shown(0), shown(2), shown(4)];
      });
      assert.deepEqual(result, type === undefined ? BAD : [type, module, given.text + letter.repeat(times)]);
    });
  }
});
