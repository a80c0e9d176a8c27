// The mapping alone, and the fixtures through it. `o365-host test` runs the same fixtures through the component.

import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import test from "node:test";

import { Mapper, address } from "../src/mapping.js";

/** As in pipeline.yaml. */
const OPTIONS = '{"drop": ["MailboxLogin"], "tags": ["{{name}}"]}';
const FIXTURES = new URL("../fixtures/", import.meta.url);

function document(mapper, record) {
  const outcome = mapper.map(JSON.stringify(record));
  assert.equal(outcome.tag, "emit", outcome.val);
  return JSON.parse(outcome.val);
}

test("the time is UTC", () => {
  const found = document(new Mapper(), { CreationTime: "2026-01-15T10:00:00" });
  assert.equal(found["@timestamp"], "2026-01-15T10:00:00Z");
  assert.equal(found.event.outcome, "unknown");
  assert.equal(found.user, undefined, "nothing is made up");
});

test("an address has no port", () => {
  assert.equal(address("203.0.113.7:51234"), "203.0.113.7");
  assert.equal(address("203.0.113.7"), "203.0.113.7");
  assert.equal(address("[2001:db8::1]:443"), "2001:db8::1");
  assert.equal(address("2001:db8::1"), "2001:db8::1");
  assert.equal(address("2001:DB8:0:0::1"), "2001:db8::1");
  assert.equal(address("::ffff:203.0.113.7"), "203.0.113.7");
  assert.equal(address("[203.0.113.7]"), "203.0.113.7");
  assert.equal(address("[203.0.113.7]:443"), undefined);
  assert.equal(address("203.0.113.7:99999"), undefined);
  assert.equal(address("fe80::1%eth0"), undefined);
  assert.equal(address("010.0.113.7"), undefined);
  assert.equal(address("999.0.113.7"), undefined);
  assert.equal(address("<null>"), undefined);
});

test("options are checked", () => {
  const mapper = new Mapper('{"drop": ["MailboxLogin"], "tags": ["mine"]}');
  assert.deepEqual(mapper.map('{"Operation": "MailboxLogin"}'), { tag: "drop" });
  assert.deepEqual(document(mapper, { CreationTime: "2026-01-15T10:00:00" }).tags, ["mine"]);
  assert.throws(() => new Mapper('{"tag": []}'), /no option `tag`/);
  assert.throws(() => new Mapper('{"tags": "mine"}'), /list of texts/);
  assert.throws(() => new Mapper("[]"), /no JSON object/);
});

test("what is no record fails with the reason", () => {
  for (const [record, reason] of [
    ["nonsense", "no JSON object"],
    ["[1]", "no JSON object"],
    ["{}", "no CreationTime"],
  ]) {
    const outcome = new Mapper().map(record);
    assert.equal(outcome.tag, "fail");
    assert.ok(outcome.val.includes(reason), `${record}: ${outcome.val}`);
  }
});

test("every fixture becomes what is expected", () => {
  const mapper = new Mapper(OPTIONS);
  const read = (name) => JSON.parse(readFileSync(new URL(name, FIXTURES), "utf8"));
  const isFixture = (name) => name.endsWith(".json") && !name.endsWith("-expected.json");
  let found = 0;
  for (const name of readdirSync(FIXTURES).filter(isFixture)) {
    const got = read(name).events.map((event) => {
      const outcome = mapper.map(JSON.stringify(event));
      assert.notEqual(outcome.tag, "fail", `${name}: ${outcome.val}`);
      return outcome.tag === "drop" ? null : JSON.parse(outcome.val);
    });
    assert.deepEqual(got, read(`${name}-expected.json`).expected, name);
    found += got.length;
  }
  assert.ok(found > 0, "no fixture was found");
});
