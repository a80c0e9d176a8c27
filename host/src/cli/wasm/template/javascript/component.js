// The component: a thin shell around the mapping, and the only place that knows the contract in `wit/transform.wit`.

import { DESCRIPTION, Mapper, OUTPUT_SCHEMA, fail } from "./mapping.js";

const decoder = new TextDecoder("utf-8", { fatal: true });
const encoder = new TextEncoder();

/** An instance has one thread and one configuration. */
let mapping = new Mapper();

export const mapper = {
  describe() {
    return { name: "{{name}}", version: "0.1.0", description: DESCRIPTION, outputSchema: OUTPUT_SCHEMA };
  },

  configure(options) {
    try {
      mapping = new Mapper(options);
    } catch (error) {
      // The error of the contract is a text.
      throw error.message;
    }
  },

  transformBatch(_context, events) {
    return events.map(one);
  },
};

/** An exception would cost the whole batch a second try: it is the fault of this record. */
function one(event) {
  let text;
  try {
    text = decoder.decode(event);
  } catch {
    return fail("the record is no UTF-8");
  }
  try {
    const outcome = mapping.map(text);
    return outcome.tag === "emit" ? { tag: "emit", val: encoder.encode(outcome.val) } : outcome;
  } catch (error) {
    return fail(`the mapping failed: ${error.message}`);
  }
}
