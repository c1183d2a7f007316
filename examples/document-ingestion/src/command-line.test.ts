import { describe, expect, test } from "vitest";
import { parseCommand, UsageError } from "./command-line.ts";

const defaults = { concurrency: 4, top: 3, directory: undefined };

describe("the command line", () => {
  test("understands each command", () => {
    expect(parseCommand(["ingest", "./docs"])).toEqual({ name: "ingest", folder: "./docs", options: defaults });
    expect(parseCommand(["search", "what is a pawl?"])).toEqual({ name: "search", question: "what is a pawl?", options: defaults });
    expect(parseCommand(["demo"])).toEqual({ name: "demo", options: defaults });
    expect(parseCommand(["help"])).toEqual({ name: "help" });
    expect(parseCommand(["ingest", "-h"])).toEqual({ name: "help" });
  });

  test("takes a question that was not quoted", () => {
    expect(parseCommand(["search", "what", "is", "this"])).toMatchObject({ question: "what is this" });
  });

  test("takes options before and after the command", () => {
    const options = { concurrency: 8, top: 5, directory: "/data" };
    expect(parseCommand(["--concurrency", "8", "ingest", "x", "--top=5", "--directory", "/data"])).toMatchObject({ options });
  });

  test.each([
    [[], "No command given."],
    [["serach", "x"], 'There is no command "serach".'],
    [["ingest"], "ingest needs a folder"],
    [["ingest", "a", "b"], "One argument was expected, got 2: a b"],
    [["search"], "search needs a question"],
    [["search", "   "], "search needs a question"],
    [["demo", "x"], "demo takes no arguments"],
    [["demo", "--concurrency", "0"], '--concurrency takes a whole number from 1 to 1000, got "0".'],
    [["demo", "--top", "many"], '--top takes a whole number from 1 to 1000, got "many".'],
    [["demo", "--verbose"], "--verbose"],
  ])("refuses %j and says why", (args, message) => {
    expect(() => parseCommand(args)).toThrow(UsageError);
    expect(() => parseCommand(args)).toThrow(message);
  });
});
