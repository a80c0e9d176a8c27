// The mapping: an audit record in, a document out. Plain JavaScript without I/O, clock or randomness, so that the same record and
// the same options always give the same document, and `npm test` tests it without WebAssembly. `component.js` is the shell.

/** What the component says of itself. */
export const DESCRIPTION = "Maps Office 365 audit records";
/** What the documents follow. */
export const OUTPUT_SCHEMA = "ecs-8.11";

/** What becomes of one record: a document, as JSON on one line. */
export const emit = (document) => ({ tag: "emit", val: document });
/** The record is not wanted. */
export const drop = () => ({ tag: "drop" });
/** The record cannot be mapped, and why. The host keeps it as a dead letter. */
export const fail = (reason) => ({ tag: "fail", val: reason });

/** The mapping with its options. */
export class Mapper {
  /**
   * Reads `options` of the transform in the host's configuration, a JSON object. What is unknown is refused: a misspelt option
   * would do nothing. Throws an Error for the person who wrote them.
   */
  constructor(options = "{}") {
    /** Records of these operations are dropped. */
    this.drop = [];
    /** Stand in every document. */
    this.tags = [];
    for (const [name, value] of Object.entries(object(options, "the options are"))) {
      if (name !== "drop" && name !== "tags") {
        throw new Error(`there is no option \`${name}\`; there are \`drop\` and \`tags\``);
      }
      if (!Array.isArray(value) || value.some((text) => typeof text !== "string")) {
        throw new Error(`\`${name}\` must be a list of texts`);
      }
      this[name] = value;
    }
  }

  /** Maps one record, a text. Nobody has checked that it is JSON. */
  map(text) {
    let record;
    try {
      record = object(text, "the record is");
    } catch (error) {
      return fail(error.message);
    }
    if (this.drop.includes(record.Operation)) {
      return drop();
    }
    const time = string(record.CreationTime);
    if (time === undefined) {
      return fail("the record has no CreationTime");
    }
    const document = {
      // The service writes UTC without saying so.
      "@timestamp": `${time.replace(/Z+$/, "")}Z`,
      event: {
        kind: "event",
        id: string(record.Id),
        action: string(record.Operation),
        provider: string(record.Workload),
        outcome: outcome(record.ResultStatus),
      },
    };
    const parts = {
      organization: { id: string(record.OrganizationId) },
      user: { id: string(record.UserId) },
      source: { ip: address(record.ClientIP) },
    };
    for (const [name, part] of Object.entries(parts)) {
      if (Object.values(part).some((value) => value !== undefined)) {
        document[name] = part;
      }
    }
    if (this.tags.length > 0) {
      document.tags = this.tags;
    }
    // Members that are undefined are left out.
    return emit(JSON.stringify(document));
  }
}

function object(text, what) {
  let value;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new Error(`${what} no JSON object: ${error.message}`);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new Error(`${what} no JSON object`);
  }
  return value;
}

function string(value) {
  return typeof value === "string" ? value : undefined;
}

function outcome(status) {
  if (["Succeeded", "Success", "True"].includes(status)) {
    return "success";
  }
  return ["Failed", "Failure", "False"].includes(status) ? "failure" : "unknown";
}

/**
 * The address without the port that some services add: `203.0.113.7:51234`, `[2001:db8::1]:443`. An IPv4 address that is written as
 * one of IPv6 is one of IPv4.
 */
export function address(value) {
  const text = string(value)?.trim() ?? "";
  const withPort = /^(?:\[([^\]]*:[^\]]*)\]|([0-9.]+)):([0-9]+)$/.exec(text);
  if (withPort && Number(withPort[3]) > 65535) {
    return undefined;
  }
  const host = withPort ? (withPort[1] ?? withPort[2]) : text.replace(/^\[|\]$/g, "");
  if (/^(?:0|[1-9][0-9]{0,2})(?:\.(?:0|[1-9][0-9]{0,2})){3}$/.test(host)) {
    return host.split(".").every((part) => Number(part) <= 255) ? host : undefined;
  }
  if (!/^[0-9a-fA-F:.]*:[0-9a-fA-F:.]*$/.test(host)) {
    return undefined;
  }
  let v6;
  try {
    // Checks it, and writes it as everybody does.
    v6 = new URL(`http://[${host}]`).hostname.slice(1, -1);
  } catch {
    return undefined;
  }
  const [, ...halves] = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(v6) ?? [];
  return halves.length === 0 ? v6 : halves.flatMap(bytes).join(".");
}

function bytes(half) {
  const number = Number.parseInt(half, 16);
  return [number >> 8, number & 255];
}
