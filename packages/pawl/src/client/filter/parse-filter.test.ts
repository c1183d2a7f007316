import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { FilterInvalid } from "../../base/errors.ts";
import { parseField, parseFilter } from "./parse-filter.ts";

const state = { of: "text", name: "state" } as const;
const team = { of: "label", name: "team" } as const;
const size = { of: "attribute", name: "size" } as const;
const priority = { of: "number", name: "priority" } as const;
const createdAt = { of: "time", name: "createdAt" } as const;

function refusal(text: unknown): FilterInvalid {
  try {
    parseFilter(text);
  } catch (error) {
    if (error instanceof FilterInvalid) return error;
    throw error;
  }
  throw new Error(`"${String(text)}" was taken`);
}

describe("a filter", () => {
  test.each([
    ['state == "failed"', { kind: "compare", field: state, operator: "==", value: "failed" }],
    ['status == "failed"', { kind: "compare", field: state, operator: "==", value: "failed" }],
    ['"acme" != labels.team', { kind: "compare", field: team, operator: "!=", value: "acme" }],
    ["10 < attributes.size", { kind: "compare", field: size, operator: ">", value: 10 }],
    ["-1.5 >= attributes.size", { kind: "compare", field: size, operator: "<=", value: -1.5 }],
    ['labels["a/b.c-d"] == "x"', { kind: "compare", field: { of: "label", name: "a/b.c-d" }, operator: "==", value: "x" }],
    ["priority <= -1", { kind: "compare", field: priority, operator: "<=", value: -1 }],
    ["priority in [0, 5]", { kind: "in", field: priority, values: [0, 5] }],
    ["attributes.size", { kind: "compare", field: size, operator: "==", value: true }],
    ['state in ["failed", "cancelled"]', { kind: "in", field: state, values: ["failed", "cancelled"] }],
    ['"team" in labels', { kind: "has", field: team }],
    ["has(attributes.size)", { kind: "has", field: size }],
    ['workflow.startsWith("in")', { kind: "text", field: { of: "text", name: "workflow" }, test: "startsWith", text: "in" }],
    ['labels.team.contains("c")', { kind: "text", field: team, test: "contains", text: "c" }],
    ['createdAt >= timestamp("2026-11-21T10:00:00+01:00")', { kind: "compare", field: createdAt, operator: ">=", value: { time: Date.UTC(2026, 10, 21, 9) } }],
    [
      'createdAt < timestamp("2026-11-21") + duration("1h30m")',
      { kind: "compare", field: createdAt, operator: "<", value: { time: Date.UTC(2026, 10, 21, 1, 30) } },
    ],
    ['createdAt > now() - duration("2 days")', { kind: "compare", field: createdAt, operator: ">", value: { sinceNow: -172_800_000 } }],
    ['!(state == "failed")', { kind: "not", of: { kind: "compare", field: state, operator: "==", value: "failed" } }],
  ])("reads %s", (text, filter) => {
    expect(parseFilter(text)).toEqual(filter);
  });

  test("keeps && and || apart, and long chains flat", () => {
    const part = 'labels.team == "a"';
    const one = parseFilter(part);
    expect(parseFilter(`${part} && ${part} || !(${part})`)).toEqual({
      kind: "or",
      of: [
        { kind: "and", of: [one, one] },
        { kind: "not", of: one },
      ],
    });
    expect(parseFilter(Array(20).fill(part).join(" || "))).toEqual({ kind: "or", of: Array(20).fill(one) });
  });

  test.each<[unknown, number, RegExp]>([
    ["state ==", 9, /unexpected/i],
    ['state == "failed" && (labels.team == "a"', 41, /expected/i],
    ['nonsense == "a"', 1, /no field "nonsense"; there are state, workflow/],
    ['state == "sleeping"', 10, /no state; there are pending, running/],
    ['state == "continued_as_new"', 10, /how earlier runs end, and the execution goes on: handle\.runs\(\).*For executions there are pending/],
    ['state in ["failed", "continued_as_new"]', 21, /how earlier runs end/],
    ["workflow == 3", 13, /workflow is a string, and this is a number/],
    ['priority == "5"', 13, /priority is a number, and this is a string/],
    ["priority in [1, true]", 17, /priority is a number, and this is a boolean/],
    ["priority > now()", 12, /priority is a number, and this is a time/],
    ['priority.startsWith("1")', 1, /priority is a number, not a string/],
    ["priority", 1, /no condition/],
    ["createdAt > 3", 13, /createdAt is a time/],
    ['createdAt > "2026-11-21"', 13, /timestamp\("/],
    ["labels.team == 3", 16, /a label is a string/],
    ['state < "failed"', 1, /have no order/],
    ["attributes.urgent < true", 1, /no order/],
    ["attributes.size == null", 20, /has\(\)/],
    ["attributes.size + 1 == 2", 1, /field|value/],
    ['attributes.when > timestamp("yesterday")', 29, /no time/],
    ['attributes.when > now() - duration("a while")', 36, /duration/],
    ['attributes.when > duration("1h")', 19, /compared with nothing/],
    ["attributes.a.b == 1", 1, /hold|names/],
    ["attributes[0] == 1", 1, /name in quotes/],
    ["labels", 1, /no condition/],
    ['labels == "a"', 1, /say which one/],
    ["state", 1, /no condition/],
    ["labels.team", 1, /true or false/],
    ["state == workflow", 1, /two fields/],
    ["1 == 1", 1, /no field/],
    ["state in []", 10, /empty/],
    ["attributes.size in [1, true]", 24, /one type/],
    ["attributes.size in labels.team", 20, /list/],
    ['workflow.matches("a+")', 1, /no matches\(\) here/],
    ['createdAt.startsWith("2")', 1, /is a time/],
    ["workflow.startsWith(1)", 21, /takes a string/],
    ['workflow == "\ud83d"', 13, /surrogate/],
    ['labels["\ud83d"] == "a"', 1, /surrogate/],
    ["size(labels) == 1", 1, /size\(\)|no/],
    ["true ? true : false", 1, /no condition/],
    ["[1].exists(x, x == 1)", 1, /exists/],
    ["", 1, /empty/],
    [7, 1, /a filter is a text/],
    [`workflow == "${"x".repeat(4000)}"`, 4001, /at most 4000/],
    [`${"(".repeat(100)}true${")".repeat(100)}`, 33, /too large/],
    [`state in [${Array(300).fill('"failed"').join(",")}]`, 1, /too large/],
  ])("%j is refused", (text, position, reason) => {
    const error = refusal(text);
    expect(error.message).toMatch(reason);
    expect(error.code).toBe("FILTER_INVALID");
    if (position > 1) expect(error.position).toBe(position);
  });

  test("is read or refused, whatever it is", () => {
    const pieces = fc.constantFrom(
      "state",
      "labels.a",
      'attributes["b"]',
      "createdAt",
      "==",
      "!=",
      "<",
      "in",
      "&&",
      "||",
      "!",
      "(",
      ")",
      "[",
      "]",
      '"x"',
      "1",
      "-",
      "now()",
      "has(",
      ".",
      ",",
      "true",
      "null",
      "\0",
      "'",
    );
    fc.assert(
      fc.property(
        fc.oneof(
          fc.array(pieces, { maxLength: 12 }).map((parts) => parts.join(" ")),
          fc.string(),
        ),
        (text) => {
          try {
            parseFilter(text);
          } catch (error) {
            expect(error).toBeInstanceOf(FilterInvalid);
          }
        },
      ),
      { numRuns: 500 },
    );
  });
});

test("a field to group by is read as in a filter", () => {
  expect(parseField("state")).toEqual(state);
  expect(parseField('labels["team"]')).toEqual(team);
  expect(() => parseField("labels")).toThrow(FilterInvalid);
  expect(() => parseField("state ==")).toThrow(FilterInvalid);
});
